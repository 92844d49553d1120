package node_test

import (
	"flag"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/testkit"
)

var (
	changes   = flag.Int("changes", 200, "how many changes TestChurn makes, one each 60 ms")
	churnSeed = flag.Uint64("churnseed", 0, "what TestChurn does; 0: chosen anew")
)

// churnPace is between two changes.
const churnPace = 60 * time.Millisecond

// TestChurn changes addresses, links and routes of both hosts by chance, one after
// another, under load. When all is as at the start both must find each other again
// soon, and the connection must have outlived it.
func TestChurn(t *testing.T) {
	testkit.NeedRoot(t)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // after all that newStar and startDuo clean up
	seed := *churnSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again with -churnseed %d", seed)
	s := newStar(t)
	c := &churn{rng: rand.New(rand.NewPCG(seed, 0)), uplinks: []*uplink{s.a1, s.a2, s.b1, s.b2}}
	var addrs []netip.Addr
	for _, u := range c.uplinks {
		addrs = append(addrs, u.plug(t, v6), u.plug(t, v4))
	}
	d := startDuo(t, s.a, s.b, addrs[:4], addrs[4:])
	tcp := d.aCallsB(t)
	defer tcp.finish(t)
	tcp.goesOn(t, "before")
	tick := time.NewTicker(churnPace)
	defer tick.Stop()
	for range *changes {
		c.change()
		<-tick.C
	}
	worst, _ := tcp.gap.worst()
	t.Logf("%d changes, %d refused by the kernel; %d bytes came, longest stall %v",
		*changes, c.refused, tcp.received.Load(), worst.Round(time.Millisecond))
	restored := time.Now()
	c.restore(t)
	t.Logf("restored in %v", time.Since(restored).Round(time.Millisecond))
	converged(t, d)
	// TCP itself may sleep for as long as it had been cut off before.
	tcp.gap.begin()
	tcp.moves(t, some, 6*patience)
}

// A churn changes things by chance.
type churn struct {
	rng     *rand.Rand
	uplinks []*uplink
	refused int
}

// change does one thing to one uplink. The kernel may refuse it, for instance where
// there is no address to remove.
func (c *churn) change() {
	u := c.uplinks[c.rng.IntN(len(c.uplinks))]
	f := []family{v6, v4}[c.rng.IntN(2)]
	network, number := c.rng.IntN(networks), 1+c.rng.IntN(2)
	p, route := u.prefix(f, network, number), u.defaultRoute(f, network)
	things := []func() error{
		func() error { return u.host.AddAddr(u.name, p) },
		func() error { return u.host.AddAddr(u.name, p) },
		func() error { return u.host.DelAddr(u.name, p) },
		func() error { return u.host.LeaseAddr(u.name, p, time.Minute, 0) }, // deprecated
		func() error { return u.host.AddRoute(route) },
		func() error { return u.host.AddRoute(route) },
		func() error { return u.host.DelRoute(route) },
		func() error { return u.host.SetDown(u.name) },
		func() error { return u.host.SetUp(u.name) },
		func() error { return u.host.SetUp(u.name) },
	}
	if things[c.rng.IntN(len(things))]() != nil {
		c.refused++
	}
}

// restore gives all uplinks their usual addresses at home, and routes.
func (c *churn) restore(t *testing.T) {
	t.Helper()
	for _, u := range c.uplinks {
		must(t, u.host.SetUp(u.name))
	}
	for _, u := range c.uplinks {
		for _, f := range []family{v6, v4} {
			must(t, u.host.AddAddr(u.name, u.prefix(f, home, 1)))
			// Routes are refused until the kernel has taken the interface into use.
			eventually(t, patience, "routes to be accepted", func() bool { return u.host.AddRoute(u.defaultRoute(f, home)) == nil })
		}
	}
}

// converged waits until both nodes have a primary pair, and a new connection works
// each way; it logs how long that took.
func converged(t *testing.T, d *duo) {
	t.Helper()
	start := time.Now()
	for _, call := range []func(*testing.T) *stream{d.aCallsB, d.bCallsA} {
		s := call(t)
		s.moves(t, some, patience)
		s.finish(t)
	}
	for _, n := range []*node.Node{d.a, d.b} {
		awaitPrimary(t, n)
	}
	took := time.Since(start)
	t.Logf("converged in %v: new connections work both ways", took.Round(time.Millisecond))
	if took > patience {
		t.Errorf("that is more than %v", patience)
	}
}
