package node_test

import (
	"net/netip"
	"testing"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/tun"
)

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
