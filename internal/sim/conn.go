package sim

import (
	"errors"
	"net/netip"
	"time"
)

var (
	// ErrTimeout means that the connection was given up after R2
	// retransmissions.
	ErrTimeout = errors.New("sim: connection timed out")
	// ErrReset means that the peer reset the connection.
	ErrReset = errors.New("sim: connection reset by peer")
	// ErrAborted means that this side reset the connection.
	ErrAborted = errors.New("sim: connection aborted")
)

// timeWait is 2 MSL (RFC 9293 §3.4.2). Both sides keep a closed connection for
// so long, to acknowledge a FIN that comes again.
const timeWait = 4 * time.Minute

type connState int

const (
	synSent connState = iota + 1
	synReceived
	established // until both FINs are acknowledged
	waiting     // TIME-WAIT
	closed      // may be forgotten
)

// conn is one end of a TCP connection (RFC 9293) as a value: time, segments and
// the application's wishes go in, packets come out, appended to the slice that
// each method is given. It leaves out SACK, time stamps, window scaling, urgent
// data, and probes of a zero window, which no peer here offers.
type conn struct {
	local, remote netip.AddrPort
	state         connState
	err           error // why the connection was reset

	send   sender
	recv   receiver
	rto    rto
	waitBy time.Time // end of TIME-WAIT

	timeouts, fasts int // retransmissions by cause
}

// newConn returns the end of a connection that has sent nothing yet. state is
// synSent, or synReceived with the peer's SYN to follow.
func newConn(local, remote netip.AddrPort, state connState, iss uint32, mss int) *conn {
	return &conn{
		local: local, remote: remote, state: state,
		send: sender{
			stream: streamOf(local, remote), iss: iss, mss: mss, window: receiveWindow,
			cwnd: initialWindow * mss, ssthresh: 1 << 30,
		},
		recv: receiver{stream: streamOf(remote, local)},
	}
}

// deadline returns when to call handleTimeout, zero meaning never.
func (c *conn) deadline() time.Time {
	return earliest(c.rto.deadline, c.recv.ackBy, c.waitBy)
}

// earliest returns the first of several deadlines, zero meaning none.
func earliest(ts ...time.Time) (first time.Time) {
	for _, t := range ts {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// write gives n more bytes of the stream to send.
func (c *conn) write(now time.Time, n int64, out [][]byte) [][]byte {
	if !c.send.fin {
		c.send.written += n
	}
	return c.output(now, out)
}

// shut ends the stream with a FIN.
func (c *conn) shut(now time.Time, out [][]byte) [][]byte {
	c.send.fin = true
	return c.output(now, out)
}

// abort resets the connection.
func (c *conn) abort(out [][]byte) [][]byte {
	if c.state == closed {
		return out
	}
	out = append(out, c.packet(flagRST|flagACK, c.send.next, nil))
	c.reset(ErrAborted)
	return out
}

// tooBig lowers the MSS to what fits an MTU and sends again what did not.
func (c *conn) tooBig(now time.Time, mtu int, out [][]byte) [][]byte {
	mss := mtu - ipv6Len - tcpLen
	if mtu < 1280 || mss >= c.send.mss { // RFC 8201 §4: less than 1280 is ignored
		return out
	}
	c.send.mss = mss
	c.send.next = c.send.una
	return c.output(now, out)
}

// handleTimeout does what is due. An early call is harmless.
func (c *conn) handleTimeout(now time.Time, out [][]byte) [][]byte {
	if due(c.waitBy, now) {
		c.finish()
		return out
	}
	if due(c.recv.ackBy, now) {
		c.recv.ackNow = true
	}
	if due(c.rto.deadline, now) {
		limit := maxRetransmits
		if c.send.una == 0 {
			limit = maxSYNs
		}
		if c.send.retries >= limit {
			c.reset(ErrTimeout)
			return out
		}
		c.timeouts++
		c.send.timeout()
		c.rto.backoff++
		c.rto.stop() // output starts it again
	}
	return c.output(now, out)
}

func due(deadline, now time.Time) bool { return !deadline.IsZero() && !deadline.After(now) }

// reset ends the connection with an error.
func (c *conn) reset(err error) {
	c.err = err
	c.finish()
}

// finish leaves nothing armed.
func (c *conn) finish() {
	c.state = closed
	c.waitBy = time.Time{}
	c.rto.stop()
	c.recv.acknowledged()
}

// output sends what there is to send and may be sent, or else the
// acknowledgement that is due.
func (c *conn) output(now time.Time, out [][]byte) [][]byte {
	s := &c.send
	switch {
	case c.state == closed:
		return out
	case s.una == 0:
		if s.next == 0 {
			out = append(out, c.take(now, 0))
		}
		return out
	}
	for {
		n := s.size()
		if n == 0 && (!s.fin || s.next != s.end()) {
			break
		}
		out = append(out, c.take(now, n))
	}
	if c.recv.ackNow {
		out = append(out, c.packet(flagACK, s.next, nil))
	}
	return out
}

// take returns the segment at next with n bytes and moves next over it. At the
// ends of the stream it is the SYN or the FIN.
func (c *conn) take(now time.Time, n int) []byte {
	s := &c.send
	pkt, size := c.at(s.next, n)
	again := s.next < s.high
	s.next += size
	s.high = max(s.high, s.next)
	if again {
		s.retransmits++
		c.rto.resending(now)
	} else {
		c.rto.sending(now, s.next)
	}
	return pkt
}

// repeat returns the first unacknowledged segment once more.
func (c *conn) repeat(now time.Time) []byte {
	s := &c.send
	n := min(int64(s.mss), s.end()-s.una, s.high-s.una)
	pkt, _ := c.at(s.una, int(max(n, 0)))
	s.retransmits++
	c.rto.resending(now)
	return pkt
}

// at returns the segment at position pos with n bytes, and the sequence space
// it takes.
func (c *conn) at(pos int64, n int) (pkt []byte, size int64) {
	switch {
	case pos == 0 && c.state == synSent:
		return c.packet(flagSYN, 0, nil), 1
	case pos == 0:
		return c.packet(flagSYN|flagACK, 0, nil), 1
	case n == 0:
		return c.packet(flagFIN|flagACK, pos, nil), 1
	}
	payload := make([]byte, n)
	c.send.stream.fill(payload, pos-1)
	return c.packet(flagACK|flagPSH, pos, payload), int64(n)
}

// packet returns a segment of this connection, which acknowledges what came.
func (c *conn) packet(flags uint8, pos int64, payload []byte) []byte {
	s := segment{
		src: c.local, dst: c.remote, seq: c.send.iss + uint32(pos), flags: flags,
		window: receiveWindow, payload: payload,
	}
	if flags&flagACK != 0 {
		s.ack = c.recv.irs + uint32(c.recv.next)
		c.recv.acknowledged()
	}
	if flags&flagSYN != 0 {
		s.mss = uint16(c.send.mss)
	}
	return s.appendTo(nil)
}
