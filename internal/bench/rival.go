package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

// Rivals returns the names of the other systems that can be measured.
func Rivals() []string { return []string{systemBFD, systemMPTCPTuned, systemMPTCP, systemTCP} }

// ParseRival returns the name of one of Rivals.
func ParseRival(name string) (string, error) {
	if !slices.Contains(Rivals(), name) {
		return "", fmt.Errorf("unknown rival %q; one of %s", name, strings.Join(Rivals(), ", "))
	}
	return name, nil
}

// hopeless is after how many runs without an end of the stall the rest of a
// rival's cell is left out: each takes the whole limit.
const hopeless = 3

// An unavailableError says why a system cannot be measured.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string { return e.err.Error() }

// compare measures the rivals at one round-trip time.
func (o Options) compare(ctx context.Context, r *Result, rtt time.Duration) error {
	o.Runs = min(o.Runs, o.CompareRuns)
	for _, name := range o.Rivals {
		err := o.inLab(r, rtt, Group{System: name}, func(b *bench) error {
			if name == systemBFD {
				return b.withBird(ctx)
			}
			return b.withKernel(ctx)
		})
		if u, ok := errors.AsType[*unavailableError](err); ok {
			r.Groups = r.Groups[:len(r.Groups)-1]
			o.skip(r, "%s at RTT %v: %v", name, rtt, u)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// measureRival counts what a rival sends while idle, and measures its stalls.
func (b *bench) measureRival(ctx context.Context, sys system, modes []Mode) error {
	b.sys, b.Modes = sys, modes
	if err := b.countIdle(ctx); err != nil {
		return err
	}
	return b.cells(ctx)
}

// countIdle counts what A's links carry while nothing is asked of them, but for
// neighbour discovery and the like.
func (b *bench) countIdle(ctx context.Context) error {
	if err := rig.Pause(ctx, restFor); err != nil {
		return err
	}
	before, began := b.carried(), b.clock.Now()
	if err := rig.Pause(ctx, countFor); err != nil {
		return err
	}
	after, passed := b.carried(), (b.clock.Now() - began).Seconds()
	b.group.Control = append(b.group.Control, Control{
		While: idle,
		A:     float64(after[lab.AtoB]-before[lab.AtoB]) / passed,
		B:     float64(after[lab.BtoA]-before[lab.BtoA]) / passed,
	})
	return nil
}

// carried returns how many packets A's links have carried in each direction.
func (b *bench) carried() (n [2]uint64) {
	for _, u := range b.lab.Uplinks {
		for d := range n {
			c := u.Count(lab.Direction(d))
			n[d] += c.TCP + c.UDP + c.Other
		}
	}
	return n
}
