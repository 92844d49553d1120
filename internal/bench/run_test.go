package bench

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program builds the program under test.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "multi6")
	if out, err := exec.Command("go", "build", "-o", file, "github.com/multi6/multi6/cmd/multi6").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// options are those of a short run.
func options(t *testing.T) Options {
	return Options{
		Executable: program(t), Congestion: lab.DefaultCongestion, Profiles: []string{"fast"}, RTTs: []time.Duration{2 * time.Millisecond}, Runs: 1,
		Faults: []Fault{F1}, Modes: []Mode{RR}, Outage: time.Second, Trouble: time.Second,
		LogDir: t.TempDir(), Progress: func(s string) { t.Log(s) },
	}
}

// TestRun measures each kind of fault and each mode with two real daemons. How long
// the stalls are is logged and not judged.
func TestRun(t *testing.T) {
	testkit.NeedRoot(t)
	tests := []struct {
		name   string
		faults []Fault
		modes  []Mode
	}{
		{"modes", []Fault{F1}, Modes()},
		{"faults that last", []Fault{F6, F7, F8}, []Mode{RR}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			o := options(t)
			o.Faults, o.Modes = tt.faults, tt.modes
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "multi6-bench-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if len(r.Groups) != 1 || len(r.Groups[0].Cells) != len(tt.faults)*len(tt.modes) {
				t.Fatalf("measured %+v", r.Groups)
			}
			if r.Broken() > 0 {
				t.Errorf("%d runs broke something", r.Broken())
			}
			g := r.Groups[0]
			if got, want := len(g.Control), len(tt.modes)+1; got != want {
				t.Errorf("control packets were counted in %d states, want %d", got, want)
			}
			for _, c := range g.Cells {
				run := c.Runs[0]
				if run.Stall <= 0 || !run.Ended {
					t.Errorf("%v %v: stall %v, ended %v", c.Mode, c.Fault, run.Stall, run.Ended)
				}
				if c.Fault == F1 && (run.SwitchA == nil || len(c.Timeline) == 0) {
					t.Errorf("%v %v: A did not switch; timeline %v", c.Mode, c.Fault, c.Timeline)
				}
			}
		})
	}
}

// TestRivals measures the other systems, as far as they are there. A fault that
// plain TCP cannot survive must show as a stall that never ended.
func TestRivals(t *testing.T) {
	testkit.NeedRoot(t)
	o := options(t)
	o.Profiles, o.Rivals, o.CompareRuns = nil, Rivals(), 1
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var systems []string
	for _, g := range r.Groups {
		systems = append(systems, g.System)
		if g.System == systemTCP && g.Cells[0].Open != 1 {
			t.Errorf("TCP survived: %+v", g.Cells[0])
		}
	}
	if got := len(systems) + len(r.Skipped); got != len(Rivals()) {
		t.Errorf("measured %v, skipped %v", systems, r.Skipped)
	}
	t.Log(systems, r.Skipped)
}

// TestInterrupted ends a run in its middle. Nothing may be left.
func TestInterrupted(t *testing.T) {
	testkit.NeedRoot(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := options(t)
	o.Modes, o.Runs = []Mode{Bulk}, 100
	o.Progress = func(s string) {
		if strings.Contains(s, "control packets") {
			time.AfterFunc(5*time.Second, cancel)
		}
	}
	r, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) || r == nil {
		t.Errorf("ended with %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "multi6-bench-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
