package node_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/shim"
)

// A natted is A behind a router that hides it, and forgets UDP traffic after two
// seconds:
//
//	A ── lan (emulated) ── nat ── wan ── B
//	 fd00:77::/64             2001:db8:77::/64
//	 192.168.77.0/24          10.77.0.0/24
//
// A is .2 and ::2, B is .1 and ::1, the router .254 and ::fe. B knows no route
// to A.
type natted struct {
	*duo
	nat   *lab.Host
	lan   *lab.Link
	ofB   netip.Addr
	outer netip.Addr
}

// forgetful is how long the router remembers UDP traffic: the least that WireGuard's
// own tests go by.
const forgetful = 2 * time.Second

// startNatted runs the nodes. B is not told where A is.
func startNatted(t *testing.T, f family, edit ...func(*node.Config)) *natted {
	t.Helper()
	of := func(four, six string) netip.Prefix {
		if f == v4 {
			return netip.MustParsePrefix(four)
		}
		return netip.MustParsePrefix(six)
	}
	end := func(h *lab.Host, p netip.Prefix) lab.End { return lab.End{Host: h, Addrs: []netip.Prefix{p}} }
	a, b := newSpace(t, "a", lab.SpaceOptions{}), newSpace(t, "b", lab.SpaceOptions{})
	n := &natted{nat: newSpace(t, "nat", lab.SpaceOptions{Router: true})}
	own, inside := of("192.168.77.2/24", "fd00:77::2/64"), of("192.168.77.254/24", "fd00:77::fe/64")
	outside, far := of("10.77.0.254/24", "2001:db8:77::fe/64"), of("10.77.0.1/24", "2001:db8:77::1/64")
	n.ofB, n.outer = far.Addr(), outside.Addr()
	var err error
	n.lan, err = lab.JoinEmulated("lan", end(a, own), end(n.nat, inside), access, 1)
	must(t, err)
	t.Cleanup(func() { must(t, n.lan.Close()) })
	must(t, lab.Join("wan", end(n.nat, outside), end(b, far)))
	must(t, a.AddRoute(lab.DefaultRoute("lan", inside.Addr(), 100)))
	must(t, n.nat.SetUDPTimeouts(forgetful, forgetful))
	must(t, n.nat.Masquerade("wan", lab.NATOptions{}))
	n.duo = startDuo(t, a, b, nil, []netip.Addr{n.ofB}, edit...)
	awaitLocator(t, n.a, own.Addr(), "operational")
	return n
}

// A reaches B from behind the router, and again after the router has forgotten it:
// a connection that was quiet for longer goes on.
func TestBehindNAT(t *testing.T) {
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			n := startNatted(t, f)
			tcp := n.aCallsB(t)
			tcp.goesOn(t, "through NAT")
			if _, remote := primaryOf(n.b); remote != n.outer {
				t.Errorf("B sends to %v, want the router's %v", remote, n.outer)
			}
			tcp.finish(t)
			time.Sleep(2 * forgetful) // what is forgotten cannot be waited for: to look renews it
			again := n.aCallsB(t)
			defer again.finish(t)
			again.goesOn(t, "after the router has forgotten")
		})
	}
}

// The router forgets in mid-transfer, and gives A another port: from then on B's
// packets go nowhere until B learns of it.
func TestNATRebinding(t *testing.T) {
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			n := startNatted(t, f)
			must(t, n.nat.Masquerade("wan", lab.NATOptions{RandomPorts: true}))
			tcp := n.aCallsB(t)
			defer tcp.finish(t)
			tcp.goesOn(t, "before")
			for range 3 {
				must(t, n.nat.ForgetConntrack())
				tcp.goesOn(t, "another port, A sends")
			}
		})
	}
}

// keepalives sets how a node keeps itself reachable for its peers.
func keepalives(mode time.Duration) func(*node.Config) {
	return func(c *node.Config) {
		for i := range c.Peers {
			c.Peers[i].Keepalive = mode
		}
	}
}

// idleBehindNAT is how long nothing is said before B calls A.
const idleBehindNAT = 10 * time.Second

// A node that finds itself behind the router stays reachable, without being told to.
// See natted for the drawing.
func TestKeepalivesKeepTheWayIn(t *testing.T) {
	for _, tt := range []struct {
		name      string
		mode      time.Duration
		reachable bool
	}{{"auto", shim.KeepaliveAuto, true}, {"1 s", time.Second, true}, {"off", shim.KeepaliveOff, false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startNatted(t, v4, keepalives(tt.mode))
			call := n.aCallsB(t)
			call.goesOn(t, "A called")
			call.finish(t)
			before := n.lan.Count(lab.AtoB).UDP
			time.Sleep(idleBehindNAT) // to say nothing is what is tested
			t.Logf("%d datagrams from A in %v of idleness", n.lan.Count(lab.AtoB).UDP-before, idleBehindNAT)
			if !tt.reachable {
				n.bCannotCallA(t)
				return
			}
			back := n.bCallsA(t)
			defer back.finish(t)
			back.goesOn(t, "B called back")
		})
	}
}

// bCannotCallA makes sure that the router is in the way: else the test would prove
// nothing.
func (n *natted) bCannotCallA(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	c, err := n.hostB.Dial(ctx, "tcp6", netip.AddrPortFrom(n.idA, 9).String())
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("B's call of A without keepalives: %v, want a time-out", err)
	}
}

// The router gives A another port while B is the one who sends. A has nothing to
// say, and hears nothing that it could answer, until a keepalive of its shows B the
// new port.
func TestNATRebindingOfReceiver(t *testing.T) {
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			n := startNatted(t, f, keepalives(shim.KeepaliveAuto))
			must(t, n.nat.Masquerade("wan", lab.NATOptions{RandomPorts: true}))
			call := n.aCallsB(t)
			call.goesOn(t, "A called")
			call.finish(t)
			tcp := n.bCallsA(t)
			defer tcp.finish(t)
			tcp.goesOn(t, "before")
			for range 3 {
				must(t, n.nat.ForgetConntrack())
				tcp.goesOn(t, "another port, B sends")
			}
		})
	}
}
