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
	// BothFamilies says that there are pairs of IPv4 and of IPv6.
	BothFamilies bool
}

// A Hop is a pair and the index of the interface that has its local locator.
type Hop struct {
	Pair      locator.Pair
	Interface uint32
	// Room is how long a datagram may be, in bytes of UDP payload; zero: as long as it
	// likes.
	Room int

	sent *atomic.Uint64
}

// Sent counts n datagrams that go out over the hop. Whoever sends has to, for all of a
// super-packet at once, so that it is known what the pair loses.
func (h Hop) Sent(n int) { h.sent.Add(uint64(n)) }

// Marks are what the packet path leaves for the loop about a peer, whatever the
// pair. All times are since the context's base; zero is none.
type Marks struct {
	// awake says that the loop will look at the marks by itself; active that
	// packets have passed since it last did.
	awake, active atomic.Bool
	// owedTCP is when the first packet came that our TCP's acknowledgement will
	// confirm, owedOther when the first came that only a Report can.
	owedTCP, owedOther atomic.Int64
	// heard is when a packet last came over the reverse of the primary pair.
	heard atomic.Int64
}

// Heard notes that a packet came over the reverse of the primary pair.
func (m *Marks) Heard(now time.Duration) {
	if m.heard.Load() != int64(now) { // once for all that are read together
		m.heard.Store(int64(now))
	}
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
