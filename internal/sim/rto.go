package sim

import "time"

const (
	minRTO     = 200 * time.Millisecond // as in Linux; RFC 6298 §2.4 would have 1 s
	maxRTO     = 120 * time.Second      // as in Linux
	initialRTO = time.Second            // RFC 6298 §2.1

	// maxRetransmits is R2 (RFC 9293 §3.8.3), as Linux's tcp_retries2: about
	// 15 minutes.
	maxRetransmits = 15
	// maxSYNs is R2 for a SYN, as Linux's tcp_syn_retries: about 2 minutes.
	maxSYNs = 6
)

// rto is the retransmission timer of a connection (RFC 6298).
type rto struct {
	srtt, rttvar time.Duration
	backoff      uint      // doublings since the last progress
	deadline     time.Time // zero: not running

	timing   bool // one segment at a time is timed
	timedEnd int64
	timedAt  time.Time
}

// interval returns the time to wait for an acknowledgement.
func (r *rto) interval() time.Duration {
	d := initialRTO
	if r.srtt > 0 {
		d = max(r.srtt+4*r.rttvar, minRTO)
	}
	return min(d<<min(r.backoff, 16), maxRTO)
}

// arm starts the timer anew.
func (r *rto) arm(now time.Time) { r.deadline = now.Add(r.interval()) }

// stop stops the timer.
func (r *rto) stop() { r.deadline = time.Time{} }

// sending notes that a segment up to end was sent for the first time.
func (r *rto) sending(now time.Time, end int64) {
	if !r.timing {
		r.timing, r.timedEnd, r.timedAt = true, end, now
	}
	if r.deadline.IsZero() {
		r.arm(now)
	}
}

// resending notes a retransmission: RFC 6298 §3 (Karn) takes no sample then.
func (r *rto) resending(now time.Time) {
	r.timing = false
	if r.deadline.IsZero() {
		r.arm(now)
	}
}

// progress notes that everything up to end was acknowledged for the first time.
// Back-off ends here, not at the next sample: like Linux, whose time stamps give
// a sample with each acknowledgement.
func (r *rto) progress(now time.Time, end int64) {
	r.backoff = 0
	if r.timing && end >= r.timedEnd {
		r.timing = false
		r.sample(now.Sub(r.timedAt))
	}
}

// sample takes a measured round-trip time (RFC 6298 §2.2 and §2.3).
func (r *rto) sample(d time.Duration) {
	d = max(d, time.Microsecond) // zero means no sample yet
	if r.srtt == 0 {
		r.srtt, r.rttvar = d, d/2
		return
	}
	r.rttvar = (3*r.rttvar + (r.srtt - d).Abs()) / 4
	r.srtt = (7*r.srtt + d) / 8
}
