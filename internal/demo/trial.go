package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
)

const (
	// steadyFor is how long nothing may change for the state to be steady, and
	// the span that goodput is judged over.
	steadyFor = 500 * time.Millisecond
	// patience is how long a high goodput is waited for; after that, any will do:
	// TCP takes a while to grow back.
	patience = 6 * time.Second
	// steadyTime is how long a steady state is waited for.
	steadyTime = 30 * time.Second
	// fresh is how recent the last arrival of a stream that flows is.
	fresh = 100 * time.Millisecond
	// watchFor is the least time that is watched after a failure, and after its
	// end.
	watchFor = 1200 * time.Millisecond
	// outage is how long all paths stay dead.
	outage = 5 * time.Second
	// polling is how often conditions are looked at. It has no part in what is measured.
	polling = 20 * time.Millisecond
)

// trials runs all faults in sequence.
func (r *runner) trials(ctx context.Context) error {
	r.step(false, "waiting for a steady flow")
	primary, err := r.steady(ctx)
	if err != nil {
		return err
	}
	for round := 1; round <= r.Repeat; round++ {
		for _, f := range r.Faults {
			t := Trial{Fault: f.String(), Round: round}
			if primary, err = r.trial(ctx, f, primary, &t); err != nil {
				return fmt.Errorf("%v: %w", f, err)
			}
			r.step(true, "%s", t.Summary())
		}
	}
	return nil
}

// trial breaks what is in use, watches, heals, waits until all is steady again and puts
// what it saw into the result. It takes and returns the primary pairs.
func (r *runner) trial(ctx context.Context, f lab.Fault, primary pairs, t *Trial) (pairs, error) {
	uplink, err := r.victim(f, primary)
	if err != nil {
		return nil, err
	}
	t.Link = r.lab.A.Interface(uplink)
	if f == lab.AllDead {
		t.Link = linkAll
	}
	r.step(false, "%v: breaking %s", f, t.Link)
	o := observation{fault: f, primary: primary, brokenAt: r.clock.now()}
	heal, err := r.lab.Break(f, uplink)
	if err != nil {
		return nil, err
	}
	err = r.watchFault(ctx, o)
	err = errors.Join(err, heal())
	o.healedAt = r.clock.now()
	if err != nil {
		return nil, err
	}
	r.step(false, "%v: healed %s, waiting for a steady flow", f, t.Link)
	if err := r.watch(ctx, o.healedAt); err != nil {
		return nil, err
	}
	primary, err = r.steady(ctx)
	o.until = r.clock.now()
	o.events, o.bulk, o.rr = r.eventsSoFar(), r.load.bulk.all(), r.load.rr.all()
	t.BrokenAt, t.HealedAt, t.Until = Millis(o.brokenAt), Millis(o.healedAt), Millis(o.until)
	t.measures = o.measure()
	r.result.Trials = append(r.result.Trials, *t)
	return primary, err
}

// pairs are the primary pairs of both nodes, by name.
type pairs map[string]node.Pair

// victim returns the uplink to break: that of A's primary pair, or of B's where
// what A receives is to be lost.
func (r *runner) victim(f lab.Fault, primary pairs) (int, error) {
	address := primary["a"].Local
	if f == lab.BlackholeBtoA {
		p, err := netip.ParseAddrPort(primary["b"].Remote)
		if err != nil {
			return 0, fmt.Errorf("primary pair of b: %w", err)
		}
		address = p.Addr().String()
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return 0, fmt.Errorf("primary pair of a: %w", err)
	}
	uplink, ok := r.lab.UplinkOf(a)
	if !ok {
		return 0, fmt.Errorf("primary pair uses %s, which is no uplink's", a)
	}
	return uplink, nil
}

// steady waits until both nodes have an operational primary pair that stays the
// same, all addresses are operational, and the streams flow. It returns the
// primary pairs.
func (r *runner) steady(ctx context.Context) (pairs, error) {
	var primary pairs
	began := r.clock.now()
	since := began
	for {
		now := r.clock.now()
		next, trouble, err := r.look(ctx)
		if err != nil {
			return nil, err
		}
		if trouble != "" || primary == nil || next["a"] != primary["a"] || next["b"] != primary["b"] {
			primary, since = next, now
		} else if trouble = r.slow(now, now-began > patience); trouble == "" && now-since >= steadyFor {
			return primary, nil
		}
		if now-began > steadyTime {
			return nil, fmt.Errorf("not steady after %v: %s", steadyTime, trouble)
		}
		if err := pause(ctx, polling); err != nil {
			return nil, err
		}
	}
}

// look returns the primary pairs of both nodes, and what is not as it should
// be.
func (r *runner) look(ctx context.Context) (primary pairs, trouble string, err error) {
	primary = make(pairs)
	for _, d := range r.daemons {
		s, err := d.status(ctx)
		if err != nil {
			return nil, "", err
		}
		p := s.Peers[0]
		missing := d.missing(s)
		switch {
		case p.Primary == nil || p.State != detect.PrimaryOperational.String():
			trouble = fmt.Sprintf("the state of %s is %s", d.name, p.State)
		case missing != "":
			trouble = d.name + ": " + missing
		}
		if p.Primary != nil {
			primary[d.name] = *p.Primary
		}
	}
	return primary, trouble, nil
}

// slow says what does not flow as it should.
func (r *runner) slow(now time.Duration, content bool) string {
	if !r.flowing(now) {
		return "a stream is at rest"
	}
	got := float64(total(r.load.bulk.all(), now-steadyFor, now)) * 8 / steadyFor.Seconds()
	if !content && got < float64(r.Rate)/2 {
		return fmt.Sprintf("the bulk stream has only %.0f Mbit/s", got/1e6)
	}
	return ""
}

// flowing reports whether something has just arrived on both streams.
func (r *runner) flowing(now time.Duration) bool {
	for _, as := range [][]Arrival{r.load.bulk.all(), r.load.rr.all()} {
		if len(as) == 0 || as[len(as)-1].At < now-fresh {
			return false
		}
	}
	return true
}

// watchFault waits while a fault lasts: until both streams flow, or the limit
// has passed.
func (r *runner) watchFault(ctx context.Context, o observation) error {
	if o.fault == lab.AllDead {
		return pause(ctx, outage)
	}
	return r.watch(ctx, o.brokenAt)
}

// watch waits until both streams flow again after a moment, but at least
// watchFor and at most the limit.
func (r *runner) watch(ctx context.Context, from time.Duration) error {
	for {
		now := r.clock.now()
		if now-from >= watchFor && r.flowing(now) || now-from > limit {
			return nil
		}
		if err := pause(ctx, polling); err != nil {
			return err
		}
	}
}
