package node_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
)

// The routes by which A reaches B change, not its addresses: the better of two
// default routes goes, and then a better one comes. The core drops what comes by
// the wrong uplink, so that it counts by which one packets leave: for IPv6 the
// kernel takes the interface that a datagram names as a wish only, and the best
// route decides.
//
//	    ┌── a1, metric 100 ──┐
//	A ──┤                    ├─ core ── b1 ── B
//	    └── a2, metric 200 ──┘
func TestMetricTakeover(t *testing.T) {
	for _, f := range []family{v6, v4} {
		t.Run(f.String(), func(t *testing.T) {
			s := newStar(t)
			must(t, s.core.FilterSources())
			d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, f), s.a2.plug(t, f)}, []netip.Addr{s.b1.plug(t, f)})
			tcp := d.aCallsB(t)
			defer tcp.finish(t)
			tcp.goesOn(t, "before")
			must(t, s.a.DelRoute(s.a1.defaultRoute(f, home)))
			tcp.goesOn(t, "a1 has lost its default route")
			eventually(t, patience, "A to use the uplink with a route", func() bool {
				local, _ := primaryOf(d.a)
				return s.carrying(local) == s.a2
			})
			must(t, s.a.AddRoute(s.a1.gateway(f, 300)))
			tcp.goesOn(t, "a1 has a worse one than a2")
			must(t, s.a.AddRoute(s.a1.gateway(f, 50)))
			tcp.goesOn(t, "a1 has a better one")
			must(t, s.a.DelRoute(s.a2.defaultRoute(f, home)))
			tcp.goesOn(t, "a2 has lost its default route")
		})
	}
}

// gateway returns a default route by u's router at home.
func (u *uplink) gateway(f family, metric int) lab.Route {
	return lab.DefaultRoute(u.name, u.prefix(f, home, coreEnd).Addr(), metric)
}

// A's best default route leads into the node's own interface, as an administrator
// may set it who wants all to go to the peer. The node's own datagrams must not
// follow: they would come back to it without end.
//
//	     ┌── shim0, metric 1 ──> the node
//	A ───┤
//	     └── a1, metric 100 ──── core ── b1 ── B
func TestOwnInterfaceIsDefaultRoute(t *testing.T) { ownInterfaceIsDefaultRoute(t, v4) }

func ownInterfaceIsDefaultRoute(t *testing.T, f family) {
	s := newStar(t)
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, f)}, []netip.Addr{s.b1.plug(t, f)})
	must(t, s.a.AddRoute(defaultInto("shim0", f))) // before the first word, so also for the Open
	tcp := d.aCallsB(t)
	tcp.goesOn(t, "with the route")
	datagrams := func() uint64 { return s.a1.link.Count(lab.AtoB).UDP + s.a1.link.Count(lab.BtoA).UDP }
	outer, inner, bytes := datagrams(), outPackets(t, s.a, "shim0"), tcp.received.Load()
	tcp.moves(t, 1<<20, patience)
	outer, inner, bytes = datagrams()-outer, outPackets(t, s.a, "shim0")-inner, tcp.received.Load()-bytes
	// TCP fills its packets and acknowledges most. A loop would make it thousands.
	if most := uint64(4*bytes/innerMTU) + 100; outer > most || inner > most {
		t.Errorf("%d datagrams on a1 and %d packets into shim0 for %d bytes, want at most %d", outer, inner, bytes, most)
	}
	tcp.finish(t)
	quiet(t, "a1", datagrams)
	quiet(t, "shim0", func() uint64 { return outPackets(t, s.a, "shim0") })
}

// defaultInto returns the best default route there is, into a tunnel.
func defaultInto(name string, f family) lab.Route {
	any := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	if f == v4 {
		any = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return lab.Route{To: any, Interface: name, Metric: 1}
}

// outPackets returns how many packets the kernel has sent by an interface.
func outPackets(t *testing.T, h *lab.Host, name string) uint64 {
	t.Helper()
	n, err := h.Traffic(name)
	must(t, err)
	return n.OutPackets
}

// quiet waits until count stands still for a second.
func quiet(t *testing.T, what string, count func() uint64) {
	t.Helper()
	last, since := count(), time.Now()
	eventually(t, patience, "silence on "+what, func() bool {
		if now := count(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
}

// For IPv6 the kernel takes the interface that a datagram names as a wish only: the
// route into the node's own interface wins all the same, unless the socket is bound
// to the interface.
func TestOwnInterfaceIsDefaultRouteOfIPv6(t *testing.T) { ownInterfaceIsDefaultRoute(t, v6) }
