package sim

import (
	"cmp"
	"slices"
	"time"
)

const (
	// receiveWindow is what we always offer: the application reads at once.
	receiveWindow = 65535
	// delayedACK is how long an acknowledgement waits for a second segment or
	// for data to go with (RFC 9293 §3.8.6.3; Linux's minimum).
	delayedACK = 40 * time.Millisecond
)

// receiver is the receiving half of a connection. Positions count sequence
// space: 0 is the SYN, 1 the first byte.
type receiver struct {
	stream stream
	irs    uint32 // initial sequence number of the peer
	next   int64  // all before has been received
	fin    int64  // position of the FIN, 0 if not known yet
	holes  []span // received beyond next: sorted, disjoint

	ackNow     bool
	unacked    int       // segments since the last acknowledgement
	ackBy      time.Time // zero: no acknowledgement is waiting
	corrupt    error     // the first wrong byte
	deliveries []Delivery
}

// span is the half-open range of positions from start to end.
type span struct{ start, end int64 }

// A Delivery says when the application got all bytes up to Total.
type Delivery struct {
	At    time.Time
	Total int64
}

// position returns the position of a sequence number near next.
func (r *receiver) position(seq uint32) int64 {
	return r.next + int64(int32(seq-r.irs-uint32(r.next)))
}

// finished reports whether everything up to the peer's FIN was received.
func (r *receiver) finished() bool { return r.fin != 0 && r.next > r.fin }

// received returns how many bytes the application got.
func (r *receiver) received() int64 {
	if r.finished() {
		return r.next - 2 // SYN and FIN
	}
	return max(r.next-1, 0)
}

// accept takes the payload and the FIN of s. Each byte is compared with the
// stream as it comes, also one received before.
func (r *receiver) accept(now time.Time, s segment) {
	start := r.position(s.seq)
	end := start + int64(s.length())
	if start == end {
		return
	}
	near := start >= max(1, r.next-receiveWindow) && start <= r.next+receiveWindow
	if near && r.corrupt == nil {
		r.corrupt = r.stream.check(s.payload, start-1)
	}
	if end <= r.next || !near {
		r.ackNow = true // RFC 9293 §3.10.7.4: not acceptable, say what is
		return
	}
	if s.flags&flagFIN != 0 {
		r.fin = end - 1
	}
	// RFC 5681 §4.2: acknowledge at once what is out of order or fills a gap.
	r.ackNow = r.ackNow || start > r.next || len(r.holes) > 0 || s.flags&flagFIN != 0
	before := r.received()
	r.insert(span{start, end})
	if total := r.received(); total > before {
		r.deliveries = append(r.deliveries, Delivery{now, total})
	}
	r.unacked++
	if r.unacked >= 2 {
		r.ackNow = true
	}
	if r.ackBy.IsZero() {
		r.ackBy = now.Add(delayedACK)
	}
}

// insert adds s to what was received and moves next over it.
func (r *receiver) insert(s span) {
	r.holes = append(r.holes, s)
	slices.SortFunc(r.holes, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	rest := r.holes[:0]
	for _, h := range r.holes {
		switch last := len(rest) - 1; {
		case h.start <= r.next:
			r.next = max(r.next, h.end)
		case last >= 0 && h.start <= rest[last].end:
			rest[last].end = max(rest[last].end, h.end)
		default:
			rest = append(rest, h)
		}
	}
	r.holes = rest
}

// acknowledged notes that an acknowledgement goes out.
func (r *receiver) acknowledged() {
	r.ackNow, r.unacked, r.ackBy = false, 0, time.Time{}
}
