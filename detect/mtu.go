package detect

import (
	"time"

	"github.com/multi6/multi6/locator"
)

// The path MTU of the primary pair is searched for by padded Polls: one at a time, in
// PRIMARY OPERATIONAL only, and only while there is traffic, so that an idle peer costs
// nothing. What was found stays with the pair. A padded Poll that goes unanswered says
// nothing of the pair, one that is answered says that it works.

const (
	// baseMTU6 is what IPv6 asks of every link (RFC 8200 §5), baseMTU4 BASE_PLPMTU of
	// RFC 8899 §5.1.2, leastMTU4 what every host must be able to receive (RFC 791 §3.1).
	baseMTU6, baseMTU4, leastMTU4 = 1280, 1200, 576
	// searchHold is for how long after the last packet the search goes on.
	searchHold = 2 * time.Second
)

// SetMTU says that the path MTU of Pair, as far as is known, has changed: the largest IP
// packet, in bytes.
type SetMTU struct {
	Pair     locator.Pair
	From, To int
}

func (SetMTU) action() {}

// MTU returns the path MTU of k, as far as is known, in bytes of IP packets, zero if it
// is not searched for.
func (m *Machine) MTU(k locator.Pair) int {
	if p := m.of(k); p != nil {
		return p.pathMTU(k)
	}
	return 0
}

// familyMTUs returns what a path of k's family carries at least, and should.
func familyMTUs(k locator.Pair) (least, base int) {
	if k.Local.Is4() {
		return leastMTU4, baseMTU4
	}
	return baseMTU6, baseMTU6
}

func (p *pair) pathMTU(k locator.Pair) int {
	if p.search != nil {
		return p.search.size
	}
	_, base := familyMTUs(k)
	return min(base, int(p.mtu))
}

func (p *pair) mtuState() MTUState {
	switch {
	case p.search != nil:
		return p.search.state
	case p.mtu > 0:
		return MTUBase
	}
	return MTUDisabled
}

// limitMTU sets the MTU of the interface that has k's local locator, zero if unknown.
func (m *Machine) limitMTU(now time.Time, k locator.Pair, mtu int, acts []Action) []Action {
	p := m.of(k)
	if p == nil {
		return acts
	}
	before := p.pathMTU(k)
	p.mtu = int32(mtu)
	if p.search != nil {
		p.limit(now, k)
	}
	return m.tellMTU(k, before, acts)
}

func (p *pair) limit(now time.Time, k locator.Pair) {
	least, base := familyMTUs(k)
	p.search.limit(now, least, base, int(p.mtu))
}

// tellMTU tells that k's path MTU was another one, if it was.
func (m *Machine) tellMTU(k locator.Pair, before int, acts []Action) []Action {
	if now := m.of(k).pathMTU(k); now != before {
		return append(acts, SetMTU{Pair: k, From: before, To: now})
	}
	return acts
}

// searching has f change the search of k, and tells what comes of it.
func (m *Machine) searching(now time.Time, k locator.Pair, acts []Action, f func(s *search)) []Action {
	p := m.of(k)
	if p == nil {
		return acts
	}
	before := p.pathMTU(k)
	if p.search == nil {
		p.search = new(search)
		p.limit(now, k)
	}
	f(p.search)
	return m.tellMTU(k, before, acts)
}

// probeAt returns when the search of the primary's MTU goes on, zero for not now.
func (m *Machine) probeAt() time.Time {
	p := m.of(m.primary)
	if p == nil || p.search == nil || m.trial.pair.IsValid() || m.spares(p) || p.search.at.After(m.demand.Add(searchHold)) {
		return time.Time{}
	}
	return p.search.at
}

// probe goes on with the search.
func (m *Machine) probe(now time.Time, acts []Action) []Action {
	size := 0
	acts = m.searching(now, m.primary, acts, func(s *search) {
		if s.sent && now.Before(m.notBefore) {
			s.at = m.notBefore // the answer may not have been read yet
			return
		}
		if size = s.step(now); size > 0 {
			s.started(now.Add(m.probeTimer(s)))
		}
	})
	if size == 0 {
		return acts
	}
	poll := m.poll(now, m.primary, true, false)
	poll.Size = size
	last := &m.polls.sent[len(m.polls.sent)-1]
	last.size, last.asks = size, false
	return append(acts, poll)
}

// probeTimer returns how long to wait for the answer to a padded Poll: for longer than
// for others, as nothing waits for it.
func (m *Machine) probeTimer(s *search) time.Duration {
	switch {
	case s.hurries():
		return max(m.timers.gap(m.primaryRTT()), m.timers.Margin/2)
	case s.confirms:
		return m.pollTimer(m.primary)
	}
	return m.pollTimer(m.primary) + m.timers.Margin
}

// passes: a padded Poll was answered.
func (m *Machine) passes(now time.Time, s sentPoll, acts []Action) []Action {
	return m.searching(now, s.pair, acts, func(x *search) { x.passed(now, s.size) })
}

// HandleTooBig takes in that an ICMP error says that a packet sent on k was longer than
// mtu, the most that some link carries, zero for unknown. It reports false if no link may have that MTU.
func (m *Machine) HandleTooBig(now time.Time, k locator.Pair, mtu int, acts []Action) ([]Action, bool) {
	ok := true
	acts = m.searching(now, k, acts, func(s *search) { ok = s.told(now, mtu) })
	return acts, ok
}

// HandleTooLong takes in that this host would not send a packet on k for its length: size
// is that of a padded Poll, zero for other packets.
func (m *Machine) HandleTooLong(now time.Time, k locator.Pair, size int, acts []Action) []Action {
	return m.searching(now, k, acts, func(s *search) {
		if size > 0 {
			s.refused(now, size)
		} else {
			s.suspect(now)
		}
	})
}
