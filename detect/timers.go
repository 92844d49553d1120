package detect

import "time"

// Timers are the durations that the Machine works with.
type Timers struct {
	// Margin is the least allowance over the round-trip time before a packet
	// that stays unconfirmed raises suspicion, or a Poll counts as unanswered.
	Margin time.Duration
	// Floor and Ceiling bound the send timer.
	Floor, Ceiling time.Duration
	// ReportDelay is how long this end waits before it reports what nothing
	// else confirms.
	ReportDelay time.Duration
	// InitialRTT stands for the round-trip time of a pair while no pair's is
	// known.
	InitialRTT time.Duration
	// Lead bounds how long after the Poll of a primary in doubt the first other
	// pair has its turn: a quarter of the round-trip time, at most Lead.
	Lead time.Duration
	// Tries is how many Polls of a primary in doubt must go unanswered before it
	// is left.
	Tries int
	// Backoff is the wait after the first round in which no pair answered. It
	// doubles with every round up to BackoffCap while there is something to
	// send, else up to IdleCap.
	Backoff, BackoffCap, IdleCap time.Duration
	// Hold is for how long a better-liked pair has to work before it becomes
	// primary again. Zero: it never does by itself.
	Hold time.Duration
}

// DefaultHold is the Hold of the profiles.
const DefaultHold = 10 * time.Second

// The profiles. What a person picks is how soon silence means suspicion; a
// suspicion costs a Poll, not a switch.
var (
	// Fast is for steady links.
	Fast = Timers{
		Margin: 10 * time.Millisecond, Floor: 5 * time.Millisecond, Ceiling: 2 * time.Second,
		// Reports are no more frequent than in Balanced: 50 a second.
		ReportDelay: 20 * time.Millisecond, InitialRTT: 50 * time.Millisecond,
		Lead: 25 * time.Millisecond, Tries: 2,
		Backoff: 25 * time.Millisecond, BackoffCap: 400 * time.Millisecond, IdleCap: 30 * time.Second,
		Hold: DefaultHold,
	}
	// Balanced is the default.
	Balanced = Timers{
		Margin: 25 * time.Millisecond, Floor: 10 * time.Millisecond, Ceiling: 3 * time.Second,
		ReportDelay: 20 * time.Millisecond, InitialRTT: 100 * time.Millisecond,
		Lead: 50 * time.Millisecond, Tries: 4,
		Backoff: 50 * time.Millisecond, BackoffCap: 400 * time.Millisecond, IdleCap: 30 * time.Second,
		Hold: DefaultHold,
	}
	// Gentle is for links with much jitter and loss.
	Gentle = Timers{
		Margin: 200 * time.Millisecond, Floor: 100 * time.Millisecond, Ceiling: 5 * time.Second,
		ReportDelay: 100 * time.Millisecond, InitialRTT: 300 * time.Millisecond,
		Lead: 250 * time.Millisecond, Tries: 6,
		Backoff: 200 * time.Millisecond, BackoffCap: time.Second, IdleCap: 60 * time.Second,
		Hold: DefaultHold,
	}
	// REAP has the constants of RFC 5534 §7: Send Timeout 15 s, Keepalive
	// Interval a third of it, Initial Probe Timeout 0.5 s, Max Probe Timeout
	// 60 s.
	REAP = Timers{
		Margin: 15 * time.Second, Floor: 15 * time.Second, Ceiling: 15 * time.Second,
		ReportDelay: 5 * time.Second, InitialRTT: 500 * time.Millisecond,
		Lead: 500 * time.Millisecond, Tries: 4,
		Backoff: 500 * time.Millisecond, BackoffCap: 60 * time.Second, IdleCap: 60 * time.Second,
		Hold: DefaultHold,
	}
)

// demandHold is for how long after the last packet an outage is explored at the
// quick cap.
const demandHold = time.Minute

// demandForgotten is how long after the last packet an outage is explored at all:
// silence is free. The next packet connects anew.
const demandForgotten = 5 * time.Minute

// pollCeiling bounds the wait for an answer to one Poll. A later answer still
// counts, so it only sets how soon the next pair has its turn.
const pollCeiling = time.Second

// sendTimer returns how long a packet may stay unconfirmed: the
// round-trip time, four times its variation but at least the margin, and, where
// only a Report can confirm it, the peer's report delay.
func (t Timers) sendTimer(r rtt, peerReport time.Duration) time.Duration {
	d := r.smoothed + max(4*r.variation, t.Margin) + peerReport
	return min(max(d, t.Floor), max(t.Ceiling, 2*peerReport)) // a peer may report as seldom as it likes
}

// pollTimer returns how long to wait for the answer to a Poll on a pair with
// round-trip time r. best is the round-trip time of another pair, to go by where
// this one's is not known. A later answer still counts, so there is no need to
// allow for rare delays.
func (t Timers) pollTimer(r, best rtt) time.Duration {
	margin := min(t.Margin, pollCeiling)
	switch {
	case r.known():
		return min(r.smoothed+max(2*r.variation, margin), pollCeiling)
	case best.known():
		// Half as much again: another path may well be longer.
		return min(best.smoothed*3/2+max(2*best.variation, margin), pollCeiling)
	}
	return min(t.InitialRTT, pollCeiling)
}

// leastWait is the least time between two Polls to one peer in an exploration.
const leastWait = time.Millisecond

// lead returns how long the Poll of a primary in doubt, with round-trip time r,
// is ahead of the first other pair's. It may be less than a round trip, since the
// primary has failed one test already: the packets that went unconfirmed.
func (t Timers) lead(r rtt) time.Duration {
	return min(max(r.smoothed/4, leastWait), t.Lead)
}

// gap returns the time between two Polls of a primary in doubt.
func (t Timers) gap(r rtt) time.Duration {
	return min(max(r.smoothed/2, 2*leastWait), pollCeiling)
}

// backoff returns the wait after a round without an answer, jittered by up to a
// quarter either way so that peers do not fall into step. random is uniform.
func (t Timers) backoff(round int, limit time.Duration, random uint64) time.Duration {
	d := limit
	if round < 20 {
		d = min(t.Backoff<<round, limit)
	}
	span := d / 2
	if span <= 0 {
		return d
	}
	return d - span/2 + time.Duration(random%uint64(span))
}

// An rtt estimates a round-trip time and its variation (RFC 6298 §2).
type rtt struct{ smoothed, variation time.Duration }

func (r rtt) known() bool { return r.smoothed > 0 }

// sample adds a measurement. Clocks being what they are, less than a
// microsecond counts as one. A fall of the round-trip time, as when a queue drains, adds
// little to the variation: that it became quicker is no reason to wait for longer.
func (r *rtt) sample(d time.Duration) {
	d = max(d, time.Microsecond)
	if !r.known() {
		r.smoothed, r.variation = d, d/2
		return
	}
	// RFC 6298 §2.3: beta is 1/4, alpha is 1/8.
	grows := (d - r.smoothed).Abs() - r.variation
	if d < r.smoothed && grows > 0 {
		grows /= 8
	}
	r.variation += grows / 4
	r.smoothed = (7*r.smoothed + d) / 8
}

// atLeast adds a measurement, unless it is less than is expected.
func (r *rtt) atLeast(d time.Duration) {
	if d > r.smoothed {
		r.sample(d)
	}
}
