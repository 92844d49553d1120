package shim

import (
	"time"

	"github.com/multi6/multi6/inner"
)

const (
	// ringFirst and ringLast bound the bytes that a Ring holds: it starts small
	// and grows while it would lose packets that may still be under way.
	ringFirst = 64 << 10
	ringLast  = 2 << 20
	// ringAside is how long a ring is that goes round so seldom that nothing of it would still
	// be in the processor's caches: a hundred of them cost others theirs.
	ringAside = 1 << 20
	// ringYoung is the age up to which a lost packet counts for that.
	ringYoung = 200 * time.Millisecond
)

// A Ring keeps copies of the inner packets lately sent to a peer, so that those
// on their way when a pair fails can be sent again over another: TCP's own timers
// would take many times as long. It also keeps those that wait for a pair. The
// zero Ring is empty and holds no memory. It is not safe for concurrent use.
type Ring struct {
	data []byte
	// records are those kept, oldest at head; count is how many.
	records     []record
	head, count int
	// next is where in data the next packet goes.
	next int
	// waiting is how many packets were never sent, and pushed how many were ever pushed.
	waiting int
	pushed  uint64
	// settled is until when what was sent is known to have arrived.
	settled time.Duration
}

// A record is a packet, or a super-packet, in the ring.
type record struct {
	at           time.Duration
	offset, size int
	// transport, segment and partial are as in inner.Packet.
	transport, segment int
	partial, waiting   bool
}

// Settle says that what was sent until then has arrived, as far as is known: the ring need
// not grow for its sake. What stays small stays in the processor's caches.
func (r *Ring) Settle(until time.Duration) { r.settled = until }

// Push adds a copy of an inner packet that goes out now or, waiting, cannot. It
// returns how many waiting packets had to make room.
func (r *Ring) Push(now time.Duration, p inner.Packet, waiting bool) (lost int) {
	pkt := p.Buf
	if len(pkt) > ringLast/4 {
		return 0
	}
	if r.data == nil {
		r.data = make([]byte, ringFirst)
		r.records = make([]record, ringFirst/256)
	}
	for !r.fits(len(pkt)) {
		oldest := r.records[r.head]
		if (oldest.waiting || oldest.at > r.settled && now-oldest.at < ringYoung) && r.grow() {
			continue
		}
		if oldest.waiting {
			first := r.packet(0)
			lost += first.Segments()
			r.waiting--
		}
		r.drop()
	}
	if r.next+len(pkt) > len(r.data) {
		r.next = 0
	}
	if len(r.data) >= ringAside {
		copyAside(r.data[r.next:], pkt)
	} else {
		copy(r.data[r.next:], pkt)
	}
	r.records[(r.head+r.count)%len(r.records)] = record{
		at: now, offset: r.next, size: len(pkt),
		transport: p.Transport, segment: p.Segment, partial: p.Partial, waiting: waiting,
	}
	r.next += len(pkt)
	r.count++
	r.pushed++
	if waiting {
		r.waiting++
	}
	return lost
}

// fits reports whether n bytes can be added without dropping the oldest packet.
func (r *Ring) fits(n int) bool {
	if r.count == 0 {
		r.next = 0
		for n > len(r.data) {
			r.grow() // Push lets nothing in that is longer than the longest ring
		}
		return true
	}
	if r.count == len(r.records) {
		return false
	}
	oldest := r.records[r.head].offset
	if r.next > oldest {
		// Free: from next to the end, and from the start to the oldest.
		return r.next+n <= len(r.data) || n <= oldest
	}
	return r.next+n <= oldest
}

func (r *Ring) drop() {
	r.head = (r.head + 1) % len(r.records)
	r.count--
}

// grow doubles the ring, if it may. Packets keep their order.
func (r *Ring) grow() bool {
	if len(r.data) >= ringLast {
		return false
	}
	g := Ring{
		data: make([]byte, 2*len(r.data)), records: make([]record, 2*len(r.records)),
		waiting: r.waiting, pushed: r.pushed, settled: r.settled,
	}
	for i := range r.count {
		rec := r.records[(r.head+i)%len(r.records)]
		copy(g.data[g.next:], r.data[rec.offset:rec.offset+rec.size])
		g.records[i] = rec
		g.records[i].offset = g.next
		g.next += rec.size
		g.count++
	}
	*r = g
	return true
}

// Release gives the memory back.
func (r *Ring) Release() { *r = Ring{pushed: r.pushed} }

// Len returns how many packets the ring holds, a super-packet being one.
func (r *Ring) Len() int { return r.count }

// Waiting returns how many packets wait for a pair.
func (r *Ring) Waiting() int { return r.waiting }

// Pushed returns how many packets were ever pushed: the number of the next one.
func (r *Ring) Pushed() uint64 { return r.pushed }

// index returns where in the ring the packet of that number is, or would be.
func (r *Ring) index(number uint64) int {
	return r.count - int(min(r.pushed-number, uint64(r.count)))
}

// Sent says that the packets that waited have gone out by now, those before that number.
func (r *Ring) Sent(now time.Duration, number uint64) {
	for i := 0; r.waiting > 0 && i < r.index(number); i++ {
		rec := &r.records[(r.head+i)%len(r.records)]
		if !rec.waiting {
			continue
		}
		rec.waiting = false
		r.waiting--
		if !r.late(i, now) { // else it is not to go again, if it went
			rec.at = now
		}
	}
}

// A Kept is a packet that a Ring keeps, or a segment of a super-packet.
type Kept struct {
	// Number is that of the packet among those pushed, At when it was, zero for
	// acknowledgements, which need not be spaced.
	Number uint64
	At     time.Duration
	// Waiting says that it was never sent.
	Waiting bool
	inner.Packet
}

// After calls f with the packets from that number on, oldest first, super-packets cut. They
// are f's only until it returns.
func (r *Ring) After(number uint64, f func(Kept)) {
	var c pieces
	for i := r.index(number); i < r.count; i++ {
		p := r.packet(i)
		for k := range p.Segments() {
			f(r.asKept(i, c.piece(p, k)))
		}
	}
}

func (r *Ring) asKept(i int, p inner.Packet) Kept {
	rec := r.record(i)
	return Kept{Number: r.pushed - uint64(r.count-i), At: rec.at, Waiting: rec.waiting, Packet: p}
}

// datagramAge is the age from which on a packet that is not TCP's is not worth
// sending again, waitingAge the same if it was never sent.
const (
	datagramAge = 2 * time.Second
	waitingAge  = 30 * time.Second
)

// acknowledgementAge is the same for a pure acknowledgement: the connection may
// have ended since.
const acknowledgementAge = 2 * time.Second

// Unconfirmed calls f with what a asks for, super-packets cut: the newest
// pure acknowledgement of each TCP connection; then, oldest first, the packets that
// wait and, at most a.Limit bytes, those pushed after a.Since that
// a.Term does not know to have arrived. The packet is f's only until it returns. It returns
// how many have waited for so long that they are worth nothing.
func (r *Ring) Unconfirmed(a Resend, now time.Duration, f func(Kept)) (late int) {
	limit := a.Limit
	var l latest
	r.each(func(_ piece, s segment, tcp bool) { l.note(s, tcp) })
	var data []piece
	i := -1
	r.each(func(x piece, s segment, tcp bool) {
		i++
		rec := r.record(x.record)
		switch {
		case tcp && !l.newest(i, s):
		case tcp && s.length == 0:
			if rec.waiting || now-rec.at <= acknowledgementAge {
				k := r.asKept(x.record, r.packet(x.record))
				k.At = 0
				f(k)
			}
		case !tcp && now-rec.at > rec.worth():
			if rec.waiting {
				late++
			}
		case rec.waiting, rec.at > a.Since && !(tcp && a.Term.arrived(s)):
			data = append(data, x)
		}
	})
	var c pieces
	for _, x := range data {
		rec := r.record(x.record)
		p := c.piece(r.packet(x.record), x.segment)
		switch {
		case rec.waiting:
		case limit < len(p.Buf):
			continue
		default:
			limit -= len(p.Buf)
		}
		f(r.asKept(x.record, p))
	}
	return late
}

// A piece is a segment of a packet in the ring, both by number.
type piece struct{ record, segment int }

// each calls f with all packets and segments of super-packets, oldest first.
func (r *Ring) each(f func(x piece, s segment, tcp bool)) {
	for i := range r.count {
		p := r.packet(i)
		whole, tcp := parseSegment(p.Buf, false)
		last := p.Segments() - 1
		for k := range last + 1 {
			s := whole
			if p.Segment > 0 {
				from, to := p.Payload(k)
				s.sequence += uint32(k * p.Segment)
				s.length = uint32(to - from)
				if k == last {
					s.length = whole.sequence + whole.length - s.sequence // FIN counts
				}
			}
			f(piece{i, k}, s, tcp)
		}
	}
}

// pieces cuts segments from super-packets.
type pieces struct {
	cutter inner.Cutter
	buf    []byte
}

// piece returns segment k of p, valid until the next call.
func (c *pieces) piece(p inner.Packet, k int) inner.Packet {
	if p.Segment == 0 {
		return p
	}
	from, to := p.Payload(k)
	n := p.HeaderLen()
	c.buf = append(append(c.buf[:0], p.Buf[:n]...), p.Buf[from:to]...)
	c.cutter.Reset(&p)
	c.cutter.PutHeaders(c.buf, k)
	return inner.Packet{Buf: c.buf, Transport: p.Transport, Partial: true}
}

func (r *Ring) record(i int) record { return r.records[(r.head+i)%len(r.records)] }

// late reports whether the i-th packet has waited for too long, and is not TCP's.
func (r *Ring) late(i int, now time.Duration) bool {
	if now-r.record(i).at <= waitingAge {
		return false
	}
	_, tcp := parseSegment(r.packet(i).Buf, false)
	return !tcp
}

// worth returns for how long a packet that is not TCP's is worth sending again.
func (r record) worth() time.Duration {
	if r.waiting {
		return waitingAge
	}
	return datagramAge
}

// packet returns the i-th packet, the oldest being number 0.
func (r *Ring) packet(i int) inner.Packet {
	rec := r.record(i)
	return inner.Packet{
		Buf: r.data[rec.offset : rec.offset+rec.size], Transport: rec.transport, Segment: rec.segment, Partial: rec.partial,
	}
}

// latest finds out which of a series of packets are superseded: a TCP segment by
// its retransmission, a pure acknowledgement by a later one. An old copy must not
// arrive first: its timestamp, echoed, would have TCP believe that its time-outs
// were spurious, or measure the whole outage as a round trip (RFC 7323 §4).
type latest struct {
	count int
	last  map[segmentKey]int
}

type segmentKey struct {
	flow     uint64
	sequence uint32
	pure     bool
}

func keyOf(s segment) segmentKey {
	if s.length == 0 {
		return segmentKey{flow: s.flow, pure: true}
	}
	return segmentKey{flow: s.flow, sequence: s.sequence}
}

// note takes down the next packet of the series.
func (l *latest) note(s segment, tcp bool) {
	if tcp {
		if l.last == nil {
			l.last = make(map[segmentKey]int)
		}
		l.last[keyOf(s)] = l.count
	}
	l.count++
}

// newest reports whether no later packet supersedes the i-th, which is s.
func (l *latest) newest(i int, s segment) bool { return l.last[keyOf(s)] == i }
