package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
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
func (r *runner) trial(ctx context.Context, f lab.Fault, primary rig.Pairs, t *Trial) (rig.Pairs, error) {
	uplink, err := r.Victim(f, primary)
	if err != nil {
		return nil, err
	}
	t.Link = r.Lab.A.Interface(uplink)
	if f == lab.AllDead {
		t.Link = linkAll
	}
	r.step(false, "%v: breaking %s", f, t.Link)
	o := observation{fault: f, primary: primary, brokenAt: r.Clock.Now()}
	heal, err := r.Lab.Break(f, uplink)
	if err != nil {
		return nil, err
	}
	err = r.watchFault(ctx, o)
	err = errors.Join(err, heal())
	o.healedAt = r.Clock.Now()
	if err != nil {
		return nil, err
	}
	r.step(false, "%v: healed %s, waiting for a steady flow", f, t.Link)
	if err := r.watch(ctx, o.healedAt); err != nil {
		return nil, err
	}
	primary, err = r.steady(ctx)
	o.until = r.Clock.Now()
	o.events, o.bulk, o.rr = r.Events(), r.load.bulk.All(), r.load.rr.All()
	t.BrokenAt, t.HealedAt, t.Until = rig.Millis(o.brokenAt), rig.Millis(o.healedAt), rig.Millis(o.until)
	t.measures = o.measure()
	r.result.Trials = append(r.result.Trials, *t)
	return primary, err
}

// steady waits until both nodes have an operational primary pair that stays the
// same, all addresses are operational, and the streams flow. It returns the
// primary pairs.
func (r *runner) steady(ctx context.Context) (rig.Pairs, error) {
	var primary rig.Pairs
	began := r.Clock.Now()
	since := began
	for {
		now := r.Clock.Now()
		next, trouble, err := r.Look(ctx)
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
		if err := rig.Pause(ctx, polling); err != nil {
			return nil, err
		}
	}
}

// slow says what does not flow as it should.
func (r *runner) slow(now time.Duration, content bool) string {
	if !r.flowing(now) {
		return "a stream is at rest"
	}
	got := float64(rig.Total(r.load.bulk.All(), now-steadyFor, now)) * 8 / steadyFor.Seconds()
	if !content && got < float64(r.Rate)/2 {
		return fmt.Sprintf("the bulk stream has only %.0f Mbit/s", got/1e6)
	}
	return ""
}

// flowing reports whether something has just arrived on both streams.
func (r *runner) flowing(now time.Duration) bool {
	for _, as := range [][]rig.Arrival{r.load.bulk.All(), r.load.rr.All()} {
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
		return rig.Pause(ctx, outage)
	}
	return r.watch(ctx, o.brokenAt)
}

// watch waits until both streams flow again after a moment, but at least
// watchFor and at most the limit.
func (r *runner) watch(ctx context.Context, from time.Duration) error {
	for {
		now := r.Clock.Now()
		if now-from >= watchFor && r.flowing(now) || now-from > limit {
			return nil
		}
		if err := rig.Pause(ctx, polling); err != nil {
			return err
		}
	}
}
