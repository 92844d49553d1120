package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// A SuspectRequest says that the connection to a peer is unsatisfactory (draft §4).
type SuspectRequest struct {
	// Peer is a name, identifier or public key.
	Peer string `json:"peer"`
}

// A SuspectResult tells what came of it.
type SuspectResult struct {
	// Old and Pair are the primary pairs before and now.
	Old  *Pair `json:"old,omitempty"`
	Pair *Pair `json:"pair,omitempty"`
	// Record tells of the exploration; absent if none could begin, as no pair is
	// known.
	Record *Record `json:"record,omitempty"`
	// Quicker is a pair of the primary's class whose round-trip time was clearly
	// less than the primary's in these tests. Nothing is done about it.
	Quicker *QuickerPair `json:"quicker,omitempty"`
}

// A QuickerPair is a pair and both round-trip times.
type QuickerPair struct {
	Pair
	RTTMillis        float64 `json:"rtt_ms"`
	PrimaryRTTMillis float64 `json:"primary_rtt_ms"`
}

// Suspect has the primary pair of a peer tested at once, and waits for what comes of
// it. If nothing was to be said to the peer so far, it connects.
func (n *Node) Suspect(ctx context.Context, r SuspectRequest) (res SuspectResult, err error) {
	events, stop := n.Subscribe()
	defer stop()
	var p *peer
	known := false
	if !n.call(func(now time.Time) {
		if p, err = n.peerNamed(r.Peer); err != nil {
			return
		}
		s := n.contextStatus(p, now)
		res.Old, known = pairOf(s.Primary), len(s.Pairs) > 0
		n.looper.run(p, func(acts []shim.Action) []shim.Action { return p.context.Suspect(now, acts) })
	}) {
		return res, errEnded
	}
	if err != nil || !known {
		return res, err
	}
	if err = n.settle(ctx, events, p); err != nil {
		return res, err
	}
	if !n.call(func(now time.Time) {
		s := n.contextStatus(p, now)
		res.Pair = pairOf(s.Primary)
		if all := p.context.History(); len(all) > 0 {
			last := all[len(all)-1]
			record := recordOf(last)
			res.Record, res.Quicker = &record, quicker(last, s.Pairs)
		}
	}) {
		return res, errEnded
	}
	return res, nil
}

// leastGain is by how much a pair has to be quicker to be worth a word: less is
// jitter.
const leastGain = 5 * time.Millisecond

// quicker returns the pair that was clearly quicker than the primary in the tests of r,
// nil if none was. As the answers to both come over the way that the peer likes best,
// a quarter less of a round trip is half of the way there.
func quicker(r shim.Record, pairs []shim.PairStatus) *QuickerPair {
	rtt := make(map[locator.Pair]time.Duration)
	for _, p := range r.Polls {
		if best, known := rtt[p.Pair]; !p.Answered.IsZero() && !p.Reply && (!known || p.RTT < best) {
			rtt[p.Pair] = p.RTT
		}
	}
	at := slices.IndexFunc(pairs, func(x shim.PairStatus) bool { return x.Primary })
	if at < 0 {
		return nil
	}
	primary := pairs[at]
	var best *QuickerPair
	limit := min(rtt[primary.Pair]*3/4, rtt[primary.Pair]-leastGain)
	for _, x := range pairs {
		if d, known := rtt[x.Pair]; known && x.Class == primary.Class && d < limit {
			limit = d
			best = &QuickerPair{mustPair(x.Pair), millis(d), millis(rtt[primary.Pair])}
		}
	}
	return best
}

// settle waits until the exploration of p's pairs has come to an end, or patience has.
func (n *Node) settle(ctx context.Context, events <-chan Event, p *peer) error {
	ctx, cancel := context.WithTimeout(ctx, switchPatience)
	defer cancel()
	for {
		select {
		case e := <-events:
			if e.Peer == p.Name && e.Kind == shim.EventState.String() && e.State != detect.TestingPrimary.String() {
				return nil
			}
		case <-ctx.Done():
			if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		case <-n.done:
			return errEnded
		}
	}
}
