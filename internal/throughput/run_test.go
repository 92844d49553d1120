package throughput

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

// build builds a program.
func build(t *testing.T, pkg string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", file, pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// options are those of a short run.
func options(t *testing.T) Options {
	t.Setenv("TMPDIR", t.TempDir())
	return Options{
		Executable: build(t, "github.com/multi6/multi6/cmd/multi6"),
		Systems:    []System{Direct, AES}, Offloads: []Offloads{On}, Measurements: Measurements(),
		Rounds: 1, Congestion: lab.DefaultCongestion, Time: 200 * time.Millisecond, LogDir: t.TempDir(), Progress: func(s string) { t.Log(s) },
	}
}

// noneLeft checks that temporary files and sockets are gone.
func noneLeft(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{filepath.Join(os.TempDir(), "multi6-throughput-*"), filepath.Join(wgSockets, "wg[0-9]*o*.sock")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// measured checks that nothing went wrong, that each system has each of the metrics, and
// that something passed: on a busy machine TCP may stall for as long as a measurement takes.
func measured(t *testing.T, r *Result, o Options, metrics ...Metric) {
	t.Helper()
	if len(r.Wrong)+len(r.Failed)+len(r.Skipped) > 0 {
		t.Errorf("wrong %q, failed %q, skipped %q", r.Wrong, r.Failed, r.Skipped)
	}
	for _, link := range o.Offloads {
		for _, s := range o.Systems {
			passed := 0.0
			for _, m := range metrics {
				row := r.row(link, s, m)
				if row == nil {
					t.Errorf("offloads %v, %v: no %s", link, s, m)
				} else if strings.HasSuffix(string(m), "_gbps") {
					passed += row.Median
				} else if row.Median <= 0 {
					t.Errorf("offloads %v, %v: %s is %v", link, s, m, row.Median)
				}
			}
			if passed == 0 {
				t.Errorf("offloads %v, %v: nothing passed", link, s)
			}
		}
	}
}

// TestRun measures everything with real daemons. What the figures are is logged and not
// judged.
func TestRun(t *testing.T) {
	testkit.NeedRoot(t)
	o := options(t)
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	measured(t, r, o, TCP1, TCP4, Reverse, UDP, IdleP50, IdleP99, LoadedP50, LoadedP99, LoadedTCP)
	if row := r.row(On, Direct, TCP1CPU); row == nil || row.Median <= 0 {
		t.Errorf("CPU time of direct: %+v", row)
	}
	for _, w := range r.Warnings {
		if strings.Contains(w, "dropped packets by itself") {
			t.Error(w)
		}
	}
	noneLeft(t)
}

// TestRivals measures on a link without offloads, with wireguard-go beside the other
// cipher.
func TestRivals(t *testing.T) {
	testkit.NeedRoot(t)
	o := options(t)
	o.WireGuard = build(t, "golang.zx2c4.com/wireguard")
	o.Systems, o.Offloads, o.Measurements = []System{WireGuard, ChaCha}, []Offloads{Off}, []Measurement{"tcp1", "idle"}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	measured(t, r, o, TCP1, IdleP50)
	noneLeft(t)
}

// TestWithoutWireGuard leaves out what is not there, or does not start, and says so.
func TestWithoutWireGuard(t *testing.T) {
	testkit.NeedRoot(t)
	for program, want := range map[string]string{"/nonexistent": "scripts/bench-throughput.sh builds it", "/bin/false": "wireguard-go of "} {
		t.Run(program, func(t *testing.T) {
			o := options(t)
			o.WireGuard, o.Systems, o.Measurements = program, []System{WireGuard, Direct}, []Measurement{"idle"}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0], want) {
				t.Errorf("skipped %q", r.Skipped)
			}
			if r.row(On, Direct, IdleP50) == nil || r.row(On, WireGuard, IdleP50) != nil {
				t.Errorf("measured %+v", r.Rows)
			}
			noneLeft(t)
		})
	}
}

// TestInterrupted ends a run in its middle. What was measured is there, nothing else is
// left.
func TestInterrupted(t *testing.T) {
	testkit.NeedRoot(t)
	o := options(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Measurements, o.Rounds = []Measurement{"tcp1"}, 1000
	o.Progress = func(s string) {
		if strings.HasPrefix(s, "round 2 ") {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if r.row(On, Direct, TCP1) == nil || len(r.Failed) > 0 {
		t.Errorf("measured %+v, failed %q", r.Rows, r.Failed)
	}
	noneLeft(t)
}
