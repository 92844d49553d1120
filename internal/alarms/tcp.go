package alarms

import "time"

const (
	minRTO     = 200 * time.Millisecond // as in Linux
	maxRTO     = 120 * time.Second
	initialRTO = time.Second           // RFC 6298 §2.1
	delayedACK = 40 * time.Millisecond // Linux's least
	// maxSACKs is how many blocks fit beside time stamps (RFC 2018 §3).
	maxSACKs = 3
	// burst is how many lost segments an acknowledgement lets out again.
	burst = 2
)

// A segment is what two tcps tell each other. A position is a sequence number that
// does not wrap.
type segment struct {
	position int64
	length   int
	ack      int64
	sacks    [maxSACKs]span
	blocks   int
}

// span is the half-open range of positions from start to end.
type span struct{ start, end int64 }

// A tcp is one end of a connection that is open from the beginning: as much of TCP
// as decides when packets and acknowledgements go. Its window does not change; losses
// are found by selective acknowledgements and time as with RACK, by a tail loss probe
// (RFC 8985) or by time-out (RFC 6298); acknowledgements are delayed.
type tcp struct {
	size     int // bytes of a full segment
	window   int // segments under way at most
	ackEvery int // segments in order that one acknowledgement waits for

	una, next, written int64
	out                []outstanding // oldest first; out[0].start == una
	credit             int           // lost segments that may be sent again now
	delivered          time.Duration // when the latest segment was sent that has arrived
	srtt, rttvar       time.Duration
	timer              time.Duration // zero: not running
	probes             bool          // the timer is for a tail loss probe
	backoff            uint

	received int64
	holes    []span // received beyond: sorted, disjoint
	recent   span   // the last that came out of order
	ackNow   bool
	unacked  int
	ackAt    time.Duration // zero: no acknowledgement waits
}

// An outstanding is a segment that is not acknowledged.
type outstanding struct {
	span
	sentAt              time.Duration
	sacked, lost, again bool
}

// deadline returns when timeout is to be called, zero for never.
func (t *tcp) deadline() time.Duration {
	if t.timer == 0 || t.ackAt != 0 && t.ackAt < t.timer {
		return t.ackAt
	}
	return t.timer
}

// write gives n more bytes to send.
func (t *tcp) write(n int64) { t.written += n }

// timeout does what is due.
func (t *tcp) timeout(now time.Duration) {
	if t.ackAt != 0 && t.ackAt <= now {
		t.ackNow, t.ackAt = true, 0
	}
	if t.timer == 0 || t.timer > now {
		return
	}
	t.timer = 0
	if t.probes { // RFC 8985 §7.3
		last := &t.out[len(t.out)-1]
		last.lost = !last.sacked
		t.credit, t.probes = max(t.credit, 1), false
		t.timer = now + t.rto()
		return
	}
	for i := range t.out {
		t.out[i].lost = !t.out[i].sacked
	}
	t.credit = 1
	t.backoff++
}

func (t *tcp) rto() time.Duration {
	d := initialRTO
	if t.srtt > 0 {
		d = max(t.srtt+4*t.rttvar, minRTO)
	}
	return min(d<<min(t.backoff, 16), maxRTO)
}

// arm starts the timer anew, if anything is under way. The probe comes before the
// time-out (RFC 8985 §7.2), but for a single segment Linux waits for long.
func (t *tcp) arm(now time.Duration) {
	t.timer, t.probes = 0, false
	if len(t.out) == 0 {
		return
	}
	d := t.rto()
	probe := 2*t.srtt + 2*time.Millisecond
	if len(t.out) == 1 {
		probe = 2*t.srtt + minRTO
	}
	if t.srtt > 0 && t.backoff == 0 && probe < d {
		d, t.probes = probe, true
	}
	t.timer = now + d
}

// output returns the next segment to send, or false if there is none.
func (t *tcp) output(now time.Duration) (segment, bool) {
	for i := range t.out {
		if o := &t.out[i]; t.credit > 0 && o.lost && !o.sacked {
			t.credit--
			o.lost, o.again, o.sentAt = false, true, now
			if t.timer == 0 {
				t.arm(now)
			}
			return t.segment(o.span), true
		}
	}
	if t.next < t.written && len(t.out) < t.window {
		s := span{t.next, min(t.next+int64(t.size), t.written)}
		t.next = s.end
		t.out = append(t.out, outstanding{span: s, sentAt: now})
		if t.timer == 0 || t.probes {
			t.arm(now)
		}
		return t.segment(s), true
	}
	if t.ackNow {
		return t.segment(span{t.next, t.next}), true
	}
	return segment{}, false
}

// segment returns one that holds s and acknowledges what came.
func (t *tcp) segment(s span) segment {
	t.ackNow, t.unacked, t.ackAt = false, 0, 0
	g := segment{position: s.start, length: int(s.end - s.start), ack: t.received}
	add := func(b span) {
		if g.blocks < maxSACKs {
			g.sacks[g.blocks] = b
			g.blocks++
		}
	}
	// RFC 2018 §4: the block that holds the latest segment comes first.
	for _, h := range t.holes {
		if h.start <= t.recent.start && t.recent.end <= h.end {
			add(h)
		}
	}
	for i := len(t.holes) - 1; i >= 0; i-- {
		if h := t.holes[i]; g.blocks == 0 || h != g.sacks[0] {
			add(h)
		}
	}
	return g
}

// receive takes a segment from the other end and returns how many bytes are new to
// the application.
func (t *tcp) receive(now time.Duration, g segment) (news int64) {
	t.acknowledged(now, g)
	if g.length > 0 {
		news = t.accept(now, span{g.position, g.position + int64(g.length)})
	}
	return news
}

// acknowledged takes in what g says has arrived.
func (t *tcp) acknowledged(now time.Duration, g segment) {
	if g.ack > t.next {
		return
	}
	arrived := 0
	sample := time.Duration(0)
	for arrived < len(t.out) && t.out[arrived].end <= g.ack {
		o := t.out[arrived]
		t.delivered = max(t.delivered, o.sentAt)
		if !o.again && !o.sacked {
			sample = now - o.sentAt // RFC 6298 §3: not of what was sent again
		}
		arrived++
	}
	if arrived > 0 {
		t.out = append(t.out[:0], t.out[arrived:]...)
		t.una = g.ack
		t.backoff = 0
		if sample > 0 {
			t.sample(sample)
		}
		t.arm(now)
		t.credit = burst
	}
	for _, b := range g.sacks[:g.blocks] {
		for i := range t.out {
			if o := &t.out[i]; !o.sacked && b.start <= o.start && o.end <= b.end {
				o.sacked = true
				t.delivered = max(t.delivered, o.sentAt)
				t.credit = burst
			}
		}
	}
	if g.blocks > 0 || arrived > 0 {
		// RFC 8985 §6.2: what was sent a quarter of a round trip earlier is lost.
		for i := range t.out {
			if o := &t.out[i]; !o.sacked && o.sentAt+t.srtt/4 < t.delivered {
				o.lost = true
			}
		}
	}
}

func (t *tcp) sample(d time.Duration) {
	if t.srtt == 0 {
		t.srtt, t.rttvar = d, d/2
		return
	}
	t.rttvar = (3*t.rttvar + (t.srtt - d).Abs()) / 4
	t.srtt = (7*t.srtt + d) / 8
}

// accept takes in data.
func (t *tcp) accept(now time.Duration, s span) (news int64) {
	if s.end <= t.received {
		t.ackNow = true
		return 0
	}
	// RFC 5681 §4.2: what is out of order, or fills a gap, is acknowledged at once.
	t.ackNow = t.ackNow || s.start > t.received || len(t.holes) > 0
	before := t.received
	if s.start > t.received {
		t.recent = s
		t.insert(s)
	} else {
		t.received = s.end
		for len(t.holes) > 0 && t.holes[0].start <= t.received {
			t.received = max(t.received, t.holes[0].end)
			t.holes = append(t.holes[:0], t.holes[1:]...)
		}
	}
	if t.unacked++; t.unacked >= t.ackEvery {
		t.ackNow = true
	}
	if t.ackAt == 0 {
		t.ackAt = now + delayedACK
	}
	return t.received - before
}

// insert keeps s, which is beyond what was received in order.
func (t *tcp) insert(s span) {
	i := 0
	for i < len(t.holes) && t.holes[i].end < s.start {
		i++
	}
	j := i
	for j < len(t.holes) && t.holes[j].start <= s.end {
		s.start, s.end = min(s.start, t.holes[j].start), max(s.end, t.holes[j].end)
		j++
	}
	if j == i {
		t.holes = append(t.holes, span{})
		copy(t.holes[i+1:], t.holes[i:])
		t.holes[i] = s
		return
	}
	t.holes[i] = s
	t.holes = append(t.holes[:i+1], t.holes[j:]...)
}
