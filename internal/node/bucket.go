package node

import "time"

const (
	// openRate and openBurst bound how many Opens of others are worked on, a second
	// and at once: each costs a few Diffie-Hellman operations of the loop's time.
	openRate  = 1000
	openBurst = 200
	// testRate and testBurst bound how many tests the node sends, over all peers: when
	// a site loses its uplink, many fail at once (draft §5.3: no signalling storm).
	testRate  = 2000
	testBurst = 500
)

// A bucket holds tokens, of which rate come back each second, up to burst. A new one
// is full.
type bucket struct {
	rate, burst float64
	used        float64
	last        time.Time
}

func (b *bucket) refill(now time.Time) {
	b.used = max(0, b.used-now.Sub(b.last).Seconds()*b.rate)
	b.last = now
}

// allow takes a token, if there is one.
func (b *bucket) allow(now time.Time) bool {
	b.refill(now)
	if b.used+1 > b.burst {
		return false
	}
	b.used++
	return true
}

// take takes a token even if that is a debt.
func (b *bucket) take(now time.Time) {
	b.refill(now)
	b.used++
}

// wait returns how long it is until there is a token, zero if there is one.
func (b *bucket) wait(now time.Time) time.Duration {
	b.refill(now)
	if b.used+1 <= b.burst {
		return 0
	}
	return time.Duration((b.used + 1 - b.burst) / b.rate * float64(time.Second))
}
