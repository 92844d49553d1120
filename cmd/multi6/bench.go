package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/bench"
)

// benchFlags are the flags of multi6 bench failover as they were written.
type benchFlags struct {
	faults, modes, profiles, rivals []string
	rtts                            []time.Duration
	runs                            int
	outage, trouble                 time.Duration
	compare                         bool
	compareRuns                     int
	congestion                      string
	measurement
}

func newBenchCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "bench COMMAND",
		Short:   "Measure failovers, false alarms and throughput",
		Example: `  sudo multi6 bench failover --rtt 20ms --runs 20`,
		Args:    takes("COMMAND"),
	}
	cmd.AddCommand(newBenchFailoverCmd(), newBenchAlarmsCmd(), newBenchThroughputCmd(), newBenchGenerateCmd())
	return cmd
}

func newBenchFailoverCmd() *cobra.Command {
	f := benchFlags{measurement: measurement{picture: "stalls.svg", data: "failover.json"}}
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Measure how long connections stall when paths fail",
		Long: `Run two daemons in network namespaces, break the path in use in each of several
ways, many times, and measure how long connections of several kinds stall. Needs
root, and no configuration; touches nothing outside.

Faults: F1 silent blackhole both ways, F2 from A to B, F3 from B to A, F4 local
link down, F5 local address removed, F6 all paths dead and one returns, F7 path
alternately dead and alive, F8 30 % loss. Modes: bulk, rr (a message each 10 ms),
pp (ping-pong), udp (a datagram each 5 ms).

DIR/failover.json holds every stall, and what both daemons did in the slowest run
of each case; DIR/stalls.svg shows the distributions.

The exit code is 1 if a byte is wrong or lost or a connection breaks. Missed targets
are only shown.`,
		Example: `  sudo multi6 bench failover --fault F1,F4 --mode rr --rtt 20ms --profile fast --runs 20`,
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			return untilInterrupted(cmd, func(ctx context.Context) error { return runBench(ctx, cmd, f, o) })
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.faults, "fault", nil, "only these `FAULTS`, such as F1,F2")
	flags.StringSliceVar(&f.modes, "mode", nil, "only these `MODES`: bulk, rr, pp, udp")
	flags.DurationSliceVar(&f.rtts, "rtt", []time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond}, "round-trip `TIMES`")
	flags.StringSliceVar(&f.profiles, "profile", []string{"fast", "balanced"}, "`PROFILES`: fast, balanced, gentle")
	flags.IntVar(&f.runs, "runs", 5, "runs of each case")
	flags.DurationVar(&f.outage, "outage", 30*time.Second, "how long all paths are dead in F6")
	flags.DurationVar(&f.trouble, "trouble", 20*time.Second, "how long F7 and F8 last")
	flags.BoolVar(&f.compare, "compare", false, "also measure BGP with BFD (if bird is installed), Multipath TCP and plain TCP")
	flags.StringSliceVar(&f.rivals, "rival", nil, "also measure these `SYSTEMS`: "+strings.Join(bench.Rivals(), ", "))
	flags.IntVar(&f.compareRuns, "compare-runs", 5, "runs of each case with --compare or --rival, if fewer")
	addCongestionFlag(cmd, &f.congestion)
	f.addFlags(cmd)
	return cmd
}

// options checks the flags.
func (f benchFlags) options() (o bench.Options, err error) {
	o = bench.Options{
		RTTs: f.rtts, Congestion: f.congestion, Profiles: f.profiles, Runs: f.runs, Outage: f.outage, Trouble: f.trouble,
		CompareRuns: f.compareRuns, LogDir: f.dir,
	}
	if o.Faults, err = parseAll(f.faults, bench.ParseFault, bench.Faults()); err != nil {
		return o, err
	}
	if o.Modes, err = parseAll(f.modes, bench.ParseMode, bench.Modes()); err != nil {
		return o, err
	}
	if f.compare || len(f.rivals) > 0 {
		if o.Rivals, err = parseAll(f.rivals, bench.ParseRival, bench.Rivals()); err != nil {
			return o, err
		}
	}
	if err := cmp.Or(checkRTTs(f.rtts...), checkProfiles(f.profiles...)); err != nil {
		return o, err
	}
	if f.runs < 1 || f.compareRuns < 1 {
		return o, usageError("--runs %d or --compare-runs %d is less than 1", f.runs, f.compareRuns)
	}
	if f.outage <= 0 || f.trouble <= 0 {
		return o, usageError("--outage and --trouble must be more than 0")
	}
	return o, nil
}

// runBench runs the benchmark and writes its results.
func runBench(ctx context.Context, cmd *cobra.Command, f benchFlags, o bench.Options) (err error) {
	if o.Executable, err = f.prepare(cmd); err != nil {
		return err
	}
	o.Progress = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
	o.Progress(fmt.Sprintf("This takes about %v.", o.Estimate()))
	result, err := bench.Run(ctx, o)
	if ctx.Err() != nil && err != nil {
		err = interruptedError(err)
	}
	if n := result.Broken(); n > 0 {
		err = errors.Join(err, fmt.Errorf("in %d runs bytes were wrong or lost or a connection broke", n))
	}
	return errors.Join(f.write(cmd.OutOrStdout(), result), err)
}
