package netwatch

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

const none locator.State = 0

func TestFirstSnapshot(t *testing.T) {
	l := newLab(t)
	l.add(l.near, "up0", "192.0.2.1/24", 0)
	l.run()
	l.next("the first snapshot")
	f := l.fact("192.0.2.1")
	if want := uint32(l.link(l.near, "up0").Attrs().Index); f.Name != "up0" || f.Interface != want || !f.RouterReachable {
		t.Errorf("%+v, want interface %d", f, want)
	}
	l.untilState("192.0.2.1", locator.Operational)
}

func TestAddressComesAndGoes(t *testing.T) {
	l := newLab(t)
	l.run()
	for _, prefix := range []string{"192.0.2.1/24", "2001:db8::1/64"} {
		a, _, _ := strings.Cut(prefix, "/")
		l.add(l.near, "up0", prefix, unix.IFA_F_NODAD)
		l.untilState(a, locator.Operational)
		l.remove(l.near, "up0", prefix)
		l.untilState(a, none)
	}
}

func TestDuplicateAddressDetection(t *testing.T) {
	l := newLab(t)
	l.run()
	l.add(l.near, "up0", "2001:db8::1/64", 0)
	l.until("the tentative address", func() bool { return l.fact("2001:db8::1").Tentative })
	if s := l.table.State(l.fact("2001:db8::1").Addr); s != none {
		t.Errorf("tentative address is %v", s)
	}
	l.untilState("2001:db8::1", locator.Operational)
}

func TestDuplicateAddress(t *testing.T) {
	l := newLab(t)
	l.add(l.far, "up0", "2001:db8::1/64", unix.IFA_F_NODAD)
	l.run()
	l.add(l.near, "up0", "2001:db8::1/64", 0)
	l.until("the duplicate", func() bool { return l.fact("2001:db8::1").DADFailed })
	if s := l.table.State(l.fact("2001:db8::1").Addr); s != none {
		t.Errorf("duplicate address is %v", s)
	}
}

func TestDeprecatedAddress(t *testing.T) {
	l := newLab(t)
	l.run()
	a := addr("2001:db8::1/64", unix.IFA_F_NODAD)
	a.ValidLft, a.PreferedLft = 1000, 0
	l.must(l.near.AddrAdd(l.link(l.near, "up0"), a))
	l.untilState("2001:db8::1", locator.Operational)
	l.until("deprecation", func() bool { return l.fact("2001:db8::1").Deprecated })
}

func TestLinkDownAndBack(t *testing.T) {
	l := newLab(t)
	l.add(l.near, "up0", "192.0.2.1/24", 0)
	l.add(l.near, "up0", "2001:db8::1/64", unix.IFA_F_NODAD)
	l.run()
	l.untilState("192.0.2.1", locator.Operational)
	l.untilState("2001:db8::1", locator.Operational)
	l.setUp(l.near, "up0", false)
	l.untilState("192.0.2.1", locator.Available)
	l.untilState("2001:db8::1", none) // Linux takes IPv6 addresses away.
	l.setUp(l.near, "up0", true)
	l.untilState("192.0.2.1", locator.Operational)
}

func TestCarrierLostAndBack(t *testing.T) {
	l := newLab(t)
	l.add(l.near, "up0", "192.0.2.1/24", 0)
	l.add(l.near, "up0", "2001:db8::1/64", unix.IFA_F_NODAD)
	l.run()
	l.untilState("192.0.2.1", locator.Operational)
	l.untilState("2001:db8::1", locator.Operational)
	l.setUp(l.far, "up0", false)
	l.untilState("192.0.2.1", locator.Available)
	l.untilState("2001:db8::1", locator.Available)
	l.setUp(l.far, "up0", true)
	l.untilState("192.0.2.1", locator.Operational)
	l.untilState("2001:db8::1", locator.Operational)
}

func TestInterfaceComesAndGoes(t *testing.T) {
	l := newLab(t)
	l.run()
	l.next("the first snapshot")
	l.wire("up1")
	l.add(l.near, "up1", "192.0.2.1/24", 0)
	l.untilState("192.0.2.1", locator.Operational)
	l.must(l.near.LinkDel(l.link(l.near, "up1")))
	l.untilState("192.0.2.1", none)
}

// Events that the kernel had to drop (ENOBUFS) are made up for, and those after
// them still heard.
func TestLostEvents(t *testing.T) {
	l := newLab(t)
	l.must(l.watcher.bell.SetReceiveBufferSize(1, false))
	l.burst(240) // Nobody listens yet, so the buffer must overflow.
	l.run()
	l.next("the first snapshot")
	l.add(l.near, "up0", "192.0.2.1/24", 0)
	l.untilState("192.0.2.1", locator.Operational)
	if !strings.Contains(l.logged.String(), unix.ENOBUFS.Error()) {
		t.Errorf("no overflow happened; log:\n%s", l.logged)
	}
}

// A subscription that is broken for good ends Run.
func TestBrokenBell(t *testing.T) {
	l := newLab(t)
	l.watcher.bell.Close()
	if err := l.watcher.Run(t.Context()); err == nil {
		t.Error("Run ended without error")
	}
}

// A dead router stays dead while the kernel asks for it again and again, and is
// found when it comes back, though nobody sends to it.
func TestDefaultRouter(t *testing.T) {
	t.Run("ipv4", func(t *testing.T) {
		testDefaultRouter(t, netlink.FAMILY_V4, "192.0.2.1", "192.0.2.254/24", "203.0.113.1")
	})
	t.Run("ipv6", func(t *testing.T) {
		testDefaultRouter(t, netlink.FAMILY_V6, "2001:db8::1", "2001:db8::fe/64", "2001:db8:ffff::1")
	})
}

func testDefaultRouter(t *testing.T, family int, own, router, beyond string) {
	l := newLab(t)
	gw, bits, _ := strings.Cut(router, "/")
	l.add(l.near, "up0", own+"/"+bits, unix.IFA_F_NODAD)
	l.defaultRoute(gw)
	l.run()
	l.untilState(own, locator.Operational)

	l.inNear(func() { // Traffic that needs the router.
		c, err := net.Dial("udp", net.JoinHostPort(beyond, "9"))
		l.must(err)
		defer c.Close()
		_, err = c.Write([]byte("hello"))
		l.must(err)
	})
	l.untilState(own, locator.Available)
	if f := l.fact(own); f.RouterReachable || !f.Up {
		t.Errorf("%+v", f)
	}

	// Asked again and failed again: no snapshot may say otherwise, even one
	// taken in the midst of it because of something else.
	l.poll("a new attempt", func() bool { return l.neighbourIs(family, gw, unix.NUD_INCOMPLETE) })
	l.add(l.near, "up0", "198.51.100.1/24", 0)
	l.poll("its failure", func() bool { return l.neighbourIs(family, gw, unix.NUD_FAILED) })
	l.until("the other address", func() bool {
		if l.fact(own).RouterReachable {
			t.Errorf("the dead router came alive: %+v", l.fact(own))
		}
		return l.fact("198.51.100.1").Addr.IsValid()
	})

	l.add(l.far, "up0", router, unix.IFA_F_NODAD)
	l.untilState(own, locator.Operational)
}

// A router that answers when it is asked once more has not failed, even if the kernel gave it up.
func TestRouterIsAskedOnceMore(t *testing.T) {
	l := newLab(t)
	const own, router = "2001:db8::1", "2001:db8::fe"
	l.add(l.far, "up0", router+"/64", unix.IFA_F_NODAD)
	l.add(l.near, "up0", own+"/64", unix.IFA_F_NODAD)
	l.defaultRoute(router)
	l.run()
	known := func() bool { return l.neighbourIs(netlink.FAMILY_V6, router, unix.NUD_REACHABLE) }
	l.poll("the router to be known", known)
	l.untilState(own, locator.Operational)
	l.giveUp("up0", router)
	l.poll("the router to be known again", func() bool {
		select {
		case l.last = <-l.watcher.Facts():
			if f := l.fact(own); !f.RouterReachable {
				t.Errorf("the router has failed: %+v", f)
			}
		default:
		}
		return known()
	})
}

// A router is looked for as soon as it can be, though nobody sends to it yet, and again when
// its link comes back.
func TestRouterIsMet(t *testing.T) {
	for _, family := range []struct {
		number            int
		own, router, bits string
	}{
		{netlink.FAMILY_V4, "192.0.2.1", "192.0.2.254", "/24"},
		{netlink.FAMILY_V6, "2001:db8::1", "2001:db8::fe", "/64"},
	} {
		t.Run(family.router, func(t *testing.T) {
			l := newLab(t)
			l.add(l.far, "up0", family.router+family.bits, unix.IFA_F_NODAD)
			l.add(l.near, "up0", family.own+family.bits, unix.IFA_F_NODAD)
			l.defaultRoute(family.router)
			l.run()
			known := func() bool { return l.neighbourIs(family.number, family.router, unix.NUD_REACHABLE) }
			l.poll("the router to be known", known)
			l.setUp(l.far, "up0", false)
			l.poll("the router to be forgotten", func() bool { return !known() })
			l.untilState(family.own, locator.Available) // the Watcher has seen it
			l.setUp(l.far, "up0", true)
			if family.number == netlink.FAMILY_V6 { // its address went with the link
				l.add(l.far, "up0", family.router+family.bits, unix.IFA_F_NODAD)
			}
			l.poll("the router to be known again", known)
		})
	}
}

// defaultRoute gives near a default route through gw, and little patience with
// routers that do not answer.
func (l *lab) defaultRoute(gw string) {
	l.t.Helper()
	index := l.link(l.near, "up0").Attrs().Index
	l.must(l.near.RouteAdd(&netlink.Route{LinkIndex: index, Gw: net.ParseIP(gw)}))
	for _, family := range []string{"ipv4", "ipv6"} {
		l.sysctl(family+"/neigh/up0/retrans_time_ms", "20")
	}
}

// What was read of a router before it was asked once more is not its answer, though links and
// addresses are read meanwhile.
func TestOldNewsOfARouter(t *testing.T) {
	l := newLab(t)
	const router = "2001:db8::fe"
	l.add(l.near, "up0", "2001:db8::1/64", unix.IFA_F_NODAD)
	l.defaultRoute(router)
	l.giveUp("up0", router)
	for _, n := range []news{tableNews, hostNews, hostNews} {
		l.watcher.pending.Store(uint32(n))
		l.must(l.watcher.refresh())
	}
	g := gateway{l.link(l.near, "up0").Attrs().Index, netip.MustParseAddr(router)}
	if v := l.watcher.verdicts[g]; v != doubted {
		t.Errorf("verdict %d of %v, want %d", v, g, doubted)
	}
}

// giveUp has near's kernel give up its neighbour ip, as when it does not answer.
func (l *lab) giveUp(name, ip string) {
	l.t.Helper()
	index := l.link(l.near, name).Attrs().Index
	l.must(l.near.NeighSet(&netlink.Neigh{LinkIndex: index, IP: net.ParseIP(ip), State: unix.NUD_FAILED}))
}

// neighbourIs reports whether near's neighbour entry of ip is in state.
func (l *lab) neighbourIs(family int, ip string, state int) bool {
	list, err := l.near.NeighList(0, family)
	l.must(err)
	return slices.ContainsFunc(list, func(n netlink.Neigh) bool {
		return n.State == state && n.IP.Equal(net.ParseIP(ip))
	})
}
