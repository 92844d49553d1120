package demo

import (
	"sort"
	"sync"
	"time"
)

// An Arrival is what one read at a receiver returned.
type Arrival struct {
	At    time.Duration // since the start of the run
	Bytes int
}

// A recorder collects arrivals in order.
type recorder struct {
	mu       sync.Mutex
	arrivals []Arrival
}

func (r *recorder) add(at time.Duration, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals = append(r.arrivals, Arrival{at, bytes})
}

// all returns the arrivals so far. The slice is not to be changed; later
// arrivals do not show in it.
func (r *recorder) all() []Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.arrivals[:len(r.arrivals):len(r.arrivals)]
}

// after returns the index of the first arrival at t or later.
func after(as []Arrival, t time.Duration) int {
	return sort.Search(len(as), func(i int) bool { return as[i].At >= t })
}

// total returns the bytes that arrived from one moment up to, but without,
// another.
func total(as []Arrival, from, to time.Duration) (n int) {
	for _, a := range as[after(as, from):after(as, to)] {
		n += a.Bytes
	}
	return n
}

// buckets returns the bytes that arrived in each of the n spans of the given width
// that follow each other from a moment on.
func buckets(as []Arrival, from, width time.Duration, n int) []int {
	bs := make([]int, n)
	for _, a := range as[after(as, from):] {
		i := int((a.At - from) / width)
		if i >= n {
			break
		}
		bs[i] += a.Bytes
	}
	return bs
}

// A gap is a time without arrivals. If nothing has arrived since, it is open
// and its end is that of the observation.
type gap struct {
	start, end time.Duration
	open       bool
}

func (g gap) length() time.Duration { return g.end - g.start }

// longestGap returns the longest gap between arrivals that overlaps the time
// between two moments. Observation began at 0 and ended at until.
func longestGap(as []Arrival, from, to, until time.Duration) gap {
	i := after(as, from)
	previous := time.Duration(0)
	if i > 0 {
		previous = as[i-1].At
	}
	var longest gap
	for ; previous < to; i++ {
		g := gap{previous, until, true}
		if i < len(as) {
			g = gap{previous, as[i].At, false}
		}
		if g.length() > longest.length() {
			longest = g
		}
		if g.open {
			break
		}
		previous = g.end
	}
	return longest
}

// gapFrom returns the time from a moment to the next arrival.
func gapFrom(as []Arrival, from, until time.Duration) gap {
	if i := after(as, from); i < len(as) {
		return gap{from, as[i].At, false}
	}
	return gap{from, until, true}
}
