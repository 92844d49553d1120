package detect

import (
	"time"

	"github.com/multi6/multi6/locator"
)

// An exploration goes through the pairs one after another (§5.3: MUST be
// sequential, with exponential back-off) until one answers.
type exploration struct {
	// cause is what began it, startedAt when.
	cause     Event
	startedAt time.Time
	// failed is the pair that was primary when it began.
	failed failure
	// round counts the passes over all pairs since the last success or news.
	round int
	// testing is the pair under test; id names its Poll.
	testing          locator.Pair
	id               uint64
	sentAt, deadline time.Time
	// retryAt is when the next round begins.
	retryAt time.Time
}

// stop keeps what later explorations need: when we last tested.
func (x *exploration) stop() { *x = exploration{sentAt: x.sentAt, failed: x.failed} }

// begin starts an exploration with the test of p.
func (m *Machine) begin(now time.Time, cause Event, p locator.Pair, acts []Action) []Action {
	x := &m.explore
	x.cause, x.startedAt, x.round, x.retryAt = cause, now, 0, time.Time{}
	if p := m.pairs[m.primary]; p != nil {
		x.failed = failure{m.primary, p.iface}
	}
	m.clearTried()
	acts = m.set(TestingPrimary, cause, p, acts)
	return m.sendTest(now, p, acts)
}

// retry starts the next round. Deviation: Figure 2 leaves NO PRIMARY by Add
// pair only; see the package comment.
func (m *Machine) retry(now time.Time, acts []Action) []Action {
	m.explore.retryAt = time.Time{}
	m.clearTried()
	p := m.next(now)
	if !p.IsValid() {
		return acts
	}
	acts = m.set(TestingPrimary, Retry, p, acts)
	return m.sendTest(now, p, acts)
}

// backoffCap returns the longest wait between two rounds: short while there is
// something to send.
func (m *Machine) backoffCap(now time.Time) time.Duration {
	if now.Sub(m.demand) < demandHold {
		return m.timers.BackoffCap
	}
	return m.timers.IdleCap
}

// hurry shortens a long wait when there is something to send again.
func (m *Machine) hurry(now time.Time) {
	x := &m.explore
	if limit := now.Add(m.timers.BackoffCap); m.state == NoPrimary && x.retryAt.After(limit) {
		x.retryAt = limit
	}
}

func (m *Machine) clearTried() {
	for _, p := range m.pairs {
		p.tried = false
	}
}

// sendTest polls p and waits for the answer ("Send test").
func (m *Machine) sendTest(now time.Time, k locator.Pair, acts []Action) []Action {
	p := m.pairs[k]
	p.tried = true
	x := &m.explore
	x.testing, x.sentAt = k, now
	x.deadline = now.Add(m.timers.pollTimer(p.rtt, m.bestRTT()))
	poll := m.poll(now, k, true, true)
	poll.Round = x.round
	x.id = poll.ID
	return append(acts, poll)
}
