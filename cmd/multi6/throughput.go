package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/generator"
	"github.com/multi6/multi6/internal/throughput"
)

// throughputFlags are the flags of multi6 bench throughput as they were written.
type throughputFlags struct {
	systems, offloads, measurements []string
	rounds                          int
	time                            time.Duration
	wireguard, congestion           string
	out                             string
	json                            bool
}

func newBenchThroughputCmd() *cobra.Command {
	var f throughputFlags
	cmd := &cobra.Command{
		Use:   "throughput",
		Short: "Measure throughput and round trips beside wireguard-go and a bare link",
		Long: `Join two network namespaces by a link, and measure what passes between them: directly,
over wireguard-go, and over multi6 with each of its ciphers. All in one run, so that
the figures can be compared: in each round each system is measured once. Needs root,
and no configuration; touches nothing outside.

Measurements: tcp1 (one TCP stream), tcp4 (four), reverse (one, the other way), udp
(64-byte datagrams received), idle (UDP round trip), loaded (the same beside a TCP
stream). All of it once on a link with offloads, which passes super-packets of 64 KiB
whole, and once on one without.

DIR/throughput.json holds every value of every round, DIR/throughput.svg shows them.

The exit code is 1 if anything arrived that was not sent, or a measurement of direct or
multi6 failed. Missed targets are only shown.`,
		Example: `  sudo multi6 bench throughput --rounds 1 --time 500ms
  sudo multi6 bench throughput --system direct,multi6-aes --measure tcp1,udp --offloads on`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
			return runThroughput(ctx, cmd, f, o)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.systems, "system", nil, "only these `SYSTEMS`: direct, wireguard-go, multi6-aes, multi6-chacha")
	flags.StringSliceVar(&f.offloads, "offloads", nil, "only links with them `on` or off")
	flags.StringSliceVar(&f.measurements, "measure", nil, "only these `MEASUREMENTS`, such as tcp1,udp")
	flags.IntVar(&f.rounds, "rounds", 5, "rounds, in each of which everything is measured once")
	flags.DurationVar(&f.time, "time", 2*time.Second, "how long each measurement takes")
	flags.StringVar(&f.wireguard, "wireguard-go", "", "the program `FILE` (default: beside multi6, else where PATH leads)")
	addCongestionFlag(cmd, &f.congestion)
	flags.StringVar(&f.out, "out", ".", "`DIR` for throughput.json and throughput.svg")
	flags.BoolVar(&f.json, "json", false, "print throughput.json instead of the tables")
	return cmd
}

// Bounds of what can be measured sensibly.
const (
	minThroughputTime   = 100 * time.Millisecond // ten ticks of CPU time
	maxThroughputTime   = time.Minute
	maxThroughputRounds = 1000
)

// options checks the flags.
func (f throughputFlags) options() (o throughput.Options, err error) {
	o = throughput.Options{Rounds: f.rounds, Congestion: f.congestion, Time: f.time, LogDir: f.out}
	if o.Systems, err = parseAll(f.systems, throughput.ParseSystem, throughput.Systems()); err != nil {
		return o, err
	}
	if o.Offloads, err = parseAll(f.offloads, throughput.ParseOffloads, []throughput.Offloads{throughput.On, throughput.Off}); err != nil {
		return o, err
	}
	if o.Measurements, err = parseAll(f.measurements, throughput.ParseMeasurement, throughput.Measurements()); err != nil {
		return o, err
	}
	if f.rounds < 1 || f.rounds > maxThroughputRounds {
		return o, usageError("--rounds %d is not within 1 to %d", f.rounds, maxThroughputRounds)
	}
	if f.time < minThroughputTime || f.time > maxThroughputTime {
		return o, usageError("--time %v is not within %v to %v", f.time, minThroughputTime, maxThroughputTime)
	}
	return o, nil
}

// wireGuard returns the program to compare with.
func (f throughputFlags) wireGuard(executable string) string {
	if f.wireguard != "" {
		return f.wireguard
	}
	beside := filepath.Join(filepath.Dir(executable), "wireguard-go")
	if _, err := exec.LookPath(beside); err == nil {
		return beside
	}
	return "wireguard-go"
}

// runThroughput measures and writes the results.
func runThroughput(ctx context.Context, cmd *cobra.Command, f throughputFlags, o throughput.Options) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("must run as root, as it makes network namespaces: try 'sudo multi6 bench throughput'")
	}
	if o.Executable, err = os.Executable(); err != nil {
		return err
	}
	o.WireGuard = f.wireGuard(o.Executable)
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	o.Progress = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
	o.Progress(fmt.Sprintf("This takes about %v.", o.Estimate()))
	r, err := throughput.Run(ctx, o)
	if ctx.Err() != nil && err != nil {
		err = interruptedError(err)
	}
	if n := len(r.Wrong); n > 0 {
		err = errors.Join(err, fmt.Errorf("%s of what was not sent, or not all of it", count(n, "arrival")))
	}
	if n := len(r.Failed); n > 0 {
		err = errors.Join(err, fmt.Errorf("%s of direct or multi6 failed", count(n, "measurement")))
	}
	return errors.Join(writeThroughput(cmd.OutOrStdout(), f, r), err)
}

// writeThroughput writes the files, and the tables or the JSON document.
func writeThroughput(out io.Writer, f throughputFlags, r *throughput.Result) error {
	picture, data := filepath.Join(f.out, "throughput.svg"), filepath.Join(f.out, "throughput.json")
	if err := errors.Join(writeFile(picture, r.WriteSVG), writeFile(data, r.WriteJSON)); err != nil {
		return err
	}
	if f.json {
		return r.WriteJSON(out)
	}
	if err := r.WriteTable(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nSee %s and %s.\n", picture, data)
	return err
}

// newBenchGenerateCmd is what bench throughput runs at both ends of its traffic.
func newBenchGenerateCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "generate",
		Short:  "Make traffic for bench throughput, as told on the standard input",
		Hidden: true,
		Args:   takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if generator.Serve(cmd.InOrStdin(), cmd.OutOrStdout()) != nil {
				return &exitError{code: exitRuntime} // it has told what failed
			}
			return nil
		},
	}
}
