package node

import (
	"context"
	"errors"
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
	// Quicker is a pair of the primary's class whose round-trip time lately was less
	// than half of the primary's. Nothing is done about it.
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
		s := p.context.Status(now)
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
		s := p.context.Status(now)
		res.Pair, res.Quicker = pairOf(s.Primary), quicker(s, now)
		if all := p.context.History(); len(all) > 0 {
			record := recordOf(all[len(all)-1])
			res.Record = &record
		}
	}) {
		return res, errEnded
	}
	return res, nil
}

// quickerLately is for how long what was measured of a pair is held against another.
const quickerLately = time.Minute

// quicker returns the pair that is clearly quicker than the primary, nil if none is.
func quicker(s shim.Status, now time.Time) *QuickerPair {
	var primary, best shim.PairStatus
	for _, x := range s.Pairs {
		if x.Primary {
			primary = x
		}
	}
	for _, x := range s.Pairs {
		lately := x.Result == "ok" && now.Sub(x.At) < quickerLately
		if !lately || x.Class != primary.Class || x.RTT == 0 || 2*x.RTT >= primary.RTT {
			continue
		}
		if best.RTT == 0 || x.RTT < best.RTT {
			best = x
		}
	}
	if best.Pair == (locator.Pair{}) {
		return nil
	}
	return &QuickerPair{mustPair(best.Pair), millis(best.RTT), millis(primary.RTT)}
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
