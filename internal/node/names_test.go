package node_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/resolve"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/locator"
)

// A zone answers lookups; no addresses means failure.
type zone struct {
	mu      sync.Mutex
	addrs   []netip.Addr
	lookups int
}

// set replaces the addresses.
func (z *zone) set(addrs ...netip.Addr) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.addrs = addrs
}

// asked returns how many lookups there were.
func (z *zone) asked() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.lookups
}

func (z *zone) lookup(_ context.Context, host string) resolve.Answer {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.lookups++
	if len(z.addrs) == 0 {
		return resolve.Answer{Host: host, TTL: 10 * time.Second, Err: errors.New("no such host")}
	}
	return resolve.Answer{Host: host, Addrs: z.addrs, TTL: time.Minute}
}

// newNamedWorld is a world in which A knows B by name alone, and B knows nothing of A.
func newNamedWorld(t *testing.T, z *zone) *world {
	names := resolve.NewNames(z.lookup)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- names.Run(ctx) }()
	w := newWorldOf(t, 1, detect.Balanced, names, func(c *node.Config) {
		c.Peers[0].Locators = nil
		if c.Name == sim.HostA {
			c.Peers[0].Names = []node.Name{{Host: "b.example.net", Port: locator.DefaultPort}}
		}
	})
	end := w.end
	w.end = func() {
		end()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return w
}

// A peer's name leads to it; an idle node asks nothing; a name that does not resolve
// at first does no harm.
func TestPeerByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := new(zone)
		w := newNamedWorld(t, z)
		defer w.end()
		accepted := w.b.stack.Listen(80)
		client := w.a.stack.Dial(netip.AddrPortFrom(w.b.id, 80))
		time.Sleep(5 * time.Second)
		if s, ok := w.a.Status(); !ok || s.Peers[0].State != "no primary" || z.asked() == 0 {
			t.Fatalf("%d lookups, %+v", z.asked(), s.Peers)
		}
		z.set(sim.LocatorOf(sim.HostB, 1))
		var server *sim.TCP
		select {
		case server = <-accepted:
		case <-time.After(2 * time.Minute):
			t.Fatal("no connection once the name resolves")
		}
		client.Write(1000)
		if err := server.WaitReceived(10*time.Second, 1000); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		before := z.asked()
		time.Sleep(24 * time.Hour)
		if n := z.asked() - before; n != 0 {
			t.Errorf("%d lookups in a silent day", n)
		}
	})
}

// When a peer has moved to where its name says, and nobody has told us, it is found
// there.
func TestPeerThatMovedIsFoundByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{addrs: []netip.Addr{sim.LocatorOf(sim.HostB, 1), sim.LocatorOf(sim.HostB, 2)}}
		w := newNamedWorld(t, z)
		defer w.end()
		client, server := w.connect(t)
		client.Write(1000)
		if err := server.WaitReceived(10*time.Second, 1000); err != nil {
			t.Fatal(err)
		}
		away := netip.MustParseAddr("2001:db8:b0b::1")
		// B's new address takes the place of the old ones while it can say nothing.
		for i := 1; i <= 2; i++ {
			w.b.host.EditInterface(sim.Uplink(i), func(out, in *sim.Link) { out.Blocked, in.Blocked = true, true })
		}
		w.b.host.AddAddr("uplink3", away)
		w.net.Edit(sim.Path{From: away}, func(l *sim.Link) { l.Blocked = true })
		time.Sleep(time.Second)
		client.Write(1000)
		time.Sleep(5 * time.Second)
		z.set(away)
		w.net.Edit(sim.Path{From: away}, func(l *sim.Link) { l.Blocked = false })
		if err := server.WaitReceived(5*time.Minute, 2000); err != nil {
			t.Errorf("%v, after %d lookups", err, z.asked())
		}
	})
}
