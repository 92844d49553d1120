package node_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/testkit"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// eventually waits for ok.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v", what, limit)
		}
	}
}

// A pairOfNodes is a node in A and one in B, both running.
type pairOfNodes struct {
	lab      *lab.Lab
	a, b     *node.Node
	idA, idB netip.Addr
}

func newKey(t *testing.T) shim.Identity {
	var k [shim.KeyLen]byte
	rand.Read(k[:])
	return shim.NewIdentity(shim.NewPrivateKey(k))
}

// startNodes builds a lab with a node at each end, and waits until both know
// their locators.
func startNodes(t *testing.T, cfg lab.Config, timers detect.Timers) *pairOfNodes {
	t.Helper()
	testkit.NeedRoot(t)
	l, err := lab.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	ka, kb := newKey(t), newKey(t)
	p := &pairOfNodes{lab: l, idA: ka.Public.Identifier(), idB: kb.Public.Identifier()}
	at := func(h *lab.Host) []netip.AddrPort {
		return []netip.AddrPort{
			netip.AddrPortFrom(h.Addr6(0), locator.DefaultPort), netip.AddrPortFrom(h.Addr6(1), locator.DefaultPort),
		}
	}
	p.a = startNode(t, l.A, ka, node.Peer{Name: "b", Key: kb.Public, Locators: at(l.B)}, timers)
	p.b = startNode(t, l.B, kb, node.Peer{Name: "a", Key: ka.Public, Locators: at(l.A)}, timers)
	for _, n := range []*node.Node{p.a, p.b} {
		eventually(t, 5*time.Second, "operational locators", func() bool { return operational(n) >= 4 })
	}
	return p
}

// operational counts the locators that are.
func operational(n *node.Node) (count int) {
	s, _ := n.Status()
	for _, l := range s.Locators {
		if l.State == "operational" && !netip.MustParseAddr(l.Address).IsLinkLocalUnicast() {
			count++
		}
	}
	return count
}

func startNode(t *testing.T, h *lab.Host, id shim.Identity, peer node.Peer, timers detect.Timers) *node.Node {
	t.Helper()
	return runNode(t, h, node.Config{Identity: id, Timers: timers, Peers: []node.Peer{peer}})
}

// primary returns the uplink of A that n's primary pair uses.
func (p *pairOfNodes) primary(t *testing.T) (uplink int, ok bool) {
	s, _ := p.a.Status()
	if s.Peers[0].Primary == nil {
		return 0, false
	}
	return p.lab.UplinkOf(netip.MustParseAddr(s.Peers[0].Primary.Local))
}

// A stream is a TCP connection over the identifiers, that carries pseudo-random
// bytes which the receiver verifies one by one.
type stream struct {
	received atomic.Int64
	gap      gap
	err      chan error
	stop     context.CancelFunc
}

const (
	streamSeed = 6
	// streamEnd is how long a stream may take to its last byte once it is stopped.
	streamEnd = 10 * time.Second
)

// startStream dials B's identifier from A.
func startStream(t *testing.T, p *pairOfNodes) *stream {
	t.Helper()
	return dialStream(t, p.lab.A, p.lab.B, p.idB)
}

// dialStream dials an identifier and sends in small writes, paced by the network
// alone.
func dialStream(t *testing.T, from, to *lab.Host, id netip.Addr) *stream {
	t.Helper()
	l, err := to.Listen("tcp", netip.AddrPortFrom(id, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &stream{err: make(chan error, 2), stop: stop}
	go func() { s.err <- s.receive(ctx, l) }()
	dialCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := from.Dial(dialCtx, "tcp", l.Addr().String())
	if err != nil {
		stop()
		l.Close()
		t.Fatal(err)
	}
	go func() { s.err <- send(ctx, c) }()
	return s
}

func send(ctx context.Context, c net.Conn) error {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(time.Now().Add(streamEnd)) })()
	src := mrand.NewChaCha8([32]byte{streamSeed})
	buf := make([]byte, 16<<10)
	for ctx.Err() == nil {
		src.Read(buf)
		if _, err := c.Write(buf); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}

func (s *stream) receive(ctx context.Context, l net.Listener) error {
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now().Add(streamEnd)) })()
	want := mrand.NewChaCha8([32]byte{streamSeed})
	got, expect := make([]byte, 16<<10), make([]byte, 16<<10)
	for {
		n, err := io.ReadFull(c, got)
		want.Read(expect)
		if !slices.Equal(got[:n], expect[:n]) {
			return fmt.Errorf("wrong byte after %d", s.received.Load())
		}
		s.received.Add(int64(n))
		s.gap.arrived(time.Now())
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		}
	}
}

// finish ends the stream and fails the test if a byte was wrong or the connection
// reset.
func (s *stream) finish(t *testing.T) {
	t.Helper()
	s.stop()
	for range 2 {
		if err := <-s.err; err != nil {
			t.Error(err)
		}
	}
}

// moves waits until n more bytes have come, and returns how long it took.
func (s *stream) moves(t *testing.T, n int64, limit time.Duration) time.Duration {
	t.Helper()
	start, from := time.Now(), s.received.Load()
	eventually(t, limit, "progress of the TCP stream", func() bool {
		select {
		case err := <-s.err:
			t.Fatalf("the stream ended: %v", err)
		default:
		}
		return s.received.Load() >= from+n
	})
	return time.Since(start)
}

// quick is a link fast enough for TCP to recover at once, slow enough for two
// cores.
var quick = lab.Config{RTT: time.Millisecond, Rate: 100e6}

func TestEveryFaultIsSurvived(t *testing.T) {
	p := startNodes(t, quick, detect.Balanced)
	s := startStream(t, p)
	defer s.finish(t)
	for _, f := range lab.Faults() {
		t.Run(f.String(), func(t *testing.T) {
			s.moves(t, 1<<20, 10*time.Second)
			uplink, ok := p.primary(t)
			if !ok {
				t.Fatal("no primary pair while data flows")
			}
			heal, err := p.lab.Break(f, uplink)
			if err != nil {
				t.Fatal(err)
			}
			defer heal()
			if f != lab.AllDead {
				t.Logf("stall until 256 KiB more: %v", s.moves(t, 256<<10, 10*time.Second))
			} else {
				eventually(t, 10*time.Second, "sight of the outage", func() bool { _, ok := p.primary(t); return !ok })
			}
			if err := heal(); err != nil {
				t.Fatal(err)
			}
			t.Logf("after healing: %v", s.moves(t, 256<<10, 10*time.Second))
			eventually(t, 10*time.Second, "return of the locators", func() bool { return operational(p.a) >= 4 })
		})
	}
}

// TestFailoversBackAndForth kills the primary path again and again: the TCP
// connection must outlive all of it.
func TestFailoversBackAndForth(t *testing.T) {
	failovers := 200
	if testing.Short() {
		failovers = 20
	}
	p := startNodes(t, quick, detect.Fast)
	s := startStream(t, p)
	defer s.finish(t)
	s.moves(t, 1<<20, 10*time.Second)
	var stalls []time.Duration
	for i := range failovers {
		var uplink int
		eventually(t, 10*time.Second, "primary pair", func() bool {
			var ok bool
			uplink, ok = p.primary(t)
			return ok
		})
		heal, err := p.lab.Break(lab.Fault(i%3)+lab.Blackhole, uplink)
		if err != nil {
			t.Fatal(err)
		}
		stalls = append(stalls, s.moves(t, 64<<10, 10*time.Second))
		if err := heal(); err != nil {
			t.Fatal(err)
		}
		s.moves(t, 64<<10, 10*time.Second)
	}
	slices.Sort(stalls)
	t.Logf("%d failovers, %d bytes verified; 64 KiB more after median %v, max %v",
		len(stalls), s.received.Load(), stalls[len(stalls)/2], stalls[len(stalls)-1])
}

// TestIdleIsSilent: a peer that is not talked to costs nothing.
func TestIdleIsSilent(t *testing.T) {
	t.Parallel() // nearly all of it is waiting
	idle := 20 * time.Second
	if testing.Short() {
		idle = 5 * time.Second
	}
	p := startNodes(t, quick, detect.Balanced)
	s := startStream(t, p)
	s.moves(t, 1<<20, 10*time.Second)
	s.finish(t)
	count := func() (udp uint64) {
		for _, u := range p.lab.Uplinks {
			udp += u.Count(lab.AtoB).UDP + u.Count(lab.BtoA).UDP
		}
		return udp
	}
	// TCP says goodbye and the last Reports go out.
	last, since := count(), time.Now()
	eventually(t, 10*time.Second, "end of the traffic", func() bool {
		if now := count(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
	time.Sleep(idle) // an absence cannot be waited for
	if sent := count() - last; sent != 0 {
		t.Errorf("%d UDP datagrams in %v without traffic, want 0", sent, idle)
	}
}
