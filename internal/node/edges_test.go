package node_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/netwatch"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

// innerMTU is that of the nodes' interfaces.
const innerMTU = 1400

// opened counts the nodes, of which every other has one thread for all packets.
var opened atomic.Int64

// openEdges opens what joins a node to the real kernel, in the namespace of the
// calling thread.
func openEdges(cfg node.Config) (node.Edges, *netwatch.Watcher, error) {
	conn, err := underlay.Listen(cfg.Port)
	if err != nil {
		return node.Edges{}, nil, err
	}
	icmp, err := conn.Errors()
	if err != nil {
		return node.Edges{}, nil, errors.Join(err, conn.Close())
	}
	watcher, err := netwatch.New(netwatch.Options{Own: tun.RouteProtocol})
	if err != nil {
		return node.Edges{}, nil, errors.Join(err, conn.Close())
	}
	own := tun.Config{
		Name: cfg.Name, MTU: cfg.MTU, RouteMTU: 1280,
		Addresses: append([]netip.Prefix{netip.PrefixFrom(cfg.Identity.Public.Identifier(), 128)}, cfg.Addresses...),
	}
	for _, p := range cfg.Peers {
		own.Routes = append(append(own.Routes, netip.PrefixFrom(p.Key.Identifier(), 128)), p.Routes...)
	}
	device, err := tun.Open(own)
	if err != nil {
		return node.Edges{}, nil, errors.Join(err, conn.Close())
	}
	edges := node.Edges{
		Device: device, Sender: conn, Errors: icmp, Underlay: conn, Facts: watcher.Facts(),
		Offloads: map[string]node.Offloader{"tun": device, "udp": conn}, OffloadNews: conn.OffloadNews(),
		RouteNews: watcher.RouteNews(), Routable: watcher.Routable, Random: rand.Reader,
		RouteMTU: device.SetRouteMTU, Together: opened.Add(1)%2 == 0,
	}
	for _, r := range conn.Receivers() {
		edges.Receivers = append(edges.Receivers, r)
	}
	return edges, watcher, nil
}

// runNode runs a node on a host until the test ends. What cfg leaves open of name,
// port, MTU, ciphers and policy is as usual.
func runNode(t *testing.T, h *lab.Host, cfg node.Config) *node.Node {
	t.Helper()
	cfg.Name, cfg.Port = cmp.Or(cfg.Name, "shim0"), cmp.Or(cfg.Port, locator.DefaultPort)
	cfg.MTU, cfg.Ciphers = cmp.Or(cfg.MTU, innerMTU), cmp.Or(cfg.Ciphers, wire.AES256GCM|wire.ChaCha20Poly1305)
	if cfg.Policy.Deny == nil {
		cfg.Policy = locator.DefaultPolicy()
	}
	var n *node.Node
	var watcher *netwatch.Watcher
	err := h.Do(func() error {
		edges, w, err := openEdges(cfg)
		if err != nil {
			return err
		}
		watcher = w
		n, err = node.New(cfg, edges)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- watcher.Run(ctx) }()
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
	return n
}

// A gap is the longest time between two arrivals since begin was called.
type gap struct {
	mu          sync.Mutex
	last, ended time.Time
	longest     time.Duration
}

func (g *gap) arrived(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d := now.Sub(g.last); !g.last.IsZero() && d > g.longest {
		g.longest, g.ended = d, now
	}
	g.last = now
}

// begin forgets what was before.
func (g *gap) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.longest, g.ended = 0, time.Time{}
}

// worst returns the longest one and when it ended.
func (g *gap) worst() (time.Duration, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.longest, g.ended
}
