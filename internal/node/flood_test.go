package node_test

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/wire"
)

// datagram returns a UDP packet of size bytes from A to B with that number.
func (w *world) datagram(size int, number uint32) []byte {
	const udp = 17
	b := make([]byte, size)
	b[0], b[6], b[7] = 6<<4, udp, 64
	binary.BigEndian.PutUint16(b[4:], uint16(size-wire.IPv6HeaderLen))
	from, to := w.a.id.As16(), w.b.id.As16()
	copy(b[8:], from[:])
	copy(b[24:], to[:])
	binary.BigEndian.PutUint16(b[44:], uint16(size-wire.IPv6HeaderLen))
	binary.BigEndian.PutUint32(b[48:], number)
	return b
}

// flood has A send datagrams of size bytes to B, one each interval, until stop returns how
// many.
func (w *world) flood(size int, interval time.Duration) (stop func() uint32) {
	over, count := make(chan struct{}), make(chan uint32)
	go func() {
		for n := uint32(0); ; n++ {
			select {
			case <-over:
				count <- n
				return
			case <-time.After(interval):
				w.a.dev.Inject(w.datagram(size, n))
			}
		}
	}()
	return func() uint32 {
		close(over)
		return <-count
	}
}

// blockPrimary blocks A's primary pair both ways and returns how long A took to leave it,
// at most limit.
func (w *world) blockPrimary(limit time.Duration) time.Duration {
	p, _ := w.a.primary()
	w.net.Edit(p, block)
	w.net.Edit(sim.Path{From: p.To, To: p.From}, block)
	at := time.Now()
	for q, _ := w.a.primary(); q == p && time.Since(at) < limit; q, _ = w.a.primary() {
		time.Sleep(time.Millisecond)
	}
	return time.Since(at)
}

// TestFloodLeavesDeadPair: however many packets are on their way when a pair dies, and
// however patient its user is, it is left.
func TestFloodLeavesDeadPair(t *testing.T) {
	for _, c := range []struct {
		name          string
		timers        detect.Timers
		rtt, interval time.Duration
		most          time.Duration
	}{
		{"fast, 1 ms", detect.Fast, time.Millisecond, 200 * time.Microsecond, 200 * time.Millisecond},
		{"balanced, 1 ms", detect.Balanced, time.Millisecond, 200 * time.Microsecond, 200 * time.Millisecond},
		{"balanced, 20 ms", detect.Balanced, 20 * time.Millisecond, 200 * time.Microsecond, 300 * time.Millisecond},
		{"gentle, 20 ms", detect.Gentle, 20 * time.Millisecond, time.Millisecond, 2 * time.Second},
		{"reap, 20 ms", detect.REAP, 20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3, c.timers)
				defer w.end()
				for _, h := range []*sim.Host{w.a.host, w.b.host} {
					for i := 1; i <= 2; i++ {
						h.EditInterface(sim.Uplink(i), func(out, _ *sim.Link) { out.Delay = c.rtt / 2 })
					}
				}
				stop := w.flood(100, c.interval)
				defer stop()
				time.Sleep(2 * time.Second)
				if took := w.blockPrimary(c.most); took >= c.most {
					t.Errorf("still on the dead pair after %v", took)
				} else {
					t.Logf("left the dead pair after %v", took)
				}
			})
		})
	}
}

// TestDoubtSoonAfterSwitch: the new primary comes into doubt while packets still queue
// behind what is sent again. They must not go over the pair under test alone, which is the
// one that has just died.
func TestDoubtSoonAfterSwitch(t *testing.T) {
	for _, wait := range []time.Duration{5, 20, 40, 80} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 3, detect.Balanced)
			defer w.end()
			w.b.stack.Close()
			got := make(map[uint32]bool)
			go func() {
				for b := range w.b.dev.Packets() {
					got[binary.BigEndian.Uint32(b[48:])] = true
				}
			}()
			stop := w.flood(1000, 200*time.Microsecond)
			time.Sleep(2 * time.Second)
			w.blockPrimary(time.Second)
			time.Sleep(wait * time.Millisecond)
			if _, err := w.a.Suspect(t.Context(), node.SuspectRequest{Peer: "b"}); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Second)
			sent := stop()
			time.Sleep(time.Second)
			synctest.Wait()
			for n := range sent {
				if !got[n] {
					t.Errorf("doubt %v after the switch: datagram %d of %d and maybe more lost", wait*time.Millisecond, n, sent)
					break
				}
			}
		})
	}
}
