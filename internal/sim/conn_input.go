package sim

import "time"

// handleSegment takes a segment from the peer, in the order of RFC 9293
// §3.10.7.
func (c *conn) handleSegment(now time.Time, s segment, out [][]byte) [][]byte {
	switch c.state {
	case closed:
		return out
	case synSent:
		return c.handleAnswer(now, s, out)
	}
	if c.state == synReceived && c.recv.next == 0 {
		c.learn(s) // the SYN that made this connection
		return c.output(now, out)
	}
	switch {
	case s.flags&flagRST != 0:
		// RFC 5961 §3.2: believed only if it is exactly the next expected.
		if c.recv.position(s.seq) == c.recv.next {
			c.reset(ErrReset)
			return out
		}
		c.recv.ackNow = true
	case s.flags&flagSYN != 0:
		// Our answer was lost: repeat it.
		if c.state == synReceived && s.flags&flagACK == 0 {
			return append(out, c.repeat(now))
		}
		c.recv.ackNow = true
	case s.flags&flagACK != 0:
		out = c.handleACK(now, s, out)
		c.recv.accept(now, s)
		c.settle(now)
	}
	return c.output(now, out)
}

// handleAnswer takes the answer to our SYN. Simultaneous open is left out.
func (c *conn) handleAnswer(now time.Time, s segment, out [][]byte) [][]byte {
	if s.flags&flagACK == 0 || c.send.position(s.ack) != 1 {
		return out
	}
	if s.flags&flagRST != 0 {
		c.reset(ErrReset)
		return out
	}
	if s.flags&flagSYN == 0 {
		return out
	}
	c.learn(s)
	c.recv.ackNow = true
	c.state = established
	c.progress(now, 1)
	return c.output(now, out)
}

// learn takes what the peer's SYN tells.
func (c *conn) learn(s segment) {
	c.recv.irs, c.recv.next = s.seq, 1
	c.send.window = int(s.window)
	mss := 1220 // RFC 9293 §3.7.1: the default over IPv6
	if s.mss != 0 {
		mss = int(s.mss)
	}
	c.send.mss = min(c.send.mss, mss)
	c.send.cwnd = initialWindow * c.send.mss
}

// handleACK takes the acknowledgement in s.
func (c *conn) handleACK(now time.Time, s segment, out [][]byte) [][]byte {
	pos := c.send.position(s.ack)
	window := int(s.window)
	changed := window != c.send.window
	switch {
	case pos > c.send.high:
		c.recv.ackNow = true // never sent
		return out
	case pos > c.send.una:
		c.send.window = window
		if c.state == synReceived {
			c.state = established
		}
		if c.progress(now, pos) {
			out = append(out, c.repeat(now))
		}
	case pos == c.send.una && s.length() == 0 && !changed && c.send.high > c.send.una:
		if c.send.duplicate() {
			c.fasts++
			out = append(out, c.repeat(now))
		}
	case pos == c.send.una:
		c.send.window = window
	}
	return out
}

// progress notes that everything before pos was acknowledged, and reports
// whether the segment there has to be repeated.
func (c *conn) progress(now time.Time, pos int64) (lost bool) {
	c.rto.progress(now, pos)
	lost = c.send.progress(pos)
	// RFC 6298 §5.2 and §5.3.
	if c.rto.stop(); c.send.high > pos {
		c.rto.arm(now)
	}
	return lost
}

// settle enters TIME-WAIT, or starts it again, when both streams have ended.
func (c *conn) settle(now time.Time) {
	if c.send.finished() && c.recv.finished() {
		c.state = waiting
		c.waitBy = now.Add(timeWait)
	}
}
