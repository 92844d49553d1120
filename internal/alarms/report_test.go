package alarms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/rig"
	"github.com/multi6/multi6/internal/testkit"
)

// results returns what three cells of one condition came to.
func results() *Result {
	s := lossy()
	r := newResult(Options{Seed: 7, Settings: []Setting{s, s.WithMargin(5 * time.Millisecond), s.WithMargin(50 * time.Millisecond)}})
	r.CPUs = 2
	for i, n := range []uint64{12, 3600, 0} {
		r.add(outcome{job: job{setting: i}, counts: counts{time: 2 * time.Hour, suspicions: n, falseAlarms: n, switches: n / 6, joined: n / 12, control: 7200}})
		d := time.Duration(i+1) * 10 * time.Millisecond
		r.add(outcome{job: job{setting: i}, detections: []detection{{suspicion: d, left: 2 * d}, {suspicion: 3 * d, left: 4 * d}}})
	}
	r.add(outcome{job: job{setting: 1}, detections: []detection{{left: missedAfter, missed: true}}})
	r.finish(90 * time.Second)
	return r
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := results().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
      profile  hours  suspicions/h  alarms/h  switches  joined  switches/h  control/s  suspicion      p99  switch      p99  missed
     balanced      2             6         6         2       1           1        1.0       20.0     30.0    30.0     40.0       0  rr, RTT 20ms, loss 5 %
   margin 5ms      2       1.8e+03   1.8e+03       600     300         300        1.0       60.0  60000.0    80.0  60000.0       1  rr, RTT 20ms, loss 5 %
  margin 50ms      2          <1.5      <1.5         0       0        <1.5        1.0       60.0     90.0    90.0    120.0       0  rr, RTT 20ms, loss 5 %
While no path is broken: suspicions, those of them that a test disproved (alarms), and false switches, of both ends;
joined: switches begun on a Poll of the other end.
After a silent failure: medians until one end suspects it and until both have left it, ms.
< is the upper bound (95 %) of what was not seen. Seed 7; 6 simulated hours without failures; 1m30s on 2 processors.
`, "\n")
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestPicture(t *testing.T) {
	text := testkit.SVGWords(t, results().WriteSVG)
	for _, want := range []string{"rr, RTT 20ms, loss 5 %", "\nbalanced\n", "false alarms", "false switches"} {
		if !strings.Contains(text, want) {
			t.Errorf("the picture has no %q", want)
		}
	}
}

// TestEmptyPicture: there may be nothing to draw.
func TestEmptyPicture(t *testing.T) {
	if err := newResult(Options{}).WriteSVG(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := results().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(b.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if c := r.Cells[1]; r.Version != ResultVersion || c.Switches != 600 || c.Missed != 1 || c.Margin != rig.Millis(5*time.Millisecond) {
		t.Errorf("%+v", r)
	}
}

// TestRun: the same options give the same result, whoever runs what.
func TestRun(t *testing.T) {
	o := Options{Settings: []Setting{jittery(), lossy()}, Time: 150 * time.Second, Failures: 25, Seed: 3, piece: time.Minute}
	run := func() (cells []Cell) {
		r, err := Run(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Cells {
			c.detections = nil // their order is the workers'
			cells = append(cells, c)
		}
		return cells
	}
	first := run()
	if again := run(); !reflect.DeepEqual(first, again) {
		t.Errorf("%+v, then %+v", first, again)
	}
	for _, c := range first {
		if c.counts.time != o.Time || c.Failures != o.Failures || c.Missed > 0 || c.Suspicions == 0 {
			t.Errorf("%+v", c)
		}
	}
}

// TestInterrupted: what is done so far is returned.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := Run(ctx, Options{Settings: []Setting{lossy()}, Time: 1000 * time.Hour})
	if !errors.Is(err, context.Canceled) || r == nil || len(r.Cells) != 1 {
		t.Errorf("%v, %v", r, err)
	}
}

// TestRates: none seen is no proof that there are none.
func TestRates(t *testing.T) {
	for _, tt := range []struct {
		n    uint64
		want string
	}{{0, "<0.3"}, {1, "0.1"}, {25, "2.5"}} {
		if got := rate(tt.n, 10).String(); got != tt.want {
			t.Errorf("%d in 10 hours is %s, want %s", tt.n, got, tt.want)
		}
	}
}
