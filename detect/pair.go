package detect

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/multi6/multi6/locator"
)

// A pair is what a Machine knows of one pair.
type pair struct {
	class, index int32
	// mtu is that of the interface, zero for unknown.
	mtu int32
	// iface is the index of the local locator's interface, link the number of the
	// peer's, zero if unknown.
	iface uint32
	link  uint8
	// metered and deprecated are as in locator.Candidate.
	metered, deprecated bool
	// tried says that the pair was tested in this round.
	tried bool
	// tcpTimed says that TCP was timed over the pair: rtt is TCP's.
	tcpTimed bool
	// ok is the result of the last test and testedAt when it became known: the
	// draft's "reachability test result (an on/off value)" (§5.3). No test yet:
	// testedAt is zero.
	ok       bool
	testedAt time.Time
	// inboundAt is when the peer's Poll last came over the pair's reverse.
	inboundAt time.Time
	// rtt is the round-trip time as TCP sees it, delayed acknowledgements and all, reportRTT as
	// what waits for Reports does, without the peer's report delay, and pollRTT as Polls do.
	rtt, reportRTT, pollRTT rtt
	// loss is the share of packets last known to be lost, as of lossAt.
	loss   float64
	lossAt time.Time
	// alarms counts the false alarms up to alarmAt, with less weight for older ones.
	alarms  float64
	alarmAt time.Time
	// unanswered is the share of Polls that went unanswered lately.
	unanswered float64
	// watch is for a pair that is better liked than the primary.
	watch *watch
	// search is for the pair's path MTU, nil until it matters.
	search *search
}

// alarmsFor is the age at which an alarm that proved false counts half, and maxExtra
// how many Polls more, at most, a primary that raises such alarms is given to answer:
// on a path that loses 5 %, one in ten goes unanswered.
const (
	alarmsFor = time.Minute
	maxExtra  = 4
)

// alarming is how many false alarms, older ones counting less, make another one likely.
const alarming = 1

// falseAlarm notes that p answered although it had been suspected. What comes of the same
// doubt counts once: a peer that was asked tests for itself, and that takes two round trips.
func (p *pair) falseAlarm(now time.Time) {
	if !p.alarmAt.IsZero() && now.Sub(p.alarmAt) <= 2*p.rtt.smoothed {
		return
	}
	p.alarms, p.alarmAt = p.alarmsNow(now)+1, now
}

// tolerable is the share of unanswered Polls up to which a primary whose alarms prove
// false deserves patience. One that answers less is no good.
const tolerable = 0.25

// polled takes in whether a Poll that wanted an answer got one.
func (p *pair) polled(answered bool) {
	p.unanswered -= p.unanswered / 8
	if !answered {
		p.unanswered += 1.0 / 8
	}
}

// alarmsNow returns how many false alarms there were lately, older ones counting less.
func (p *pair) alarmsNow(now time.Time) float64 {
	if p.alarmAt.IsZero() {
		return 0
	}
	return p.alarms * math.Exp2(-max(0, now.Sub(p.alarmAt).Seconds())/alarmsFor.Seconds())
}

// AlarmsProveFalse reports whether suspicions of the primary pair have lately proved false.
func (m *Machine) AlarmsProveFalse(now time.Time) bool {
	p := m.of(m.primary)
	return p != nil && p.alarmsNow(now) > alarming
}

// tries returns how many Polls of the primary must go unanswered before it is left.
func (m *Machine) tries(now time.Time) int {
	p := m.of(m.primary)
	if p == nil || p.unanswered > tolerable {
		return m.timers.Tries
	}
	return m.timers.Tries + min(int(p.alarmsNow(now)/2), maxExtra)
}

// measured takes in the round-trip time of a Poll.
func (p *pair) measured(d time.Duration) {
	p.pollRTT.sample(d)
	// Until upper layers say more:
	if !p.rtt.known() {
		p.rtt = p.pollRTT
	}
	if !p.reportRTT.known() {
		p.reportRTT = p.pollRTT
	}
}

// latency is what upper layers know of how long the pair takes.
func (p *pair) latency() rtt {
	if p.tcpTimed {
		return p.rtt
	}
	return p.reportRTT
}

func (p *pair) tested(now time.Time, ok bool) { p.ok, p.testedAt = ok, now }

// freshFor is the age at which what is known of a pair counts half.
const freshFor = 30 * time.Second

// inboundWeight: that the peer is heard over a pair is "a good hint" (§5.3), but
// weighs less than a test of our own direction.
const inboundWeight = 0.5

// score is the last result times its freshness (§5.3), from -1 to 1 and the
// hint of inbound traffic on top.
func (p *pair) score(now time.Time) float64 {
	result := -1.0
	if p.ok {
		result = 1
	}
	return result*fresh(now, p.testedAt) + inboundWeight*fresh(now, p.inboundAt)
}

func fresh(now, at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return math.Exp2(-max(0, now.Sub(at).Seconds()) / freshFor.Seconds())
}

// next returns the untried pair to test next, zero if there is none: by class;
// by how little it shares with the failed pair, as what else is known dates from
// before the failure; then by score and rank.
func (m *Machine) next(now time.Time) locator.Pair {
	var best locator.Pair
	for _, k := range m.order {
		if p := m.of(k); p.tried || m.explore.doubt && m.spares(p) {
			continue
		}
		if !best.IsValid() || m.compare(now, k, best) < 0 {
			best = k
		}
	}
	return best
}

func (m *Machine) compare(now time.Time, a, b locator.Pair) int {
	pa, pb := m.of(a), m.of(b)
	return cmp.Or(
		cmp.Compare(pa.class, pb.class),
		cmp.Compare(m.explore.failed.shares(a, pa), m.explore.failed.shares(b, pb)),
		cmp.Compare(pb.score(now), pa.score(now)),
		cmp.Compare(pa.index, pb.index),
	)
}

// A failure is the pair that an exploration is to get away from.
type failure struct {
	pair  locator.Pair
	iface uint32
	link  uint8
}

func failureOf(k locator.Pair, p *pair) failure { return failure{k, p.iface, p.link} }

// shares returns how many ends k has in common with the failed pair: by locator,
// or by interface, with which all its locators may have failed.
func (f failure) shares(k locator.Pair, p *pair) (n int) {
	if k.Local == f.pair.Local || f.iface != 0 && p.iface == f.iface {
		n++
	}
	if k.Remote == f.pair.Remote || f.link != 0 && p.link == f.link {
		n++
	}
	return n
}

// pollTimer returns how long to wait for the answer to a Poll on k.
func (m *Machine) pollTimer(k locator.Pair) time.Duration {
	return m.timers.pollTimer(m.pollRTT(k))
}

// repeatAfter returns when a Poll on k is sent once more, with no answer yet.
func (m *Machine) repeatAfter(k locator.Pair) time.Duration {
	own, best := m.pollRTT(k)
	switch {
	case own.known():
		return m.timers.gap(own)
	case best.known():
		return m.timers.gap(best)
	}
	return m.timers.gap(rtt{smoothed: m.timers.InitialRTT})
}

// pollRTT returns the round-trip time of Polls on k, and the least of any pair.
func (m *Machine) pollRTT(k locator.Pair) (own, best rtt) {
	if p := m.of(k); p != nil {
		own = p.pollRTT
	}
	for _, p := range m.pairs {
		if p.pollRTT.known() && (!best.known() || p.pollRTT.smoothed < best.smoothed) {
			best = p.pollRTT
		}
	}
	return own, best
}

// Count returns how many pairs there are.
func (m *Machine) Count() int { return len(m.pairs) }

// BothFamilies reports whether there are pairs of IPv4 and of IPv6. Link-local ones do not
// count: almost all hosts have them, and few can use them.
func (m *Machine) BothFamilies() bool {
	var v4, v6 bool
	for _, k := range m.order {
		v4, v6 = v4 || k.Local.Is4(), v6 || k.Local.Is6() && !k.Local.IsLinkLocalUnicast()
	}
	return v4 && v6
}

// Interface returns the index of the interface that has k's local locator. It reports
// false if k is none of the pairs.
func (m *Machine) Interface(k locator.Pair) (index uint32, ok bool) {
	p := m.of(k)
	if p == nil {
		return 0, false
	}
	return p.iface, true
}

// Metered reports whether k is a pair that costs by the byte, at either end.
func (m *Machine) Metered(k locator.Pair) bool {
	p := m.of(k)
	return p != nil && p.metered
}

// A PairStatus describes a pair for people.
type PairStatus struct {
	Pair    locator.Pair
	Primary bool
	// Result is "ok", "failed" or "untested"; At is when it became known.
	Result string
	At     time.Time
	// RTT and Variation are zero while unknown.
	RTT, Variation time.Duration
	// Loss is the share of packets lost, from 0 to 1, as of LossAt; zero: not known.
	Loss   float64
	LossAt time.Time
	// Class counts from 0, the best liked.
	Class int
	// WorksSince is, of a pair better liked than the primary, since when it has
	// answered all Polls; zero if it does not. Hold is for how long it has to.
	WorksSince time.Time
	Hold       time.Duration
	// InboundAt is when the peer's Poll last came over the pair's reverse.
	InboundAt time.Time
	// MTU is the path MTU as far as is known, in bytes of IP packets, zero if it is not
	// searched for; MTUState is how far the search is.
	MTU      int
	MTUState MTUState
}

// known are pairs by rank, best first, and what is known of each. They are few, and a map
// would take many times the memory.
type known struct {
	order []locator.Pair
	pairs []*pair
}

// of returns what is known of k, nil if there is no such pair.
func (ks known) of(k locator.Pair) *pair {
	if i := slices.Index(ks.order, k); i >= 0 {
		return ks.pairs[i]
	}
	return nil
}

// Pairs returns all known pairs by rank, best first.
func (m *Machine) Pairs() []PairStatus {
	out := make([]PairStatus, 0, len(m.order))
	for _, k := range m.order {
		p := m.of(k)
		latency := p.latency()
		s := PairStatus{
			Pair: k, Primary: k == m.primary, Result: "untested", At: p.testedAt,
			RTT: latency.smoothed, Variation: latency.variation, InboundAt: p.inboundAt,
			Class: int(p.class), Hold: m.holdOf(k), Loss: p.loss, LossAt: p.lossAt,
			MTU: p.pathMTU(k), MTUState: p.mtuState(),
		}
		if q := m.of(m.primary); q != nil && p.class < q.class {
			s.WorksSince = p.watch.worksSince()
		}
		switch {
		case p.testedAt.IsZero():
		case p.ok:
			s.Result = "ok"
		default:
			s.Result = "failed"
		}
		out = append(out, s)
	}
	return out
}
