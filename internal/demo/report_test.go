package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
	"github.com/multi6/multi6/internal/testkit"
)

// results returns two trials: the usual course, and all paths dead.
func results() *Result {
	o := failover()
	dead := o
	dead.fault, dead.bulk, dead.rr = lab.AllDead, steps(1000, 2040, 2900), steps(1000, 2060, 2900)
	r := &Result{
		Version: ResultVersion, StartedAt: time.Unix(0, 0).UTC(), Profile: "balanced", RTT: rig.Millis(20 * msec), Congestion: "cubic", Rate: DefaultRate,
		Trials: []Trial{
			{Fault: "blackhole", Round: 1, Link: "a1", measures: o.measure()},
			{Fault: "all-dead", Round: 1, Link: linkAll, measures: dead.measure()},
		},
		Totals: Totals{Length: rig.Millis(4 * time.Second), Bytes: 2_500_000, Messages: 12, FalseAlarms: 1},
		Events: o.events, Goodput: series(o.bulk, 4*time.Second), bulk: o.bulk,
	}
	for i := range r.Trials {
		t := &r.Trials[i]
		t.BrokenAt, t.HealedAt, t.Until = rig.Millis(o.brokenAt), rig.Millis(o.healedAt), rig.Millis(o.until)
	}
	r.Verdict = verdict(r, nil)
	return r
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := results().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
      fault  link  failure  suspicion      test  switch a  switch b  first byte  stall bulk  stall rr  on return         verdict
  blackhole    a1        0   +30.0 ms  +50.0 ms  +70.0 ms  +80.0 ms    +90.0 ms    490.0 ms  895.0 ms   990.0 ms  survived, pass
   all-dead   all        0   +30.0 ms  +50.0 ms  +70.0 ms  +80.0 ms  +1040.0 ms    40.0 ms*  60.0 ms*   860.0 ms  survived, pass

Moments count from the failure; on return is the longest gap after the path came back.
pass: no gap reached 1s. Just before the failures, the longest gap was 1000.0 ms.
* counted from the return of the paths, 5s after the failure.

2.5 MB and 12 messages verified in 4.0 s; wrong or lost: none; connections reset: 0; false alarms: 1.
`, "\n")
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestVerdict(t *testing.T) {
	tests := []struct {
		name string
		harm func(*Result)
		ends error
		want string
	}{
		{"all well", func(*Result) {}, nil, "ok"},
		{"slow", func(r *Result) { r.Trials[0].OnTarget = false }, nil, "ok"},
		{"reset", func(r *Result) { r.Totals.Resets++ }, errors.New("x"), "a connection broke: x"},
		{"wrong", func(r *Result) { r.Totals.Wrong++ }, errors.New("x"), "bytes were wrong or lost: x"},
		{"dead", func(r *Result) { r.Trials[1].Survived = false }, nil, "all-dead: the connections did not go on within 10s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := results()
			tt.harm(r)
			r.Verdict = verdict(r, tt.ends)
			if r.Verdict != tt.want {
				t.Errorf("got %q, want %q", r.Verdict, tt.want)
			}
			if got := errors.Is(r.Err(), ErrNotSurvived); got == r.OK() {
				t.Errorf("OK %v and error %v", r.OK(), r.Err())
			}
		})
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := results().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version int
		Trials  []struct {
			Fault     string
			FirstByte float64 `json:"first_byte_ms"`
			Bulk      struct{ MS float64 }
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != ResultVersion || len(got.Trials) != 2 || got.Trials[0].FirstByte != 90 || got.Trials[1].Bulk.MS != 40 {
		t.Errorf("%+v", got)
	}
}

// TestSVG checks that the picture is well-formed and names what it shows. Its
// beauty is for people to judge.
func TestSVG(t *testing.T) {
	repeated := results()
	repeated.Trials = append(repeated.Trials, repeated.Trials...)
	for name, r := range map[string]*Result{"usual": results(), "repeated": repeated, "empty": {Rate: DefaultRate}} {
		t.Run(name, func(t *testing.T) {
			words := testkit.SVGWords(t, r.WriteSVG)
			want := []string{"Mbit/s", "suspicion", "first byte after the stall"}
			if len(r.Trials) > 0 {
				want = append(want, "Blackhole of a1, both ways", "All paths dead for 5 s")
			}
			for _, w := range want {
				if n := strings.Count(words, w); n == 0 {
					t.Errorf("%q is missing", w)
				}
			}
			if strings.Contains(words, "NaN") {
				t.Error("there is a NaN")
			}
		})
	}
}

func TestSlowest(t *testing.T) {
	stalled := func(fault string, ms int) Trial {
		return Trial{Fault: fault, measures: measures{Bulk: Stall{Length: rig.Millis(time.Duration(ms) * msec)}}}
	}
	all := []Trial{stalled("x", 1), stalled("y", 9), stalled("x", 3), stalled("x", 2)}
	shown := slowest(all)
	if len(shown) != 2 || shown[0] != &all[2] || shown[1] != &all[1] {
		t.Errorf("got %+v", shown)
	}
}
