package rig

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

// A Recorder collects arrivals in order.
type Recorder struct {
	mu       sync.Mutex
	arrivals []Arrival
}

// Add appends an arrival.
func (r *Recorder) Add(at time.Duration, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals = append(r.arrivals, Arrival{at, bytes})
}

// All returns the arrivals so far. The slice is not to be changed; later
// arrivals do not show in it.
func (r *Recorder) All() []Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.arrivals[:len(r.arrivals):len(r.arrivals)]
}

// After returns the index of the first arrival at t or later.
func After(as []Arrival, t time.Duration) int {
	return sort.Search(len(as), func(i int) bool { return as[i].At >= t })
}

// Total returns the bytes that arrived from one moment up to, but without,
// another.
func Total(as []Arrival, from, to time.Duration) (n int) {
	for _, a := range as[After(as, from):After(as, to)] {
		n += a.Bytes
	}
	return n
}

// Buckets returns the bytes that arrived in each of the n spans of the given width
// that follow each other from a moment on.
func Buckets(as []Arrival, from, width time.Duration, n int) []int {
	bs := make([]int, n)
	for _, a := range as[After(as, from):] {
		i := int((a.At - from) / width)
		if i >= n {
			break
		}
		bs[i] += a.Bytes
	}
	return bs
}

// A Gap is a time without arrivals. If nothing has arrived since, it is open
// and its end is that of the observation.
type Gap struct {
	Start, End time.Duration
	Open       bool
}

// Length returns how long the gap is.
func (g Gap) Length() time.Duration { return g.End - g.Start }

// LongestGap returns the longest gap between arrivals that overlaps the time
// between two moments. Observation began at 0 and ended at until.
func LongestGap(as []Arrival, from, to, until time.Duration) Gap {
	i := After(as, from)
	previous := time.Duration(0)
	if i > 0 {
		previous = as[i-1].At
	}
	var longest Gap
	for ; previous < to; i++ {
		g := Gap{previous, until, true}
		if i < len(as) {
			g = Gap{previous, as[i].At, false}
		}
		if g.Length() > longest.Length() {
			longest = g
		}
		if g.Open {
			break
		}
		previous = g.End
	}
	return longest
}

// GapFrom returns the time from a moment to the next arrival.
func GapFrom(as []Arrival, from, until time.Duration) Gap {
	if i := After(as, from); i < len(as) {
		return Gap{from, as[i].At, false}
	}
	return Gap{from, until, true}
}
