package demo

import (
	"context"
	"errors"
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

// temporary makes Run keep its files in a directory of the test's, and returns
// what is left of them.
func temporary(t *testing.T) (left func() []string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return func() []string {
		all, err := filepath.Glob(filepath.Join(dir, "multi6-demo-*"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
}

// TestRun runs a short demonstration with two real daemons. How long the
// stalls are is logged and not judged.
func TestRun(t *testing.T) {
	testkit.NeedRoot(t)
	o := Options{
		Executable: program(t), Profile: "balanced", RTT: 2 * time.Millisecond, Congestion: lab.DefaultCongestion, Rate: 50e6,
		Faults: []lab.Fault{lab.Blackhole}, LogDir: t.TempDir(),
		Progress: func(s Step) { t.Log(s.Text) },
	}
	left := temporary(t)
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if files := left(); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	if r.Totals.Wrong+r.Totals.Resets > 0 || !r.OK() {
		t.Errorf("verdict %q, totals %+v", r.Verdict, r.Totals)
	}
	if r.Totals.Bytes == 0 || r.Totals.Messages == 0 || len(r.Trials) != 1 {
		t.Fatalf("little was measured: %d trials, totals %+v", len(r.Trials), r.Totals)
	}
	trial := r.Trials[0]
	if trial.Suspicion == nil || trial.Test == nil || len(trial.Switches) == 0 {
		t.Errorf("the nodes did not move: %+v", trial)
	}
	t.Log(trial.Summary())
}

// TestInterrupted ends a run in its middle. Nothing may be left.
func TestInterrupted(t *testing.T) {
	testkit.NeedRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := Options{Executable: program(t), Profile: "fast", RTT: time.Millisecond, Rate: 50e6}
	o.Progress = func(s Step) {
		if strings.HasPrefix(s.Text, "blackhole: breaking") {
			cancel()
		}
	}
	left := temporary(t)
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if files := left(); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

// TestDaemonDies: a program that does not stay up ends the run with its last
// words.
func TestDaemonDies(t *testing.T) {
	testkit.NeedRoot(t)
	left := temporary(t)
	_, err := Run(t.Context(), Options{Executable: "/bin/false", Profile: "fast"})
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		t.Errorf("ended with %v", err)
	}
	if files := left(); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}
