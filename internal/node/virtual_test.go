package node_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/netip"
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

var (
	firstSeed = flag.Uint64("seed", 1, "first `seed` of the fault schedules under virtual time")
	seeds     = flag.Int("seeds", 10, "`number` of fault schedules under virtual time, of 40 faults each")
)

// A virtual node is a node on memory twins, and the TCP of its applications.
type virtual struct {
	*node.Node
	host  *sim.Host
	id    netip.Addr
	dev   *tun.Memory
	stack *sim.Stack
}

// world is two virtual nodes with two uplinks each, a round trip of 20 ms apart.
type world struct {
	net  *sim.Network
	a, b *virtual
	end  func()
}

// newWorld makes a world of the current bubble. Its end must be called in it. edit may
// change what the nodes are configured with.
func newWorld(t *testing.T, seed uint64, timers detect.Timers, edit ...func(*node.Config)) *world {
	t.Helper()
	return newWorldOf(t, seed, timers, nil, edit...)
}

// newWorldOf is newWorld with a resolver for A, which may be nil.
func newWorldOf(t *testing.T, seed uint64, timers detect.Timers, names node.Resolver, edit ...func(*node.Config)) *world {
	t.Helper()
	w := &world{net: sim.New(seed)}
	ha, hb := sim.Twins(w.net, 2)
	for _, h := range []*sim.Host{ha, hb} {
		for i := 1; i <= 2; i++ {
			h.EditInterface(sim.Uplink(i), func(out, _ *sim.Link) { out.Delay = 10 * time.Millisecond })
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	var ka, kb [shim.KeyLen]byte
	random.Read(ka[:])
	random.Read(kb[:])
	ida, idb := shim.NewIdentity(shim.NewPrivateKey(ka)), shim.NewIdentity(shim.NewPrivateKey(kb))
	ended := make(chan error, 2)
	start := func(h *sim.Host, id shim.Identity, peer node.Peer) *virtual {
		v := &virtual{host: h, id: id.Public.Identifier(), dev: tun.NewMemory()}
		socket, err := h.Listen(locator.DefaultPort)
		if err != nil {
			t.Fatal(err)
		}
		var key [32]byte
		random.Read(key[:])
		cfg := node.Config{
			Name: h.String(), Identity: id, Port: locator.DefaultPort, MTU: 1400, Timers: timers,
			Ciphers: wire.AES256GCM, Policy: locator.DefaultPolicy(), ProbeBudget: 1e6, Peers: []node.Peer{peer},
		}
		for _, e := range edit {
			e(&cfg)
		}
		edges := node.Edges{
			Device: v.dev, Sender: socket, Receivers: []node.Receiver{socket}, Underlay: socket,
			Facts: h.Watch(), Random: rand.NewChaCha8(key),
		}
		if h == ha {
			edges.Names = names
		}
		v.Node, err = node.New(cfg, edges)
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- v.Run(ctx) }()
		v.stack = sim.StartStack(v.dev, sim.StackConfig{Addr: v.id, Seed: seed, MTU: cfg.MTU})
		return v
	}
	at := func(host string) (l []netip.AddrPort) {
		for i := 1; i <= 2; i++ {
			l = append(l, netip.AddrPortFrom(sim.LocatorOf(host, i), locator.DefaultPort))
		}
		return l
	}
	w.a = start(ha, ida, node.Peer{Name: "b", Key: idb.Public, Locators: at(sim.HostB)})
	w.b = start(hb, idb, node.Peer{Name: "a", Key: ida.Public, Locators: at(sim.HostA)})
	w.end = func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		w.a.stack.Close()
		w.b.stack.Close()
		w.net.Close()
	}
	synctest.Wait()
	return w
}

// primary returns the primary pair of v as a path of the network, and Figure 2's
// state.
func (v *virtual) primary() (sim.Path, string) {
	s, _ := v.Status()
	p := s.Peers[0]
	if p.Primary == nil {
		return sim.Path{}, p.State
	}
	return sim.Path{From: netip.MustParseAddr(p.Primary.Local), To: netip.MustParseAddrPort(p.Primary.Remote).Addr()}, p.State
}

// connect opens a TCP connection from A to B.
func (w *world) connect(t *testing.T) (client, server *sim.TCP) {
	t.Helper()
	accepted := w.b.stack.Listen(80)
	client = w.a.stack.Dial(netip.AddrPortFrom(w.b.id, 80))
	select {
	case server = <-accepted:
	case <-time.After(10 * time.Second):
		t.Fatal("no TCP connection within 10 s")
	}
	return client, server
}

// TestRandomFaults runs random schedules of faults against a TCP connection that
// sends both ways. It must never be reset, deliver every byte, and end on pairs
// that work, each end in its own direction.
func TestRandomFaults(t *testing.T) {
	const faults, length = 40, 4 * time.Minute
	n := *seeds
	if testing.Short() {
		n = min(n, 3)
	}
	count := 0
	for seed := *firstSeed; seed < *firstSeed+uint64(n); seed++ {
		ok := t.Run("", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { count += runSchedule(t, seed, faults, length) })
		})
		if !ok {
			t.Fatalf("run again with -run %s -seed %d -seeds 1", t.Name(), seed)
		}
	}
	t.Logf("%d changes to the network in %d schedules, seeds %d to %d", count, n, *firstSeed, *firstSeed+uint64(n)-1)
}

func runSchedule(t *testing.T, seed uint64, faults int, length time.Duration) (changes int) {
	w := newWorld(t, seed, detect.Balanced)
	defer w.end()
	client, server := w.connect(t)
	start := time.Now()
	schedule := sim.Schedule(seed, length, faults)
	var written int64
	write := func(until time.Time) {
		for time.Now().Before(until) {
			client.Write(2000)
			server.Write(1000)
			written += 1000
			time.Sleep(min(100*time.Millisecond, time.Until(until)))
		}
	}
	for _, f := range schedule {
		write(start.Add(f.At))
		f.Apply(w.net)
	}
	write(start.Add(length - sim.SettleTime + 10*time.Second))
	arrives := func() {
		for _, err := range []error{
			server.WaitReceived(sim.SettleTime, 2*written), client.WaitReceived(sim.SettleTime, written),
		} {
			if err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
	}
	arrives()
	ends := w.converges(10*time.Second, w.net.Passes)
	// What only loses much is left for another pair while there is traffic, once the next
	// trial is due.
	for began := time.Now(); ends && !w.settled(w.net.Works) && time.Since(began) < longestRest; {
		write(time.Now().Add(time.Second))
	}
	arrives()
	if !ends || !w.converges(time.Second, w.net.Works) {
		for _, v := range []*virtual{w.a, w.b} {
			p, state := v.primary()
			t.Errorf("seed %d: %v ends %s on %v, which works: %v", seed, v.host, state, p, w.net.Works(p))
		}
	}
	if t.Failed() {
		for _, f := range schedule {
			t.Log(f)
		}
	}
	return len(schedule)
}

// longestRest is how long a schedule's traffic goes on, at most, for the sake of a primary
// that loses much: there is time for five trials in a schedule, after which each wait is
// twice the one before, from ten seconds.
const longestRest = 6 * time.Minute

// settled reports whether both ends have a primary for which the network says so in their
// direction.
func (w *world) settled(good func(sim.Path) bool) bool {
	for _, v := range []*virtual{w.a, w.b} {
		if p, state := v.primary(); state != detect.PrimaryOperational.String() || !good(p) {
			return false
		}
	}
	return true
}

// converges waits until that is so. A test may just be under way when it is called.
func (w *world) converges(limit time.Duration, good func(sim.Path) bool) bool {
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if w.settled(good) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// TestIdleIsSilentInVirtualTime: after the traffic ends, nothing is ever sent.
func TestIdleIsSilentInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced)
		defer w.end()
		client, server := w.connect(t)
		client.Write(10000)
		if err := server.WaitReceived(10*time.Second, 10000); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := w.net.Counters(sim.Path{})[sim.Sent]
		time.Sleep(24 * time.Hour)
		if sent := w.net.Counters(sim.Path{})[sim.Sent] - before; sent != 0 {
			t.Errorf("%d datagrams in a day without traffic, want 0", sent)
		}
	})
}

// TestStalls logs how long each kind of failure stalls a stream under virtual
// time, where nothing but the protocol takes time.
func TestStalls(t *testing.T) {
	for _, profile := range []struct {
		name   string
		timers detect.Timers
	}{{"fast", detect.Fast}, {"balanced", detect.Balanced}, {"gentle", detect.Gentle}} {
		if testing.Short() && profile.timers != detect.Balanced {
			continue
		}
		for _, fault := range []struct {
			name  string
			apply func(w *world, p sim.Path)
		}{
			{"both ways", func(w *world, p sim.Path) {
				w.net.Edit(p, block)
				w.net.Edit(sim.Path{From: p.To, To: p.From}, block)
			}},
			{"A to B", func(w *world, p sim.Path) { w.net.Edit(p, block) }},
			{"B to A", func(w *world, p sim.Path) { w.net.Edit(sim.Path{From: p.To, To: p.From}, block) }},
			{"link down", func(w *world, p sim.Path) { w.a.host.SetUp(sim.Uplink(uplinkOf(p)), false) }},
			{"address removed", func(w *world, p sim.Path) { w.a.host.RemoveAddr(p.From) }},
		} {
			t.Run(profile.name+"/"+fault.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := stall(t, profile.timers, fault.apply)
					t.Logf("RTT 20 ms: %v", s)
					if s > time.Second {
						t.Errorf("a stall of %v, want less than 1 s", s)
					}
				})
			})
		}
	}
}

func block(l *sim.Link) { l.Blocked = true }

func uplinkOf(p sim.Path) int {
	if p.From == sim.LocatorOf(sim.HostA, 1) {
		return 1
	}
	return 2
}

func stall(t *testing.T, timers detect.Timers, apply func(*world, sim.Path)) time.Duration {
	w := newWorld(t, 0, timers)
	defer w.end()
	client, server := w.connect(t)
	client.Write(1 << 30)
	time.Sleep(2 * time.Second)
	p, _ := w.a.primary()
	at := time.Now()
	apply(w, p)
	time.Sleep(3 * time.Second)
	_, s := sim.LongestStall(server.Deliveries(), at.Add(-50*time.Millisecond), at.Add(3*time.Second))
	if st := server.Stats(); st.Err != nil || st.Corrupt != nil {
		t.Error(st.Err, st.Corrupt)
	}
	return s
}
