package lab_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
)

// A router that masquerades hides A's address and goes on with what it knows
// until it is made to forget.
func TestMasquerade(t *testing.T) {
	l := newLine(t)
	ask := l.sources(t)
	var own, known [2]netip.AddrPort
	for i, to := range lineB {
		own[i], _ = ask(to)
	}
	hidden := func(i int) netip.AddrPort {
		from, ok := ask(lineB[i])
		if !ok || from.Addr() != farOfN[i].Addr() {
			t.Errorf("%v hears from %v, %v; want %v", lineB[i], from, ok, farOfN[i].Addr())
		}
		return from
	}
	must(t, l.n.Masquerade("far", lab.NATOptions{}))
	must(t, l.n.ForgetConntrack())
	for i := range lineB {
		if known[i] = hidden(i); known[i].Port() != own[i].Port() {
			t.Errorf("port %d became %d though it was free", own[i].Port(), known[i].Port())
		}
	}
	must(t, l.n.Masquerade("far", lab.NATOptions{RandomPorts: true}))
	for i := range lineB {
		if from := hidden(i); from != known[i] {
			t.Errorf("%v became %v though the router knew it", known[i], from)
		}
	}
	must(t, l.n.ForgetConntrack())
	for i := range lineB {
		if from := hidden(i); from == known[i] { // 1 in 64,512 by chance
			t.Errorf("%v stayed though forgotten", from)
		}
	}
	must(t, l.n.Unmasquerade())
	must(t, l.n.ForgetConntrack())
	for i, to := range lineB {
		if from, ok := ask(to); !ok || from != own[i] {
			t.Errorf("without masquerading %v hears from %v, %v; want %v", to, from, ok, own[i])
		}
	}
}

// Answers come back through the translation until its time is over.
func TestConntrackTimeouts(t *testing.T) {
	l := newLine(t)
	must(t, l.n.SetUDPTimeouts(time.Second, time.Second))
	must(t, l.n.Masquerade("far", lab.NATOptions{}))
	for i, to := range lineB {
		b, err := l.b.ListenPacket("udp", netip.AddrPortFrom(to.Addr(), echoPort).String())
		must(t, err)
		defer b.Close()
		a, err := l.a.ListenPacket("udp", netip.AddrPortFrom(lineA[i].Addr(), 0).String())
		must(t, err)
		defer a.Close()
		_, err = a.WriteTo([]byte("x"), b.LocalAddr())
		must(t, err)
		_ = b.SetReadDeadline(time.Now().Add(patience))
		_, from, err := b.ReadFrom(make([]byte, 8))
		must(t, err)
		// Every answer that arrives renews the translation, so ask less often than it
		// lasts.
		heard := 0
		eventually(t, "the end of the translation", func() bool {
			_, _ = b.WriteTo([]byte("x"), from)
			_ = a.SetReadDeadline(time.Now().Add(brevity))
			if _, _, err := a.ReadFrom(make([]byte, 8)); err != nil {
				return true
			}
			heard++
			time.Sleep(1500 * time.Millisecond)
			return false
		})
		if heard == 0 {
			t.Errorf("%v: no answer came back through the translation", to)
		}
	}
}
