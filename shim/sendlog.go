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

// forever is how much later a packet may have been sent than the last that was noted.
const forever = time.Duration(math.MaxInt64)

// A sendLog remembers when packets were sent, in grains. One goroutine adds,
// others may look.
type sendLog struct {
	// entries are nil while there are none.
	entries atomic.Pointer[[logEntries]atomic.Uint64]
	// head counts the entries ever made; last is an entry for the last packet.
	head atomic.Uint32
	last atomic.Uint64
	// lastAt is when the last packet was sent, in nanoseconds.
	lastAt atomic.Int64
	// entered is when the last entry was made. It belongs to who adds.
	entered time.Duration
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

// grainOf returns the grain of a log for a round-trip time.
func grainOf(rtt time.Duration) time.Duration { return min(max(rtt/16, leastGrain), mostGrain) }

// entriesFor is for how long the instant of an entry can be told from its 32 bits.
const entriesFor = time.Hour

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
	lastAt := time.Duration(l.lastAt.Load())
	if now-lastAt > entriesFor {
		l.head.Store(0)
		lastAt = 0
	}
	if l.head.Load() == 0 || now-l.entered >= grain {
		if lastAt > l.entered && now-lastAt >= grain {
			l.enter(l.last.Load()) // a pause: what came before it must not be forgotten
		}
		l.enter(e)
		l.entered = now
	}
	l.last.Store(e)
	l.lastAt.Store(int64(now))
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
	h, last := l.head.Load(), time.Duration(l.lastAt.Load()).Truncate(time.Microsecond)
	if now-last > entriesFor {
		h = 0
	}
	var first time.Duration
	entries := l.entries.Load()
	latest := now
	for i := uint32(1); i <= min(h, logEntries); i++ {
		at := entryAt(entries[(h-i)%logEntries].Load(), now)
		if at <= t || at > latest {
			break // what is later than what follows is from more than an hour ago
		}
		first, latest = at, at
	}
	if first == 0 && last > t {
		return min(last, now)
	}
	return first
}

// sent returns when a packet not after number was sent, the latest there is. number itself
// was sent no more than within later, if it was sent at all.
func (l *sendLog) sent(number uint32, now time.Duration) (at, within time.Duration, ok bool) {
	h := l.head.Load()
	if h == 0 || now-time.Duration(l.lastAt.Load()) > entriesFor {
		return 0, 0, false
	}
	last := l.last.Load()
	next, latest := entryAt(last, now), now
	switch past := int32(entryNumber(last) - number); {
	case past == 0:
		return next, 0, true
	case past < 0:
		return next, forever, true
	}
	entries := l.entries.Load()
	for i := uint32(1); i <= min(h, logEntries); i++ {
		e := entries[(h-i)%logEntries].Load()
		at := entryAt(e, now)
		if at > latest {
			break // it is later than what follows: it is from more than an hour ago
		}
		switch past := int32(entryNumber(e) - number); {
		case past == 0:
			return at, 0, true
		case past < 0:
			return at, max(next-at, 0), true
		}
		next, latest = at, at
	}
	return 0, 0, false
}
