package sim

import (
	"errors"
	"testing"
	"time"
)

// harness runs one end of a connection by hand; the test is the peer.
type harness struct {
	t   *testing.T
	now time.Time
	c   *conn
	out [][]byte
	ack int64 // of the peer's stream: what we have sent, as position
}

const (
	testMSS = 1000
	peerISS = 0xfffffff0 // wraps after 16
)

// dialed returns an established connection at endA, with its SYN sent at now
// and answered 20 ms later.
func dialed(t *testing.T) *harness {
	t.Helper()
	h := &harness{t: t, now: time.Unix(1000, 0)}
	h.c = newConn(endA, endB, synSent, 0xffffff00, testMSS)
	h.out = h.c.output(h.now, nil)
	h.wantSegment(flagSYN, 0, 0)
	h.advance(20 * time.Millisecond)
	h.segment(segment{seq: peerISS, ack: h.c.send.iss + 1, flags: flagSYN | flagACK, mss: testMSS})
	h.wantSegment(flagACK, 1, 0)
	h.ack = 1
	return h
}

func (h *harness) advance(d time.Duration) { h.now = h.now.Add(d) }

// segment gives s from the peer to the connection.
func (h *harness) segment(s segment) {
	s.src, s.dst, s.window = endB, endA, receiveWindow
	h.out = h.c.handleSegment(h.now, s, h.out)
}

// acks has the peer acknowledge all before pos.
func (h *harness) acks(pos int64) {
	h.segment(segment{seq: peerISS + uint32(h.ack), ack: h.c.send.iss + uint32(pos), flags: flagACK})
}

// sends has the peer send n bytes at position pos of its stream, and perhaps a
// FIN.
func (h *harness) sends(pos int64, n int, flags uint8) {
	b := make([]byte, n)
	h.c.recv.stream.fill(b, pos-1)
	h.segment(segment{seq: peerISS + uint32(pos), ack: h.c.send.iss + uint32(h.c.send.una), flags: flagACK | flags, payload: b})
	h.ack = max(h.ack, pos+int64(n))
}

// expire moves to the next deadline.
func (h *harness) expire() {
	h.t.Helper()
	d := h.c.deadline()
	if d.IsZero() {
		h.t.Fatal("nothing is armed")
	}
	h.now = d
	h.out = h.c.handleTimeout(h.now, h.out)
	if d := h.c.deadline(); !d.IsZero() && !d.After(h.now) {
		h.t.Fatalf("deadline %v is not after now", d)
	}
}

// wantSegment takes the next packet, which must have the flags, the position
// and the payload length.
func (h *harness) wantSegment(flags uint8, pos int64, n int) segment {
	h.t.Helper()
	if len(h.out) == 0 {
		h.t.Fatalf("no segment, want flags %#x at %d", flags, pos)
	}
	s, err := parseSegment(h.out[0])
	if err != nil {
		h.t.Fatal(err)
	}
	h.out = h.out[1:]
	if got := int64(int32(s.seq - h.c.send.iss)); s.flags&^flagPSH != flags || got != pos || len(s.payload) != n {
		h.t.Fatalf("segment with flags %#x at %d with %d bytes, want %#x at %d with %d", s.flags, got, len(s.payload), flags, pos, n)
	}
	return s
}

// wantACK takes the next packet, which must acknowledge all before pos of the
// peer's stream.
func (h *harness) wantACK(pos int64) {
	h.t.Helper()
	s := h.wantSegment(flagACK, h.c.send.next, 0)
	if got := int64(s.ack - peerISS); got != pos {
		h.t.Fatalf("acknowledged %d, want %d", got, pos)
	}
}

// wantSilence fails if there is a packet left.
func (h *harness) wantSilence() {
	h.t.Helper()
	if len(h.out) > 0 {
		s, _ := parseSegment(h.out[0])
		h.t.Fatalf("%d unexpected segments, first %+v", len(h.out), s)
	}
}

// write writes n segments' worth and takes what goes out at once.
func (h *harness) write(segments, sent int) {
	h.t.Helper()
	next := h.c.send.next
	h.out = h.c.write(h.now, int64(segments)*testMSS, h.out)
	for i := range sent {
		h.wantSegment(flagACK, next+int64(i)*testMSS, testMSS)
	}
	h.wantSilence()
}

func TestSlowStart(t *testing.T) {
	h := dialed(t)
	h.write(40, 10)
	h.advance(20 * time.Millisecond)
	h.acks(1 + 2*testMSS)
	for i := range 3 { // two left, the window grew by one
		h.wantSegment(flagACK, 1+int64(10+i)*testMSS, testMSS)
	}
	h.wantSilence()
	if rtt := h.c.rto.srtt; rtt != 20*time.Millisecond {
		t.Errorf("SRTT %v, want 20ms", rtt)
	}
}

func TestDelayedACK(t *testing.T) {
	h := dialed(t)
	h.sends(1, 100, 0)
	h.wantSilence()
	if d := h.c.deadline().Sub(h.now); d != 40*time.Millisecond {
		t.Errorf("acknowledgement delayed by %v, want 40ms", d)
	}
	h.expire()
	h.wantACK(101)
	h.sends(101, 100, 0)
	h.wantSilence()
	h.sends(201, 100, 0) // the second
	h.wantACK(301)
	h.sends(301, 100, 0)
	h.write(1, 1) // takes it along
	if !h.c.recv.ackBy.IsZero() {
		t.Error("an acknowledgement is still waiting")
	}
}

func TestOutOfOrder(t *testing.T) {
	h := dialed(t)
	steps := []struct {
		pos  int64
		n    int
		ack  int64
		what string
	}{
		{101, 100, 1, "a gap"},
		{301, 100, 1, "another"},
		{151, 100, 1, "overlapping"},
		{1, 100, 251, "filled"},
		{1, 100, 251, "a duplicate"},
		{251, 50, 401, "filled"},
		{70000, 10, 401, "beyond the window"},
	}
	for _, s := range steps {
		h.sends(s.pos, s.n, 0)
		if h.wantACK(s.ack); t.Failed() {
			t.Log(s.what)
		}
		h.wantSilence()
	}
	if got := h.c.recv.received(); got != 400 || len(h.c.recv.deliveries) != 2 || h.c.recv.corrupt != nil {
		t.Errorf("received %d in %v, corrupt: %v", got, h.c.recv.deliveries, h.c.recv.corrupt)
	}
}

func TestCorruptionIsFound(t *testing.T) {
	h := dialed(t)
	h.segment(segment{seq: peerISS + 1, ack: h.c.send.iss + 1, flags: flagACK, payload: []byte("not the stream")})
	if h.c.recv.corrupt == nil {
		t.Error("wrong bytes go unnoticed")
	}
}

func TestFastRetransmit(t *testing.T) {
	h := dialed(t)
	h.write(40, 10)
	h.advance(20 * time.Millisecond)
	for range 2 {
		h.acks(1)
		h.wantSilence()
	}
	h.acks(1)
	h.wantSegment(flagACK, 1, testMSS)
	h.wantSilence()
	h.acks(1 + 4*testMSS)                            // partial: the fifth was lost too
	h.wantSegment(flagACK, 1+4*testMSS, testMSS)     // again
	h.acks(1 + 10*testMSS)                           // full
	if h.c.send.recovering || h.c.send.cwnd != 5e3 { // half of ten
		t.Errorf("recovering %v with a window of %d, want half", h.c.send.recovering, h.c.send.cwnd)
	}
	if h.c.fasts != 1 || h.c.timeouts != 0 || h.c.send.retransmits != 2 {
		t.Errorf("%d fast, %d time-outs, %d retransmits", h.c.fasts, h.c.timeouts, h.c.send.retransmits)
	}
}

func TestRetransmissionTimeout(t *testing.T) {
	h := dialed(t)
	h.write(4, 4)
	start := h.now
	var waits []time.Duration
	for h.c.state != closed {
		before := h.now
		h.expire()
		waits = append(waits, h.now.Sub(before))
		if h.c.state != closed {
			h.wantSegment(flagACK, 1, testMSS) // one only, the same
		}
		h.wantSilence()
	}
	if len(waits) != 16 || waits[0] != 200*time.Millisecond || waits[1] != 2*waits[0] || waits[15] != 120*time.Second {
		t.Errorf("waited %v", waits)
	}
	if !errors.Is(h.c.err, ErrTimeout) {
		t.Errorf("error %v, want ErrTimeout", h.c.err)
	}
	if d := h.now.Sub(start); d != 924600*time.Millisecond { // Linux's tcp_retries2 = 15
		t.Errorf("gave up after %v", d)
	}
}

func TestProgressEndsBackoff(t *testing.T) {
	h := dialed(t)
	h.write(4, 4)
	for range 8 {
		h.expire()
		h.wantSegment(flagACK, 1, testMSS)
	}
	h.acks(1 + testMSS)
	h.wantSegment(flagACK, 1+testMSS, testMSS) // goes back to the rest, window two
	h.wantSegment(flagACK, 1+2*testMSS, testMSS)
	h.wantSilence()
	if d := h.c.deadline().Sub(h.now); d != 200*time.Millisecond || h.c.send.retries != 0 {
		t.Errorf("next time-out in %v after %d retries", d, h.c.send.retries)
	}
	h.acks(1 + 4*testMSS) // the originals had arrived
	h.wantSilence()
	if !h.c.deadline().IsZero() {
		t.Error("something is armed although all is acknowledged")
	}
	if h.c.rto.srtt != 20*time.Millisecond {
		t.Errorf("SRTT %v: a retransmission was timed", h.c.rto.srtt)
	}
}

func TestSYNTimeout(t *testing.T) {
	h := &harness{t: t, now: time.Unix(1000, 0)}
	h.c = newConn(endA, endB, synSent, 7, testMSS)
	h.out = h.c.output(h.now, nil)
	start := h.now
	for n := 0; h.c.state != closed; n++ {
		h.wantSegment(flagSYN, 0, 0)
		h.expire()
	}
	if d := h.now.Sub(start); d != 127*time.Second || !errors.Is(h.c.err, ErrTimeout) {
		t.Errorf("gave up after %v: %v", d, h.c.err)
	}
}

func TestPassiveOpen(t *testing.T) {
	h := &harness{t: t, now: time.Unix(1000, 0)}
	h.c = newConn(endA, endB, synReceived, 7, testMSS)
	h.segment(segment{seq: peerISS, flags: flagSYN, mss: 800})
	h.wantSegment(flagSYN|flagACK, 0, 0)
	h.segment(segment{seq: peerISS, flags: flagSYN, mss: 800}) // again: the answer was lost
	h.wantSegment(flagSYN|flagACK, 0, 0)
	h.out = h.c.write(h.now, 1000, h.out)
	h.wantSilence() // not before the handshake is complete
	h.ack = 1
	h.acks(1)
	h.wantSegment(flagACK, 1, 800)
	h.wantSegment(flagACK, 801, 200)
	h.wantSilence()
	h.segment(segment{seq: peerISS, flags: flagSYN, mss: 800}) // a stray one
	h.wantACK(1)
}

func TestReset(t *testing.T) {
	h := dialed(t)
	h.segment(segment{seq: peerISS + 2, flags: flagRST})
	h.wantACK(1) // RFC 5961: a challenge
	if h.c.err != nil {
		t.Fatalf("reset by a guess: %v", h.c.err)
	}
	h.segment(segment{seq: peerISS + 1, flags: flagRST})
	if !errors.Is(h.c.err, ErrReset) || !h.c.deadline().IsZero() {
		t.Errorf("error %v, want ErrReset", h.c.err)
	}
	h.sends(1, 10, 0)
	h.wantSilence()
	h.out = h.c.abort(h.out)
	h.wantSilence()
}

func TestStrayAnswers(t *testing.T) {
	for name, s := range map[string]segment{
		"no ACK":    {flags: flagSYN},
		"wrong ACK": {flags: flagSYN | flagACK, ack: 99},
		"wrong RST": {flags: flagRST | flagACK, ack: 99},
		"no SYN":    {flags: flagACK, ack: 8},
	} {
		h := &harness{t: t, now: time.Unix(1000, 0)}
		h.c = newConn(endA, endB, synSent, 7, testMSS)
		h.out = h.c.output(h.now, nil)
		h.wantSegment(flagSYN, 0, 0)
		h.segment(s)
		h.wantSilence()
		if h.c.state != synSent {
			t.Errorf("%s: state %d", name, h.c.state)
		}
	}
}

func TestAcknowledgementOfTheFuture(t *testing.T) {
	h := dialed(t)
	h.write(1, 1)
	h.acks(5000)
	h.wantACK(1)
	if h.c.send.una != 1 {
		t.Errorf("took an acknowledgement of what was never sent: %d", h.c.send.una)
	}
}

func TestClose(t *testing.T) {
	h := dialed(t)
	h.write(1, 1)
	h.out = h.c.shut(h.now, h.out)
	h.wantSegment(flagFIN|flagACK, 1+testMSS, 0)
	h.expire() // the data again, then the FIN when the window opens
	h.wantSegment(flagACK, 1, testMSS)
	h.acks(1 + testMSS)
	h.wantSegment(flagFIN|flagACK, 1+testMSS, 0)
	h.acks(2 + testMSS)
	h.wantSilence()
	h.sends(1, 10, flagFIN)
	h.wantACK(12)
	if h.c.state != waiting || !h.c.send.finished() || !h.c.recv.finished() || h.c.recv.received() != 10 {
		t.Errorf("state %d with %d bytes", h.c.state, h.c.recv.received())
	}
	h.advance(time.Minute)
	h.sends(1, 10, flagFIN) // our acknowledgement was lost
	h.wantACK(12)
	start := h.now
	h.expire()
	if d := h.now.Sub(start); d != timeWait || h.c.state != closed || h.c.err != nil {
		t.Errorf("after %v in state %d: %v", d, h.c.state, h.c.err)
	}
}

func TestTooBig(t *testing.T) {
	h := &harness{t: t, now: time.Unix(1000, 0), ack: 1}
	h.c = newConn(endA, endB, synReceived, 7, 1400)
	h.segment(segment{seq: peerISS, flags: flagSYN, mss: 1400})
	h.wantSegment(flagSYN|flagACK, 0, 0)
	h.acks(1)
	h.out = h.c.write(h.now, 2800, h.out)
	h.wantSegment(flagACK, 1, 1400)
	h.wantSegment(flagACK, 1401, 1400)
	h.out = h.c.tooBig(h.now, 1279, h.out)
	h.wantSilence()
	h.out = h.c.tooBig(h.now, 1300, h.out)
	h.wantSegment(flagACK, 1, 1240)
	h.wantSegment(flagACK, 1241, 1240)
	h.wantSegment(flagACK, 2481, 320)
	h.wantSilence()
}
