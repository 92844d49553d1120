package shim

import (
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/wire"
)

// primaryStatus is what h knows of its primary pair.
func (h *host) primaryStatus() detect.PairStatus {
	for _, p := range h.c.machine.Pairs() {
		if p.Primary {
			return p
		}
	}
	h.w.t.Fatalf("%s has no primary pair: %v", h.name, h.w)
	return detect.PairStatus{}
}

// TestReportsTimeThePath: a stream that nobody answers follows a path that becomes longer,
// without a test, and without the time for which the peer held its Reports.
func TestReportsTimeThePath(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	delay := oneWay
	w.fate = func(*flight) []time.Duration { return []time.Duration{delay} }
	tested := w.a.c.machine.Stats().Suspicions
	for delay < 6*oneWay {
		w.a.send(w.a.udp("x"))
		w.run(5 * time.Millisecond)
		delay += oneWay / 100
	}
	for range 200 {
		w.a.send(w.a.udp("x"))
		w.run(5 * time.Millisecond)
	}
	got := w.a.primaryStatus()
	if want := 2 * delay; (got.RTT-want).Abs() > want/20 || got.Variation > want/20 {
		t.Errorf("the round-trip time is %v ± %v, want %v", got.RTT, got.Variation, want)
	}
	if n := w.a.c.machine.Stats().Suspicions - tested; n > 0 {
		t.Errorf("%d suspicions", n)
	}
}

// TestReportsThatTimeNothing: a round-trip time needs a packet that is known to have been
// sent at one time, over one pair.
func TestReportsThatTimeNothing(t *testing.T) {
	const rtt, held = 2 * oneWay, 7 * time.Millisecond
	for _, c := range []struct {
		name string
		// sent has something sent, and returns the number that is reported a round trip later.
		sent func(w *world) uint64
		want time.Duration
	}{
		{"a datagram", func(w *world) uint64 {
			w.a.send(w.a.udp("x"))
			return w.a.path.Session.next.Load() - 1
		}, rtt},
		{"a control packet long after", func(w *world) uint64 {
			w.a.send(w.a.udp("x"))
			w.run(rtt)
			w.a.c.now = w.now
			w.a.c.sendFrames(w.a.path.Pair, w.a.path.Session, wire.LocatorAck{}.AppendTo(nil))
			return w.a.path.Session.next.Load() - 1
		}, 0},
		{"a datagram over two pairs", func(w *world) uint64 {
			w.a.send(w.a.udp("x"))
			raise(&w.a.c.term.twiceUntil, w.a.c.since(w.now))
			return w.a.path.Session.next.Load() - 1
		}, 0},
	} {
		w := newWorld(t, setup{})
		w.open()
		w.run(time.Second)
		w.fate = func(*flight) []time.Duration { return nil }
		number := c.sent(w)
		w.run(rtt + held)
		w.a.c.now = w.now
		now := w.a.c.since(w.now)
		sent, within, ok := w.a.c.term.reported(now, number)
		if got, _ := w.a.c.term.timed(now, sent, within, held); !ok || got.Round(time.Millisecond) != c.want {
			t.Errorf("%s: timed as %v, %v; want %v", c.name, got, ok, c.want)
		}
	}
}

// TestReportHeldForever: what a peer claims to have held for longer than the packet is old
// gives no time.
func TestReportHeldForever(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	before := w.a.primaryStatus()
	w.a.send(w.a.udp("x"))
	number := w.a.path.Session.next.Load() - 1
	w.run(oneWay)
	w.b.tell(wire.Report{Tag: w.a.path.Session.remote, Largest: number, Held: time.Hour, Received: 1}.AppendTo(nil))
	if after := w.a.primaryStatus(); after.RTT != before.RTT || after.Variation != before.Variation {
		t.Errorf("the round-trip time was %v ± %v and is %v ± %v", before.RTT, before.Variation, after.RTT, after.Variation)
	}
}

// TestReportOfSeveral: who waited for longest is timed besides who came last.
func TestReportOfSeveral(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	w.fate = func(*flight) []time.Duration { return nil }
	for range 3 {
		w.a.send(w.a.udp("x"))
		w.run(5 * time.Millisecond)
	}
	now := w.a.c.since(w.now)
	sent, within, ok := w.a.c.term.reported(now, w.a.path.Session.next.Load()-1)
	took, waited := w.a.c.term.timed(now, sent, within, 2*time.Millisecond)
	if !ok || took != 3*time.Millisecond || waited != 15*time.Millisecond {
		t.Errorf("took %v, waited %v, %v; want 3ms and 15ms", took, waited, ok)
	}
}

// TestReportOfSegments: what TCP acknowledges is timed by that alone.
func TestReportOfSegments(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	w.fate = func(*flight) []time.Duration { return nil }
	w.a.send(w.a.tcp(data(1000, 100)))
	w.run(oneWay)
	now := w.a.c.since(w.now)
	sent, within, ok := w.a.c.term.reported(now, w.a.path.Session.next.Load()-1)
	if took, waited := w.a.c.term.timed(now, sent, within, 0); !ok || took != 0 || waited != 0 {
		t.Errorf("took %v, waited %v, %v; want none", took, waited, ok)
	}
}
