package shim

import (
	"testing"
	"time"

	"github.com/multi6/multi6/wire"
)

// TestRestKeepsReplaysOut: a session that has rested takes nothing that it has received
// before, in order or not, nor what was late for it, and everything newer.
func TestRestKeepsReplaysOut(t *testing.T) {
	for _, cipher := range []wire.Ciphers{wire.AES256GCM, wire.ChaCha20Poly1305} {
		a, b := sessionsOf(t, cipher)
		var sent [][]byte
		for range 20 {
			sent = append(sent, sealed(t, a, ipv6(17, innerAddrs[0], innerAddrs[1], udpBytes("x"))))
		}
		want := func(n int, want Drop) {
			t.Helper()
			if _, _, d := opened(b, sent[n]); d != want {
				t.Errorf("number %d: %v, want %v", n, d, want)
			}
		}
		rest := func() {
			a.rest()
			b.rest()
			if a.holds() || b.holds() {
				t.Error("a session at rest holds memory")
			}
		}
		want(1, DropNone)
		want(3, DropNone)
		rest()
		for n := range 4 {
			want(n, DropReplayed) // 0 and 2 come so late that they are not told from copies
		}
		want(6, DropNone)
		want(5, DropNone)
		want(4, DropNone)
		want(5, DropReplayed)
		rest()
		rest()
		want(6, DropReplayed)
		want(7, DropNone)
		sent = append(sent, sealed(t, a, ipv6(17, innerAddrs[0], innerAddrs[1], udpBytes("y"))))
		want(20, DropNone)
	}
}

// TestRestAfterOutage: after an outage in which all pairs were tried in vain the context is
// quiet, though packets went with the tests, and where it begins again is known.
func TestRestAfterOutage(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.chat(time.Second, 10*time.Millisecond)
	from := w.a.c.lostSince()
	w.fate = func(*flight) []time.Duration { return nil }
	w.a.setLocals(w.a.without(w.a.path.Pair.Local)...)
	for range 100 {
		w.a.send(w.a.udp("into the void"))
		w.run(20 * time.Millisecond)
	}
	if got := w.a.c.lostSince(); got > from+100*time.Millisecond {
		t.Errorf("packets count as lost since %v, want %v", got, from)
	}
	w.run(time.Hour)
	if c := w.a.c; !c.Quiet() {
		t.Errorf("after an hour it is not quiet: %v", w)
	}
}

// TestRest: a context that is quiet gives back what it holds, and goes on afterwards as if
// nothing had been.
func TestRest(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.chat(time.Second, 10*time.Millisecond)
	w.run(5 * time.Second)
	for _, h := range []*host{w.a, w.b} {
		if !h.c.Quiet() || !h.c.Holds() {
			t.Fatalf("%s: quiet %v, holds %v after a chat", h.name, h.c.Quiet(), h.c.Holds())
		}
		h.perform(h.c.Rest(w.now, nil))
		if h.c.Holds() {
			t.Errorf("%s still holds something", h.name)
		}
	}
	if !w.talk(time.Second) {
		t.Error("no packet gets through after the rest")
	}
	suspicions := w.a.c.machine.Stats().Suspicions
	w.chat(time.Second, 10*time.Millisecond)
	if n := w.a.c.machine.Stats().Suspicions - suspicions; n != 0 {
		t.Errorf("%d suspicions after the rest", n)
	}
}
