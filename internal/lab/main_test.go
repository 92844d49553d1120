package lab_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv(asNobody) != "" {
		_, err := lab.New(lab.Config{})
		os.Stdout.WriteString(err.Error())
		if errors.Is(err, os.ErrPermission) {
			os.Exit(nobodyExit)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func newLab(t testing.TB, c lab.Config) *lab.Lab {
	t.Helper()
	testkit.NeedRoot(t)
	l, err := lab.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

const echoPort = 7

// echo answers UDP datagrams to all addresses of h, from the address that they
// came to, until the test ends.
func echo(t testing.TB, h *lab.Host) {
	t.Helper()
	for i := range 2 {
		for _, a := range []netip.Addr{h.Addr6(i), h.Addr4(i)} {
			c, err := h.ListenPacket("udp", netip.AddrPortFrom(a, echoPort).String())
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				answer(c)
			}()
			t.Cleanup(func() {
				c.Close()
				<-done
			})
		}
	}
}

func answer(c net.PacketConn) {
	b := make([]byte, 65536)
	for {
		n, from, err := c.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = c.WriteTo(b[:n], from)
		}
	}
}

// dial opens a UDP socket from local to the echo at remote.
func dial(t testing.TB, h *lab.Host, local, remote netip.Addr) net.Conn {
	t.Helper()
	c, err := h.DialFrom(context.Background(), "udp", local, netip.AddrPortFrom(remote, echoPort).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ping sends one datagram and reports how long the answer took, if it came
// before the deadline.
func ping(c net.Conn, deadline time.Duration) (time.Duration, bool) {
	start := time.Now()
	if _, err := c.Write([]byte("ping")); err != nil {
		return 0, false
	}
	_ = c.SetReadDeadline(start.Add(deadline))
	if _, err := c.Read(make([]byte, 16)); err != nil {
		return 0, false
	}
	return time.Since(start), true
}

// A pair is two locators.
type pair struct{ a, b netip.Addr }

// pairs returns A's four pairs in each family that use its uplink i.
func pairs(l *lab.Lab, i int) []pair {
	var ps []pair
	for j := range 2 {
		ps = append(ps, pair{l.A.Addr6(i), l.B.Addr6(j)}, pair{l.A.Addr4(i), l.B.Addr4(j)})
	}
	return ps
}

const (
	patience = 3 * time.Second        // for what must come
	brevity  = 150 * time.Millisecond // for what must not
)

// reaches reports whether a datagram comes back over p. It tries more than once
// while it may still become true.
func reaches(l *lab.Lab, p pair, wait time.Duration) bool {
	for end := time.Now().Add(wait); ; {
		c, err := l.A.DialFrom(context.Background(), "udp", p.a, netip.AddrPortFrom(p.b, echoPort).String())
		if err == nil {
			_, ok := ping(c, min(wait, 500*time.Millisecond))
			c.Close()
			if ok {
				return true
			}
		}
		if time.Now().After(end) {
			return false
		}
		time.Sleep(time.Millisecond)
	}
}

// pktinfo6 is the control message that pins the outgoing interface (RFC 3542 §6.2).
func pktinfo6(index int) []byte { return (&ipv6.ControlMessage{IfIndex: index}).Marshal() }

func pktinfo4(index int) []byte { return (&ipv4.ControlMessage{IfIndex: index}).Marshal() }
