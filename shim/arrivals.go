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
	pairs []arrivals
	// last is the place of the pair that was counted last, next that of the pair that
	// makes room for another.
	last, next int
}

type arrivals struct {
	pair  locator.Pair
	count uint32
}

// Came counts a datagram that came over p now, and returns the count. It begins anywhere,
// so that the peer does not take one that was begun anew for the one before.
func (a *Arrivals) Came(now time.Duration, p locator.Pair) uint32 {
	if a.last >= len(a.pairs) || a.pairs[a.last].pair != p {
		a.find(now, p)
	}
	x := &a.pairs[a.last]
	x.count++
	return x.count
}

func (a *Arrivals) find(now time.Duration, p locator.Pair) {
	a.last = slices.IndexFunc(a.pairs, func(x arrivals) bool { return x.pair == p })
	if a.last >= 0 {
		return
	}
	first := arrivals{p, uint32(now)}
	if len(a.pairs) < numArrivals {
		a.last, a.pairs = len(a.pairs), append(a.pairs, first)
		return
	}
	a.last, a.next = a.next, (a.next+1)%numArrivals
	a.pairs[a.last] = first
}
