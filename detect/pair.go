package detect

import (
	"cmp"
	"math"
	"time"

	"github.com/multi6/multi6/locator"
)

// A pair is what a Machine knows of one pair.
type pair struct {
	class, index int
	// iface is the index of the local locator's interface.
	iface uint32
	// tried says that the pair was tested in this round.
	tried bool
	// ok is the result of the last test and testedAt when it became known: the
	// draft's "reachability test result (an on/off value)" (§5.3). No test yet:
	// testedAt is zero.
	ok       bool
	testedAt time.Time
	// inboundAt is when the peer's Poll last came over the pair's reverse.
	inboundAt time.Time
	rtt       rtt
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
// those that lately failed last; those that share nothing with the failed pair
// first, as what is known of the others dates from before the failure; then by
// score and rank.
func (m *Machine) next(now time.Time) locator.Pair {
	var best locator.Pair
	for _, k := range m.order {
		if m.pairs[k].tried {
			continue
		}
		if !best.IsValid() || m.compare(now, k, best) < 0 {
			best = k
		}
	}
	return best
}

func (m *Machine) compare(now time.Time, a, b locator.Pair) int {
	pa, pb := m.pairs[a], m.pairs[b]
	return cmp.Or(
		cmp.Compare(pa.class, pb.class),
		compareBool(pa.score(now) < 0, pb.score(now) < 0),
		compareBool(m.explore.failed.shares(a, pa), m.explore.failed.shares(b, pb)),
		cmp.Compare(pb.score(now), pa.score(now)),
		cmp.Compare(pa.index, pb.index),
	)
}

// A failure is the pair that an exploration is to get away from.
type failure struct {
	pair  locator.Pair
	iface uint32
}

// shares reports whether k has a locator, or the interface at our end, in common
// with the failed pair: then it may well have failed with it.
func (f failure) shares(k locator.Pair, p *pair) bool {
	return k.Shares(f.pair) || f.iface != 0 && p.iface == f.iface
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// bestRTT returns the shortest round-trip time known of any pair.
func (m *Machine) bestRTT() (best rtt) {
	for _, p := range m.pairs {
		if p.rtt.known() && (!best.known() || p.rtt.smoothed < best.smoothed) {
			best = p.rtt
		}
	}
	return best
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
	// InboundAt is when the peer's Poll last came over the pair's reverse.
	InboundAt time.Time
}

// Pairs returns all known pairs by rank, best first.
func (m *Machine) Pairs() []PairStatus {
	out := make([]PairStatus, 0, len(m.order))
	for _, k := range m.order {
		p := m.pairs[k]
		s := PairStatus{
			Pair: k, Primary: k == m.primary, Result: "untested", At: p.testedAt,
			RTT: p.rtt.smoothed, Variation: p.rtt.variation, InboundAt: p.inboundAt,
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
