package alarms

import (
	"time"

	"github.com/multi6/multi6/shim"
)

// bufLen holds the longest datagram and what room is needed around its packet.
const bufLen = 1600

// A flight is a datagram under way.
type flight struct {
	// at is when it arrives, order breaks ties.
	at    time.Duration
	order uint64
	to    *end
	// local and remote are the receiver's view of the pair: numbers of uplinks.
	local, remote int
	// buf[from:until] is the datagram.
	from, until int
	buf         [bufLen]byte
}

func (f *flight) before(g *flight) bool { return f.at < g.at || f.at == g.at && f.order < g.order }

// datagram returns the bytes.
func (f *flight) datagram() []byte { return f.buf[f.from:f.until] }

// put copies a datagram into f, with the headroom that opening it needs.
func (f *flight) put(datagram []byte) {
	f.from = shim.Headroom
	f.until = f.from + copy(f.buf[f.from:], datagram)
}

// A queue is a heap of flights, the earliest first. It keeps those that have
// landed, to be used again.
type queue struct {
	heap  []*flight
	free  []*flight
	count uint64
}

// next returns when the first flight arrives, or false if there is none.
func (q *queue) next() (time.Duration, bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// take returns a flight to be filled.
func (q *queue) take() *flight {
	if n := len(q.free); n > 0 {
		f := q.free[n-1]
		q.free = q.free[:n-1]
		return f
	}
	return new(flight)
}

// release takes a flight back.
func (q *queue) release(f *flight) { q.free = append(q.free, f) }

// push adds f, whose at is set.
func (q *queue) push(f *flight) {
	q.count++
	f.order = q.count
	q.heap = append(q.heap, f)
	h, i := q.heap, len(q.heap)-1
	for i > 0 && f.before(h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = f
}

// pop removes and returns the first flight.
func (q *queue) pop() *flight {
	h := q.heap
	first, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	q.heap = h
	if len(h) == 0 {
		return first
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].before(h[c]) {
			c++
		}
		if !h[c].before(last) {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = last
	return first
}
