package detect

import (
	"slices"
	"time"

	"github.com/multi6/multi6/locator"
)

const (
	// maxHeard is how many of the peer's Polls an OK list names.
	maxHeard = 8
	// heardFor is how long a received Poll is named in OK lists.
	heardFor = 5 * time.Second
	// maxSent is how many of our Polls may be unanswered before the oldest is
	// forgotten.
	maxSent = 64
	// sentFor is how long a late answer to a Poll still counts.
	sentFor = 10 * time.Second
)

// polls remembers both sides of the exchange of §5.4.
type polls struct {
	sent  []sentPoll
	heard []heardPoll
}

type sentPoll struct {
	id   uint64
	pair locator.Pair
	at   time.Time
	// asks says that it wants an answer, train that it is one of a train
	// (degraded.go).
	asks, train bool
	// size is that of a padded Poll (mtu.go), zero for others.
	size int
}

type heardPoll struct {
	id   uint64
	at   time.Time
	came uint32
}

// keep forgets the Polls sent on pairs that are gone.
func (p *polls) keep(m *Machine) {
	kept := p.sent[:0]
	for _, s := range p.sent {
		if m.of(s.pair) != nil {
			kept = append(kept, s)
		}
	}
	p.sent = kept
}

// send remembers s. It calls lost with each Poll that is forgotten, as no answer to it
// counts any more.
func (p *polls) send(s sentPoll, lost func(sentPoll)) {
	for len(p.sent) > 0 && (len(p.sent) >= maxSent || s.at.Sub(p.sent[0].at) > sentFor) {
		lost(p.sent[0])
		p.sent = append(p.sent[:0], p.sent[1:]...)
	}
	p.sent = append(p.sent, s)
}

// take removes and returns the Poll named id, if it is ours, unanswered and not
// too old.
func (p *polls) take(now time.Time, id uint64) (sentPoll, bool) {
	for i, s := range p.sent {
		if s.id == id {
			if p.sent = slices.Delete(p.sent, i, i+1); len(p.sent) == 0 {
				p.sent = nil // an idle peer is to keep little
			}
			return s, now.Sub(s.at) <= sentFor
		}
	}
	return sentPoll{}, false
}

// pending reports whether a Poll on k that asks for an answer has none since after t. Padded
// ones may have been too long.
func (p *polls) pending(k locator.Pair, t time.Time) bool {
	for _, s := range p.sent {
		if s.asks && s.pair == k && s.at.After(t) && s.size == 0 {
			return true
		}
	}
	return false
}

// ofTrain counts the Polls of k's train that are unanswered and were sent after t.
func (p *polls) ofTrain(k locator.Pair, t time.Time) (count int) {
	for _, s := range p.sent {
		if s.train && s.pair == k && s.at.After(t) {
			count++
		}
	}
	return count
}

func (p *polls) hear(now time.Time, poll Poll) {
	p.heard = append(p.heard, heardPoll{poll.ID, now, poll.Came})
	if extra := len(p.heard) - maxHeard; extra > 0 {
		p.heard = append(p.heard[:0], p.heard[extra:]...)
	}
}

// Rest gives back memory that a quiet peer can do without.
func (m *Machine) Rest(now time.Time) { m.polls.rest(now) }

// rest forgets the Polls that no OK list will name.
func (p *polls) rest(now time.Time) {
	if n := len(p.heard); n > 0 && now.Sub(p.heard[n-1].at) > heardFor {
		p.heard = nil
	}
}

// okList returns the Polls lately received, newest first.
func (p *polls) okList(now time.Time) []Heard {
	var ok []Heard
	for i := len(p.heard) - 1; i >= 0 && now.Sub(p.heard[i].at) <= heardFor; i-- {
		h := p.heard[i]
		ok = append(ok, Heard{ID: h.id, Held: now.Sub(h.at), Came: h.came})
	}
	return ok
}

// poll makes a Poll on k and remembers it.
func (m *Machine) poll(now time.Time, k locator.Pair, answer, move bool) SendPoll {
	id := m.random()
	m.polls.send(sentPoll{id: id, pair: k, at: now, asks: answer}, func(s sentPoll) {
		if p := m.of(s.pair); p != nil && s.asks {
			p.polled(false)
		}
	})
	return SendPoll{Pair: k, ID: id, Answer: answer, Move: move, OK: m.polls.okList(now)}
}

// A Poll is what the peer sent (§5.4).
type Poll struct {
	ID uint64
	// Answer: the peer wants an answer. Move: it looks for a new primary pair.
	// Wish: its user wants us to send over the reverse of the pair, too.
	Answer, Move, Wish bool
	// Came counts the datagrams that have come over the same pair so far. It is only
	// handed back to the peer, with the OK.
	Came uint32
	// OK names the Polls that the peer has lately received, newest first.
	OK []Heard
}

// HandlePoll takes in an authenticated Poll that came over the reverse of k.
func (m *Machine) HandlePoll(now time.Time, k locator.Pair, p Poll, acts []Action) []Action {
	m.polls.hear(now, p)
	if at := m.of(k); at != nil {
		at.inboundAt = now
	}
	acts = m.handleOK(now, p.OK, acts)
	switch {
	case p.Wish && m.state == PrimaryOperational && k != m.primary && m.of(k) != nil:
		return m.obey(now, k, acts) // the test is the answer, too
	case p.Wish && k == m.primary:
		acts = m.obey(now, k, acts)
	case !p.Answer:
		return acts
	}
	return m.answer(now, k, p.Move, acts)
}

// HandleOpen takes in that the peer opened over the reverse of k: it connects
// (Figure 2's Connect), or looks for a new primary without knowing us any more.
func (m *Machine) HandleOpen(now time.Time, k locator.Pair, acts []Action) []Action {
	if !m.connected {
		return m.Connect(now, k, acts)
	}
	return m.answer(now, k, true, acts)
}

// HandleAnswer takes in that the Poll named id was answered in some other way:
// by the second message of an Open that stood for it.
func (m *Machine) HandleAnswer(now time.Time, id uint64, acts []Action) []Action {
	return m.handleOK(now, []Heard{{ID: id}}, acts)
}

// handleOK takes in an OK list. A test succeeds when an OK names a Poll sent on
// that pair, no matter which pair carried the answer, nor how late it comes.
func (m *Machine) handleOK(now time.Time, ok []Heard, acts []Action) []Action {
	var best sentPoll
	for _, h := range ok {
		s, found := m.polls.take(now, h.ID)
		p := m.of(s.pair)
		if !found || p == nil {
			continue
		}
		if s.asks {
			p.polled(true)
		}
		took := now.Sub(s.at) - h.Held
		if s.size > 0 {
			acts = m.passes(now, s, acts)
		} else {
			if usual := p.pollRTT; usual.known() && s.pair != m.primary {
				m.late(now, took-usual.smoothed-2*usual.variation)
			}
			p.measured(took)
		}
		if s.train && s.pair == m.trial.pair {
			m.trial.answered++
		}
		acts = append(acts, Answered{Pair: s.pair, ID: s.id, Sent: s.at, RTT: took, Padded: s.size > 0})
		if !m.current(s) {
			continue // it may have failed since
		}
		if m.state == TestingPrimary {
			// Upper layers cannot tell: they are not timed while packets go over two pairs.
			p.rtt.atLeast(took)
			p.reportRTT.atLeast(took)
		}
		if s.pair == m.explore.verified {
			m.heardWitness(now, s.at) // testOK is told of one answer only
		}
		p.watch.answered(s.at, m.timers.Hold/watchPolls)
		if !s.at.Before(p.testedAt) {
			p.tested(s.at, true)
		}
		if glad := m.gladly(); !best.pair.IsValid() || s.pair == glad && (best.pair != glad || s.at.After(best.at)) {
			best = s
		}
	}
	if !best.pair.IsValid() {
		return acts
	}
	return m.testOK(now, best.pair, best.at, acts)
}

// gladly returns the pair that is to be used if several are shown to work: the
// primary is left least gladly, unless another one is wanted.
func (m *Machine) gladly() locator.Pair {
	if m.wants() {
		return m.explore.testing
	}
	return m.primary
}

// wants reports whether a pair is under test that is to replace a primary which works.
func (m *Machine) wants() bool {
	return m.state == TestingPrimary && m.explore.cause.policy() && m.explore.testing != m.primary
}

// current reports whether the answer to s bears on what is being explored now.
func (m *Machine) current(s sentPoll) bool {
	return m.state != TestingPrimary || !s.at.Before(m.explore.since)
}

// answer replies to a Poll that came over the reverse of k. The answer is a Poll
// of ours, whose OK list says what was received. It goes over our primary if that
// is known to work now, else it is a test of our own: if the peer looks for a new
// primary, the first of the same process on our side.
func (m *Machine) answer(now time.Time, k locator.Pair, move bool, acts []Action) []Action {
	known := m.of(k) != nil
	if !m.connected || !known && !m.primary.IsValid() {
		return acts
	}
	if m.state == PrimaryOperational && (!move || !known || m.answeredAt.After(m.recent(now, m.primary))) {
		return append(acts, m.poll(now, m.primary, false, false))
	}
	if !known {
		k = m.primary
	}
	x := &m.explore
	x.round = 0 // news: the back-off starts anew
	if v := x.verified; m.state == TestingPrimary && v.IsValid() && v != k {
		acts = append(acts, m.poll(now, v, false, false)) // in our direction k may be dead
	}
	switch {
	case !move || m.wants() || x.verified.IsValid() || m.polls.pending(k, m.recent(now, k)):
		return append(acts, m.poll(now, k, false, false))
	case m.state != TestingPrimary:
		return m.begin(now, PeerPoll, k, true, acts)
	case k == m.primary:
		return append(acts, m.poll(now, k, true, true))
	case m.heardOn(x.testing):
		return append(acts, m.poll(now, k, false, false))
	}
	// The peer is heard here: a better guess than the one under test, whose answer
	// may still come.
	return m.sendTest(now, k, acts)
}

// heardOn reports whether the peer was heard over the reverse of k, which is not the primary
// pair, since the exploration began.
func (m *Machine) heardOn(k locator.Pair) bool {
	p := m.of(k)
	return p != nil && k != m.primary && !p.inboundAt.Before(m.explore.startedAt)
}

// recent returns since when a Poll on k may still be answered in time.
func (m *Machine) recent(now time.Time, k locator.Pair) time.Time {
	return now.Add(-m.pollTimer(k))
}
