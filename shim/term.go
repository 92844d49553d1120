package shim

import (
	"sync/atomic"
	"time"
)

// A Term is the time for which a pair is primary. It takes the packet path's
// stamps of that time, so that what was sent on one pair is never taken for
// evidence of another.
type Term struct {
	// session was the current one when the term began, at startedAt, and first
	// its next packet number.
	session   *Session
	startedAt time.Time
	first     uint64

	// grain is how exactly what TCP will confirm is logged, othersGrain the rest.
	grain, othersGrain atomic.Int64
	// segments logs what TCP will confirm, others what only a Report can.
	segments, others sendLog
	// arrivedSent is when the latest packet was sent that is known to have
	// arrived, and confirmed when that became known. acknowledged is the same as
	// arrivedSent, but for what only Polls show: they are short.
	arrivedSent, confirmed, acknowledged atomic.Int64
	// sample is the longest round-trip time measured, zero once it was taken.
	sample atomic.Int64
	flows  atomic.Pointer[flows]
	// twiceUntil is until when packets went over another pair as well: what was sent
	// before is not timed (RFC 6298 §3).
	twiceUntil atomic.Int64
	// mark is for how long packets are marked, from the first one on that can be; zero:
	// not at all. markUntil is until when, zero before that.
	mark      time.Duration
	markUntil atomic.Int64
}

// timedWithin is how exactly it must be known when a packet was sent, as a divisor of the
// round-trip time that it is to give: no worse than the grain is.
const timedWithin = 8

// confirm notes that a packet sent at that time has arrived, as is known now.
func (t *Term) confirm(now, sent, sample time.Duration) {
	raise(&t.arrivedSent, sent)
	raise(&t.acknowledged, sent)
	raise(&t.confirmed, now)
	raise(&t.sample, sample)
}

// raise sets t to v if that is more.
func raise(t *atomic.Int64, v time.Duration) {
	for {
		old := t.Load()
		if int64(v) <= old || t.CompareAndSwap(old, int64(v)) {
			return
		}
	}
}

// Settled returns until when what was sent in this term has arrived, as far as is known.
func (t *Term) Settled() time.Duration { return time.Duration(t.acknowledged.Load()) }

// unconfirmed returns when the first packet was sent that may not have arrived,
// of those that TCP confirms and of the others. Zero: all have.
func (t *Term) unconfirmed(now time.Duration) (segments, others time.Duration) {
	arrived := time.Duration(t.arrivedSent.Load())
	return t.segments.after(arrived, now), t.others.after(arrived, now)
}

// reported returns when a packet was sent that a Report of largest confirms: largest itself,
// no more than within later, or one before it.
func (t *Term) reported(now time.Duration, largest uint64) (sent, within time.Duration, ok bool) {
	a, withinA, okA := t.segments.sent(uint32(largest), now)
	b, withinB, okB := t.others.sent(uint32(largest), now)
	switch {
	case okA && okB && a == b:
		return a, min(withinA, withinB), true
	case !okA || okB && b > a:
		return b, withinB, okB
	}
	return a, withinA, okA
}

// timed returns what a Report shows of the round-trip time, zero if nothing, sent being when
// what it confirms was sent: took is how long that and the Report were under way, held being
// for how long the peer had it, and waited how long the first packet has waited that waits for
// Reports. It must be called before that is confirmed.
func (t *Term) timed(now, sent, within, held time.Duration) (took, waited time.Duration) {
	_, first := t.unconfirmed(now)
	took = now - sent - held
	switch {
	case first == 0 || sent < first:
		return 0, 0 // that has arrived was known: when it did is not
	case within > took/timedWithin:
		return 0, 0 // Polls and pure acknowledgements are numbered too, but in no log
	case t.twiceSince(first):
		return 0, 0
	}
	return took, now - first
}

// twiceSince reports whether packets went over two pairs at sent or later: what arrived may
// have come over the other.
func (t *Term) twiceSince(sent time.Duration) bool {
	return sent <= time.Duration(t.twiceUntil.Load())
}

// Sent takes note of an inner packet that goes out now on the term's pair, sealed
// by s as n datagrams. It must be called before the packet is sealed, as sealing overwrites it,
// and by one goroutine at a time.
func (t *Term) Sent(now time.Duration, m *Marks, s *Session, pkt []byte, n int) {
	// A Report names the last of them when all have come.
	number := uint32(s.next.Load()) + uint32(n) - 1
	seg, ok := parseSegment(pkt, false)
	if !ok {
		t.others.add(now, time.Duration(t.othersGrain.Load()), number)
		return
	}
	if seg.ack {
		// It tells the peer what we received.
		clearBefore(&m.owedTCP, now)
	}
	if seg.length == 0 {
		return // a pure ACK is confirmed by nothing
	}
	grain := time.Duration(t.grain.Load())
	t.flowTable().sent(now, grain, seg)
	t.segments.add(now, grain, number)
}

// Received takes note of an inner packet that came now. t may be nil: there is
// no primary pair.
func (t *Term) Received(now time.Duration, m *Marks, pkt []byte) {
	s, ok := parseSegment(pkt, true)
	if !ok {
		stamp(&m.owedOther, now)
		return
	}
	if s.length > 0 {
		stamp(&m.owedTCP, now)
	}
	if t == nil || !s.ack {
		return
	}
	if f := t.flows.Load(); f != nil {
		if p, ok := f.acked(now, s); ok {
			if t.twiceSince(now - p.sample) {
				p.sample = 0
			}
			t.confirm(now, p.sent, p.sample)
		}
	}
}

func (t *Term) flowTable() *flows {
	f := t.flows.Load()
	if f == nil {
		t.flows.CompareAndSwap(nil, new(flows))
		f = t.flows.Load()
	}
	return f
}

// Arrived reports whether an inner packet is a TCP segment that is known to have arrived,
// by an acknowledgement in this term.
func (t *Term) Arrived(pkt []byte) bool {
	s, ok := parseSegment(pkt, false)
	return ok && s.length > 0 && t.arrived(s)
}

// arrived reports whether s is known to have arrived, by an acknowledgement in
// this term.
func (t *Term) arrived(s segment) bool {
	if t == nil {
		return false
	}
	f := t.flows.Load()
	if f == nil {
		return false
	}
	slot := f.slot(s.flow)
	first, acknowledged := uint32(slot.span.Load()>>32), slot.acknowledged.Load()
	// Where nothing is acknowledged yet, what came before the term's first segment
	// is not either: it may be just what was lost with the pair before.
	return slot.key.Load() == s.flow && acknowledged != first && int32(s.sequence+s.length-acknowledged) <= 0
}
