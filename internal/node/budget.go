package node

import "time"

// A budget bounds the bytes that tests, Reports and keepalives may take over metered
// locators. It refills evenly over a day, and a day's worth may be spent at once. It
// is owned by the loop.
type budget struct {
	// daily is the bytes a day.
	daily int64
	left  float64
	at    time.Time
	// spent says that there is nothing left, and that it was told.
	spent bool
}

// budgetBack is the share of a day's bytes that must be there again before they are
// spent again, so that the budget does not come and go with each datagram.
const budgetBack = 1.0 / 24

func newBudget(daily int64, now time.Time) budget {
	return budget{daily: daily, left: float64(daily), at: now}
}

// take counts n bytes.
func (b *budget) take(now time.Time, n int) {
	b.refill(now)
	b.left -= float64(n)
}

func (b *budget) refill(now time.Time) {
	const day = 24 * time.Hour
	if d := now.Sub(b.at); d > 0 {
		b.left = min(b.left+float64(b.daily)*d.Seconds()/day.Seconds(), float64(b.daily))
		b.at = now
	}
	// What need has taken beyond the budget is not to be paid back for days.
	b.left = max(b.left, -float64(b.daily))
}

// turn reports whether the budget has come to its end, or back, since the last call.
func (b *budget) turn(now time.Time) bool {
	b.refill(now)
	was := b.spent
	switch {
	case b.left <= 0:
		b.spent = true
	case b.left >= float64(b.daily)*budgetBack:
		b.spent = false
	}
	return b.spent != was
}
