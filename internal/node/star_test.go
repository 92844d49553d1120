package node_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/testkit"
	"github.com/multi6/multi6/locator"
)

// A star is two hosts with two uplinks each, to one router:
//
//	    ┌── a1 ───┐      ┌─── b1 ──┐
//	A ──┤         ├─core─┤         ├── B
//	    └── a2 ───┘      └─── b2 ──┘
//
// A's uplinks are emulated, B's are veth pairs. The core has addresses of two
// networks on each, home and away, in both families: the hosts have none until a
// test plugs them in. All is reached from everywhere by default routes in the
// main table alone; those of the first uplinks have the better metric.
type star struct {
	a, b, core     *lab.Host
	a1, a2, b1, b2 *uplink
}

// Networks of an uplink.
const (
	home = iota
	away
	networks
)

// Families of addresses.
type family int

const (
	v4 family = 4
	v6 family = 6
)

func (f family) String() string { return fmt.Sprintf("v%d", int(f)) }

// coreEnd is the core's number in each network.
const coreEnd = 0xfe

// An uplink is a host's end of a link to the core.
type uplink struct {
	host   *lab.Host
	name   string
	number int // 11, 12, 21, 22
	metric int
	link   *lab.Link // nil if it is a veth pair
}

// prefix returns the address of that number in a network of u.
func (u *uplink) prefix(f family, network, number int) netip.Prefix {
	if f == v4 {
		return netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.%d/24", u.number, network, number))
	}
	return netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d%d::%x/64", u.number, network, number))
}

// coreEnds returns the core's end of u.
func (u *uplink) coreEnds() (ps []netip.Prefix) {
	for n := range networks {
		ps = append(ps, u.prefix(v6, n, coreEnd), u.prefix(v4, n, coreEnd))
	}
	return ps
}

// plug gives u its host's usual address at home, and returns it.
func (u *uplink) plug(t *testing.T, f family) netip.Addr { return u.take(t, f, home, 1) }

// take adds an address and makes its network's router the default router.
func (u *uplink) take(t *testing.T, f family, network, number int) netip.Addr {
	t.Helper()
	p := u.prefix(f, network, number)
	must(t, u.host.AddAddr(u.name, p))
	must(t, u.host.AddRoute(u.defaultRoute(f, network)))
	return p.Addr()
}

// leave removes an address.
func (u *uplink) leave(t *testing.T, f family, network, number int) {
	t.Helper()
	must(t, u.host.DelAddr(u.name, u.prefix(f, network, number)))
}

func (u *uplink) defaultRoute(f family, network int) lab.Route {
	return lab.DefaultRoute(u.name, u.prefix(f, network, coreEnd).Addr(), u.metric)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newSpace(t *testing.T, name string, o lab.SpaceOptions) *lab.Host {
	t.Helper()
	testkit.NeedRoot(t)
	h, err := lab.NewSpace(name, o)
	must(t, err)
	t.Cleanup(func() { must(t, h.Close()) })
	return h
}

// access is what A's uplinks are like: fast enough for TCP to recover at once, slow
// enough for two cores.
var access = lab.Impairment{Delay: time.Millisecond / 2, Rate: 50e6}

func newStar(t *testing.T) *star {
	t.Helper()
	s := &star{
		a:    newSpace(t, "a", lab.SpaceOptions{}),
		b:    newSpace(t, "b", lab.SpaceOptions{}),
		core: newSpace(t, "core", lab.SpaceOptions{Router: true}),
	}
	s.a1 = s.emulated(t, "a1", 11, 100)
	s.a2 = s.emulated(t, "a2", 12, 200)
	s.b1 = s.wired(t, "b1", 21, 100)
	s.b2 = s.wired(t, "b2", 22, 200)
	return s
}

func (s *star) emulated(t *testing.T, name string, number, metric int) *uplink {
	t.Helper()
	u := &uplink{host: s.a, name: name, number: number, metric: metric}
	var err error
	u.link, err = lab.JoinEmulated(name, lab.End{Host: s.a}, lab.End{Host: s.core, Addrs: u.coreEnds()}, access, uint64(number))
	must(t, err)
	t.Cleanup(func() { must(t, u.link.Close()) })
	return u
}

func (s *star) wired(t *testing.T, name string, number, metric int) *uplink {
	t.Helper()
	u := &uplink{host: s.b, name: name, number: number, metric: metric}
	must(t, lab.Join(name, lab.End{Host: s.b}, lab.End{Host: s.core, Addrs: u.coreEnds()}))
	return u
}

// A duo is a node on each of two hosts.
type duo struct {
	hostA, hostB *lab.Host
	a, b         *node.Node
	idA, idB     netip.Addr
}

// startDuo runs a node on each host, with the locators of the other that it is
// configured with, and waits until each has its own.
func startDuo(t *testing.T, hostA, hostB *lab.Host, ofA, ofB []netip.Addr, edit ...func(*node.Config)) *duo {
	t.Helper()
	ka, kb := newKey(t), newKey(t)
	d := &duo{hostA: hostA, hostB: hostB, idA: ka.Public.Identifier(), idB: kb.Public.Identifier()}
	ca := node.Config{Identity: ka, Timers: detect.Balanced, Peers: []node.Peer{{Name: "b", Key: kb.Public, Locators: atPort(ofB)}}}
	cb := node.Config{Identity: kb, Timers: detect.Balanced, Peers: []node.Peer{{Name: "a", Key: ka.Public, Locators: atPort(ofA)}}}
	for _, e := range edit {
		e(&ca)
		e(&cb)
	}
	d.a, d.b = runNode(t, hostA, ca), runNode(t, hostB, cb)
	for n, own := range map[*node.Node][]netip.Addr{d.a: ofA, d.b: ofB} {
		for _, a := range own {
			awaitLocator(t, n, a, "operational")
		}
	}
	return d
}

func atPort(addrs []netip.Addr) (list []netip.AddrPort) {
	for _, a := range addrs {
		list = append(list, netip.AddrPortFrom(a, locator.DefaultPort))
	}
	return list
}

// aCallsB and bCallsA start a stream.
func (d *duo) aCallsB(t *testing.T) *stream {
	t.Helper()
	return dialStream(t, d.hostA, d.hostB, d.idB)
}

func (d *duo) bCallsA(t *testing.T) *stream {
	t.Helper()
	return dialStream(t, d.hostB, d.hostA, d.idA)
}

// switchTo has A use what it reaches by local. It may be in the middle of an alarm, and
// its tests be lost in full queues.
func (d *duo) switchTo(t *testing.T, local string) {
	t.Helper()
	eventually(t, patience, "switch to "+local, func() bool {
		res, err := d.a.Switch(t.Context(), node.SwitchRequest{Peer: "b", Local: local})
		return err == nil && res.Switched
	})
}

// locatorState returns the state of a local address, "none" if there is none.
func locatorState(n *node.Node, a netip.Addr) string {
	s, _ := n.Status()
	for _, l := range s.Locators {
		if l.Address == a.String() {
			return l.State
		}
	}
	return "none"
}

// awaitLocator waits until a local address is in a state.
func awaitLocator(t *testing.T, n *node.Node, a netip.Addr, state string) {
	t.Helper()
	eventually(t, 5*time.Second, fmt.Sprintf("%s locator %v", state, a), func() bool { return locatorState(n, a) == state })
}

// primaryOf returns the primary pair of n to its only peer, zero if there is none.
func primaryOf(n *node.Node) (local, remote netip.Addr) {
	s, _ := n.Status()
	if len(s.Peers) == 0 || s.Peers[0].Primary == nil {
		return local, remote
	}
	p := s.Peers[0].Primary
	return netip.MustParseAddr(p.Local), netip.MustParseAddrPort(p.Remote).Addr()
}

// awaitPrimary waits until n has a primary pair, and returns it.
func awaitPrimary(t *testing.T, n *node.Node) (local, remote netip.Addr) {
	t.Helper()
	eventually(t, patience, "primary pair", func() bool {
		local, remote = primaryOf(n)
		return local.IsValid()
	})
	return local, remote
}

// patience is for what may take TCP or exploration some rounds.
const patience = 10 * time.Second

// some is enough data to be sure that it flows.
const some = 256 << 10

// goesOn waits until data flows and logs the longest stall since begin.
func (s *stream) goesOn(t *testing.T, what string) {
	t.Helper()
	s.moves(t, some, patience)
	worst, _ := s.gap.worst()
	t.Logf("%s: longest stall %v", what, worst.Round(100*time.Microsecond))
	s.gap.begin()
}
