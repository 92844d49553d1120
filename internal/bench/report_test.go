package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/rig"
	"github.com/multi6/multi6/internal/testkit"
)

// results returns a result with two faults, and one of plain TCP that never ended.
func results() *Result {
	runs := trials(30, 20, 40)
	suspicion := rig.Millis(11 * msec)
	runs[0].Suspicion, runs[2].Suspicion = &suspicion, &suspicion
	lost := rig.Millis(9 * msec)
	runs[0].Lost, runs[1].Lost = &lost, &lost
	runs[0].events = []rig.Event{
		{At: suspicion, Node: "a", What: node.Event{Kind: "state", From: "primary operational", State: "testing primary", Cause: "timer", SilentMillis: 12}},
		{At: rig.Millis(15 * msec), Node: "b", What: node.Event{Kind: "switch", Pair: &node.Pair{Local: "1", Remote: "2"}, Cause: "timer, then test ok"}},
		{At: rig.Millis(900 * msec), Node: "b", What: node.Event{Kind: "locators"}}, // long after the stall
	}
	runs[2].events = []rig.Event{{At: suspicion, Node: "a", What: node.Event{Kind: "state"}}}
	return &Result{
		Version: ResultVersion, StartedAt: time.Unix(0, 0).UTC(), CPUs: 2, Load: "0.10 0.20 0.30", Congestion: "cubic", Rate: rate,
		Groups: []Group{
			{System: systemMulti6, Profile: "fast", RTT: rig.Millis(20 * msec), Control: []Control{{idle, 0, 0.5, controlLimit(idle)}, {"udp", 12, 3, controlLimit("udp")}}, Cells: []Cell{
				newCell(F1, RR, 70*msec, runs), newCell(F4, RR, 15*msec, runs), newCell(F7, UDP, 0, runs),
			}},
			{System: systemTCP, RTT: rig.Millis(20 * msec), Cells: []Cell{newCell(F1, RR, 0, trials(-10000))}},
		},
		Skipped: []string{"mptcp: no such kernel"},
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := results().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
multi6, RTT 20ms, fast
  mode  fault  runs  median  p99   max  target  verdict  suspicion  test  switch a  switch b  on return  lost  wrong  resets
    rr     F1     3    30.0    -  40.0    70.0      met       11.0     -         -         -        0.0   9.0      0       0  blackhole both ways
    rr     F4     3    30.0    -  40.0    15.0   missed       11.0     -         -         -        0.0   9.0      0       0  link down
   udp     F7     3    30.0    -  40.0       -        -       11.0     -         -         -        0.0   9.0      0       0  flapping
  control packets per second, idle: 0.0 from A, 0.5 from B (at most 0: missed)
  control packets per second, udp: 12.0 from A, 3.0 from B (at most 50: met)

  rr F4 missed its target of 15.0 ms; run 1, nearest to the median, stalled 30.0 ms from 0.0:
   0.0            the path fails
  11.0  +11.0  a  state primary operational to testing primary (timer) silent 12.0 ms
  15.0   +4.0  b  switch 1 - 2 (timer, then test ok)
  30.0  +15.0     the stall ends: first byte; TCP retransmitted 0, the nodes sent 0 again, TCP's timer stood at 0.0 ms

tcp, RTT 20ms
  mode  fault  runs    median  p99       max  target  verdict  suspicion  test  switch a  switch b  on return  lost  wrong  resets
    rr     F1     1  >10000.0    -  >10000.0       -        -          -     -         -         -        0.0     -      0       0  blackhole both ways

not measured: mptcp: no such kernel
Stalls in ms; > marks those that had not ended when the watch did. Suspicion, test and switches: medians, ms after the failure;
on return: median of the longest gaps after the path came back, no part of the stall; lost: median of how long what is missing
until then takes at the rate before the failure.
TCP cubic; 2 processors, load before the first run 0.10 0.20 0.30.
`, "\n")
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := results().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version int
		Groups  []struct {
			Cells []struct {
				Fault, Mode string
				Median      float64 `json:"median_ms"`
				Slowest     int
				Runs        []struct {
					Stall float64 `json:"stall_ms"`
				}
				Timeline []struct {
					At float64 `json:"at_ms"`
				}
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	c := got.Groups[0].Cells[0]
	if got.Version != ResultVersion || c.Fault != "F1" || c.Mode != "rr" || c.Median != 30 || c.Runs[1].Stall != 20 {
		t.Errorf("%+v", got)
	}
	if c.Slowest != 2 || len(c.Timeline) != 1 || c.Timeline[0].At != 11 {
		t.Errorf("slowest run %d, timeline %+v", c.Slowest, c.Timeline)
	}
}

func TestBroken(t *testing.T) {
	r := results()
	r.Groups[0].Cells[1].Resets, r.Groups[1].Cells[0].Resets = 2, 1
	if n := r.Broken(); n != 2 {
		t.Errorf("%d, want the 2 of multi6", n)
	}
}

// TestSVG checks that the picture is well-formed and names what it shows. Its
// beauty is for people to judge.
func TestSVG(t *testing.T) {
	for name, r := range map[string]*Result{"usual": results(), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			words := testkit.SVGWords(t, r.WriteSVG)
			want := []string{"How long connections stall"}
			if len(r.Groups) > 0 {
				want = append(want, "F1 blackhole both ways", "rr, RTT 20ms, fast", "udp, RTT 20ms, fast", "rr, RTT 20ms", "multi6, fast", "TCP")
			}
			for _, w := range want {
				if !strings.Contains(words, w) {
					t.Errorf("%q is missing", w)
				}
			}
			if strings.Contains(words, "NaN") {
				t.Error("there is a NaN")
			}
		})
	}
}
