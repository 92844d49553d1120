package netwatch

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/multi6/multi6/locator"
)

// How long it takes from a change to the consumer. Logged, not asserted.
func TestLatency(t *testing.T) {
	const times = 100
	l := newLab(t)
	l.add(l.near, "up0", "192.0.2.1/24", 0)
	l.run()
	l.untilState("192.0.2.1", locator.Operational)
	link := l.link(l.near, "up0")

	var added, removed, down []time.Duration
	for range times {
		start := time.Now()
		l.must(l.near.AddrAdd(link, addr("192.0.2.2/24", 0)))
		l.untilState("192.0.2.2", locator.Operational)
		added = append(added, time.Since(start))
		start = time.Now()
		l.must(l.near.AddrDel(link, addr("192.0.2.2/24", 0)))
		l.untilState("192.0.2.2", none)
		removed = append(removed, time.Since(start))
	}
	for range times {
		start := time.Now()
		l.must(l.near.LinkSetDown(link))
		l.untilState("192.0.2.1", locator.Available)
		down = append(down, time.Since(start))
		l.must(l.near.LinkSetUp(link))
		l.untilState("192.0.2.1", locator.Operational)
	}
	for name, list := range map[string][]time.Duration{"address added": added, "address removed": removed, "link down": down} {
		slices.Sort(list)
		t.Logf("%s: delivered after %v in the median, %v at most", name, list[times/2], list[times-1])
	}
}

// What a question costs, asked of the kernel and answered from memory.
func BenchmarkRoutable(b *testing.B) {
	for _, f := range bothFamilies {
		l := newLab(b)
		l.add(l.near, "up0", f.own0+f.bits, 0)
		l.must(l.near.RouteAdd(l.route("up0", f.net, f.gw0)))
		local, remote := l.local(f.own0, "up0"), netip.MustParseAddr(f.remote)
		b.Run(f.name+"/asked", func(b *testing.B) {
			for b.Loop() {
				l.watcher.routing.forget()
				l.watcher.Routable(local, remote)
			}
		})
		b.Run(f.name+"/kept", func(b *testing.B) {
			for b.Loop() {
				l.watcher.Routable(local, remote)
			}
		})
	}
}

// How long an address's removal takes to deliver on a host of many routes.
func BenchmarkRemovalAmongRoutes(b *testing.B) {
	l := newLab(b)
	l.add(l.near, "up0", "192.0.2.1/24", 0)
	link := l.link(l.near, "up0")
	for i := range 20_000 {
		n := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}).String() + "/24"
		dst, err := netlink.ParseIPNet(n)
		l.must(err)
		l.must(l.near.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst}))
	}
	l.run()
	l.untilState("192.0.2.1", locator.Operational)
	for b.Loop() {
		b.StopTimer()
		l.must(l.near.AddrAdd(link, addr("192.0.2.2/24", 0)))
		l.untilState("192.0.2.2", locator.Operational)
		l.quiet() // The routes have been read.
		b.StartTimer()
		l.must(l.near.AddrDel(link, addr("192.0.2.2/24", 0)))
		l.untilState("192.0.2.2", none)
	}
}
