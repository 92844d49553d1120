package shim

import (
	"sync/atomic"
	"time"

	"github.com/multi6/multi6/locator"
)

// A Path is the immutable snapshot with which the packet path sends to a peer.
type Path struct {
	Session *Session
	// Hop is the primary pair.
	Hop
	// Second is a pair under test over which packets go as well, so that nothing
	// is lost whichever of the two works; zero if there is none.
	Second Hop
	// Term takes the stamps while the pair is primary.
	Term *Term
}

// A Hop is a pair and the index of the interface that has its local locator.
type Hop struct {
	Pair      locator.Pair
	Interface uint32
}

// Marks are what the packet path leaves for the loop about a peer, whatever the
// pair. All times are since the context's base; zero is none.
type Marks struct {
	// awake says that the loop will look at the marks by itself; active that
	// packets have passed since it last did.
	awake, active atomic.Bool
	// owedTCP is when the first packet came that our TCP's acknowledgement will
	// confirm, owedOther when the first came that only a Report can.
	owedTCP, owedOther atomic.Int64
}

// Touch notes that a packet passes. It reports true if the loop must be told,
// since it has gone to sleep over this peer.
func (m *Marks) Touch() (wake bool) {
	if !m.active.Load() {
		m.active.Store(true)
	}
	return !m.awake.Load() && m.awake.CompareAndSwap(false, true)
}

// look returns whether packets have passed since it was last called, and goes to
// sleep if none have.
func (m *Marks) look() bool {
	if m.active.Swap(false) {
		m.awake.Store(true)
		return true
	}
	m.awake.Store(false)
	// A packet in between may have found us awake.
	if m.active.Load() && m.awake.CompareAndSwap(false, true) {
		m.active.Store(false)
		return true
	}
	return false
}

// A Term is the time for which a pair is primary. It takes the packet path's
// stamps of that time, so that what was sent on one pair is never taken for
// evidence of another.
type Term struct {
	// session was the current one when the term began, at startedAt, and first
	// its next packet number.
	session   *Session
	startedAt time.Time
	first     uint64

	// unconfirmed is when the first packet was sent since the last confirmation
	// that TCP will confirm, unreported the same for what only a Report can.
	unconfirmed, unreported atomic.Int64
	// confirmed is when a packet of this term was last known to have arrived,
	// sample the last round-trip time.
	confirmed, sample atomic.Int64
	flows             atomic.Pointer[flows]
}

// stamp sets t to now unless it holds an earlier time.
func stamp(t *atomic.Int64, now time.Duration) {
	if t.Load() == 0 {
		t.CompareAndSwap(0, max(int64(now), 1))
	}
}

// clearBefore sets t to none unless it holds a time after limit.
func clearBefore(t *atomic.Int64, limit time.Duration) {
	if v := t.Load(); v != 0 && v <= int64(limit) {
		t.CompareAndSwap(v, 0)
	}
}

// confirm notes that a packet sent in this term has arrived. Packets still on
// their way are forgotten with it: the next one sent starts the clock again.
func (t *Term) confirm(now, sample time.Duration) {
	t.unconfirmed.Store(0)
	t.unreported.Store(0)
	t.confirmed.Store(int64(now))
	if sample > 0 {
		t.sample.Store(int64(sample))
	}
}

// Sent takes note of an inner packet that goes out now on the term's pair. It
// must be called before the packet is sealed, as sealing overwrites it.
func (t *Term) Sent(now time.Duration, m *Marks, pkt []byte) {
	s, ok := parseSegment(pkt)
	if !ok {
		stamp(&t.unreported, now)
		return
	}
	if s.ack {
		// It tells the peer what we received.
		clearBefore(&m.owedTCP, now)
	}
	if s.length == 0 {
		return // a pure ACK is confirmed by nothing
	}
	t.flowTable().sent(now, s)
	stamp(&t.unconfirmed, now)
}

// Received takes note of an inner packet that came now. t may be nil: there is
// no primary pair.
func (t *Term) Received(now time.Duration, m *Marks, pkt []byte) {
	s, ok := parseSegment(pkt)
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
		if sample, progress := f.acked(now, s); progress {
			t.confirm(now, sample)
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
