package detect

import (
	"time"

	"github.com/multi6/multi6/locator"
)

// Failback: while the primary is of a worse class than other pairs, those are
// polled now and then, and the first that has answered every Poll for the hold
// time becomes primary again; one that never failed need not wait. It is tested once
// more first, so that nothing is lost (make before break). Only who has something to
// send looks: an idle peer costs nothing.

const (
	// watchPolls is how many Polls must be answered within the hold time.
	watchPolls = 4
	// watchPause is the least time between Polls of two better pairs, unless they are
	// to be more frequent each.
	watchPause = time.Second
	// watchCap bounds the wait between Polls of a better pair that does not answer.
	watchCap = time.Minute
	// holdCap bounds the hold time of a pair that flaps, unless the user asks for
	// more.
	holdCap = 10 * time.Minute
	// steadyFor is after how many hold times as primary a pair no longer flaps.
	steadyFor = 10
	// maxFlaps bounds what is counted, maxRecords the pairs that are remembered.
	maxFlaps, maxRecords = 10, 64
)

// A watch looks at one pair that is better liked than the primary. A nil one does not.
type watch struct {
	// at is when its next Poll is due, wait the time between two. sentAt is when
	// the last one was sent, zero once it was answered.
	at, sentAt time.Time
	wait       time.Duration
	// okSince is since when every Poll was answered, zero if the last was not.
	okSince time.Time
}

// answered notes the answer to a Poll sent at that time, whatever it was for. The next
// one follows as soon as ever.
func (w *watch) answered(sent time.Time, every time.Duration) {
	if w == nil {
		return
	}
	w.sentAt = time.Time{}
	if w.okSince.IsZero() {
		w.okSince = sent
		w.at, w.wait = sent.Add(every), every
	}
}

// worksSince returns since when every Poll was answered, zero if the last was not.
func (w *watch) worksSince() time.Time {
	if w == nil {
		return time.Time{}
	}
	return w.okSince
}

// better returns the pairs of a better class than the primary's, best first.
func (m *Machine) better() []locator.Pair {
	p := m.of(m.primary)
	n := 0
	for p != nil && n < len(m.order) && m.pairs[n].class < p.class {
		n++
	}
	return m.order[:n]
}

// watches reports whether better pairs are to be looked at now.
func (m *Machine) watches(now time.Time) bool {
	return m.state == PrimaryOperational && m.timers.Hold > 0 && m.primary != m.pinned &&
		now.Sub(m.demand) <= m.timers.Hold*3/2
}

// planWatch sets when better pairs are to be looked at next.
func (m *Machine) planWatch(now time.Time) {
	m.watchAt = time.Time{}
	if !m.watches(now) {
		return
	}
	every := m.timers.Hold / watchPolls
	for _, k := range m.better() {
		p := m.of(k)
		if m.spares(p) {
			continue
		}
		switch {
		case p.watch == nil && m.untried(k):
			p.watch = &watch{at: now, wait: every}
		case p.watch == nil:
			p.watch = &watch{at: now.Add(every), wait: every}
		case now.Sub(p.watch.at) > 2*every:
			*p.watch = watch{at: now, wait: every} // there was a pause
		}
		w := p.watch
		m.watchAt = earliest(m.watchAt, w.at)
		if w.sentAt.IsZero() { // else the answer, or its absence, decides
			m.watchAt = earliest(m.watchAt, after(w.okSince, m.holdOf(k)))
		}
		if !w.okSince.IsZero() {
			break // the others are liked less
		}
	}
}

// look polls the better pair that is due, one at a time, and moves to the first
// that has worked for long enough.
func (m *Machine) look(now time.Time, acts []Action) []Action {
	m.watchAt = time.Time{}
	if !m.watches(now) {
		return acts
	}
	every := m.timers.Hold / watchPolls
	polled := false
	for _, k := range m.better() {
		p := m.of(k)
		w := p.watch
		switch {
		case m.spares(p) || w == nil:
			continue
		case w.sentAt.IsZero() && !w.okSince.IsZero() && now.Sub(w.okSince) >= m.holdOf(k):
			return m.climb(now, k, acts)
		case !due(w.at, now):
			continue
		case m.untried(k):
			return m.climb(now, k, acts)
		case polled:
			w.at = now.Add(min(every, watchPause)) // one after another
			continue
		}
		if w.sentAt.IsZero() {
			w.wait = every
		} else {
			p.tested(now, false)
			w.okSince = time.Time{}
			w.wait = min(2*w.wait, max(watchCap, every))
		}
		polled = true
		w.sentAt, w.at = now, now.Add(w.wait)
		acts = append(acts, m.poll(now, k, true, false))
		if !w.okSince.IsZero() {
			break // the others are liked less
		}
	}
	m.planWatch(now)
	return acts
}

// climb tests k, which is of a better class than the primary, to move there. If
// it does not answer, others of better classes have their turn.
func (m *Machine) climb(now time.Time, k locator.Pair, acts []Action) []Action {
	acts = m.begin(now, PolicyChange, k, false, acts)
	m.explore.wanted, m.explore.climbs = k, true
	return acts
}

// leaveDeprecated moves away from a primary that has become deprecated (draft
// §3.5), which is known to work: the others are tested first.
func (m *Machine) leaveDeprecated(now time.Time, acts []Action) []Action {
	var best locator.Pair
	for _, k := range m.better() {
		if m.of(k).deprecated || m.spares(m.of(k)) {
			continue
		}
		if !best.IsValid() || m.compare(now, k, best) < 0 {
			best = k
		}
	}
	if !best.IsValid() {
		return acts
	}
	return m.climb(now, best, acts)
}

// untried reports whether k is not known to have ever failed.
func (m *Machine) untried(k locator.Pair) bool {
	return m.recordOf(k) == nil
}

// A record is what is remembered of a pair that has failed, even if it goes for a
// time.
type record struct {
	pair locator.Pair
	// flaps is how often in a row the pair failed soon after traffic had moved back
	// to it.
	flaps int
}

// holdOf returns for how long k has to work before traffic moves back to it: it
// doubles with every time that proved too soon.
func (m *Machine) holdOf(k locator.Pair) time.Duration {
	hold, flaps := m.timers.Hold, 0
	if r := m.recordOf(k); r != nil {
		flaps = r.flaps
	}
	return min(hold<<flaps, max(hold, holdCap))
}

// recordOf returns the record of k, nil if there is none. It is valid until the next one
// is made.
func (m *Machine) recordOf(k locator.Pair) *record {
	for i := range m.records {
		if m.records[i].pair == k {
			return &m.records[i]
		}
	}
	return nil
}

// left takes down how the primary has done, which is left for that cause.
func (m *Machine) left(now time.Time, cause Event) {
	if cause.policy() || cause == Disconnect || cause == Connect {
		return
	}
	r := m.remember(m.primary)
	switch {
	case now.Sub(m.primarySince) >= steadyFor*m.timers.Hold:
		r.flaps = 0
	case m.cameBack:
		r.flaps = min(r.flaps+1, maxFlaps)
	}
	if p := m.of(m.primary); p != nil {
		p.watch = nil // what was known of it no longer counts
	}
}

// remember returns the record of k, which has failed, and makes one if there is none.
func (m *Machine) remember(k locator.Pair) *record {
	if r := m.recordOf(k); r != nil {
		return r
	}
	if len(m.records) >= maxRecords {
		m.records = m.records[:0] // pairs come and go all the time; start anew
	}
	m.records = append(m.records, record{pair: k})
	return &m.records[len(m.records)-1]
}

// SetSpent says whether the budget for tests over metered locators is used up.
// Then they are tested only when nothing else is left.
func (m *Machine) SetSpent(spent bool) { m.spent = spent }

// spares reports whether p is not to be tested without need.
func (m *Machine) spares(p *pair) bool { return m.spent && p.metered }

// Switch is Want for a user, who means it: the peer is asked to do the same, and
// the pair stays primary until it fails, or Auto.
func (m *Machine) Switch(now time.Time, p locator.Pair, acts []Action) []Action {
	m.obeys = false
	if p == m.primary && m.state == PrimaryOperational {
		m.pinned = p
		return acts
	}
	return m.wantPinned(now, p, true, acts)
}

// obey does what the peer's user wishes: k is to be primary, and to stay.
func (m *Machine) obey(now time.Time, k locator.Pair, acts []Action) []Action {
	m.obeys = true
	if k == m.primary {
		m.pinned = k
		return acts
	}
	return m.wantPinned(now, k, false, acts)
}

// Wishes reports whether a user here has switched to the primary pair.
func (m *Machine) Wishes() bool { return m.pinned.IsValid() && !m.obeys }

// WishOver takes in that the peer's user has taken Switch back, or never used it.
func (m *Machine) WishOver() {
	if m.obeys {
		m.Auto()
	}
}

// wantPinned is Want; the pair is pinned. wish says that the peer is to be asked
// to do the same.
func (m *Machine) wantPinned(now time.Time, p locator.Pair, wish bool, acts []Action) []Action {
	if m.state != PrimaryOperational || p == m.primary || m.of(p) == nil {
		return acts
	}
	m.wish = locator.Pair{}
	if wish {
		m.wish = p
	}
	acts = m.begin(now, PolicyChange, p, false, acts)
	m.explore.wanted, m.explore.pins = p, true
	return acts
}

// Auto takes Switch back: the primary is chosen by rank again.
func (m *Machine) Auto() { m.pinned, m.obeys = locator.Pair{}, false }

// Pinned returns the pair that a user has switched to, zero if there is none.
func (m *Machine) Pinned() locator.Pair { return m.pinned }
