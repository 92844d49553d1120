package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/demo"
	"github.com/multi6/multi6/internal/lab"
)

// demoFlags are the flags of multi6 demo as they were written.
type demoFlags struct {
	rtt     time.Duration
	faults  []string
	repeat  int
	profile string
	out     string
	json    bool
}

func newDemoCmd() *cobra.Command {
	var f demoFlags
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
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			// A second Ctrl-C ends the program at once; the kernel then kills the
			// daemons and takes the namespaces away.
			context.AfterFunc(ctx, stop)
			return runDemo(ctx, cmd, f, o)
		},
	}
	cmd.Flags().DurationVar(&f.rtt, "rtt", 20*time.Millisecond, "round-trip time of all paths")
	cmd.Flags().StringSliceVar(&f.faults, "fault", nil, "only this `FAULT`; may be given several times: "+strings.Join(faultNames(), ", "))
	cmd.Flags().IntVar(&f.repeat, "repeat", 1, "go through the faults so many times")
	cmd.Flags().StringVar(&f.profile, "profile", "balanced", "timers of failure detection: fast, balanced or gentle")
	cmd.Flags().StringVar(&f.out, "out", ".", "`DIR` for demo.svg and demo.json")
	cmd.Flags().BoolVar(&f.json, "json", false, "print demo.json instead of the table")
	return cmd
}

func faultNames() []string {
	var names []string
	for _, f := range lab.Faults() {
		names = append(names, f.String())
	}
	return names
}

// maxDemoRTT bounds --rtt: beyond it 10 s say nothing about survival.
const maxDemoRTT = time.Second

// options checks the flags.
func (f demoFlags) options() (o demo.Options, err error) {
	if f.rtt < 0 || f.rtt > maxDemoRTT {
		return o, usageError("--rtt %v is not within 0 to %v", f.rtt, maxDemoRTT)
	}
	if f.repeat < 1 {
		return o, usageError("--repeat %d is less than 1", f.repeat)
	}
	if !slices.Contains([]string{"fast", "balanced", "gentle"}, f.profile) {
		return o, usageError("unknown --profile %q; one of fast, balanced, gentle", f.profile)
	}
	o = demo.Options{RTT: f.rtt, Repeat: f.repeat, Profile: f.profile, LogDir: f.out}
	for _, name := range f.faults {
		fault, err := lab.ParseFault(name)
		if err != nil {
			return o, usageError("%v", err)
		}
		o.Faults = append(o.Faults, fault)
	}
	return o, nil
}

// runDemo runs the demonstration and writes its results.
func runDemo(ctx context.Context, cmd *cobra.Command, f demoFlags, o demo.Options) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("must run as root, as it makes network namespaces: try 'sudo multi6 demo'")
	}
	if o.Executable, err = os.Executable(); err != nil {
		return err
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if f.json {
		out = cmd.ErrOrStderr() // for what people read
	}
	o.Progress = progress(out)
	result, err := demo.Run(ctx, o)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted; daemons, namespaces and temporary files are gone%s", unless(err, context.Canceled))
	}
	if result == nil {
		return err
	}
	return errors.Join(writeDemo(cmd.OutOrStdout(), out, f, result), err, result.Err())
}

// unless returns what to add about err, unless it is only that.
func unless(err, only error) string {
	if err == nil || errors.Is(err, only) {
		return ""
	}
	return ": " + err.Error()
}

// writeDemo writes the files, and the table or the JSON document.
func writeDemo(stdout, out io.Writer, f demoFlags, r *demo.Result) error {
	picture, data := filepath.Join(f.out, "demo.svg"), filepath.Join(f.out, "demo.json")
	if err := errors.Join(writeFile(picture, r.WriteSVG), writeFile(data, r.WriteJSON)); err != nil {
		return err
	}
	if f.json {
		return r.WriteJSON(stdout)
	}
	fmt.Fprintln(out)
	if err := r.WriteTable(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nSee %s and %s.\n", picture, data)
	return err
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
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
