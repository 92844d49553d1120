package underlay

import "iter"

const (
	// maxSegments is how many datagrams UDP_SEGMENT cuts from one (Linux
	// UDP_MAX_SEGMENTS, in all but the newest kernels), and maxRun their length in
	// all: with headers it must be below 64 KiB, or the device does not cut them.
	maxSegments = 64
	maxRun      = 65000
)

// A run is what the kernel is given as one message: a datagram, or several of one
// length over one pair. They are either whole Messages, or a part of one.
type run struct {
	first, count int // in the caller's messages
	from, to     int // in the Buf of a single one
	segment      int // length of each but the last, zero for one datagram
}

// A cursor is a place in the caller's messages, between datagrams.
type cursor struct {
	at   int // index of the message
	from int // in its Buf
}

// next returns the longest run from c on, and what comes after it.
func (c cursor) next(msgs []Message, segments bool) (run, cursor) {
	m := &msgs[c.at]
	if m.Segment > 0 && len(m.Buf) > m.Segment {
		return c.part(m, segments)
	}
	r := run{first: c.at, count: 1, to: len(m.Buf)}
	if segments {
		if r.count = runLength(msgs[c.at:]); r.count > 1 {
			r.segment = len(m.Buf)
		}
	}
	return r, cursor{at: c.at + r.count}
}

// part is next where c is in m, which holds several datagrams.
func (c cursor) part(m *Message, segments bool) (run, cursor) {
	size := m.Segment
	if segments {
		size *= max(1, min(maxSegments, maxRun/m.Segment))
	}
	r := run{first: c.at, count: 1, from: c.from, to: min(c.from+size, len(m.Buf))}
	if r.to-r.from > m.Segment {
		r.segment = m.Segment
	}
	if r.to < len(m.Buf) {
		return r, cursor{c.at, r.to}
	}
	return r, cursor{at: c.at + 1}
}

// runLength returns how many messages from the first on can leave as one: over
// the same pair, all of the first one's length but the last, which may be
// shorter but not empty, as nothing is left of it in a run.
func runLength(msgs []Message) int {
	head := &msgs[0]
	size := len(head.Buf)
	p, total, n := head.pair(), size, 1
	for n < len(msgs) && n < maxSegments {
		m := &msgs[n]
		total += len(m.Buf)
		if m.Segment != 0 || len(m.Buf) > size || len(m.Buf) == 0 || total > maxRun || m.pair() != p {
			break
		}
		n++
		if len(m.Buf) < size {
			break
		}
	}
	return n
}

// datagrams yields the datagrams of r, each with the index of its message.
func (r run) datagrams(msgs []Message) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for i := r.first; i < r.first+r.count; i++ {
			part := msgs[i]
			if r.count == 1 {
				part.Buf, part.Segment = part.Buf[r.from:r.to], r.segment
			}
			for d := range part.Datagrams() {
				if !yield(i, d) {
					return
				}
			}
		}
	}
}
