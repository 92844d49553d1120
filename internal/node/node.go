package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

// controlQueue is how many control datagrams and Opens may wait for the loop.
const controlQueue = 1024

// A Node is a running node. New makes it, Run runs it.
type Node struct {
	cfg   Config
	edges Edges
	log   *slog.Logger
	// carrier is nil if the edges have a thread each.
	carrier *carrier
	// base is the instant that stamps are relative to.
	base time.Time

	// Read by all, written by New alone.
	peers  []*peer
	byKey  map[shim.PublicKey]*peer
	routes routes

	// tags find the targets of datagrams.
	tags tags
	// inbound lets one receiver at a time open datagrams: replay windows and the
	// device's Write are for one goroutine.
	inbound sync.Mutex
	// telling is held while the host is told how long packets may be, by an ICMP error
	// or by a route.
	telling sync.Mutex

	wakes   chan *peer
	control chan datagram
	calls   chan func(now time.Time)
	done    chan struct{}

	drops dropCounters

	// Owned by the loop.
	looper    *looper
	table     *locator.Table
	drained   []string // names of interfaces
	deadlines deadlines
	events    subscribers
	recent    []Event // oldest first
	opens     bucket  // of others
	tests     bucket  // of ours
	budget    budget
}

// dropCounters count dropped packets by reason.
type dropCounters [shim.NumDrops]atomic.Uint64

// A target is what a tag selects. session is nil while only an Open 2 can come.
type target struct {
	tag     wire.Tag
	peer    *peer
	session *shim.Session
	// told says that the loop was told of the session's first use.
	told atomic.Bool
	// from are the pairs that packets have lately come over, of which the loop was
	// told; next is the one to be replaced. Guarded by Node.inbound.
	from []locator.Pair
	next int
}

// maxFrom is how many pairs a target knows.
const maxFrom = 4

// knows reports whether packets have lately come over p.
func (t *target) knows(p locator.Pair) bool {
	return slices.Contains(t.from, p)
}

func (t *target) learn(p locator.Pair) {
	if len(t.from) < maxFrom {
		t.from = append(t.from, p)
		return
	}
	t.from[t.next] = p
	t.next = (t.next + 1) % maxFrom
}

// New returns a node that does nothing until Run.
func New(cfg Config, e Edges) (*Node, error) {
	n := &Node{
		cfg: cfg, edges: e, log: e.Log, base: time.Now(),
		byKey:   make(map[shim.PublicKey]*peer),
		wakes:   make(chan *peer, len(cfg.Peers)), // each at most once
		control: make(chan datagram, controlQueue),
		calls:   make(chan func(time.Time)),
		done:    make(chan struct{}),
		table:   locator.NewTable(cfg.Policy),
	}
	n.budget = newBudget(cfg.ProbeBudget, n.base)
	n.opens = bucket{rate: openRate, burst: openBurst}
	n.tests = bucket{rate: testRate, burst: testBurst}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if e.Together {
		var err error
		if n.carrier, err = newCarrier(e); err != nil {
			return nil, err
		}
	}
	own := n.own()
	for _, p := range cfg.Peers {
		if p.Key == cfg.Identity.Public || n.byKey[p.Key] != nil {
			return nil, fmt.Errorf("node: peer %s: its key is this node's own or another peer's", p.Name)
		}
		n.addPeer(p, own)
	}
	return n, nil
}

// own returns what all contexts have in common.
func (n *Node) own() *shim.Node {
	order := n.cfg.Order
	order.Routable = n.edges.Routable
	return &shim.Node{
		Port: n.cfg.Port, Ciphers: n.cfg.Ciphers, Timers: n.cfg.Timers, Order: order,
		MTU:    n.cfg.MTU,
		Random: n.edges.Random, NewTag: n.newTag, Base: n.base,
	}
}

func (n *Node) addPeer(p Peer, own *shim.Node) {
	q := &peer{Peer: p, identifier: p.Key.Identifier()}
	q.context = shim.New(shim.Config{
		Node: own, Identity: n.cfg.Identity, Peer: p.Key, PresharedKey: p.PresharedKey, Locators: p.Locators, Keepalive: p.Keepalive,
	}, n.base)
	q.heapIndex = -1
	n.peers = append(n.peers, q)
	n.byKey[p.Key] = q
	n.routes.add(q)
}

// newTag returns a tag that is not in use. Only the loop asks.
func (n *Node) newTag() wire.Tag {
	for {
		var b [4]byte
		if _, err := io.ReadFull(n.edges.Random, b[:]); err != nil {
			panic("node: no randomness: " + err.Error()) // see Edges.Random
		}
		tag := wire.Tag(binary.BigEndian.Uint32(b[:])) & wire.MaxTag
		if tag.Valid() && n.tags.find(tag) == nil {
			return tag
		}
	}
}

// Run runs the node until ctx ends, which is no error, or an edge fails. All its
// goroutines have ended when it returns, and the edges are closed.
func (n *Node) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	n.carry(g.Go)
	if n.edges.Errors != nil {
		g.Go(func() error { return n.hear(n.edges.Errors) })
	}
	g.Go(func() error {
		defer close(n.done)
		err := n.loop(ctx)
		// The readers end because their edges close.
		return errors.Join(err, n.edges.Device.Close(), n.edges.Underlay.Close())
	})
	return g.Wait()
}

// closed reports whether err says that an edge was closed.
func closed(err error) bool { return errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed) }

// call runs f in the loop and waits for it. It reports false if the node has
// ended.
func (n *Node) call(f func(now time.Time)) bool {
	ran := make(chan struct{})
	select {
	case n.calls <- func(now time.Time) { f(now); close(ran) }:
		<-ran
		return true
	case <-n.done:
		return false
	}
}

func (n *Node) drop(d shim.Drop) { n.drops[d].Add(1) }

// since returns now relative to the base, as stamps are.
func (n *Node) since(now time.Time) time.Duration { return now.Sub(n.base) }
