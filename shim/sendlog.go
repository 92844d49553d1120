package shim

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// logEntries is how many instants a sendLog remembers, and leastGrain and
	// mostGrain bound how far they are apart: a sixteenth of the round-trip time,
	// so that it looks back over a few round trips.
	logEntries = 64
	leastGrain = 250 * time.Microsecond
	mostGrain  = 10 * time.Millisecond
)

// A sendLog remembers when packets were sent, in grains. One goroutine adds,
// others may look.
type sendLog struct {
	// entries are nil while there are none.
	entries atomic.Pointer[[logEntries]atomic.Uint64]
	// head counts the entries ever made; last is an entry for the last packet.
	head atomic.Uint32
	last atomic.Uint64
	// entered is when the last entry was made, and lastAt when the last packet was
	// sent. They belong to who adds.
	entered, lastAt time.Duration
	// first is what after returned last. It belongs to who asks.
	first time.Duration
}

// An entry is a packet number, or a sequence number, and when it was sent, in
// microseconds; both are cut to 32 bits, which is enough to compare what is close
// together.
func entry(number uint32, at time.Duration) uint64 {
	return uint64(number)<<32 | uint64(uint32(at.Microseconds()))
}

func entryNumber(e uint64) uint32 { return uint32(e >> 32) }

// entryAt returns when the entry was made, now being at most an hour later.
func entryAt(e uint64, now time.Duration) time.Duration {
	age := uint32(now.Microseconds()) - uint32(e)
	if -age < 1<<28 {
		age = 0 // made after now was read
	}
	return now.Truncate(time.Microsecond) - time.Duration(age)*time.Microsecond
}

// add notes that packet number was sent now.
func (l *sendLog) add(now, grain time.Duration, number uint32) {
	e := entry(number, now)
	if l.head.Load() == 0 || now-l.entered >= grain {
		if l.lastAt > l.entered && now-l.lastAt >= grain {
			l.enter(l.last.Load()) // a pause: what came before it must not be forgotten
		}
		l.enter(e)
		l.entered = now
	}
	l.last.Store(e)
	l.lastAt = now
}

func (l *sendLog) enter(e uint64) {
	entries := l.entries.Load()
	if entries == nil {
		entries = new([logEntries]atomic.Uint64)
		l.entries.Store(entries)
	}
	h := l.head.Load()
	entries[h%logEntries].Store(e)
	l.head.Store(h + 1)
}

// after returns when the first packet was sent after t, zero if none was. It may
// be wrong by a grain. What it returned is remembered for as long as it is after t, though
// the log has no room for it any more. One goroutine asks.
func (l *sendLog) after(t, now time.Duration) time.Duration {
	first := l.kept(t, now)
	if l.first <= t || first < l.first {
		l.first = first
	}
	return l.first
}

// kept is after, as far as the log goes back.
func (l *sendLog) kept(t, now time.Duration) time.Duration {
	h := l.head.Load()
	var first time.Duration
	entries := l.entries.Load()
	for i := uint32(1); i <= min(h, logEntries); i++ {
		at := entryAt(entries[(h-i)%logEntries].Load(), now)
		if at <= t {
			break
		}
		first = at
	}
	if last := entryAt(l.last.Load(), now); first == 0 && h > 0 && last > t {
		return last
	}
	return first
}

// sent returns when a packet not after number was sent, the latest there is. number itself
// was sent no more than within later, if it was sent at all.
func (l *sendLog) sent(number uint32, now time.Duration) (at, within time.Duration, ok bool) {
	h := l.head.Load()
	next := time.Duration(math.MaxInt64) // when what follows was sent
	found := func(e uint64) bool {
		at = entryAt(e, now)
		switch past := int32(entryNumber(e) - number); {
		case past > 0:
			next = at
			return false
		case past < 0:
			within = max(next-at, 0)
		}
		return true
	}
	if h > 0 && found(l.last.Load()) {
		return at, within, true
	}
	entries := l.entries.Load()
	for i := uint32(1); i <= min(h, logEntries); i++ {
		if found(entries[(h-i)%logEntries].Load()) {
			return at, within, true
		}
	}
	return 0, 0, false
}
