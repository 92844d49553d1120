package sim

const (
	// initialWindow is the first congestion window in segments (RFC 6928).
	initialWindow = 10
	// dupThreshold is how many duplicate acknowledgements mean a loss
	// (RFC 5681 §3.2).
	dupThreshold = 3
)

// sender is the sending half of a connection, with NewReno's congestion control
// (RFC 5681, RFC 6582). Positions count sequence space: 0 is the SYN, 1 the
// first byte, and the FIN follows the last.
type sender struct {
	stream stream
	iss    uint32
	mss    int
	window int // offered by the peer, in bytes

	una     int64 // all before is acknowledged
	next    int64 // to send next; goes back to una after a time-out
	high    int64 // all before was sent at least once
	written int64 // bytes that the application wrote
	fin     bool  // the application is done

	cwnd, ssthresh int
	dups           int
	recovering     bool
	recover        int64 // high when the last loss was found

	retries     int // time-outs since the last progress
	retransmits int // segments, in total
}

// end returns the position after the last byte written.
func (s *sender) end() int64 { return 1 + s.written }

// limit returns the position after all there is to send.
func (s *sender) limit() int64 {
	if s.fin {
		return s.end() + 1
	}
	return s.end()
}

// finished reports whether everything, FIN included, was acknowledged.
func (s *sender) finished() bool { return s.fin && s.una == s.limit() }

// acked returns how many bytes were acknowledged.
func (s *sender) acked() int64 { return min(max(s.una-1, 0), s.written) }

// position returns the position of an acknowledgement number near una.
func (s *sender) position(ack uint32) int64 {
	return s.una + int64(int32(ack-s.iss-uint32(s.una)))
}

// size returns how many bytes may be sent at next.
func (s *sender) size() int {
	left := int(min(s.end()-s.next, 1<<20))
	room := int(s.una + int64(min(s.cwnd, s.window)) - s.next)
	n := min(s.mss, left, room)
	if n < s.mss && n < left && s.next > s.una {
		return 0 // RFC 9293 §3.8.6.2.1: no silly small segment; an acknowledgement will come
	}
	return max(n, 0)
}

// progress notes that everything before pos was acknowledged, and reports
// whether the first segment after it was lost too.
func (s *sender) progress(pos int64) (lost bool) {
	n := int(pos - s.una)
	s.una, s.next = pos, max(s.next, pos)
	s.dups, s.retries = 0, 0
	switch {
	case s.recovering && pos >= s.recover: // RFC 6582 §3.2 step 3: full
		s.recovering, s.cwnd = false, s.ssthresh
	case s.recovering: // partial
		s.cwnd = max(s.cwnd-n+s.mss, s.mss)
		return true
	case s.cwnd < s.ssthresh:
		s.cwnd += min(n, s.mss)
	default:
		s.cwnd += max(s.mss*s.mss/s.cwnd, 1)
	}
	return false
}

// duplicate notes a duplicate acknowledgement, and reports whether it shows
// that the first segment was lost.
func (s *sender) duplicate() (lost bool) {
	s.dups++
	if s.recovering {
		s.cwnd += s.mss
		return false
	}
	// RFC 6582 §3.2 step 1: not again for losses already dealt with.
	if s.dups != dupThreshold || s.una <= s.recover {
		return false
	}
	s.reduce()
	s.recovering = true
	s.cwnd = s.ssthresh + dupThreshold*s.mss
	return true
}

// timeout goes back to the first unacknowledged segment with a window of one.
func (s *sender) timeout() {
	if s.una == 0 { // a SYN says nothing about data
		s.retries++
		s.next = 0
		return
	}
	if s.retries == 0 {
		s.reduce()
	}
	s.retries++
	s.recovering, s.dups, s.recover = false, 0, s.high
	s.cwnd, s.next = s.mss, s.una
}

// reduce halves the window (RFC 5681 equation 4).
func (s *sender) reduce() {
	s.ssthresh = max(int(s.next-s.una)/2, 2*s.mss)
	s.recover = s.high
}
