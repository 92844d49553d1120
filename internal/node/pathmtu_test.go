package node_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
)

// jumbo is the MTU of all links of a wide star, and jumboInner what the nodes'
// interfaces get to carry as much.
const (
	jumbo      = 9000
	jumboInner = jumbo - 38
)

// newWideStar is newStar with jumbo frames on all links.
func newWideStar(t *testing.T) *star {
	t.Helper()
	s := newStar(t)
	for _, u := range []*uplink{s.a1, s.a2, s.b1, s.b2} {
		must(t, s.core.SetMTU(u.name, jumbo))
		must(t, u.host.SetMTU(u.name, jumbo))
	}
	return s
}

func wideInner(c *node.Config) { c.MTU = jumboInner }

// pathMTU returns the path MTU of n's primary pair once its search is over, zero before.
func pathMTU(n *node.Node) int {
	s, _ := n.Status()
	for _, p := range s.Peers[0].Pairs {
		if p.Primary && p.PathMTUState == "search complete" {
			return p.PathMTU
		}
	}
	return 0
}

// awaitMTU waits until the path MTU that n has found is about mtu.
func awaitMTU(t *testing.T, n *node.Node, mtu int) (got int) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("path MTU of %d", mtu), func() bool {
		got = pathMTU(n)
		return mtu-8 < got && got <= mtu
	})
	return got
}

// tcpMTU returns how long the packets of the only TCP connection of a host may be, as its
// kernel believes.
func tcpMTU(t *testing.T, h *lab.Host) (mtu int) {
	t.Helper()
	must(t, h.Do(func() error {
		sockets, err := netlink.SocketDiagTCPInfo(unix.AF_INET6)
		for _, s := range sockets {
			if s.InetDiagMsg.State == netlink.TCP_ESTABLISHED && s.TCPInfo != nil {
				mtu = int(s.TCPInfo.Pmtu)
			}
		}
		return err
	}))
	return mtu
}

// A shrinking is a way in which A's path to B by a1 comes to carry less.
type shrinking struct {
	name string
	do   func(s *star, mtu int) error
}

var shrinkings = []shrinking{
	{"told by a router", func(s *star, mtu int) error { return s.core.SetMTU(s.b1.name, mtu) }},
	{"told by nobody", func(s *star, mtu int) error { return s.a1.link.SetBoth(narrowed(mtu)) }},
	{"at the own interface", func(s *star, mtu int) error { return s.a.SetMTU(s.a1.name, mtu) }},
}

// TestPathShrinksInMidFlow: under a TCP stream the path comes to carry less and less.
func TestPathShrinksInMidFlow(t *testing.T) {
	for _, f := range []family{v6, v4} {
		for _, c := range shrinkings {
			for _, offloads := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v %s, offloads %v", f, c.name, offloads), func(t *testing.T) { shrink(t, f, c, offloads) })
			}
		}
	}
}

func shrink(t *testing.T, f family, c shrinking, offloads bool) {
	s := newWideStar(t)
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, f)}, []netip.Addr{s.b1.plug(t, f)}, wideInner)
	if !offloads {
		for _, u := range []*uplink{s.a1, s.b1} {
			must(t, u.host.DisableOffloads(u.name))
			must(t, u.host.DisableOffloads("shim0"))
		}
	}
	tcp := d.aCallsB(t)
	defer tcp.finish(t)
	tcp.goesOn(t, "before")
	for _, mtu := range []int{jumbo, 1500, 1280} {
		if mtu < jumbo {
			must(t, c.do(s, mtu))
			tcp.goesOn(t, fmt.Sprintf("%d", mtu))
		}
		found := awaitMTU(t, d.a, mtu)
		tcp.goesOn(t, "found")
		want := max(found-38, 1280)
		if f == v4 {
			want = min(max(found-18, 1280), jumboInner)
		}
		eventually(t, patience, fmt.Sprintf("MTU of %d in TCP", want), func() bool { return tcpMTU(t, s.a) == want })
	}
}

func narrowed(mtu int) lab.Impairment {
	i := access
	i.MTU = mtu
	return i
}

// TestSwitchToNarrowPair: the primary pair fails in mid-flow, and the other one carries
// much less than it did. The other end's does, too, and nobody tells.
func TestSwitchToNarrowPair(t *testing.T) {
	s := newWideStar(t)
	must(t, s.a2.link.SetBoth(narrowed(1280)))
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, v6), s.a2.plug(t, v6)}, []netip.Addr{s.b1.plug(t, v6)}, wideInner)
	tcp := d.aCallsB(t)
	defer tcp.finish(t)
	tcp.goesOn(t, "before")
	if local, _ := awaitPrimary(t, d.a); s.carrying(local) != s.a1 {
		d.switchTo(t, "a1")
	}
	awaitMTU(t, d.a, jumbo)
	tcp.goesOn(t, "wide")
	dead := access
	dead.Blackhole = true
	must(t, s.a1.link.SetBoth(dead))
	tcp.goesOn(t, "switched")
	awaitMTU(t, d.a, 1280)
	tcp.goesOn(t, "narrow")
}

// TestMoveBetweenFamilies: a stream that moves to IPv4 makes no use of what that has more room
// for, so that it need not send again what is under way when it moves back to IPv6.
func TestMoveBetweenFamilies(t *testing.T) {
	s := newStar(t)
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, v6), s.a2.plug(t, v4)}, []netip.Addr{s.b1.plug(t, v6), s.b2.plug(t, v4)}, wideInner)
	tcp := d.aCallsB(t)
	defer tcp.finish(t)
	tcp.goesOn(t, "before")
	for _, local := range []string{"a2", "a1", "a2"} {
		d.switchTo(t, local)
		awaitMTU(t, d.a, 1500)
		tcp.goesOn(t, local)
		if got := tcpMTU(t, s.a); got != 1500-38 {
			t.Errorf("at %s: MTU of %d in TCP, want %d", local, got, 1500-38)
		}
	}
}

// TestOversizedDatagram: datagrams that may not be fragmented and are too long for the
// path are refused, as soon as the host has been told; those that may be, or that IPv6
// says every link carries, arrive even over a path that is too narrow for them.
func TestOversizedDatagram(t *testing.T) {
	a4, b4 := netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("10.99.0.2")
	s := newWideStar(t)
	must(t, s.a1.link.SetBoth(narrowed(1280)))
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, v6)}, []netip.Addr{s.b1.plug(t, v6)}, wideInner, func(c *node.Config) {
		own, others := a4, b4
		if c.Peers[0].Name == "a" {
			own, others = b4, a4
		}
		c.Addresses = []netip.Prefix{netip.PrefixFrom(own, 32)}
		c.Peers[0].Routes = []netip.Prefix{netip.PrefixFrom(others, 32)}
	})
	k6, k4 := newTalk(t, d, d.idA, d.idB), newTalk(t, d, a4, b4)
	k6.arrives(t, 1000)
	stop := k6.babble(t) // the search goes on while there is traffic
	awaitMTU(t, d.a, 1280)
	stop()
	for _, id := range []netip.Addr{d.idB, b4} {
		// The route says nothing: as if only the packets themselves could tell.
		must(t, d.hostA.AddRoute(lab.Route{To: netip.PrefixFrom(id, id.BitLen()), Interface: "shim0"}))
	}
	t.Run("IPv6", func(t *testing.T) {
		k6.fragments(t, false)
		k6.arrives(t, 1242) // 38 bytes are added
		k6.arrives(t, 1280) // in parts
		k6.runArrives(t, 1280, 3)
		before := drops(d.a)["oversize"]
		k6.refused(t, 1281)
		if drops(d.a)["oversize"] == before {
			t.Error("not counted")
		}
	})
	t.Run("IPv4", func(t *testing.T) {
		k4.fragments(t, true)
		k4.arrives(t, 1208) // 72 bytes are added
		k4.arrives(t, 1209)
		k4.arrives(t, 8000)
		k4.fragments(t, false)
		k4.refused(t, 1209)
		k4.arrives(t, 1208)
	})
}
