package shim

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
)

// lossy makes a fate in which datagrams over p, from its local end, are lost by that
// share.
func lossy(w *world, p locator.Pair, share float64) func(*flight) []time.Duration {
	n := 0
	return func(f *flight) []time.Duration {
		if f.between(p.Local, p.Remote.Addr()) {
			// A permutation of 0 to 96: no period of TCP or of ours is in step with it.
			if n++; float64(n*37%97) < share*97 {
				return nil
			}
		}
		return []time.Duration{oneWay}
	}
}

// A lossy primary is left for a pair that is not; a little loss is no reason, and no loss
// is not even measured.
func TestLossIsMeasured(t *testing.T) {
	for _, c := range []struct {
		share           float64
		measured, moves bool
	}{{0, false, false}, {0.03, false, false}, {0.11, true, false}, {0.3, true, true}} {
		t.Run(fmt.Sprint(c.share), func(t *testing.T) {
			w := newWorld(t, setup{timers: detect.Gentle}) // no suspicion, just loss
			w.open()
			was := w.a.path.Pair
			w.fate = lossy(w, was, c.share)
			for range 60 * 100 {
				w.a.send(w.a.udp("x"))
				w.run(10 * time.Millisecond)
				if w.a.path != nil && w.a.path.Pair != was {
					break
				}
			}
			got := w.a.c.Status(w.now)
			moved := got.Primary != was
			if moved != c.moves {
				t.Errorf("moved: %v, %v after %v", moved, w, w.now.Sub(start))
			}
			if moved && (w.now.Sub(start) > 5*time.Second || got.Stats.Outages != 0) {
				t.Errorf("moved after %v with %d outages", w.now.Sub(start), got.Stats.Outages)
			}
			for _, p := range got.Pairs {
				if p.Pair == was && (c.measured != (p.Loss > 0) || c.measured && math.Abs(p.Loss-c.share) > 0.08) {
					t.Errorf("measured loss %v, want %v", p.Loss, c.share)
				}
			}
		})
	}
}

// What is lost on one pair is told from what is lost on another that is used as well, by
// packets that go over either.
func TestLossIsOfThePair(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second float64
		want          float64
	}{{"first", 0.3, 0, 0.3}, {"second", 0, 0.9, 0}, {"both", 0.3, 0.9, 0.3}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, setup{timers: detect.Gentle})
			w.open()
			first, second := w.a.path.Pair, w.a.pair(1, 1)
			one, other := lossy(w, first, c.first), lossy(w, second, c.second)
			w.fate = func(f *flight) []time.Duration {
				if f.between(second.Local, second.Remote.Addr()) {
					return other(f)
				}
				return one(f)
			}
			var from, to sample
			for range 20 {
				for range 50 {
					w.a.seal(w.a.path.Session, w.a.c.hop(first), w.a.udp("x"))
					w.a.seal(w.a.path.Session, w.a.c.hop(second), w.a.udp("x"))
					w.run(10 * time.Millisecond)
				}
				w.a.c.enter(w.now, nil)
				w.a.c.sendPoll(detect.SendPoll{Pair: first, ID: uint64(w.now.UnixNano()), Answer: true})
				w.a.perform(w.a.c.leave())
				w.run(10 * oneWay)
				if to = w.a.c.tallyOf(first).from; from.tally == nil {
					from = to
				}
			}
			sent := to.sent - from.sent
			lost := sent - uint64(to.came-from.came)
			if got := float64(lost) / float64(sent); sent < 200 || math.Abs(got-c.want) > 0.05 {
				t.Errorf("%d of %d lost, want %v of at least 200", lost, sent, c.want)
			}
		})
	}
}

// Where nothing is lost TCP asks for no Reports, and no losses are measured.
func TestNoLossNoReports(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	w.a.sent, w.b.sent = nil, nil
	seq := uint32(1)
	data := 0
	for range 20 * 100 {
		w.a.send(w.a.tcp(tcp{seq: seq, flags: ack, length: 100}))
		seq += 100
		w.run(5 * time.Millisecond)
		w.b.send(w.b.tcp(tcp{sport: 2000, dport: 1000, ack: seq, flags: ack}))
		w.run(5 * time.Millisecond)
		data++
	}
	for _, h := range []*host{w.a, w.b} {
		if n := len(h.sent) - data; n != 0 {
			t.Errorf("%s sent %d control datagrams in 20 s", h.name, n)
		}
	}
	w.run(time.Minute)
	w.a.sent, w.b.sent = nil, nil
	w.run(time.Hour)
	if n := len(w.a.sent) + len(w.b.sent); n != 0 {
		t.Errorf("%d datagrams in an idle hour", n)
	}
}
