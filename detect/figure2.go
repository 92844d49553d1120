package detect

import (
	"time"

	"github.com/multi6/multi6/locator"
)

// This file is Figure 2 (draft §5.2): a function for each event, in the order
// of its table.

// Connect starts the machine: an application has a packet for the peer, or the
// peer calls. The test is of pair want if that is known, else of the best one.
// Later calls do nothing.
func (m *Machine) Connect(now time.Time, want locator.Pair, acts []Action) []Action {
	if m.connected {
		return acts
	}
	m.connected = true
	m.demand = now
	if m.of(want) == nil {
		m.clearTried()
		want = m.next(now)
	}
	if !want.IsValid() {
		return acts
	}
	return m.begin(now, Connect, want, false, acts)
}

// ConnectQuietly is Connect without demand: if no pair answers, that is all.
func (m *Machine) ConnectQuietly(now time.Time, want locator.Pair, acts []Action) []Action {
	if m.connected {
		return acts
	}
	demand := m.demand
	acts = m.Connect(now, want, acts)
	m.demand = demand
	return acts
}

// Connected reports whether the machine has left its start.
func (m *Machine) Connected() bool { return m.connected }

// Disconnect goes back to the start: there is no shared state with the peer any
// more. What is known of the pairs stays, since "it makes sense to assume that
// the address pair that worked in some time ago continues to work" (§3.4).
func (m *Machine) Disconnect(now time.Time, acts []Action) []Action {
	if !m.connected {
		return acts
	}
	m.connected = false
	m.explore.stop()
	m.polls = polls{}
	acts = m.use(now, locator.Pair{}, Reason{Disconnect, Disconnect}, acts)
	acts = m.duplicate(locator.Pair{}, acts)
	return m.set(NoPrimary, Disconnect, locator.Pair{}, acts)
}

// SetCandidates tells which pairs are known, best first, and runs Add pair and
// Delete pair for what has changed.
func (m *Machine) SetCandidates(now time.Time, cs []locator.Candidate, acts []Action) []Action {
	old := m.known
	m.known = known{make([]locator.Pair, 0, len(cs)), make([]*pair, 0, len(cs))}
	var added locator.Pair
	deprecated := false // the primary has become so
	for i, c := range cs {
		p := old.of(c.Pair)
		if p == nil {
			p = new(pair)
			if !added.IsValid() {
				added = c.Pair
			}
		}
		p.class, p.index, p.iface, p.link, p.metered = int32(c.Class), int32(i), c.Interface, c.Link, c.Metered
		deprecated = deprecated || c.Pair == m.primary && c.Deprecated && !p.deprecated
		p.deprecated = c.Deprecated
		m.pairs, m.order = append(m.pairs, p), append(m.order, c.Pair)
		acts = m.limitMTU(now, c.Pair, c.MTU, acts)
	}
	m.polls.keep(m)
	if !m.connected {
		return acts
	}
	acts = m.deletePair(now, old, acts)
	if added.IsValid() {
		acts = m.addPair(now, added, acts)
	}
	if deprecated && m.state == PrimaryOperational {
		return m.leaveDeprecated(now, acts)
	}
	return acts
}

// addPair "does not usually result in any immediate action, unless we are
// currently lacking an operational primary pair".
func (m *Machine) addPair(now time.Time, p locator.Pair, acts []Action) []Action {
	x := &m.explore
	x.round = 0 // news: the back-off starts anew
	m.trial.news()
	if m.state == TestingPrimary && x.doubt && !x.testing.IsValid() && !x.verified.IsValid() {
		return m.tryNext(now, AddPair, acts)
	}
	if m.state != NoPrimary {
		return acts
	}
	return m.begin(now, AddPair, p, false, acts)
}

// deletePair acts on the loss of the primary pair or the one under test.
func (m *Machine) deletePair(now time.Time, old known, acts []Action) []Action {
	gone := func(p locator.Pair) bool { return p.IsValid() && m.of(p) == nil }
	primary := gone(m.primary)
	if primary {
		m.explore.failed = failureOf(m.primary, old.of(m.primary))
		acts = m.use(now, locator.Pair{}, Reason{DeletePair, DeletePair}, acts)
	}
	switch {
	case m.state == PrimaryOperational && primary:
		m.clearTried()
		if next := m.next(now); next.IsValid() {
			return m.begin(now, DeletePair, next, false, acts)
		}
		return m.giveUp(now, DeletePair, acts)
	case m.state == TestingPrimary:
		return m.deleteUnderTest(now, primary, gone, acts)
	}
	return acts
}

// deleteUnderTest is deletePair while an exploration lasts.
func (m *Machine) deleteUnderTest(now time.Time, primary bool, gone func(locator.Pair) bool, acts []Action) []Action {
	x := &m.explore
	wish := x.cause.policy()
	if primary {
		x.endDoubt()
		x.cause, x.carries = DeletePair, true
	}
	lost := gone(x.verified)
	if lost {
		x.verified = locator.Pair{}
	}
	if gone(m.second) {
		to := x.testing
		if gone(to) || to == m.primary || !x.carries {
			to = locator.Pair{}
		}
		acts = m.duplicate(to, acts)
	}
	switch {
	case primary && x.verified.IsValid():
		return m.operational(now, x.verified, TestOK, x.startedAt, acts)
	case gone(x.testing) || (primary || lost) && !x.testing.IsValid():
		return m.tryNext(now, DeletePair, acts)
	case primary && wish:
		return m.sendTest(now, x.testing, acts) // now the peer is to look for one, too
	case primary:
		m.planRepeat(now)
		acts = m.duplicate(x.testing, acts)
	}
	return acts
}

// testOK is called when an answer has shown that p works in our direction, by a
// Poll sent at that time.
func (m *Machine) testOK(now time.Time, p locator.Pair, sent time.Time, acts []Action) []Action {
	if p == m.primary && sent.After(m.answeredAt) {
		m.answeredAt = sent
	}
	if !m.connected || m.state == PrimaryOperational || p == m.primary && m.wants() {
		return acts
	}
	x := &m.explore
	if p == m.primary && m.falseAlarm(now) {
		if x.cause != Complaint { // the send timer is not to blame
			m.alarms++
		}
		// It carries Polls, but maybe not what is longer: a black hole.
		acts = m.searching(now, p, acts, func(s *search) { s.suspect(now) })
	}
	if x.doubt && p != m.primary {
		// Found a way; but is the old one gone?
		if !x.verified.IsValid() {
			x.verified, x.verifiedAt = p, time.Time{}
		}
		if p == x.verified {
			m.heardWitness(now, sent)
		}
		x.noTest()
		if x.carries {
			acts = m.duplicate(x.verified, acts)
		}
		if x.againAt.IsZero() && !m.polls.pending(x.verified, x.askedAt.Add(-1)) && x.verifiedAt.Before(x.askedAt) {
			return m.pollPrimary(now, acts)
		}
		return acts
	}
	if x.unwitnessed && p != m.last && m.of(m.last) != nil {
		return m.reconsider(now, p, sent, acts)
	}
	return m.operational(now, p, TestOK, sent, acts)
}

// HandleTiming takes in how long a packet on the primary pair and the Report of it were under
// way, and for how long the first of the packets that were waiting for a Report had waited.
func (m *Machine) HandleTiming(took, waited time.Duration) {
	if p := m.of(m.primary); p != nil && !m.second.IsValid() {
		// Suspicion goes by what waited for longest, and allows for the report delay.
		p.reportRTT.sample(max(took, waited-m.peerReport))
	}
}

// HandleFeedback takes in positive ULP feedback, after Observe: packets sent on
// the primary pair lately have arrived, as became known at that time. sample, if
// not zero, is a round-trip time.
func (m *Machine) HandleFeedback(now, at time.Time, sample time.Duration, acts []Action) []Action {
	m.alarms = 0 // whichever pair it was
	p := m.of(m.primary)
	if p == nil || m.second.IsValid() {
		return acts // no primary, or no telling
	}
	if sample > 0 {
		p.rtt.sample(sample)
		p.tcpTimed = true
	}
	if due(m.checkAt, now) {
		return acts // it is of packets sent before those that are overdue
	}
	p.tested(at, true)
	switch {
	case m.state == PrimaryOperational:
		return append(acts, ResetTimer{})
	case m.state == TestingPrimary && !m.wants():
		m.falseAlarm(now)
		return m.operational(now, m.primary, ULPFeedback, time.Time{}, acts)
	}
	return acts
}

// falseAlarm counts that the primary, which is being tested, works, and reports whether a
// suspicion is disproved by that. It is not if the primary failed its tests before.
func (m *Machine) falseAlarm(now time.Time) bool {
	x := &m.explore
	if x.again {
		return false
	}
	if x.doubt {
		m.of(m.primary).falseAlarm(now)
	}
	if x.suspects() {
		m.stats.FalseAlarms++
	}
	return x.suspects()
}

// testFail: the pair under test did not answer in time.
func (m *Machine) testFail(now time.Time, acts []Action) []Action {
	x := &m.explore
	if p := m.of(x.testing); p != nil {
		p.tested(now, false)
		p.watch = nil
		m.remember(x.testing)
	}
	acts = append(acts, TestFailed{Pair: x.testing, ID: x.id, After: now.Sub(x.sentAt)})
	if x.cause.policy() && x.testing == m.primary {
		return m.suspect(now, Timer, acts) // it was not in doubt until now
	}
	return m.tryNext(now, TestFail, acts)
}

// tryNext tests the next pair, or gives up if the last one was the Last. A primary
// in doubt may yet answer.
func (m *Machine) tryNext(now time.Time, e Event, acts []Action) []Action {
	next := m.next(now)
	if m.explore.cause.policy() && m.stays(next) {
		next = m.primary
	}
	if next.IsValid() {
		return m.sendTest(now, next, acts)
	}
	if x := &m.explore; x.doubt {
		x.noTest()
		return acts
	}
	return m.giveUp(now, e, acts)
}

// stays reports whether the primary, which another pair was to replace by Policy
// change, has its turn before next: that is only a wish.
func (m *Machine) stays(next locator.Pair) bool {
	p, n := m.of(m.primary), m.of(next)
	return p != nil && !p.tried && (!m.explore.climbs || n == nil || n.class >= p.class)
}

// HandleSendError takes in that the kernel would not send on p. A test that could
// not even be sent has failed; a packet is a reason to test, as with ICMP (§3.3).
func (m *Machine) HandleSendError(now time.Time, p locator.Pair, acts []Action) []Action {
	x := &m.explore
	switch {
	case m.state == TestingPrimary && x.doubt && p == m.primary:
		return m.failPrimary(now, false, acts)
	case m.state == TestingPrimary && p == x.testing:
		return m.testFail(now, acts)
	case m.state == TestingPrimary && p == x.verified:
		return m.loseVerified(now, acts)
	}
	return m.HandleHint(now, p, acts)
}

// loseVerified: the pair that was to take the place of the primary in doubt cannot.
func (m *Machine) loseVerified(now time.Time, acts []Action) []Action {
	x := &m.explore
	x.verified = locator.Pair{}
	acts = m.duplicate(locator.Pair{}, acts)
	switch {
	case !x.testing.IsValid():
		return m.tryNext(now, TestFail, acts)
	case x.carries && x.testing != m.primary:
		return m.duplicate(x.testing, acts)
	}
	return acts
}

// HandleHint takes in a sign of trouble on p that nothing vouches for: an ICMP
// error that quotes what we sent. It is only a reason to test (§3.3).
func (m *Machine) HandleHint(now time.Time, p locator.Pair, acts []Action) []Action {
	if m.state != PrimaryOperational || p != m.primary || now.Sub(m.explore.sentAt) < m.SendTimer() {
		return acts
	}
	return m.suspect(now, ICMP, acts)
}

// HandleMove takes in that packets of the peer have begun to come over the reverse
// of k, from a locator that it did not have before (a move, or a NAT's other port):
// the one we send to may be gone.
func (m *Machine) HandleMove(now time.Time, k locator.Pair, acts []Action) []Action {
	if m.state != PrimaryOperational || k == m.primary || m.of(k) == nil {
		return acts
	}
	return m.begin(now, PeerPoll, k, true, acts)
}

// Want asks for another primary pair, which is tested first (Policy change).
func (m *Machine) Want(now time.Time, p locator.Pair, acts []Action) []Action {
	if m.state != PrimaryOperational || p == m.primary || m.of(p) == nil {
		return acts
	}
	acts = m.begin(now, PolicyChange, p, false, acts)
	m.explore.wanted = p
	return acts
}

// Complain takes in that a user or an application is not content with the
// connection (§4): the primary pair is tested at once. Where there is none, the
// search goes on at the pace for those who have something to send.
func (m *Machine) Complain(now time.Time, acts []Action) []Action {
	if m.state == PrimaryOperational {
		return m.suspect(now, Complaint, acts)
	}
	if m.connected {
		m.demand = now
		m.hurry(now)
	}
	return acts
}

// suspect tests the primary pair itself.
func (m *Machine) suspect(now time.Time, cause Event, acts []Action) []Action {
	m.stats.Suspicions++
	return m.begin(now, cause, m.primary, true, acts)
}

// operational ends an exploration: p is known to work. What was sent on it before
// that instant counts as confirmed.
func (m *Machine) operational(now time.Time, p locator.Pair, evidence Event, before time.Time, acts []Action) []Action {
	cause := m.explore.cause
	if p != m.primary {
		// What was sent before may be lost on either.
		m.alarms, before = 0, time.Time{}
	}
	acts = m.use(now, p, Reason{cause, evidence}, acts)
	if x := &m.explore; x.pins && p == x.wanted {
		m.pinned = p
	}
	acts = m.duplicate(locator.Pair{}, acts)
	if evidence == TestOK {
		m.answeredAt = now
	}
	m.explore.stop()
	m.trial.resume(now)
	m.wish = locator.Pair{}
	m.checkAt = time.Time{} // the next Observe finds out what is still unconfirmed
	acts = m.set(PrimaryOperational, evidence, p, acts)
	return append(acts, ResetTimer{before})
}

// giveUp: no pair is left to try.
func (m *Machine) giveUp(now time.Time, e Event, acts []Action) []Action {
	m.explore.noTest()
	acts = m.use(now, locator.Pair{}, Reason{m.explore.cause, e}, acts)
	acts = m.duplicate(locator.Pair{}, acts)
	acts = m.set(NoPrimary, e, locator.Pair{}, acts)
	if now.Sub(m.demand) > demandForgotten {
		return m.Disconnect(now, acts)
	}
	m.explore.retryAt = now.Add(m.timers.backoff(m.explore.round, m.backoffCap(now), m.random()))
	m.explore.round++
	return acts
}
