package node_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

// A crowd is a node, the hub, and its peers, each of two locators. The first of them are
// nodes too, the others are not there.
type crowd struct {
	net   *sim.Network
	hub   *member
	peers []netip.Addr // identifiers
	nodes []*member
	// news has the hub ask for routes anew, asked is for how many it has.
	news  chan struct{}
	asked atomic.Int64
}

// A member is a node of a crowd.
type member struct {
	*node.Node
	id    netip.Addr
	host  *sim.Host
	dev   *tun.Memory
	stop  context.CancelFunc
	ended chan error
}

// hubNumber is the hub's; the peers count from 0.
const hubNumber = 0xffff

func numberedIdentity(i int) shim.Identity {
	return shim.NewIdentity(shim.NewPrivateKey([32]byte{1: byte(i), 2: byte(i >> 8), 3: 1}))
}

func numberedLocator(i, uplink int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 5: byte(uplink), 14: byte(i >> 8), 15: byte(i)})
}

func numberedPeer(i int) node.Peer {
	p := node.Peer{Name: fmt.Sprint(i), Key: numberedIdentity(i).Public}
	for uplink := range 2 {
		p.Locators = append(p.Locators, netip.AddrPortFrom(numberedLocator(i, uplink), locator.DefaultPort))
	}
	return p
}

// newCrowd makes a crowd of so many peers and nodes among them, in the current bubble or
// in none.
func newCrowd(t testing.TB, peers, nodes int) *crowd {
	t.Helper()
	c := &crowd{net: sim.New(1), news: make(chan struct{}, 1)}
	all := make([]node.Peer, peers)
	for i := range all {
		all[i] = numberedPeer(i)
		c.peers = append(c.peers, all[i].Key.Identifier())
	}
	c.hub = c.start(t, hubNumber, all)
	for i := range nodes {
		c.nodes = append(c.nodes, c.start(t, i, []node.Peer{numberedPeer(hubNumber)}))
	}
	return c
}

// start runs a node on a host of its own.
func (c *crowd) start(t testing.TB, i int, peers []node.Peer) *member {
	t.Helper()
	h := c.net.Host(fmt.Sprint(i))
	for uplink := range 2 {
		h.AddAddr(sim.Uplink(uplink), numberedLocator(i, uplink))
	}
	socket, err := h.Listen(locator.DefaultPort)
	if err != nil {
		t.Fatal(err)
	}
	id := numberedIdentity(i)
	m := &member{id: id.Public.Identifier(), host: h, dev: tun.NewMemory(), ended: make(chan error, 1)}
	edges := node.Edges{
		Device: m.dev, Sender: socket, Receivers: []node.Receiver{socket}, Underlay: socket,
		Facts: h.Watch(), Random: rand.NewChaCha8([32]byte(id.Public)),
	}
	if i == hubNumber {
		edges.RouteNews = c.news
		edges.Routable = func(locator.Local, netip.Addr) bool { c.asked.Add(1); return true }
	}
	m.Node, err = node.New(node.Config{
		Name: h.String(), Identity: id, Port: locator.DefaultPort, MTU: 1400, Timers: detect.Balanced,
		Ciphers: wire.AES256GCM, Policy: locator.DefaultPolicy(), ProbeBudget: 1e6, Peers: peers,
	}, edges)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	m.stop = stop
	go func() { m.ended <- m.Run(ctx) }()
	return m
}

// end ends m.
func (m *member) end(t testing.TB) {
	m.stop()
	if err := <-m.ended; err != nil {
		t.Error(err)
	}
}

// open has the hub send a packet to each peer that is there, and waits for the sessions.
func (c *crowd) open(t *testing.T) {
	t.Helper()
	for _, m := range c.nodes {
		for !c.hub.dev.Inject(inner6(c.hub.id, m.id, 100)) {
			synctest.Wait() // its queue is full
		}
	}
	time.Sleep(5 * time.Second)
	if n := c.sessions(); n != len(c.nodes) {
		t.Fatalf("%d sessions with %d nodes", n, len(c.nodes))
	}
}

// sessions returns how many the hub has.
func (c *crowd) sessions() (n int) {
	s, _ := c.hub.Status()
	for i := range s.Peers {
		if s.Peers[i].SessionAgeMillis > 0 {
			n++
		}
	}
	return n
}

// leave ends all nodes but the hub, without a word.
func (c *crowd) leave(t *testing.T) {
	c.net.Edit(sim.Path{}, block)
	for _, m := range c.nodes {
		m.end(t)
	}
	c.nodes = nil
}

// memory returns how many bytes the hub of a crowd takes, so long after all peers were
// talked to. Nothing of the crowd remains.
func memory(t *testing.T, peers, nodes int, idle time.Duration) int {
	t.Helper()
	c := newCrowd(t, peers, nodes)
	synctest.Wait()
	c.open(t)
	time.Sleep(idle)
	c.leave(t)
	with := heap()
	c.hub.end(t)
	c.hub = nil
	without := heap()
	c.net.Close()
	return int(with) - int(without)
}

// heap returns how many bytes of the heap are in use, once nothing is left to go: what has
// a finalizer and what is pooled take a collection more each, and what those held, too.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	for in := uint64(math.MaxUint64); ; in = m.HeapAlloc {
		runtime.GC()
		if runtime.ReadMemStats(&m); m.HeapAlloc >= in {
			return in
		}
	}
}

// mostIdle is how many bytes an idle peer may take.
const mostIdle = 8 << 10

// TestIdlePeerMemory: a peer that nobody talks to takes little memory, whether there never
// was a session with it, or there still is one, or there was one.
func TestIdlePeerMemory(t *testing.T) {
	peers := 10_000
	if testing.Short() {
		peers = 1000
	}
	for _, c := range []struct {
		name         string
		peers, nodes int
		idle         time.Duration
	}{
		{"never opened", peers, 0, time.Minute},
		{"open", 300, 300, time.Minute},
		{"expired", 300, 300, 10 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const few = 50
				base := memory(t, few, min(few, c.nodes), c.idle) // of the hub itself, and the first events
				n := (memory(t, few+c.peers, min(few, c.nodes)+c.nodes, c.idle) - base) / c.peers
				if n > mostIdle {
					t.Errorf("an idle peer takes %d bytes, more than %d", n, mostIdle)
				}
				t.Logf("an idle peer takes %d bytes", n)
			})
		})
	}
}

// TestIdleNodeDoesNothing: a node with thousands of peers, of which nobody talks to any,
// does not wake; and once sessions have ended it does not either.
func TestIdleNodeDoesNothing(t *testing.T) {
	peers := 10_000
	if testing.Short() {
		peers = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, peers, 100)
		synctest.Wait()
		c.quiet(t, "never opened")
		c.open(t)
		time.Sleep(time.Minute)
		c.quiet(t, "open")
		time.Sleep(10 * time.Minute)
		c.quiet(t, "expired")
		c.leave(t)
		c.hub.end(t)
		c.net.Close()
	})
}

// TestNewsIsForBusyPeers: a link that goes, or a route, is looked into for the peers that
// are talked to. The others see about it when they are.
func TestNewsIsForBusyPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const busy, idle, pairs = 5, 1000, 4
		c := newCrowd(t, busy+idle, busy)
		synctest.Wait()
		c.open(t)
		check := func(when string, most int64) {
			t.Helper()
			synctest.Wait()
			if n := c.asked.Swap(0); n == 0 || n > most {
				t.Errorf("%s: asked for %d routes, want 1 to %d", when, n, most)
			}
		}
		c.asked.Store(0)
		c.news <- struct{}{}
		check("a route", busy*pairs)
		c.hub.host.RemoveAddr(numberedLocator(hubNumber, 0))
		check("a link", busy*pairs)
		s, _ := c.hub.Status()
		for _, p := range s.Peers {
			if len(p.Pairs) != pairs/2 {
				t.Fatalf("peer %s has %d pairs, want %d", p.Name, len(p.Pairs), pairs/2)
			}
		}
		for _, m := range c.nodes {
			m.end(t)
		}
		c.hub.end(t)
		c.net.Close()
	})
}

// quiet checks that the hub's loop does not wake for a minute, and nothing is sent.
func (c *crowd) quiet(t *testing.T, when string) {
	t.Helper()
	before, _ := c.hub.Status()
	sent := c.net.Counters(sim.Path{})[sim.Sent]
	time.Sleep(time.Minute)
	after, _ := c.hub.Status()
	if n := after.Wakes - before.Wakes - 1; n != 0 { // before was one
		t.Errorf("%s: the loop has woken %d times in a minute", when, n)
	}
	if n := c.net.Counters(sim.Path{})[sim.Sent] - sent; n != 0 {
		t.Errorf("%s: %d datagrams in a minute", when, n)
	}
}
