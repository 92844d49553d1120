package sim_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/sim"
)

// both sends n bytes each way, waits for them and closes in peace.
func both(t *testing.T, client, server *sim.TCP, n int64, timeout time.Duration) {
	t.Helper()
	client.Write(n)
	server.Write(n)
	if err := server.WaitReceived(timeout, n); err != nil {
		t.Errorf("server: %v", err)
	}
	if err := client.WaitReceived(timeout, n); err != nil {
		t.Errorf("client: %v", err)
	}
	client.Close()
	server.Close()
	for _, c := range []*sim.TCP{client, server} {
		if err := c.WaitDone(timeout); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
}

func TestTCPOverBadPaths(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name string
		link sim.Link
		// what must have happened to be a test of anything
		want func(c, s sim.TCPStats, n sim.Counters) bool
	}{
		{"no delay", sim.Link{}, func(c, s sim.TCPStats, n sim.Counters) bool { return c.Retransmits+s.Retransmits == 0 }},
		{"delay", sim.Link{Delay: 10 * time.Millisecond}, func(c, s sim.TCPStats, n sim.Counters) bool {
			return c.Retransmits+s.Retransmits == 0 && c.SRTT >= 20*time.Millisecond
		}},
		{"loss", sim.Link{Delay: 10 * time.Millisecond, Loss: 0.05}, func(c, s sim.TCPStats, n sim.Counters) bool {
			return c.FastRetransmits > 0 && s.FastRetransmits > 0 && n[sim.Lost] > 20
		}},
		{"reordering", sim.Link{Delay: 10 * time.Millisecond, Jitter: 10 * time.Millisecond}, func(c, s sim.TCPStats, n sim.Counters) bool {
			return c.FastRetransmits > 0 && n.Dropped() == 0
		}},
		{"duplicates", sim.Link{Delay: 10 * time.Millisecond, Duplicate: 0.3}, func(c, s sim.TCPStats, n sim.Counters) bool {
			return n[sim.Duplicated] > 100
		}},
		{"rate", sim.Link{Delay: 10 * time.Millisecond, Rate: 2_000_000}, func(c, s sim.TCPStats, n sim.Counters) bool {
			return n[sim.Congested] > 0
		}},
		{"everything", sim.Link{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.05, Duplicate: 0.05}, func(c, s sim.TCPStats, n sim.Counters) bool {
			return c.Retransmits > 0
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, w *world) {
				w.Edit(sim.Path{}, func(l *sim.Link) { *l = tt.link })
				a, b := w.stacks(1, first, nil)
				client, server := connect(t, a, b)
				both(t, client, server, mib, 10*time.Minute)
				c, s, n := client.Stats(), server.Stats(), w.Counters(sim.Path{})
				if !tt.want(c, s, n) {
					t.Errorf("client %+v, server %+v, network %v", c, s, n)
				}
				if a.Bad()+b.Bad() > 0 {
					t.Errorf("%d and %d bad packets", a.Bad(), b.Bad())
				}
			})
		})
	}
}

func TestTCPOutlivesOutage(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Delay = 10 * time.Millisecond })
		a, b := w.stacks(1, first, nil)
		client, server := connect(t, a, b)
		client.Write(1 << 20)
		if err := server.WaitReceived(time.Minute, 1<<19); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Blocked = true })
		time.Sleep(30 * time.Second)
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Blocked = false })
		both(t, client, server, 1<<20, 2*time.Minute)
		at, stall := sim.LongestStall(server.Deliveries(), began, time.Now())
		if stall < 30*time.Second || stall > 60*time.Second || at.Sub(began) > time.Second {
			t.Errorf("longest stall %v, %v after the outage began", stall, at.Sub(began))
		}
	})
}

func TestTCPResetByLongOutage(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		a, b := w.stacks(1, first, nil)
		client, server := connect(t, a, b)
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Blocked = true })
		client.Write(1000)
		time.Sleep(20 * time.Minute)
		if err := client.Stats().Err; !errors.Is(err, sim.ErrTimeout) {
			t.Errorf("after 20 min: %v, want ErrTimeout", err)
		}
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Blocked = false })
		server.Write(1000) // to a peer that no longer knows it
		if err := server.WaitReceived(time.Minute, 1000); !errors.Is(err, sim.ErrReset) {
			t.Errorf("server: %v, want ErrReset", err)
		}
	})
}

func TestTCPRefusedAndAborted(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		a, b := w.stacks(1, first, nil)
		up := func(s sim.TCPStats) bool { return s.Established }
		if err := a.Dial(netip.AddrPortFrom(idB, 81)).Wait(time.Minute, up); !errors.Is(err, sim.ErrReset) {
			t.Errorf("Dial to nobody: %v, want ErrReset", err)
		}
		client, server := connect(t, a, b)
		if client.LocalAddr() != server.RemoteAddr() || server.LocalAddr() != client.RemoteAddr() {
			t.Errorf("%v, %v and %v, %v", client.LocalAddr(), client.RemoteAddr(), server.LocalAddr(), server.RemoteAddr())
		}
		client.Abort()
		if err := server.WaitDone(time.Minute); !errors.Is(err, sim.ErrReset) {
			t.Errorf("server: %v, want ErrReset", err)
		}
		if err := client.WaitDone(time.Minute); !errors.Is(err, sim.ErrAborted) {
			t.Errorf("client: %v, want ErrAborted", err)
		}
	})
}

func TestTCPWait(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		a, b := w.stacks(1, first, nil)
		client, _ := connect(t, a, b)
		start := time.Now()
		if err := client.WaitReceived(time.Hour, 1); err == nil || time.Since(start) != time.Hour {
			t.Errorf("waited %v for nothing: %v", time.Since(start), err)
		}
		time.AfterFunc(time.Second, a.Close)
		if err := client.WaitReceived(time.Hour, 1); !errors.Is(err, sim.ErrClosed) {
			t.Errorf("Wait on a closed stack: %v", err)
		}
	})
}

// TestTCPFindsCorruption changes a byte and adjusts the checksum to it, as a
// node does that restores a packet wrongly.
func TestTCPFindsCorruption(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		mangle := func(pkt []byte) {
			if len(pkt) > 1000 {
				// Two words up and down by one: the sum stays.
				x, y := pkt[500:502], pkt[502:504]
				binary.BigEndian.PutUint16(x, binary.BigEndian.Uint16(x)^1)
				if binary.BigEndian.Uint16(x)&1 == 1 {
					binary.BigEndian.PutUint16(y, binary.BigEndian.Uint16(y)-1)
				} else {
					binary.BigEndian.PutUint16(y, binary.BigEndian.Uint16(y)+1)
				}
			}
		}
		a, b := w.stacks(1, first, mangle)
		client, server := connect(t, a, b)
		client.Write(10_000)
		if err := server.WaitReceived(time.Minute, 10_000); err == nil || server.Stats().Corrupt == nil {
			t.Errorf("wrong bytes went unnoticed: %v", err)
		}
	})
}

func TestTCPBadPackets(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		a, b := w.stacks(1, first, func(pkt []byte) { pkt[len(pkt)-1]++ })
		a.Dial(netip.AddrPortFrom(idB, 80))
		time.Sleep(500 * time.Millisecond)
		if b.Bad() != 1 {
			t.Errorf("%d bad packets, want 1", b.Bad())
		}
	})
}

func TestManyConnections(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Delay, l.Loss = 5*time.Millisecond, 0.02 })
		a, b := w.stacks(1, first, nil)
		accepted := b.Listen(80)
		for range 50 {
			a.Dial(netip.AddrPortFrom(idB, 80)).Write(20_000)
		}
		for range 50 {
			if err := (<-accepted).WaitReceived(10*time.Minute, 20_000); err != nil {
				t.Error(err)
			}
		}
	})
}

// seeds returns how many random schedules to run: MULTI6_SEEDS, or n.
func seeds(n uint64) uint64 {
	if s, err := strconv.ParseUint(os.Getenv("MULTI6_SEEDS"), 10, 64); err == nil {
		return s
	}
	return n
}

// TestTCPUnderRandomSchedules joins two stacks by a shuttle that always knows a
// working pair, if there is one. Whatever happens then, a connection must end
// with every byte right, and never be reset.
func TestTCPUnderRandomSchedules(t *testing.T) {
	n := seeds(200)
	if testing.Short() {
		n = min(n, 40)
	}
	for seed := range n {
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { runSchedule(t, seed) }) {
			t.Logf("seed %d failed", seed)
		}
	}
}

func runSchedule(t *testing.T, seed uint64) {
	bubble(t, seed, func(t *testing.T, w *world) {
		for _, h := range []*sim.Host{w.a, w.b} {
			for i := 1; i <= 2; i++ {
				h.EditInterface(sim.Uplink(i), func(out, in *sim.Link) { out.Delay, out.Loss = 10*time.Millisecond, 0.01 })
			}
		}
		oracle := func(from, to *sim.Host) sim.Path {
			if ps := w.Working(from, to); len(ps) > 0 {
				return ps[0]
			}
			return sim.Path{}
		}
		a, b := w.stacks(seed, oracle, nil)
		client, server := connect(t, a, b)
		total := int64(0)
		r := rand.New(rand.NewPCG(seed, 0))
		start := time.Now()
		for _, f := range sim.Schedule(seed, 2*time.Minute, 20) {
			time.Sleep(time.Until(start.Add(f.At)))
			f.Apply(w.Network)
			n := r.Int64N(50_000)
			client.Write(n)
			server.Write(n)
			total += n
		}
		both(t, client, server, 1000, 3*time.Minute)
		for _, c := range []*sim.TCP{client, server} {
			if s := c.Stats(); s.Received != total+1000 || s.Acked != total+1000 {
				t.Errorf("received %d and %d acknowledged of %d", s.Received, s.Acked, total+1000)
			}
		}
	})
}
