package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/alarms"
)

// alarmsFlags are the flags of multi6 bench alarms as they were written.
type alarmsFlags struct {
	profiles, traffic, shapes []string
	margins, rtts, jitters    []time.Duration
	losses                    []float64
	bursts, busy              bool
	hours                     float64
	failures                  int
	seed                      uint64
	svg, json, journal        string
}

func newBenchAlarmsCmd() *cobra.Command {
	var f alarmsFlags
	cmd := &cobra.Command{
		Use:   "alarms",
		Short: "Simulate how often failure detection is wrong, and how quick it is",
		Long: `Simulate two nodes with two uplinks each in virtual time, many hours in some seconds,
under each combination of profile, round-trip time, jitter and loss. Counts false
alarms and false switches while no path is broken, and measures how long silent
failures take to be noticed. Needs no root and no configuration, and touches nothing.

Traffic: rr (a message each 10 ms and its answer), feed (without answers), pp
(ping-pong), bulk, udp (a datagram each 5 ms). Shapes of jitter: uniform, pareto (a
heavy tail), swell (queues that fill and drain, in order).

HOURS are simulated hours in all, shared among the combinations. The same seed gives
the same result. With --journal, a run that was cut off goes on where it was when it
is started with the same flags again. With --svg, detection time against false alarms is drawn, also for
balanced timers with other margins.`,
		Example: `  multi6 bench alarms --profile balanced --jitter 10ms --loss 0.5 --hours 100
  multi6 bench alarms --hours 10000 --jitter 0,1ms,5ms,10ms,20ms,50ms --loss 0,0.1,0.5,1,5 --rtt 1ms,20ms,100ms --svg alarms.svg`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			return untilInterrupted(cmd, func(ctx context.Context) error { return runAlarms(ctx, cmd, f, o) })
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&f.hours, "hours", 8, "simulated `HOURS` without failures, in all")
	flags.IntVar(&f.failures, "failures", 40, "failures of each combination")
	flags.StringSliceVar(&f.profiles, "profile", []string{"fast", "balanced"}, "`PROFILES`: fast, balanced, gentle, reap")
	flags.DurationSliceVar(&f.margins, "margin", nil, "also balanced timers with these margins, as `TIMES`")
	flags.StringSliceVar(&f.traffic, "traffic", []string{"rr"}, "`KINDS`: rr, feed, pp, bulk, udp")
	flags.DurationSliceVar(&f.rtts, "rtt", []time.Duration{20 * time.Millisecond}, "round-trip `TIMES`")
	flags.DurationSliceVar(&f.jitters, "jitter", []time.Duration{0, 10 * time.Millisecond}, "`TIMES` of jitter, one way")
	flags.StringSliceVar(&f.shapes, "shape", []string{"uniform"}, "`SHAPES` of jitter: uniform, pareto, swell")
	flags.Float64SliceVar(&f.losses, "loss", []float64{0, 0.5, 5}, "`PERCENTAGES` of loss, one way")
	flags.BoolVar(&f.bursts, "bursts", false, "lose datagrams in bursts")
	flags.BoolVar(&f.busy, "busy", false, "have the nodes wait for busy processors")
	flags.Uint64Var(&f.seed, "seed", 1, "`SEED` of all chance")
	flags.StringVar(&f.svg, "svg", "", "draw a picture to `FILE`")
	flags.StringVar(&f.json, "json", "", "write the numbers to `FILE`; - for the standard output, instead of the table")
	flags.StringVar(&f.journal, "journal", "", "keep what is done in `FILE`, and go on from what it has")
	return cmd
}

// Bounds of what can be simulated sensibly.
const (
	maxAlarmsTime = 5 * time.Second
	maxAlarmsLoss = 50 // percent
)

// drawnMargins are those of the curves if a picture is wanted and no margins are given.
var drawnMargins = []time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 15 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond,
}

// options checks the flags.
func (f alarmsFlags) options() (o alarms.Options, err error) {
	if err := f.check(); err != nil {
		return o, err
	}
	if o.Settings, err = f.settings(); err != nil {
		return o, err
	}
	if len(o.Settings) == 0 {
		return o, usageError("nothing to simulate: give at least one value to each of --profile, --traffic, --rtt, --jitter, --shape and --loss")
	}
	o.Seed, o.Failures = f.seed, f.failures
	o.Time = time.Duration(f.hours * float64(time.Hour) / float64(len(o.Settings)))
	return o, nil
}

// check checks the numbers.
func (f alarmsFlags) check() error {
	for _, flag := range []struct {
		name  string
		times []time.Duration
	}{{"rtt", f.rtts}, {"jitter", f.jitters}, {"margin", f.margins}} {
		for _, d := range flag.times {
			if d < 0 || d > maxAlarmsTime || d == 0 && flag.name == "margin" {
				return usageError("--%s %v is not within 0 to %v", flag.name, d, maxAlarmsTime)
			}
		}
	}
	for _, l := range f.losses {
		if !(l >= 0 && l <= maxAlarmsLoss) {
			return usageError("--loss %v is not within 0 to %d percent", l, maxAlarmsLoss)
		}
	}
	switch {
	case !(f.hours > 0 && f.hours <= 1e6):
		return usageError("--hours %v is not within 0 to 1000000", f.hours)
	case f.failures < 0:
		return usageError("--failures %d is less than 0", f.failures)
	}
	return nil
}

// settings returns all combinations.
func (f alarmsFlags) settings() (all []alarms.Setting, err error) {
	traffic, err := parseAll(f.traffic, alarms.ParseTraffic, nil)
	if err != nil {
		return nil, err
	}
	shapes, err := parseAll(f.shapes, alarms.ParseShape, nil)
	if err != nil {
		return nil, err
	}
	margins := f.margins
	if f.svg != "" && margins == nil {
		margins = drawnMargins
	}
	for _, s := range f.conditions(traffic, shapes) {
		for _, p := range f.profiles {
			if s.Timers, err = alarms.Timers(p); err != nil {
				return nil, usageError("%v", err)
			}
			s.Profile = p
			all = append(all, s)
		}
		for _, m := range margins {
			all = append(all, s.WithMargin(m))
		}
	}
	return all, nil
}

// conditions returns all combinations but for the timers.
func (f alarmsFlags) conditions(traffic []alarms.Traffic, shapes []alarms.Shape) (all []alarms.Setting) {
	for _, k := range traffic {
		for _, rtt := range f.rtts {
			for _, jitter := range f.jitters {
				for _, shape := range shapes {
					if jitter == 0 && shape != shapes[0] {
						continue // there is no shape to it
					}
					for _, loss := range f.losses {
						all = append(all, alarms.Setting{
							Traffic: k, RTT: rtt, Jitter: jitter, Shape: shape, Loss: loss / 100, Bursts: f.bursts, Busy: f.busy,
						})
					}
				}
			}
		}
	}
	return all
}

// runAlarms simulates, and writes the results.
func runAlarms(ctx context.Context, cmd *cobra.Command, f alarmsFlags, o alarms.Options) error {
	o.Progress = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
	if f.journal != "" {
		j, err := alarms.OpenJournal(f.journal, o, version())
		if err != nil {
			return err
		}
		defer j.Close()
		o.Journal = j
		o.Progress(fmt.Sprintf("%d worlds are in %s already", j.Done(), f.journal))
	}
	estimate := o.Estimate()
	o.Progress(fmt.Sprintf("%d combinations, %.4g simulated hours: about %v",
		len(o.Settings), o.Virtual().Hours(), estimate.Round(time.Second)))
	r, err := alarms.Run(ctx, o)
	if ctx.Err() != nil {
		err = errors.New("interrupted; what follows is only a part")
		fmt.Fprintln(cmd.ErrOrStderr(), err)
	}
	return errors.Join(writeAlarms(cmd.OutOrStdout(), f, r), err)
}

// writeAlarms writes the files, and the table.
func writeAlarms(out io.Writer, f alarmsFlags, r *alarms.Result) error {
	if f.svg != "" {
		if err := writeFile(f.svg, r.WriteSVG); err != nil {
			return err
		}
	}
	switch f.json {
	case "":
	case "-":
		return r.WriteJSON(out)
	default:
		if err := writeFile(f.json, r.WriteJSON); err != nil {
			return err
		}
	}
	return r.WriteTable(out)
}
