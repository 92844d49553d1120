package resolve

import (
	"sync"
	"time"
)

// unknown stands for a time to live that no reply told.
const unknown time.Duration = -1

// A ledger collects what was asked in one lookup and what the replies said. The
// queries of a lookup run at the same time, and may outlast it: mu guards all.
type ledger struct {
	mu sync.Mutex
	// open are the questions without a usable reply yet.
	open map[question]bool
	told lifetimes
}

func newLedger() *ledger {
	return &ledger{open: make(map[question]bool), told: lifetimes{unknown, unknown}}
}

func (l *ledger) asked(q query) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[q.question] = true
}

// replied enters a message that came back on the connection of q.
func (l *ledger) replied(q query, msg []byte) {
	t, ok := readReply(msg, q)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, q.question)
	l.told = lifetimes{least(l.told.found, t.found), least(l.told.missing, t.missing)}
}

// found returns for how long the addresses hold: the least of the records'
// lifetimes, within our limits. Where a question is open, for IPv6 say, the
// addresses are not all: they hold for as short as any.
func (l *ledger) found() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.open) > 0:
		return minTTL
	case l.told.found == unknown:
		return defaultTTL
	}
	return min(max(l.told.found, minTTL), maxTTL)
}

// missing returns for how long it holds that there are no addresses.
func (l *ledger) missing() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) > 0 || l.told.missing == unknown {
		return defaultRetry
	}
	return min(max(l.told.missing, minRetry), maxRetry)
}

// least returns the smaller of two lifetimes, either of which may be unknown.
func least(a, b time.Duration) time.Duration {
	switch {
	case a == unknown:
		return b
	case b == unknown:
		return a
	}
	return min(a, b)
}
