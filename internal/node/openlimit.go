package node

import "time"

// openRate and openBurst bound how many Opens are worked on, a second and at
// once: each costs a few Diffie-Hellman operations of the loop's time.
const (
	openRate  = 1000
	openBurst = 200
)

// openLimit is a token bucket. The zero openLimit is full.
type openLimit struct {
	used float64
	last time.Time
}

// allow takes a token, if there is one.
func (l *openLimit) allow(now time.Time) bool {
	l.used = max(0, l.used-now.Sub(l.last).Seconds()*openRate)
	l.last = now
	if l.used+1 > openBurst {
		return false
	}
	l.used++
	return true
}
