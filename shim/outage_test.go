package shim

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// What TCP had under way when all pairs failed goes over the pair that works again first,
// though that was not the primary, and though the outage was long.
func TestUnderWayBeforeOutage(t *testing.T) {
	for _, outage := range []time.Duration{700 * time.Millisecond, 3 * time.Second} {
		w := settled(t, setup{localsA: localsA, localsB: localsB})
		old := w.a.path.Pair
		var other locator.Pair
		for _, p := range []locator.Pair{w.a.pair(0, 0), w.a.pair(1, 1)} {
			if p.Local != old.Local && p.Remote.Addr() != old.Remote.Addr() {
				other = p
			}
		}
		w.fate = func(f *flight) []time.Duration { return nil }
		w.b.got = nil
		const n = 20
		for i := range n {
			streamed(w, i)
			w.run(time.Millisecond)
		}
		if !w.until(10*time.Second, func() bool { return w.a.path == nil }) {
			t.Fatalf("no outage: %v", w)
		}
		w.run(outage)
		streamed(w, n) // waits
		w.fate = func(f *flight) []time.Duration {
			if f.between(other.Local, other.Remote.Addr()) || f.between(other.Remote.Addr(), other.Local) {
				return []time.Duration{oneWay}
			}
			return nil
		}
		w.run(3 * time.Second)
		came := map[uint32]bool{}
		for _, p := range w.b.got {
			if p[6] == protocolTCP {
				came[binary.BigEndian.Uint32(p[40+4:])/1000] = true
			}
		}
		if len(came) != n+1 {
			t.Errorf("outage of %v: %d of %d segments came over %v (primary %v)", outage, len(came), n+1, other, w.a.path)
		}
	}
}

// A Report of what went over another pair, the answer to a Poll for example, does not confirm
// what was sent on the primary before.
func TestReportOfAnotherPair(t *testing.T) {
	w := settled(t, setup{localsA: localsA, localsB: localsB})
	c, old := w.a.c, w.a.path.Pair
	w.fate = func(f *flight) []time.Duration { return nil }
	report := func(p locator.Pair) (confirmed bool) {
		w.run(time.Millisecond)
		w.a.send(w.a.udp("lost"))
		s := c.sessions.current
		c.now = w.now
		c.sendFrames(p, s, wire.LocatorAck{}.AppendTo(nil))
		c.handleReport(wire.Report{Tag: s.remote, Largest: s.next.Load() - 1})
		_, others := c.term.unconfirmed(c.since(w.now))
		return others == 0
	}
	for _, p := range []locator.Pair{w.a.pair(0, 1), w.a.pair(1, 0), w.a.pair(1, 1)} {
		if p != old && report(p) {
			t.Errorf("a packet on %v is confirmed by a datagram over %v", old, p)
		}
	}
	if !report(old) {
		t.Errorf("nothing on %v is confirmed by a later datagram over it", old)
	}
}
