package throughput

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/rig"
)

// Options say what to measure. Lists are in order, and not empty.
type Options struct {
	// Executable is the program under test: it runs as "Executable up CONFIG", and as a
	// generator.
	Executable string
	// WireGuard is the program wireguard-go.
	WireGuard    string
	Systems      []System
	Offloads     []Offloads
	Measurements []Measurement
	Rounds       int
	// Congestion is TCP's congestion control, as in [lab.Config].
	Congestion string
	Time       time.Duration // of a measurement
	// Progress, if not nil, is told of each step, one after another.
	Progress func(string)
	// LogDir, if not empty, gets the logs of multi6's daemons when something went
	// wrong.
	LogDir string
}

// A bench measures.
type bench struct {
	Options
	result *Result
	soft   []int // the kernel's threads for soft interrupts
	used   usage // in all measurements of CPU time
}

// Run measures everything. The Result holds what was measured before an error.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := &Result{
		Version: ResultVersion, StartedAt: time.Now(), CPUs: runtime.NumCPU(), Kernel: kernel(), Load: load(),
		Congestion: o.Congestion, Rounds: o.Rounds, Time: rig.Millis(o.Time), Samples: []Sample{},
	}
	b := &bench{Options: o, result: r, soft: softThreads()}
	err := b.all(ctx)
	r.Warnings = append(r.Warnings, disturbed(b.used)...)
	r.summarize()
	return r, err
}

func (b *bench) all(ctx context.Context) (err error) {
	if b.result.Warnings, err = lookBefore(ctx); err != nil {
		return err
	}
	for _, w := range b.result.Warnings {
		b.progress("warning: %s", w)
	}
	b.findWireGuard()
	return b.withGrounds(ctx, b.Offloads, nil)
}

// findWireGuard leaves wireguard-go out if it is not there.
func (b *bench) findWireGuard() {
	if !slices.Contains(b.Systems, WireGuard) {
		return
	}
	if _, err := exec.LookPath(b.WireGuard); err != nil {
		b.skip("wireguard-go: %v; scripts/bench-throughput.sh builds it", err)
		b.Systems = slices.DeleteFunc(slices.Clone(b.Systems), func(s System) bool { return s == WireGuard })
	}
}

// withGrounds makes the grounds that are missing and measures on all of them.
func (b *bench) withGrounds(ctx context.Context, missing []Offloads, have []*ground) error {
	if len(missing) == 0 {
		return b.rounds(ctx, have)
	}
	return b.withGround(ctx, missing[0], func(ctx context.Context, g *ground) error {
		return b.withGrounds(ctx, missing[1:], append(have, g))
	})
}

// rounds measures each system on each ground once a round.
func (b *bench) rounds(ctx context.Context, grounds []*ground) error {
	for round := range b.Rounds {
		for _, g := range rotated(grounds, round) {
			for _, s := range rotated(g.systems, round) {
				if err := b.turn(ctx, round, g, s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rotated returns the elements from the one at index by on, and then those before it.
func rotated[T any](all []T, by int) []T {
	if len(all) == 0 {
		return nil
	}
	by %= len(all)
	return slices.Concat(all[by:], all[:by])
}

// turn checks a system and measures it once. What goes wrong is noted; the error is why
// to end.
func (b *bench) turn(ctx context.Context, round int, g *ground, s System) error {
	what := fmt.Sprintf("round %d of %d, offloads %v, %s", round+1, b.Rounds, g.offloads, s.Title())
	if err := b.check(ctx, g.ways[s]); err != nil {
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		b.failed(s, what+", check", err)
	}
	values := make(map[Metric]float64)
	for _, m := range b.Measurements {
		vs, err := b.measure(ctx, m, g.ways[s])
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		if err != nil {
			b.failed(s, fmt.Sprintf("%s, %s", what, m), err)
			continue
		}
		for metric, v := range vs {
			values[metric] = v
		}
	}
	for _, m := range Metrics() {
		if v, ok := values[m]; ok {
			b.result.Samples = append(b.result.Samples, Sample{round + 1, g.offloads, s, m, v})
		}
	}
	b.progress("%s: %s", what, brief(values))
	return nil
}

// failed notes that a measurement failed. That is an error, unless it was another's
// program that failed and only did not work.
func (b *bench) failed(s System, what string, err error) {
	text := what + ": " + strings.ReplaceAll(err.Error(), "\n", "; ")
	switch _, wrong := errors.AsType[*rig.WrongError](err); {
	case wrong:
		b.result.Wrong = append(b.result.Wrong, text)
		b.progress("WRONG: %s", text)
	case s == WireGuard:
		b.skip("%s", text)
	default:
		b.result.Failed = append(b.result.Failed, text)
		b.progress("FAILED: %s", text)
	}
}

// skip notes that something was not measured.
func (b *bench) skip(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.result.Skipped = append(b.result.Skipped, text)
	b.progress("not measured: %s", text)
}

func (b *bench) progress(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

// kernel returns the kernel's release, "" if it is not known.
func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
