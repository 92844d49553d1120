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

// lost returns a world in which all that is sent from now on is lost.
func lost(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	w.fate = func(*flight) []time.Duration { return nil }
	return w
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
		w := lost(t)
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
	w := lost(t)
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
	w := lost(t)
	w.a.send(w.a.tcp(data(1000, 100)))
	w.run(oneWay)
	now := w.a.c.since(w.now)
	sent, within, ok := w.a.c.term.reported(now, w.a.path.Session.next.Load()-1)
	if took, waited := w.a.c.term.timed(now, sent, within, 0); !ok || took != 0 || waited != 0 {
		t.Errorf("took %v, waited %v, %v; want none", took, waited, ok)
	}
}

// TestReportOfWhatHasArrived: a Report that names what an answered Poll has shown to have arrived
// does not tell when it did.
func TestReportOfWhatHasArrived(t *testing.T) {
	w := lost(t)
	w.a.send(w.a.udp("x"))
	number := w.a.path.Session.next.Load() - 1
	now := w.a.c.since(w.now)
	raise(&w.a.c.term.arrivedSent, now)
	w.run(20 * time.Second)
	w.a.send(w.a.udp("x"))
	now = w.a.c.since(w.now)
	sent, within, ok := w.a.c.term.reported(now, number)
	if took, _ := w.a.c.term.timed(now, sent, within, 0); !ok || took != 0 {
		t.Errorf("took %v, %v; want none", took, ok)
	}
}

// TestReportOfSuperPackets: a super-packet is sent as many datagrams, and has arrived when the
// last of them has.
func TestReportOfSuperPackets(t *testing.T) {
	const n = 10
	w := newWorld(t, setup{})
	w.open()
	s, term := w.a.path.Session, w.a.c.term
	first := s.next.Load()
	for i := range 2 {
		term.Sent(time.Duration(i+1)*time.Second, &w.a.c.Marks, s, w.a.udp("x"), n)
		s.next.Add(n)
	}
	for _, c := range []struct {
		number       uint64
		sent, within time.Duration
	}{
		{first + n - 1, time.Second, 0},
		{first + n, time.Second, time.Second}, // a part of the second
		{first + 2*n - 1, 2 * time.Second, 0},
	} {
		sent, within, ok := term.reported(3*time.Second, c.number)
		if !ok || sent != c.sent || within != c.within {
			t.Errorf("datagram %d: sent at %v within %v, %v; want %v, %v", c.number-first, sent, within, ok, c.sent, c.within)
		}
	}
	// The first of a super-packet says nothing of it.
	if sent, _, ok := term.reported(3*time.Second, first); ok && sent >= time.Second {
		t.Errorf("the first datagram: sent at %v", sent)
	}
}

// TestReportAtOnce: of packets of both kinds that were read at once the one that is named is
// known exactly.
func TestReportAtOnce(t *testing.T) {
	w := lost(t)
	w.a.send(w.a.tcp(data(1000, 100)))
	w.a.send(w.a.udp("x"))
	now := w.a.c.since(w.now)
	if sent, within, ok := w.a.c.term.reported(now, w.a.path.Session.next.Load()-1); !ok || sent != now || within != 0 {
		t.Errorf("sent at %v within %v, %v; want %v, 0", sent, within, ok, now)
	}
}

// TestReportsTimeBesideSlowTCP: datagrams are logged as exactly as their own round-trip time asks,
// though TCP's is much longer.
func TestReportsTimeBesideSlowTCP(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.chat(time.Second, 5*time.Millisecond)
	tcp := w.a.c.machine.RTT()
	for range 200 {
		w.a.c.perform(w.a.c.machine.HandleFeedback(w.now, w.now, time.Second, nil))
	}
	w.chat(time.Second, 5*time.Millisecond)
	if now := w.a.c.machine.RTT(); now < 10*tcp {
		t.Fatalf("setup: TCP's round-trip time is %v", now)
	}
	if got, want := time.Duration(w.a.c.term.othersGrain.Load()), w.a.c.machine.ReportRTT()/16; got != want || want > tcp {
		t.Errorf("the grain is %v, want %v", got, want)
	}
}
