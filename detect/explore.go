package detect

import (
	"time"

	"github.com/multi6/multi6/locator"
)

// An exploration goes through the pairs one after another (§5.3: MUST be
// sequential, with exponential back-off) until one answers.
//
// While it lasts the primary may be in doubt: it has not confirmed what was sent
// on it, but that may be a lost packet. It is polled several times, and left only
// when all these Polls have gone unanswered; meanwhile packets go over the pair
// under test as well (Duplicate), so that taking one's time costs the application
// nothing.
type exploration struct {
	// cause is what began it, startedAt when. since is when the first began of those with no
	// primary in between.
	cause            Event
	startedAt, since time.Time
	// failed is the primary that came into doubt or went, wanted the pair that a
	// Policy change is for.
	failed failure
	wanted locator.Pair
	// climbs says that wanted is of a better class, so that others of better
	// classes will do; pins that it is to stay.
	climbs, pins bool
	// doubt says that the primary is in doubt; carries that packets go with the tests.
	doubt, carries bool
	// unwitnessed says that the primary failed its tests while no other pair answered, again
	// that it is being tested once more since.
	unwitnessed, again bool
	// round counts the passes over all pairs since the last success or news.
	round int
	// testing is the pair under test; id names its Poll. deadline is when the next
	// pair has its turn.
	testing          locator.Pair
	id               uint64
	sentAt, deadline time.Time
	// repeatAt is when testing is polled again, polled how often it was.
	repeatAt time.Time
	polled   int
	// The primary, if in doubt, was polled tries times, for the last time at askedAt, is to
	// be polled again at againAt, and judged at condemnAt.
	tries                       int
	askedAt, againAt, condemnAt time.Time
	// verified is a pair that answered while the primary was in doubt, a Poll sent at
	// verifiedAt and maybe others before: the witness. The verdict waits for it until
	// witnessBy, and was put off repeats times.
	verified              locator.Pair
	verifiedAt, witnessBy time.Time
	repeats               int
	// spareUntil is until when the primary is spared, another pair's answer having been late.
	spareUntil time.Time
	// retryAt is when the next round begins.
	retryAt time.Time
}

// stop keeps what later explorations need: when we last tested.
func (x *exploration) stop() { *x = exploration{sentAt: x.sentAt, failed: x.failed} }

// noTest: no other pair is under test any longer.
func (x *exploration) noTest() {
	x.testing, x.deadline, x.repeatAt = locator.Pair{}, time.Time{}, time.Time{}
}

// suspects reports whether a suspicion of the primary here began it.
func (x *exploration) suspects() bool {
	return x.cause == Timer || x.cause == ICMP || x.cause == Complaint
}

// next returns when something is to be done, zero for never.
func (x *exploration) next() time.Time {
	return earliest(earliest(x.deadline, x.repeatAt), earliest(x.againAt, earliest(x.condemnAt, x.witnessBy)))
}

// begin starts an exploration. doubt says that the primary itself is to be
// tested; then p is only what to test besides, and may be zero.
func (m *Machine) begin(now time.Time, cause Event, p locator.Pair, doubt bool, acts []Action) []Action {
	x := &m.explore
	since := now
	if m.state == NoPrimary && !x.since.IsZero() {
		since = x.since
	}
	unwitnessed := m.state == NoPrimary && x.unwitnessed
	*x = exploration{cause: cause, startedAt: now, since: since, failed: x.failed, sentAt: x.sentAt, unwitnessed: unwitnessed}
	x.doubt = doubt && m.primary.IsValid()
	// Who explores only because the peer does, and knows that its own packets arrive,
	// need not send them twice; nor could it then tell any longer that they do.
	x.carries = x.suspects() || cause == DeletePair ||
		cause == PeerPoll && (!m.confirmedLately(now) || due(m.ownDoubtAt(), now))
	if cause.policy() {
		x.failed = failure{}
	}
	m.clearTried()
	if x.doubt {
		x.failed = failureOf(m.primary, m.of(m.primary))
		m.of(m.primary).tried = true
		if !p.IsValid() || p == m.primary {
			acts = m.set(TestingPrimary, cause, m.primary, acts)
			return m.pollPrimary(now, acts)
		}
		x.againAt = now.Add(leastWait)
	}
	acts = m.set(TestingPrimary, cause, p, acts)
	return m.sendTest(now, p, acts)
}

// mostRepeats is how often the verdict is put off while neither the primary nor the witness
// answers, for twice as long each time; fewRepeats where there are other pairs, which then have their turn.
const mostRepeats, fewRepeats = 6, 1

// pollPrimary polls the primary, which is in doubt, and beside it the pair that would take
// its place: what keeps both from answering, such as a peer that has no time, is no
// fault of the primary.
func (m *Machine) pollPrimary(now time.Time, acts []Action) []Action {
	x := &m.explore
	x.tries++
	x.askedAt, x.againAt, x.witnessBy = now, time.Time{}, time.Time{}
	if x.tries < m.tries(now) {
		x.againAt = now.Add(m.timers.gap(m.primaryRTT()))
	} else {
		x.condemnAt = now.Add(m.pollTimer(m.primary))
	}
	poll := m.poll(now, m.primary, true, true)
	if x.verified.IsValid() {
		acts = append(acts, m.poll(now, x.verified, true, true))
	}
	if x.tries == 1 && !x.testing.IsValid() && !x.verified.IsValid() {
		x.testing, x.sentAt, x.id = m.primary, now, poll.ID
		x.deadline = now.Add(m.firstLead())
	}
	return append(acts, poll)
}

// firstLead returns when the first other pair has its turn. Who explores only
// because the peer does, and has nothing under way that may be lost, gives the primary
// time to answer.
func (m *Machine) firstLead() time.Duration {
	if x := &m.explore; x.cause == PeerPoll && (!x.carries || m.checkAt.IsZero()) {
		return m.pollTimer(m.primary)
	}
	return m.timers.lead(m.primaryRTT())
}

// condemn: the primary has not answered any of its Polls. It has failed, if the witness has
// answered what was sent beside the last one.
func (m *Machine) condemn(now time.Time, acts []Action) []Action {
	x := &m.explore
	x.condemnAt = time.Time{}
	if now.Before(x.spareUntil) {
		x.condemnAt = x.spareUntil
		return acts
	}
	if x.verified.IsValid() && x.verifiedAt.Before(x.askedAt) {
		wait := max(min(m.pollTimer(m.primary)<<x.repeats, m.timers.BackoffCap), m.witnessTimer())
		if x.witnessBy = x.askedAt.Add(wait); due(x.witnessBy, now) {
			return m.unheard(now, acts)
		}
		return acts
	}
	return m.failPrimary(now, !x.verified.IsValid(), acts)
}

// witnessTimer returns how long the witness may take to answer. It is not bounded as
// pollTimer is: each new Poll begins the wait anew.
func (m *Machine) witnessTimer() time.Duration {
	d := m.pollTimer(m.explore.verified)
	if own, _ := m.pollRTT(m.explore.verified); own.known() {
		d = max(d, min(own.smoothed+max(2*own.variation, min(m.timers.Margin, pollCeiling)), sentFor))
	}
	return d
}

// witnessed: the witness has answered, for which the verdict waited. The primary's answer may
// be on its way, too.
func (x *exploration) witnessed(now time.Time, margin time.Duration) {
	if !x.witnessBy.IsZero() && !x.verifiedAt.Before(x.askedAt) {
		x.witnessBy, x.condemnAt = time.Time{}, now.Add(margin)
	}
}

// late: another pair than the primary has answered so much later than it uses to. What kept
// it, such as an end that had no time, may keep the primary's answer for as long again.
func (m *Machine) late(now time.Time, by time.Duration) {
	x := &m.explore
	if t := now.Add(min(by, pollCeiling)); t.After(x.spareUntil) {
		x.spareUntil = t
	}
}

// heardWitness: the witness has answered a Poll sent at that time.
func (m *Machine) heardWitness(now, sent time.Time) {
	if x := &m.explore; sent.After(x.verifiedAt) {
		x.verifiedAt = sent
		x.witnessed(now, min(m.timers.Margin, pollCeiling))
	}
}

// unheard: neither the primary nor the witness has answered. Both are polled again, until
// they must be taken for dead.
func (m *Machine) unheard(now time.Time, acts []Action) []Action {
	x := &m.explore
	x.witnessBy = time.Time{}
	most := mostRepeats
	if len(m.order) > 2 {
		most = fewRepeats
	}
	if x.repeats++; x.repeats <= most {
		return m.pollPrimary(now, acts)
	}
	for i, k := range m.order { // some were tried before all fell silent
		m.pairs[i].tried = k == m.primary || k == x.verified
	}
	x.verified = locator.Pair{}
	acts = m.duplicate(locator.Pair{}, acts)
	return m.failPrimary(now, true, acts)
}

// failPrimary: the primary has failed its tests. unwitnessed says that nothing else has
// answered, either.
func (m *Machine) failPrimary(now time.Time, unwitnessed bool, acts []Action) []Action {
	x := &m.explore
	x.endDoubt()
	x.unwitnessed = unwitnessed
	if p := m.of(m.primary); p != nil {
		p.tested(now, false)
	}
	acts = append(acts, TestFailed{Pair: m.primary, After: now.Sub(x.startedAt)})
	if !x.carries {
		acts = m.carry(now, acts)
	}
	switch {
	case x.verified.IsValid():
		return m.operational(now, x.verified, TestOK, x.startedAt, acts)
	case x.testing == m.primary || !x.testing.IsValid():
		return m.tryNext(now, TestFail, acts)
	}
	return acts
}

func (x *exploration) endDoubt() {
	x.doubt, x.againAt, x.condemnAt, x.witnessBy = false, time.Time{}, time.Time{}, time.Time{}
}

// reconsider: p is the first pair to answer, at a Poll sent at that time, after the primary
// failed. What kept all of them from answering, such as an end that stood still, is no fault of
// the primary, and its answer may be the next: it is polled once more, beside p.
func (m *Machine) reconsider(now time.Time, p locator.Pair, sent time.Time, acts []Action) []Action {
	x := &m.explore
	if !m.primary.IsValid() {
		acts = m.use(now, m.last, Reason{x.cause, Retry}, acts)
		acts = m.set(TestingPrimary, TestOK, m.last, acts)
		x.carries, x.retryAt, x.tries, x.startedAt = true, time.Time{}, 0, now
	}
	m.of(m.primary).tried = true
	x.unwitnessed, x.again, x.doubt, x.repeats = false, true, true, 0
	x.verified, x.verifiedAt = p, sent
	x.noTest()
	acts = m.duplicate(p, acts)
	return m.pollPrimary(now, acts)
}

// confirmedLately reports whether packets sent on the primary were lately shown to
// arrive.
func (m *Machine) confirmedLately(now time.Time) bool {
	p := m.of(m.primary)
	return p != nil && p.ok && now.Sub(p.testedAt) <= m.SendTimer()
}

// ownDoubtAt returns when there is doubt of our own in an exploration that the peer's Poll
// began, zero for never: its word counts for half the margin.
func (m *Machine) ownDoubtAt() time.Time {
	if m.checkAt.IsZero() {
		return time.Time{}
	}
	return m.checkAt.Add(-m.timers.Margin / 2)
}

// overdue reports whether packets have become overdue since the peer's Poll began the
// exploration, so that there is doubt of our own.
func (m *Machine) overdue(now time.Time) bool {
	x := &m.explore
	return x.cause == PeerPoll && !x.carries && x.doubt && due(m.ownDoubtAt(), now)
}

// carry has packets go with the tests from now on.
func (m *Machine) carry(now time.Time, acts []Action) []Action {
	x := &m.explore
	x.carries, m.checkAt = true, time.Time{}
	switch {
	case x.verified.IsValid():
		return m.duplicate(x.verified, acts)
	case x.testing.IsValid() && x.testing != m.primary:
		m.planRepeat(now)
		return m.duplicate(x.testing, acts)
	}
	// The first other pair has its turn as after a suspicion of our own.
	if t := now.Add(m.timers.lead(m.primaryRTT())); x.deadline.After(t) {
		x.deadline = t
	}
	return acts
}

// advance does what is due in an exploration.
func (m *Machine) advance(now time.Time, acts []Action) []Action {
	x := &m.explore
	if m.overdue(now) {
		acts = m.carry(now, acts)
	}
	if due(x.againAt, now) {
		for _, t := range []*time.Time{&x.deadline, &x.repeatAt} {
			if due(*t, now) {
				*t = now.Add(leastWait) // one after another
			}
		}
		return m.pollPrimary(now, acts)
	}
	switch {
	case due(x.condemnAt, now):
		acts = m.condemn(now, acts)
	case due(x.witnessBy, now):
		acts = m.unheard(now, acts)
	}
	if m.state != TestingPrimary {
		return acts
	}
	if !due(x.deadline, now) {
		if due(x.repeatAt, now) {
			return m.repeat(now, acts)
		}
		return acts
	}
	x.deadline = time.Time{}
	if x.doubt && x.testing == m.primary {
		return m.tryNext(now, TestFail, acts) // its turn is over, but not its chance
	}
	return m.testFail(now, acts)
}

// retry starts the next round. Deviation: Figure 2 leaves NO PRIMARY by Add
// pair only; see the package comment.
func (m *Machine) retry(now time.Time, acts []Action) []Action {
	m.explore.retryAt, m.explore.carries = time.Time{}, false
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

// extend gives what is under test time until t at least.
func (x *exploration) extend(t time.Time) {
	for _, d := range []*time.Time{&x.deadline, &x.condemnAt, &x.witnessBy} {
		if !d.IsZero() && d.Before(t) {
			*d = t
		}
	}
}

// sendTest polls k and waits for the answer ("Send test"). If the primary is in
// doubt or gone, packets go too.
func (m *Machine) sendTest(now time.Time, k locator.Pair, acts []Action) []Action {
	p := m.of(k)
	p.tried = true
	x := &m.explore
	x.testing, x.sentAt = k, now
	x.deadline = now.Add(m.pollTimer(k))
	// Who only wishes another pair does not ask the peer to look for one.
	poll := m.poll(now, k, true, !x.cause.policy())
	poll.Round, poll.Wish = x.round, k == m.wish
	x.id = poll.ID
	acts = append(acts, poll)
	x.polled, x.repeatAt = 1, time.Time{}
	if x.carries {
		m.planRepeat(now)
		acts = m.duplicate(k, acts)
	}
	return acts
}

// mostPolls is how many Polls a pair under test gets within its turn.
const mostPolls = 4

// planRepeat has the pair under test polled again soon. Packets go over it, and may be what
// makes the Poll get lost: they all wait together where the first hop is to be resolved.
// Only the first round has that, the rest of an outage is not worth more signalling.
func (m *Machine) planRepeat(now time.Time) {
	x := &m.explore
	x.repeatAt = time.Time{}
	if x.round == 0 && x.polled < mostPolls && x.testing != m.primary {
		x.repeatAt = now.Add(m.repeatAfter(x.testing))
	}
}

func (m *Machine) repeat(now time.Time, acts []Action) []Action {
	x := &m.explore
	x.polled++
	m.planRepeat(now)
	return append(acts, m.poll(now, x.testing, true, !x.cause.policy()))
}

// duplicate has packets go over p too; the zero pair ends it.
func (m *Machine) duplicate(p locator.Pair, acts []Action) []Action {
	if p == m.second {
		return acts
	}
	m.second = p
	return append(acts, Duplicate{To: p, Answered: p.IsValid() && p == m.explore.verified})
}
