package bench

import (
	"context"
	"errors"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

const (
	// watchFor is the least time that is watched after a failure.
	watchFor = 800 * time.Millisecond
	// limit is the longest.
	limit = 10 * time.Second
	// longLimit is the longest after the return in F6, where TCP itself may wait
	// as long as the outage was.
	longLimit = 40 * time.Second

	flapEvery = 2 * time.Second // F7: how long the path is dead, and alive
	lossShare = 0.3             // F8
)

// A window is what was done to the paths: the stall is the longest gap that
// overlaps the time from failed to until, when healing began. If returned is set,
// it is the time from there to the next arrival instead. If stuck is set, the
// stream did not flow when the watch ended: what came after healing does not count.
type window struct {
	failed, returned, until time.Duration
	stuck                   bool
}

// inflict breaks uplink, or all, watches the stream, and heals. n counts the runs
// of a cell.
func (b *bench) inflict(ctx context.Context, f Fault, uplink, n int, s *stream) (w window, err error) {
	w.failed = s.clock.Now()
	switch f {
	case F6:
		err = b.killAll(ctx, n%2, s, &w)
		return w, err
	case F7:
		err = b.flap(ctx, uplink)
	case F8:
		err = b.lose(ctx, uplink)
	default:
		err = b.breakOne(ctx, broken[f], uplink, s, &w)
		return w, err
	}
	w.until = s.clock.Now()
	return w, err
}

func (b *bench) breakOne(ctx context.Context, f lab.Fault, uplink int, s *stream, w *window) error {
	heal, err := b.lab.Break(f, uplink)
	if err != nil {
		return err
	}
	err = b.watch(ctx, s, limit)
	w.until, w.stuck = s.clock.Now(), !s.flowing(b.fresh())
	return errors.Join(err, heal())
}

// killAll breaks both uplinks, and heals the first of them before the second.
func (b *bench) killAll(ctx context.Context, first int, s *stream, w *window) (err error) {
	var heals [2]func() error
	for i := range heals {
		if heals[i], err = b.lab.Break(lab.Blackhole, i); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, heals[i]()) }() // nothing the second time
	}
	if err := rig.Pause(ctx, b.Outage); err != nil {
		return err
	}
	w.returned = s.clock.Now()
	if err := heals[first](); err != nil {
		return err
	}
	err = b.watch(ctx, s, longLimit)
	w.until, w.stuck = s.clock.Now(), !s.flowing(b.fresh())
	return err
}

// flap breaks and heals an uplink in turn.
func (b *bench) flap(ctx context.Context, uplink int) error {
	for left := b.Trouble; left > 0; left -= 2 * flapEvery {
		heal, err := b.lab.Break(lab.Blackhole, uplink)
		if err != nil {
			return err
		}
		if err := errors.Join(rig.Pause(ctx, flapEvery), heal()); err != nil {
			return err
		}
		if err := rig.Pause(ctx, flapEvery); err != nil {
			return err
		}
	}
	return nil
}

// lose makes an uplink lossy for a while, both ways.
func (b *bench) lose(ctx context.Context, uplink int) error {
	link := b.lab.Uplinks[uplink]
	good := link.Impairment(lab.AtoB)
	bad := good
	bad.Loss = lossShare
	if err := link.SetBoth(bad); err != nil {
		return err
	}
	return errors.Join(rig.Pause(ctx, b.Trouble), link.SetBoth(good))
}

// watch waits until the stream flows again, but at least watchFor and at most
// longest, and no longer than the stream lives.
func (b *bench) watch(ctx context.Context, s *stream, longest time.Duration) error {
	began := s.clock.Now()
	for {
		passed := s.clock.Now() - began
		if passed >= watchFor && s.flowing(b.fresh()) || passed > longest || s.ctx.Err() != nil {
			return nil
		}
		if err := rig.Pause(ctx, polling); err != nil {
			return err
		}
	}
}
