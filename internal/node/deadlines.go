package node

import (
	"container/heap"
	"time"
)

// deadlines is a heap of the peers that have a deadline, the earliest first.
type deadlines []*peer

// first returns the earliest deadline, zero if there is none.
func (d deadlines) first() time.Time {
	if len(d) == 0 {
		return time.Time{}
	}
	return d[0].deadline
}

// set gives p a deadline; zero takes it away.
func (d *deadlines) set(p *peer, t time.Time) {
	p.deadline = t
	switch in := p.heapIndex >= 0; {
	case in && t.IsZero():
		heap.Remove(d, int(p.heapIndex))
	case in:
		heap.Fix(d, int(p.heapIndex))
	case !t.IsZero():
		heap.Push(d, p)
	}
}

// Len implements heap.Interface.
func (d deadlines) Len() int { return len(d) }

// Less implements heap.Interface.
func (d deadlines) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }

// Swap implements heap.Interface.
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heapIndex, d[j].heapIndex = int32(i), int32(j)
}

// Push implements heap.Interface.
func (d *deadlines) Push(x any) {
	p := x.(*peer)
	p.heapIndex = int32(len(*d))
	*d = append(*d, p)
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	old := *d
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	p.heapIndex = -1
	return p
}
