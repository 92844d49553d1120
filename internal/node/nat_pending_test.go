package node_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/tun"
)

// keepalives make a node send something to each peer at least so often, as far as
// it can.
func keepalives(every time.Duration) func(*node.Config) {
	return func(c *node.Config) {
		for i := range c.Peers {
			f := reflect.ValueOf(&c.Peers[i]).Elem().FieldByName("Keepalive")
			if f.IsValid() {
				f.SetInt(int64(every))
			}
		}
	}
}

// idleBehindNAT is how long nothing is said before B calls A.
const idleBehindNAT = 10 * time.Second

// With keepalives more frequent than the router's memory is long, B reaches A at
// any time. See natted for the drawing.
func TestKeepalivesKeepTheWayIn(t *testing.T) {
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			n := startNatted(t, f, keepalives(time.Second))
			call := n.aCallsB(t)
			call.goesOn(t, "A called")
			call.finish(t)
			before := n.lan.Count(lab.AtoB).UDP
			timer := time.NewTimer(idleBehindNAT)
			<-timer.C
			t.Logf("%d datagrams from A in %v of idleness", n.lan.Count(lab.AtoB).UDP-before, idleBehindNAT)
			back := n.bCallsA(t)
			defer back.finish(t)
			back.goesOn(t, "B called back")
		})
	}
}

// The router gives A another port while B is the one who sends. A has nothing to
// say, and hears nothing that it could answer, until a keepalive of its shows B the
// new port.
func TestNATRebindingOfReceiver(t *testing.T) {
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			n := startNatted(t, f, keepalives(time.Second))
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

// For IPv6 the kernel takes the interface that a datagram names as a wish only: the
// route into the node's own interface wins all the same, unless the socket is bound
// to the interface.
func TestOwnInterfaceIsDefaultRouteOfIPv6(t *testing.T) { ownInterfaceIsDefaultRoute(t, v6) }

// Another tunnel, by a name that says nothing, becomes A's best default route. It
// leads nowhere. Its addresses are no locators, and the node's datagrams do not
// follow its route.
//
//	     ┌── vpn0, metric 1 ──> nothing
//	A ───┤
//	     └── a1, metric 100 ─── core ── b1 ── B
func TestOtherTunnelIsDefaultRoute(t *testing.T) {
	for _, f := range []family{v6, v4} {
		t.Run(f.String(), func(t *testing.T) {
			s := newStar(t)
			d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, f)}, []netip.Addr{s.b1.plug(t, f)})
			tcp := d.aCallsB(t)
			defer tcp.finish(t)
			tcp.goesOn(t, "before")
			inTunnel := netip.MustParsePrefix("2001:db8:99::1/64")
			if f == v4 {
				inTunnel = netip.MustParsePrefix("10.99.0.1/24")
			}
			openTunnel(t, s.a, "vpn0", inTunnel)
			must(t, s.a.AddRoute(defaultInto("vpn0", f)))
			tcp.goesOn(t, "with the tunnel")
			eventually(t, patience, "news of the tunnel", func() bool { return knows(d.a, inTunnel.Addr()) })
			if state := locatorState(d.a, inTunnel.Addr()); state != "none" {
				t.Errorf("the tunnel's address is a locator: %s", state)
			}
			tcp.goesOn(t, "after that")
			if local, _ := awaitPrimary(t, d.a); s.carrying(local) != s.a1 {
				t.Errorf("A sends from %v, want a1", local)
			}
		})
	}
}

// openTunnel makes a TUN device, of which nothing comes out again.
func openTunnel(t *testing.T, h *lab.Host, name string, address netip.Prefix) {
	t.Helper()
	must(t, h.Do(func() error {
		device, err := tun.Open(tun.Config{Name: name, MTU: innerMTU, Addresses: []netip.Prefix{address}})
		if err == nil {
			t.Cleanup(func() { must(t, device.Close()) })
		}
		return err
	}))
}

// knows reports whether n has heard of an address of its host.
func knows(n *node.Node, a netip.Addr) bool {
	s, _ := n.Status()
	for _, l := range s.Locators {
		if l.Address == a.String() {
			return true
		}
	}
	return false
}
