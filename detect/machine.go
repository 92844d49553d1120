package detect

import (
	"time"

	"github.com/multi6/multi6/locator"
)

// A Machine is the pair selection state machine of one peer (draft §5.2). It is
// not safe for concurrent use: the node's loop owns it.
//
// The owner calls Observe and then HandleTimeout at Deadline. An early call is
// harmless; a late one acts once.
type Machine struct {
	timers *Timers
	// peerReport is within what time the peer reports, reportDelay within what
	// time we do.
	peerReport, reportDelay time.Duration
	random                  func() uint64

	state State
	// obeys says that the peer's user has switched to the primary. spent says that metered
	// pairs are not to be tested without need. cameBack says that the primary had been left
	// before for another one.
	connected, obeys, spent, cameBack bool
	// primary is what outgoing packets use. It is zero when no pair is known to
	// work, and may differ from the pair under test.
	primary locator.Pair
	// second is the pair under test that packets go over too, last the pair that
	// last was primary.
	second, last locator.Pair
	known

	explore exploration
	polls   polls
	demand  time.Time

	// primarySince is since when the primary is. pinned is the pair that a user has
	// switched to.
	primarySince time.Time
	pinned       locator.Pair
	// wish is what the peer is to be asked for as well, with the test of it.
	wish    locator.Pair
	records []record // of the pairs that have failed
	trial   trial

	// checkAt is when unconfirmed packets become suspicious, reportAt when a
	// Report is due, lookAt when the packet path's marks are to be looked at
	// again, watchAt when better pairs are.
	checkAt, reportAt, lookAt, watchAt time.Time
	// notBefore is until when nothing is judged, since the owner came late.
	notBefore time.Time
	// answeredAt is when the primary was last found to work by a test, or the
	// latest Poll was sent on it that was answered since.
	answeredAt time.Time
	// alarms counts suspicions in a row that a test disproved and no upper
	// layer did.
	alarms int

	stats Stats
}

// Stats counts what a Machine has been through.
type Stats struct {
	// Suspicions is how often the primary came into doubt, FalseAlarms how
	// often it turned out to work.
	Suspicions, FalseAlarms uint64
	// Switches counts moves from one primary to another, be there a time without
	// one in between, Outages the times that
	// no pair worked.
	Switches, Outages uint64
	// LateWakes counts how often the owner came so late that silence could not
	// be blamed on the path.
	LateWakes uint64
}

// Evidence is what the packet path has left behind for the Machine. Times are
// zero where there is nothing.
type Evidence struct {
	// Unconfirmed is when the first packet was sent on the primary since the
	// last confirmation that TCP's own acknowledgement can confirm.
	Unconfirmed time.Time
	// Unreported is the same for packets that only a Report can confirm.
	Unreported time.Time
	// Owed is when the first packet came that we have to report, OwedTCP when the
	// first came that our TCP will acknowledge, be it late.
	Owed, OwedTCP time.Time
	// Active says that packets passed since the last Observe.
	Active bool
	// Waiting says that packets wait for a primary.
	Waiting bool
}

// New returns a Machine without pairs. t, which many may share, is not to change. random
// draws Poll identifiers and
// jitter; it must be unpredictable to the peer.
func New(t *Timers, random func() uint64) *Machine {
	return &Machine{
		timers: t, peerReport: t.ReportDelay, reportDelay: t.ReportDelay, random: random,
		state: NoPrimary,
	}
}

// SetReports says within what time the peer reports what it hears, and within
// what time it wants us to.
func (m *Machine) SetReports(peers, ours time.Duration) {
	m.peerReport, m.reportDelay = peers, ours
}

// SetPeerReport says within what time the peer reports what it hears from now on.
func (m *Machine) SetPeerReport(d time.Duration) { m.peerReport = d }

// meteredReport is the least delay of Reports over a metered pair.
const meteredReport = 250 * time.Millisecond

// ReportDelay returns within what time this end reports what it hears: later where
// a Report costs.
func (m *Machine) ReportDelay() time.Duration {
	if p := m.of(m.primary); p != nil && p.metered {
		return max(m.reportDelay, meteredReport)
	}
	return m.reportDelay
}

// State returns the state of Figure 2.
func (m *Machine) State() State { return m.state }

// Primary returns the pair that outgoing packets use, zero if there is none.
func (m *Machine) Primary() locator.Pair { return m.primary }

// Testing returns the pair under test, zero if there is none.
func (m *Machine) Testing() locator.Pair {
	if m.state != TestingPrimary {
		return locator.Pair{}
	}
	return m.explore.testing
}

// Stats returns the counters.
func (m *Machine) Stats() Stats { return m.stats }

// SendTimer returns how long a packet that TCP confirms may stay unconfirmed on
// the primary pair now.
func (m *Machine) SendTimer() time.Duration {
	return m.timers.sendTimer(m.primaryRTT(), 0)
}

// RTT returns the smoothed round-trip time of the primary pair as TCP sees it.
func (m *Machine) RTT() time.Duration { return m.primaryRTT().smoothed }

// ReportRTT is RTT as what waits for Reports sees it, without the report delay.
func (m *Machine) ReportRTT() time.Duration {
	if p := m.of(m.primary); p != nil {
		return p.reportRTT.smoothed
	}
	return m.RTT()
}

func (m *Machine) primaryRTT() rtt {
	if p := m.of(m.primary); p != nil {
		return p.rtt
	}
	return rtt{smoothed: m.timers.InitialRTT}
}

// Deadline returns when HandleTimeout is to be called, zero for never.
func (m *Machine) Deadline() time.Time {
	d := m.lookAt
	if m.primary.IsValid() { // else there is nothing to report over, and nobody is late
		d = earliest(d, m.reportAt)
	}
	switch m.state {
	case PrimaryOperational:
		d = earliest(d, earliest(earliest(m.trial.at, m.trial.measureAt), earliest(m.checkAt, m.watchAt)))
		d = earliest(d, m.probeAt())
	case TestingPrimary:
		d = earliest(d, m.explore.next())
		if x := &m.explore; x.cause == PeerPoll && !x.carries && x.doubt {
			d = earliest(d, m.ownDoubtAt())
		}
	case NoPrimary:
		d = earliest(d, m.explore.retryAt)
	}
	return d
}

// Observe takes in what the packet path has left behind.
func (m *Machine) Observe(now time.Time, e Evidence) {
	// A starved loop finds old marks. What came in meanwhile may not have been
	// read yet, so silence proves nothing until a margin later.
	if d := m.Deadline(); !d.IsZero() && now.Sub(d) > m.timers.Margin && !now.Before(m.notBefore) {
		m.stats.LateWakes++
		m.notBefore = now.Add(m.timers.Margin)
		m.explore.extend(m.notBefore)
	}
	if e.Active || e.Waiting {
		m.demand = now
		m.hurry(now)
	}
	m.lookAt = time.Time{}
	if e.Active {
		m.lookAt = now.Add(min(m.Patience(false), m.reportDelay))
	}
	delay := m.ReportDelay()
	m.reportAt = earliest(after(e.Owed, delay), after(e.OwedTCP, delay+delayedACK))
	m.checkAt = earliest(after(e.Unconfirmed, m.Patience(false)), after(e.Unreported, m.Patience(true)))
	if !m.checkAt.IsZero() && m.checkAt.Before(m.notBefore) {
		m.checkAt = m.notBefore
	}
	m.planWatch(now)
}

// Patience returns how long a packet on the primary pair may stay unconfirmed now before it
// raises suspicion: the send timer, doubled for every alarm that a test disproved without upper
// layers getting anywhere, as testing more often would not help. reported says that only a
// Report can confirm it.
func (m *Machine) Patience(reported bool) time.Duration {
	d := m.timers.sendTimer(m.primaryRTT(), 0)
	if p := m.of(m.primary); reported && p != nil {
		d = m.timers.sendTimer(p.reportRTT, m.peerReport)
	}
	return min(d<<min(m.alarms, 10), max(m.timers.Ceiling, d))
}

// HandleTimeout does what is due at now.
func (m *Machine) HandleTimeout(now time.Time, acts []Action) []Action {
	if due(m.lookAt, now) {
		m.lookAt = time.Time{}
	}
	if due(m.reportAt, now) {
		m.reportAt = time.Time{}
		switch v := m.explore.verified; {
		case m.state == TestingPrimary && v.IsValid():
			acts = append(acts, SendReport{v})
		case m.primary.IsValid():
			acts = append(acts, SendReport{m.primary})
		}
	}
	switch {
	case m.state == PrimaryOperational && due(m.checkAt, now):
		m.checkAt = time.Time{}
		return m.suspect(now, Timer, acts)
	case m.state == PrimaryOperational && due(m.trial.at, now):
		return m.train(now, acts)
	case m.state == PrimaryOperational && due(m.trial.measureAt, now):
		return m.measure(now, acts)
	case m.state == PrimaryOperational && due(m.watchAt, now):
		return m.look(now, acts)
	case m.state == PrimaryOperational && due(m.probeAt(), now):
		return m.probe(now, acts)
	case m.state == TestingPrimary:
		return m.advance(now, acts)
	case m.state == NoPrimary && due(m.explore.retryAt, now):
		return m.retry(now, acts)
	}
	return acts
}

// set is the one place where the state changes.
func (m *Machine) set(s State, e Event, p locator.Pair, acts []Action) []Action {
	if s == m.state {
		return acts
	}
	acts = append(acts, Transition{From: m.state, To: s, Event: e, Pair: p})
	m.state = s
	if s == NoPrimary && e != Disconnect {
		m.stats.Outages++
	}
	return acts
}

// use makes p the primary pair, the zero pair meaning none.
func (m *Machine) use(now time.Time, p locator.Pair, r Reason, acts []Action) []Action {
	if p == m.primary {
		return acts
	}
	if m.primary.IsValid() {
		m.left(now, r.Cause)
		m.pinned = locator.Pair{}
		if r.Cause == Degraded {
			m.trial.leave()
		} else {
			m.trial.another(now)
		}
	}
	m.primarySince, m.cameBack = now, r.Cause.policy()
	if p.IsValid() {
		if m.last.IsValid() && m.last != p {
			m.stats.Switches++
		}
		m.last = p
		acts = m.searching(now, p, acts, func(s *search) { s.revisit(now) })
	}
	acts = append(acts, SetPrimary{From: m.primary, To: p, Reason: r})
	m.primary, m.second = p, locator.Pair{}
	m.checkAt = time.Time{}
	return acts
}

// delayedACK is how long TCP may take to acknowledge (Linux: 40 ms at least).
const delayedACK = 45 * time.Millisecond

func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

func after(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}

// earliest returns the earlier of two instants of which the zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
