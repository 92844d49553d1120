package shim

import (
	"slices"
	"time"

	"github.com/multi6/multi6/locator"
)

// numArrivals is how many pairs are counted at a time.
const numArrivals = 16

// Arrivals count the authentic datagrams that come from a peer over each pair, so that it
// can find out what was lost. They belong to whoever opens.
type Arrivals struct {
	pairs  [numArrivals]locator.Pair
	counts [numArrivals]uint32
	// last is the place of the pair that was counted last, next that of the pair that
	// makes room for another.
	last, next int
}

// Came counts a datagram that came over p now, and returns the count. It begins anywhere,
// so that the peer does not take one that was begun anew for the one before.
func (a *Arrivals) Came(now time.Duration, p locator.Pair) uint32 {
	if a.pairs[a.last] != p {
		a.find(now, p)
	}
	a.counts[a.last]++
	return a.counts[a.last]
}

func (a *Arrivals) find(now time.Duration, p locator.Pair) {
	if a.last = slices.Index(a.pairs[:], p); a.last >= 0 {
		return
	}
	a.last, a.next = a.next, (a.next+1)%numArrivals
	a.pairs[a.last], a.counts[a.last] = p, uint32(now)
}
