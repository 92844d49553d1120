package netwatch

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A routeCase is a way to set up routes, and what becomes of datagrams from own0 by
// up0 and from own1 by up1: whether they are routable and leave.
type routeCase struct {
	name string
	// worse is the metric of up1's default route; up0's is 100. Zero is for none.
	worse int
	more  func(l *lab, f family)
	// leaves is for up0 and up1.
	leaves [2]bool
	only   int // family, zero for both
}

var routeCases = []routeCase{
	{name: "the only default route", leaves: [2]bool{true, false}},
	{name: "default routes of different metric", worse: 200, leaves: [2]bool{true, true}},
	{name: "default routes of one metric", more: func(l *lab, f family) {
		n, err := netlink.ParseIPNet(f.all)
		l.must(err)
		l.must(l.near.RouteAdd(&netlink.Route{Dst: n, Priority: 50, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: l.link(l.near, "up0").Attrs().Index, Gw: net.ParseIP(f.gw0)},
			{LinkIndex: l.link(l.near, "up1").Attrs().Index, Gw: net.ParseIP(f.gw1)},
		}}))
	}, leaves: [2]bool{true, true}},
	{name: "a better route to the peer by the other", worse: 200, more: func(l *lab, f family) {
		l.must(l.near.RouteAdd(l.route("up0", f.net, f.gw0)))
	}, leaves: [2]bool{true, true}},
	{name: "a rule for the source", more: func(l *lab, f family) {
		l.tableFrom(f, f.own1, "up1", f.gw1)
	}, leaves: [2]bool{true, true}},
	{name: "a rule that leads to the other", more: func(l *lab, f family) {
		l.tableFrom(f, f.own1, "up0", f.gw0)
	}, leaves: [2]bool{true, false}},
	{name: "a rule that leads to the other, and a route for all", worse: 200, more: func(l *lab, f family) {
		l.tableFrom(f, f.own1, "up0", f.gw0)
	}, leaves: [2]bool{true, true}},
	{name: "a rule for another source", more: func(l *lab, f family) {
		l.tableFrom(f, f.own0, "up1", f.gw1)
	}, leaves: [2]bool{true, false}},
	{name: "a rule that forbids the source", worse: 200, more: func(l *lab, f family) {
		rule := f.ruleFrom(f.own1)
		rule.Table, rule.Type = 0, unix.FR_ACT_PROHIBIT
		l.must(l.near.RuleAdd(rule))
	}, leaves: [2]bool{true, false}},
	// Were it otherwise, our own datagrams would come back to us.
	{name: "the best default route into a tunnel", worse: 200, more: func(l *lab, f family) {
		l.tun("tun0")
		r := l.route("tun0", f.all, "")
		r.Priority = 1
		l.must(l.near.RouteAdd(r))
	}, leaves: [2]bool{true, true}},
	{name: "a better route nowhere", worse: 200, more: func(l *lab, f family) {
		r := l.route("up0", f.net, "")
		r.LinkIndex, r.Type = 0, unix.RTN_UNREACHABLE
		l.must(l.near.RouteAdd(r))
	}, leaves: [2]bool{true, true}, only: netlink.FAMILY_V6},
}

// tableFrom makes table 100 of one default route, for what comes from address.
func (l *lab) tableFrom(f family, address, name, gw string) {
	l.t.Helper()
	r := l.route(name, f.all, gw)
	r.Table = 100
	l.must(l.near.RouteAdd(r))
	l.must(l.near.RuleAdd(f.ruleFrom(address)))
}

// What is routable leaves by the interface that it names; what is not, the
// kernel does not send, or would not send by a route (IPv4).
func TestRoutableIsWhatLeaves(t *testing.T) {
	for _, c := range routeCases {
		t.Run(c.name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, l *lab, f family) {
				if c.only != 0 && c.only != f.number {
					return
				}
				l.answer(f)
				for i, metric := range []int{100, c.worse} {
					r := l.route([]string{"up0", "up1"}[i], f.all, []string{f.gw0, f.gw1}[i])
					if r.Priority = metric; metric != 0 {
						l.must(l.near.RouteAdd(r))
					}
				}
				if c.more != nil {
					c.more(l, f)
				}
				k := l.talk()
				for i, own := range []string{f.own0, f.own1} {
					name, want := []string{"up0", "up1"}[i], ""
					l.untilRoutable(own, name, f.remote, c.leaves[i])
					if c.leaves[i] {
						want = name
					} else if f.number == netlink.FAMILY_V4 {
						continue
					}
					if got := k.arrivesBy(own, name, f.remote); got != want {
						t.Errorf("sent by %s, arrived by %q, want %q", name, got, want)
					}
				}
			})
		})
	}
}

// answer makes far the router on both links, and the remote.
func (l *lab) answer(f family) {
	l.t.Helper()
	l.add(l.far, "up0", f.gw0+f.bits, unix.IFA_F_NODAD)
	l.add(l.far, "up1", f.gw1+f.bits, unix.IFA_F_NODAD)
	l.add(l.far, "up1", f.remote+map[int]string{netlink.FAMILY_V4: "/32", netlink.FAMILY_V6: "/128"}[f.number], unix.IFA_F_NODAD)
}

// One answer does not rest on the one before.
func TestProberKeepsNothing(t *testing.T) {
	f := bothFamilies[1]
	l := newLab(t)
	l.wire("up1")
	l.add(l.near, "up0", f.own0+f.bits, unix.IFA_F_NODAD)
	l.must(l.near.RouteAdd(l.route("up0", f.all, f.gw0)))
	l.add(l.near, "up1", "fe80::1/64", unix.IFA_F_NODAD)
	up0, up1 := l.link(l.near, "up0").Attrs().Index, l.link(l.near, "up1").Attrs().Index
	for range 3 {
		for _, c := range []struct {
			local  string
			index  int
			remote string
			want   bool
		}{
			{f.own0, up0, f.remote, true},
			{f.own1, up0, f.remote, true}, // though the address is not there
			{f.own1, up1, f.remote, false},
			{f.own0, up1, f.remote, false},
			{"fe80::1", up1, "fe80::2", true},
			{f.own0, 9999, f.remote, false},
			{f.own0, up0, f.own0, true}, // this host
		} {
			q := question{netip.MustParseAddr(c.local), c.index, netip.MustParseAddr(c.remote)}
			if got, err := l.watcher.routing.ask(q); got != c.want || err != nil {
				t.Errorf("%+v: %v, %v; want %v", q, got, err, c.want)
			}
		}
	}
}
