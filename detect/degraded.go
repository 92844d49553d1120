package detect

import (
	"cmp"
	"time"

	"github.com/multi6/multi6/locator"
)

// Degraded is not dead: a primary that loses much, but not all, is left only when
// another pair is shown to be clearly better. What the primary loses is known from
// one answered Poll to the next; another pair is tried with a train of Polls while the
// primary is in use. If none is better, the next trial waits longer.
//
// A train and an exploration never send at the same time: while the primary is in
// doubt, the train waits, and goes on when the doubt proved false. On a path that loses
// a third there are several such doubts a second. What ends a train is that the primary
// is left, or works well again.

const (
	// lostWeight and cameWeight say how much more likely it is that a packet is lost, or
	// is not, on a path that loses 30 % than on one that loses 5 %: ln(0.30/0.05) and
	// -ln(0.70/0.95). They balance where evidentShare is lost.
	lostWeight, cameWeight = 1.8, 0.3
	evidentShare           = cameWeight / (lostWeight + cameWeight)
	// enough is the sum of these, zero at least (Page's test), at which the primary is
	// degraded. On a path that loses 5 % that happens by chance once in some e^18
	// packets. A window adds at most mostOfWindow, as a burst may fill it.
	enough, mostOfWindow = 18, enough / 2
	// measureEvery is the time between two Polls that measure the losses of the primary,
	// measureFor that after which they end without an answer, and measureRest for how
	// long little loss is not measured again.
	measureEvery = 250 * time.Millisecond
	measureFor   = 5 * time.Second
	measureRest  = 10 * time.Second
	// timesBetter is how many times more than another pair the primary must lose.
	timesBetter = 3
	// trainLength is the number of Polls in a train. Of pairs that lose as much as the
	// primary, one in a hundred does so well by chance where that is 15 %, one in
	// ten thousand where it is 30 %. A lost answer hardly counts: the next ones name the
	// Poll, too. trainGap is the least time between two.
	trainLength = 64
	trainGap    = 10 * time.Millisecond
	// trainPairs is how many other pairs a trial goes through.
	trainPairs = 3
	// trialFirst and trialLast bound the wait between trials, which doubles.
	trialFirst, trialLast = 10 * time.Second, 10 * time.Minute
)

// A trial looks for a pair that is better than a degraded primary.
type trial struct {
	// evidence is the sum that says whether the primary is degraded, weighed and lost
	// the packets that have made it.
	evidence      float64
	weighed, lost uint64
	// measureAt is when the next Poll is due that measures, which ends at measureUntil;
	// restUntil is until when that is not done again.
	measureAt, measureUntil, restUntil time.Time
	// notBefore is when the next trial may begin, wait what is waited after it.
	notBefore time.Time
	wait      time.Duration
	// pair is the one whose train is under way, zero if there is none; tried are those
	// whose train is over.
	pair           locator.Pair
	tried          []locator.Pair
	sent, answered int
	// at is when the next Poll is due or, after the last, the verdict.
	at time.Time
}

// resume goes on after an exploration, in which what was due had to wait.
func (t *trial) resume(now time.Time) {
	for _, at := range []*time.Time{&t.at, &t.measureAt} {
		if !at.IsZero() && at.Before(now) {
			*at = now
		}
	}
}

// stop ends a train without a verdict.
func (t *trial) stop() { t.pair, t.at = locator.Pair{}, time.Time{} }

// rest ends a trial, and puts off the next one.
func (t *trial) rest(now time.Time) {
	*t = trial{wait: t.wait, notBefore: now.Add(t.wait)}
}

// news: another pair has come, which may be better than those that were not. Pairs that come
// and go all the time do not have one trial follow upon another.
func (t *trial) news() {
	if t.wait > trialFirst {
		t.notBefore = t.notBefore.Add(trialFirst - t.wait)
	}
	t.wait = 0
}

// leave forgets what was known of a primary that is no more, or of its losses.
func (t *trial) leave() { *t = trial{wait: t.wait, notBefore: t.notBefore} }

// another begins anew with a primary that took over for other reasons than a trial: that no pair
// was better than the last one says nothing of it. Primaries that come and go all the time have
// trials no sooner than that.
func (t *trial) another(now time.Time) {
	first := now.Add(trialFirst)
	if t.notBefore.Before(first) {
		first = t.notBefore
	}
	*t = trial{notBefore: first}
}

// recovers notes that the primary loses no more than it may. After as long as the last wait was,
// the next loss is another matter.
func (t *trial) recovers(now time.Time) {
	if now.Sub(t.notBefore) > t.wait {
		t.wait = 0
	}
	t.leave()
	t.restUntil = now.Add(measureRest)
}

// HandleMissing takes in that such a share of what was sent lately, on whatever pair, has
// not arrived: what the primary loses is to be measured.
func (m *Machine) HandleMissing(now time.Time, share float64, acts []Action) []Action {
	t := &m.trial
	if m.state != PrimaryOperational || now.Before(t.notBefore) || share < evidentShare && now.Before(t.restUntil) {
		return acts
	}
	t.measureUntil = now.Add(measureFor)
	if !t.measureAt.IsZero() {
		return acts
	}
	return m.measure(now, acts)
}

// measure polls the primary, so that it becomes known what was lost since the Poll
// before.
func (m *Machine) measure(now time.Time, acts []Action) []Action {
	t := &m.trial
	t.measureAt = time.Time{}
	if now.After(t.measureUntil) {
		return acts
	}
	t.measureAt = now.Add(measureEvery)
	return append(acts, m.poll(now, m.primary, true, false))
}

// HandleLoss takes in that of so many packets sent on the primary pair lately so many
// were lost.
func (m *Machine) HandleLoss(now time.Time, sent, lost uint64, acts []Action) []Action {
	p, t := m.of(m.primary), &m.trial
	if p == nil || sent == 0 {
		return acts
	}
	lost = min(lost, sent)
	weight := float64(lost)*lostWeight - float64(sent-lost)*cameWeight
	t.evidence = min(max(t.evidence+min(weight, mostOfWindow), 0), enough)
	t.weighed, t.lost = t.weighed+sent, t.lost+lost
	p.loss, p.lossAt = float64(t.lost)/float64(t.weighed), now
	if t.evidence == 0 {
		p.loss = float64(lost) / float64(sent)
		t.recovers(now)
		return acts
	}
	t.measureUntil = now.Add(measureFor)
	if t.evidence < enough || m.state != PrimaryOperational || m.pinned == m.primary ||
		t.pair.IsValid() || now.Before(t.notBefore) {
		return acts
	}
	t.tried = nil
	return m.nextTrain(now, acts)
}

// nextTrain begins with the next other pair, or ends the trial.
func (m *Machine) nextTrain(now time.Time, acts []Action) []Action {
	t := &m.trial
	t.stop()
	var best locator.Pair
	if len(t.tried) < trainPairs {
		best = m.nextOnTrial(now)
	}
	if !best.IsValid() {
		t.wait = min(max(2*t.wait, trialFirst), trialLast)
		t.rest(now)
		return acts
	}
	t.tried = append(t.tried, best)
	t.pair, t.sent, t.answered = best, 0, 0
	return m.train(now, acts)
}

// nextOnTrial returns the pair to try next: by class, and by how little it shares with
// the primary.
func (m *Machine) nextOnTrial(now time.Time) (best locator.Pair) {
	from := failureOf(m.primary, m.of(m.primary))
	order := func(a, b locator.Pair) int {
		pa, pb := m.of(a), m.of(b)
		return cmp.Or(
			cmp.Compare(pa.class, pb.class), cmp.Compare(from.shares(a, pa), from.shares(b, pb)),
			cmp.Compare(pb.score(now), pa.score(now)), cmp.Compare(pa.index, pb.index))
	}
	tried := m.trial.tried
next:
	for _, k := range m.order {
		if k == m.primary || m.spares(m.of(k)) {
			continue
		}
		for _, x := range tried {
			if x == k {
				continue next
			}
		}
		if !best.IsValid() || order(k, best) < 0 {
			best = k
		}
	}
	return best
}

// train sends the next Poll of the train. It ends with the last one, or as soon as too
// many are lost.
func (m *Machine) train(now time.Time, acts []Action) []Action {
	t, p, k := &m.trial, m.of(m.primary), m.of(m.trial.pair)
	if p == nil || k == nil {
		return m.nextTrain(now, acts)
	}
	// An answer may be lost, and the next one tell.
	patience := 2 * m.pollTimer(t.pair)
	underWay := m.polls.ofTrain(t.pair, now.Add(-patience))
	switch lost := t.sent - t.answered - underWay; {
	case float64(lost*timesBetter) > p.loss*trainLength:
		k.loss, k.lossAt = float64(lost)/float64(t.sent-underWay), now
		return m.nextTrain(now, acts)
	case t.sent == trainLength:
		k.loss, k.lossAt = float64(lost)/trainLength, now
		return m.leaveDegraded(now, t.pair, acts)
	}
	poll := m.poll(now, t.pair, true, false)
	m.polls.sent[len(m.polls.sent)-1].train = true
	t.sent++
	gap := max(m.timers.gap(k.pollRTT), trainGap)
	if t.sent == trainLength {
		gap = patience
	}
	t.at = now.Add(gap)
	return append(acts, poll)
}

// leaveDegraded moves from the primary to k, which is clearly better. The train was the
// test.
func (m *Machine) leaveDegraded(now time.Time, k locator.Pair, acts []Action) []Action {
	m.trial.wait = trialFirst
	m.trial.rest(now)
	m.flapped(m.primary)
	x := &m.explore
	*x = exploration{cause: Degraded, startedAt: now, testing: k, sentAt: x.sentAt}
	acts = m.set(TestingPrimary, Degraded, k, acts)
	return m.operational(now, k, TestOK, now, acts)
}

// flapped lets k work for longer before traffic moves back to it.
func (m *Machine) flapped(k locator.Pair) {
	r := m.remember(k)
	r.flaps = min(r.flaps+1, maxFlaps)
}
