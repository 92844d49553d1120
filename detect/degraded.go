package detect

import (
	"cmp"
	"time"

	"github.com/multi6/multi6/locator"
)

// Degraded is not dead: a primary that loses much, but not all, is left only when
// another pair is shown to be clearly better. What the primary loses, the peer's
// Reports tell; another pair is tried with a train of Polls while the primary is in
// use. If none is better, the next trial waits longer.

const (
	// leastWindow is how many packets a window must have to say something of loss.
	leastWindow = 100
	// lossyShare is the loss at which a window is lossy, and lossyWindows how many in
	// a row make the primary degraded. By chance that happens on a path that loses 5 %
	// once in a hundred million windows.
	lossyShare   = 0.15
	lossyWindows = 2
	// timesBetter is how many times more than another pair the primary must lose.
	timesBetter = 3
	// trainLength is the number of Polls in a train. Of pairs that lose as much as the
	// primary, one in a hundred does so well by chance where that is lossyShare, one in
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
	// windows counts lossy windows in a row.
	windows int
	// notBefore is when the next trial may begin, wait what is waited after it.
	notBefore time.Time
	wait      time.Duration
	// pair is the one whose train is under way, zero if there is none; tried are those
	// whose train is over, and count how many there were.
	pair           locator.Pair
	tried          [trainPairs]locator.Pair
	count          int
	sent, answered int
	// at is when the next Poll is due or, after the last, the verdict.
	at time.Time
}

// stop ends a train without a verdict.
func (t *trial) stop() { t.pair, t.at = locator.Pair{}, time.Time{} }

// HandleLoss takes in that of so many packets sent on the primary pair lately, and on
// no other, so many were lost.
func (m *Machine) HandleLoss(now time.Time, sent, lost uint64, acts []Action) []Action {
	p := m.pairs[m.primary]
	if p == nil || sent < leastWindow {
		return acts
	}
	p.loss = float64(min(lost, sent)) / float64(sent)
	p.lossAt = now
	t := &m.trial
	if p.loss < lossyShare {
		t.windows = 0
		t.stop()
		return acts
	}
	t.windows++
	if t.windows < lossyWindows || m.state != PrimaryOperational || m.pinned == m.primary ||
		t.pair.IsValid() || now.Before(t.notBefore) {
		return acts
	}
	t.count = 0
	return m.nextTrain(now, acts)
}

// nextTrain begins with the next other pair, or ends the trial.
func (m *Machine) nextTrain(now time.Time, acts []Action) []Action {
	t := &m.trial
	t.stop()
	var best locator.Pair
	if t.count < trainPairs {
		best = m.nextOnTrial(now)
	}
	if !best.IsValid() {
		t.wait = min(max(2*t.wait, trialFirst), trialLast)
		t.notBefore, t.windows = now.Add(t.wait), 0
		return acts
	}
	t.tried[t.count] = best
	t.count++
	t.pair, t.sent, t.answered = best, 0, 0
	return m.train(now, acts)
}

// nextOnTrial returns the pair to try next: by class, and by how little it shares with
// the primary.
func (m *Machine) nextOnTrial(now time.Time) (best locator.Pair) {
	from := failureOf(m.primary, m.pairs[m.primary])
	order := func(a, b locator.Pair) int {
		pa, pb := m.pairs[a], m.pairs[b]
		return cmp.Or(
			cmp.Compare(pa.class, pb.class), cmp.Compare(from.shares(a, pa), from.shares(b, pb)),
			cmp.Compare(pb.score(now), pa.score(now)), cmp.Compare(pa.index, pb.index))
	}
	tried := m.trial.tried[:m.trial.count]
next:
	for _, k := range m.order {
		if k == m.primary || m.spares(m.pairs[k]) {
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
	t, p, k := &m.trial, m.pairs[m.primary], m.pairs[m.trial.pair]
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
	gap := max(m.timers.gap(m.primaryRTT()), trainGap)
	if t.sent == trainLength {
		gap = patience
	}
	t.at = now.Add(gap)
	return append(acts, poll)
}

// leaveDegraded moves from the primary to k, which is clearly better.
func (m *Machine) leaveDegraded(now time.Time, k locator.Pair, acts []Action) []Action {
	t := &m.trial
	t.stop()
	t.wait = trialFirst
	t.notBefore, t.windows = now.Add(t.wait), 0
	m.flapped(m.primary)
	acts = m.begin(now, Degraded, k, false, acts)
	m.explore.wanted = k
	return acts
}

// flapped lets k work for longer before traffic moves back to it.
func (m *Machine) flapped(k locator.Pair) {
	r := m.records[k]
	r.flaps = min(r.flaps+1, maxFlaps)
	m.remember(k, r)
}
