package netwatch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

// What is on the link needs no more; what is beyond it needs a route, though
// IPv4 would take it for on-link too.
func TestRouteComesAndGoes(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab, f family) {
		l.untilRoutable(f.own0, "up0", f.onLink, true)
		l.untilRoutable(f.own0, "up0", f.remote, false)
		l.untilRoutable(f.own0, "up0", f.other, false)
		for _, dst := range []string{f.net, f.all} {
			r := l.route("up0", dst, f.gw0)
			l.quiet()
			l.must(l.near.RouteAdd(r))
			l.untilRoutable(f.own0, "up0", f.remote, true)
			l.untilRoutable(f.own1, "up1", f.remote, false)
			l.quiet()
			l.must(l.near.RouteDel(r))
			l.untilRoutable(f.own0, "up0", f.remote, false)
		}
	})
}

// Routes go with the interface and the address, and the kernel does not always
// tell.
func TestRouteGoesWithInterface(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab, f family) {
		l.must(l.near.RouteAdd(l.route("up0", f.all, f.gw0)))
		l.untilRoutable(f.own0, "up0", f.remote, true)
		l.setUp(l.near, "up0", false)
		l.untilRoutable(f.own0, "up0", f.remote, false)
		l.untilRoutable(f.own0, "up0", f.onLink, false)

		r := l.route("up1", f.all, f.gw1)
		r.Src = net.ParseIP(f.own1)
		l.must(l.near.RouteAdd(r))
		l.untilRoutable(f.own1, "up1", f.remote, true)
		if f.number == netlink.FAMILY_V4 { // IPv6 keeps a route without its source.
			l.remove(l.near, "up1", f.own1+f.bits)
			l.untilRoutable(f.own1, "up1", f.remote, false)
			l.add(l.near, "up1", f.own1+f.bits, 0)
			l.must(l.near.RouteAdd(r))
			l.untilRoutable(f.own1, "up1", f.remote, true)
		}
		index := uint32(l.link(l.near, "up1").Attrs().Index)
		l.must(l.near.LinkDel(l.link(l.near, "up1")))
		l.untilRoutableAt(locator.Local{Addr: netip.MustParseAddr(f.own1), Interface: index}, f.remote, false)
	})
}

// Several default routes: each interface has its own, however good those of
// others are.
func TestRouteMetric(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab, f family) {
		first, second := l.route("up0", f.all, f.gw0), l.route("up1", f.all, f.gw1)
		first.Priority, second.Priority = 100, 200
		l.must(l.near.RouteAdd(first))
		l.untilRoutable(f.own0, "up0", f.remote, true)
		l.untilRoutable(f.own1, "up1", f.remote, false)
		l.must(l.near.RouteAdd(second))
		l.untilRoutable(f.own1, "up1", f.remote, true)
		// The metric of the first changes: first there is a third, then no first.
		third := l.route("up0", f.all, f.gw0)
		third.Priority = 300
		l.must(l.near.RouteAdd(third))
		l.must(l.near.RouteDel(first))
		l.untilRoutable(f.own1, "up1", f.remote, true)
		l.untilRoutable(f.own0, "up0", f.remote, true)
		l.must(l.near.RouteDel(third))
		l.untilRoutable(f.own0, "up0", f.remote, false)
		l.untilRoutable(f.own1, "up1", f.remote, true)
	})
}

// Why the underlay does not leave it at IPV6_PKTINFO: by one socket for all,
// IPv6 packets go by the better route, though they name the other interface.
func TestSendingHeedsTheBetterRoute(t *testing.T) {
	f := bothFamilies[1]
	l := newLab(t)
	l.wire("up1")
	for i, name := range []string{"up0", "up1"} {
		l.add(l.near, name, []string{f.own0, f.own1}[i]+f.bits, unix.IFA_F_NODAD)
		l.add(l.far, name, []string{f.gw0, f.gw1}[i]+f.bits, unix.IFA_F_NODAD)
		r := l.route(name, f.all, []string{f.gw0, f.gw1}[i])
		r.Priority = 100 * (i + 1)
		l.must(l.near.RouteAdd(r))
	}
	l.add(l.far, "up1", f.remote+"/128", unix.IFA_F_NODAD)
	if got := l.arrivesBy(f.own1, "up1", f.remote); got != "up0" {
		t.Errorf("sent by up1, arrived by %s", got)
	}
	if got := l.talk().arrivesBy(f.own1, "up1", f.remote); got != "up1" {
		t.Errorf("sent by up1 through the underlay, arrived by %q", got)
	}
	r := l.route("up0", f.all, f.gw0)
	r.Priority = 100
	l.must(l.near.RouteDel(r))
	if got := l.arrivesBy(f.own1, "up1", f.remote); got != "up1" {
		t.Errorf("sent by up1, arrived by %s", got)
	}
}

func TestRouteEqualMetric(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab, f family) {
		n, err := netlink.ParseIPNet(f.all)
		l.must(err)
		l.must(l.near.RouteAdd(&netlink.Route{Dst: n, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: l.link(l.near, "up0").Attrs().Index, Gw: net.ParseIP(f.gw0)},
			{LinkIndex: l.link(l.near, "up1").Attrs().Index, Gw: net.ParseIP(f.gw1)},
		}}))
		l.untilRoutable(f.own0, "up0", f.remote, true)
		l.untilRoutable(f.own1, "up1", f.remote, true)
	})
}

// Routes that lead nowhere are of all interfaces for IPv4, and of none for IPv6:
// there a worse route by the named one is taken.
func TestRouteNowhere(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab, f family) {
		l.must(l.near.RouteAdd(l.route("up0", f.all, f.gw0)))
		l.untilRoutable(f.own0, "up0", f.remote, true)
		for _, kind := range []int{unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT} {
			r := l.route("up0", f.net, "")
			r.LinkIndex, r.Type = 0, kind
			l.quiet()
			l.must(l.near.RouteAdd(r))
			<-l.watcher.RouteNews()
			l.untilRoutable(f.own0, "up0", f.remote, f.number == netlink.FAMILY_V6)
			l.untilRoutable(f.own1, "up1", f.remote, false)
			l.must(l.near.RouteDel(r))
			l.untilRoutable(f.own0, "up0", f.remote, true)
		}
	})
}

// A table per uplink, chosen by source: how a multihomed host is to be set up.
func TestRouteByRule(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab, f family) {
		l.must(l.near.RouteAdd(l.route("up0", f.all, f.gw0)))
		r := l.route("up1", f.all, f.gw1)
		r.Table = 100
		l.must(l.near.RouteAdd(r))
		l.untilRoutable(f.own0, "up0", f.remote, true)
		l.untilRoutable(f.own1, "up1", f.remote, false)

		rule := f.ruleFrom(f.own1)
		l.quiet()
		l.must(l.near.RuleAdd(rule))
		l.untilRoutable(f.own1, "up1", f.remote, true)
		l.untilRoutable(f.own0, "up0", f.remote, true)
		l.quiet()
		l.must(l.near.RuleDel(rule))
		l.untilRoutable(f.own1, "up1", f.remote, false)
	})
}

// The default route moves into a tunnel, for instance our own: the physical
// interface remains of use where it has a route of its own.
func TestDefaultRouteIntoTunnel(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab, f family) {
		l.must(l.near.RouteAdd(l.route("up0", f.all, f.gw0)))
		l.untilRoutable(f.own0, "up0", f.remote, true)

		l.tun("tun0")
		l.must(l.near.RouteDel(l.route("up0", f.all, f.gw0)))
		l.must(l.near.RouteAdd(l.route("tun0", f.all, "")))
		l.untilRoutable(f.own0, "up0", f.remote, false)
		l.untilRoutable(f.own0, "up0", f.onLink, true)

		l.must(l.near.RouteAdd(l.route("up0", f.remote+map[int]string{netlink.FAMILY_V4: "/32", netlink.FAMILY_V6: "/128"}[f.number], f.gw0)))
		l.untilRoutable(f.own0, "up0", f.remote, true)
	})
}

func TestLinkLocalRoutable(t *testing.T) {
	l := newLab(t)
	l.add(l.near, "up0", "fe80::1/64", unix.IFA_F_NODAD)
	l.run()
	l.untilRoutable("fe80::1", "up0", "fe80::2", true)
	l.setUp(l.near, "up0", false)
	l.untilRoutable("fe80::1", "up0", "fe80::2", false)
}

// Routes that are no default routes ring, but nothing is read because of them.
func TestOtherRoutesAreNotRead(t *testing.T) {
	l := newLab(t)
	l.add(l.near, "up0", "192.0.2.1/24", 0)
	reads := l.countReads(hostNews | routerNews)
	l.run()
	l.untilState("192.0.2.1", locator.Operational)
	before := reads.Load()
	for i := range 500 {
		r := l.route("up0", netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}).String()+"/24", "192.0.2.254")
		l.must(l.near.RouteAdd(r))
	}
	l.untilRoutable("192.0.2.1", "up0", "10.1.243.1", true)
	// The interface's link-local address may become ready at the same time.
	if n := reads.Load() - before; n > 10 {
		t.Errorf("read %d times because of 500 routes", n)
	}
}

// Events that the kernel had to drop make old answers void, though none of those
// that it kept does.
func TestLostRouteEvents(t *testing.T) {
	l := newLab(t)
	l.sysctl("ipv6/conf/all/disable_ipv6", "1") // No events by themselves.
	l.add(l.near, "up0", "192.0.2.1/24", 0)
	l.must(l.watcher.bell.SetReceiveTimeout(&unix.Timeval{Usec: 100_000}))
	l.poll("no more events", func() bool {
		_, _, err := l.watcher.bell.Receive()
		return errors.Is(err, unix.EAGAIN)
	})
	l.must(l.watcher.bell.SetReceiveTimeout(&unix.Timeval{}))
	l.must(l.watcher.bell.SetReceiveBufferSize(1, false))

	l.untilRoutable("192.0.2.1", "up0", "203.0.113.1", false)
	for i := range 240 { // Of no interest, until there is no room.
		r := l.route("up0", fmt.Sprintf("10.0.%d.0/24", i), "")
		r.Table, r.Scope = unix.RT_TABLE_LOCAL, unix.RT_SCOPE_LINK
		l.must(l.near.RouteAdd(r))
	}
	l.must(l.near.RouteAdd(l.route("up0", "203.0.113.0/24", "192.0.2.254")))
	l.run()
	l.untilRoutable("192.0.2.1", "up0", "203.0.113.1", true)
}

// Routable may be called whenever, by whomever.
func TestRoutableAfterClose(t *testing.T) {
	l := newLab(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 100 {
			l.watcher.Routable(someLocal, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		}
	}()
	l.watcher.Close()
	<-done
	if !l.watcher.Routable(someLocal, someRemote) {
		t.Error("not routable for want of a socket")
	}
}
