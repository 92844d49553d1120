package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/demo"
	"github.com/multi6/multi6/internal/lab"
)

// demoFlags are the flags of multi6 demo as they were written.
type demoFlags struct {
	rtt        time.Duration
	congestion string
	faults     []string
	repeat     int
	profile    string
	measurement
}

func newDemoCmd() *cobra.Command {
	f := demoFlags{measurement: measurement{picture: "demo.svg", data: "demo.json"}}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show that connections outlive failing paths",
		Long: `Build two hosts with two paths each out of network namespaces, run a daemon in
each, transfer data over TCP between them, and break the path in use in one way
after another. Needs root, and no configuration; touches nothing outside.

Every byte is verified. A table tells when each failure was suspected, when the
nodes moved to another path, and how long the connections stalled. DIR/demo.svg
shows the throughput over time, DIR/demo.json holds everything measured.

The exit code is 1 if a byte is lost or wrong, a connection breaks, or a stall
lasts longer than 10 s. The verdict MISS says that one lasted longer than 1 s.`,
		Example: `  sudo multi6 demo
  sudo multi6 demo --fault blackhole --repeat 10 --rtt 1ms --out /tmp`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			return untilInterrupted(cmd, func(ctx context.Context) error { return runDemo(ctx, cmd, f, o) })
		},
	}
	cmd.Flags().DurationVar(&f.rtt, "rtt", 20*time.Millisecond, "round-trip time of all paths")
	cmd.Flags().StringSliceVar(&f.faults, "fault", nil, "only this `FAULT`; may be given several times: "+strings.Join(faultNames(), ", "))
	cmd.Flags().IntVar(&f.repeat, "repeat", 1, "go through the faults so many times")
	cmd.Flags().StringVar(&f.profile, "profile", "balanced", "timers of failure detection: fast, balanced or gentle")
	addCongestionFlag(cmd, &f.congestion)
	f.addFlags(cmd)
	return cmd
}

func faultNames() []string {
	var names []string
	for _, f := range lab.Faults() {
		names = append(names, f.String())
	}
	return names
}

// options checks the flags.
func (f demoFlags) options() (o demo.Options, err error) {
	if f.repeat < 1 {
		return o, usageError("--repeat %d is less than 1", f.repeat)
	}
	if err := cmp.Or(checkRTTs(f.rtt), checkProfiles(f.profile)); err != nil {
		return o, err
	}
	o = demo.Options{RTT: f.rtt, Congestion: f.congestion, Repeat: f.repeat, Profile: f.profile, LogDir: f.dir}
	o.Faults, err = parseAll(f.faults, lab.ParseFault, nil)
	return o, err
}

// runDemo runs the demonstration and writes its results.
func runDemo(ctx context.Context, cmd *cobra.Command, f demoFlags, o demo.Options) (err error) {
	if o.Executable, err = f.prepare(cmd); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if f.json {
		out = cmd.ErrOrStderr() // for what people read
	}
	o.Progress = progress(out)
	result, err := demo.Run(ctx, o)
	if ctx.Err() != nil {
		return interruptedError(err)
	}
	if result == nil {
		return err
	}
	if !f.json {
		fmt.Fprintln(out)
	}
	return errors.Join(f.write(cmd.OutOrStdout(), result), err, result.Err())
}

// progress returns what prints each step: on a terminal, in the place of the
// last one if that was not done.
func progress(w io.Writer) func(demo.Step) {
	file, ok := w.(*os.File)
	terminal := ok && isTerminal(file)
	return func(s demo.Step) {
		switch {
		case !terminal:
			fmt.Fprintln(w, s.Text)
		case s.Done:
			fmt.Fprintf(w, "\r\x1b[K%s\n", s.Text)
		default:
			fmt.Fprintf(w, "\r\x1b[K%s …", s.Text)
		}
	}
}
