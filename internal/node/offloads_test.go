package node_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/tun"
)

// lacking are offloads that lack what is added.
type lacking struct {
	mu      sync.Mutex
	missing []string
}

func (l *lacking) Offloads() (used, missing []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return []string{"gso", "gro"}, l.missing
}

func (l *lacking) lose(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missing = append(l.missing, name)
}

// TestOffloadsMissing: an offload that goes missing is said once, whatever news come, and
// shown for as long as it is.
func TestOffloadsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		udp, news := &lacking{}, make(chan struct{})
		n, end := lonely(t, func(_ *node.Config, e *node.Edges) {
			e.Log = slog.New(slog.NewTextHandler(&log, nil))
			e.Offloads, e.OffloadNews = map[string]node.Offloader{"udp": udp}, news
		})
		udp.lose("gso (eth0)")
		news <- struct{}{}
		news <- struct{}{}
		synctest.Wait()
		s, _ := n.Status()
		want := []node.Offloads{{Of: "udp", Used: []string{"gso", "gro"}, Missing: []string{"gso (eth0)"}}}
		if d := cmp.Diff(want, s.Offloads); d != "" {
			t.Error(d)
		}
		end()
		const line = `msg="offload missing" offload="udp gso (eth0)" means="each datagram is sent by itself, which costs throughput"`
		if n := strings.Count(log.String(), line); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, log.String())
		}
	})
}

// lonely runs a node without peers, of the current bubble, until end. edit may change what
// it is made of.
func lonely(t *testing.T, edit func(*node.Config, *node.Edges)) (n *node.Node, end func()) {
	t.Helper()
	net := sim.New(1)
	h := net.Host("a")
	socket, err := h.Listen(locator.DefaultPort)
	must(t, err)
	cfg := node.Config{Identity: identity(1), Timers: detect.Balanced, Policy: locator.DefaultPolicy()}
	edges := node.Edges{
		Device: tun.NewMemory(), Sender: socket, Receivers: []node.Receiver{socket}, Underlay: socket,
		Facts: h.Watch(), Random: rand.NewChaCha8([32]byte{1}),
	}
	edit(&cfg, &edges)
	n, err = node.New(cfg, edges)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- n.Run(ctx) }()
	synctest.Wait()
	return n, func() {
		cancel()
		must(t, <-ended)
		net.Close()
	}
}
