package bench

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/multi6/multi6/internal/rig"
)

// ResultVersion is the version of the schema of Result. It grows when a field
// changes its meaning or goes; new fields do not count.
const ResultVersion = 1

// A Result is all that was measured.
type Result struct {
	Version   int       `json:"version"`
	StartedAt time.Time `json:"started_at"`
	// CPUs and Load are those of the machine: Load as in /proc/loadavg, before the
	// first run.
	CPUs int    `json:"cpus"`
	Load string `json:"load"`
	// Congestion is TCP's congestion control, by the kernel's name for it.
	Congestion string     `json:"congestion_control"`
	Rate       int64      `json:"rate_bps"`
	Outage     rig.Millis `json:"outage_ms"` // of F6
	Groups     []Group    `json:"groups"`
	// Skipped says what was not measured, and why.
	Skipped []string `json:"skipped,omitempty"`
}

// A Group is what one system did at one round-trip time.
type Group struct {
	System  string     `json:"system"` // multi6, bgp+bfd, mptcp-tuned, mptcp, tcp
	Profile string     `json:"profile,omitempty"`
	RTT     rig.Millis `json:"rtt_ms"`
	Control []Control  `json:"control,omitempty"`
	Cells   []Cell     `json:"cells"`
}

// A Control is how many control packets A and B send per second, while idle or
// while a stream flows that no failure disturbs. Of other systems than multi6 it
// is all that A's links carry while idle.
type Control struct {
	While string  `json:"while"` // "idle" or a mode
	A     float64 `json:"a_pps"`
	B     float64 `json:"b_pps"`
	// Limit is the most that A and B together should send; none for other systems.
	Limit *float64 `json:"limit_pps,omitempty"`
}

// A Cell is one fault in one mode, some times. Median, P99 and Max are of the
// stalls; those that did not end count as long as they were watched.
type Cell struct {
	Mode   Mode        `json:"mode"`
	Fault  Fault       `json:"fault"`
	Median rig.Millis  `json:"median_ms"`
	P99    *rig.Millis `json:"p99_ms,omitempty"` // where there are 100 runs or more
	Max    rig.Millis  `json:"max_ms"`
	// Open counts the stalls that did not end.
	Open   int        `json:"open"`
	Target rig.Millis `json:"target_ms,omitempty"`
	Met    bool       `json:"met"`
	Wrong  int        `json:"wrong"`
	Resets int        `json:"resets"`
	Runs   []Trial    `json:"runs"`
	// Slowest is the index of the run with the longest stall, Timeline what the nodes told
	// in it: at_ms counts from the failure.
	Slowest  int         `json:"slowest"`
	Timeline []rig.Event `json:"timeline"`
	// Typical is the index of the run whose stall is nearest to the median, and
	// TypicalTimeline what the nodes told in it, where the target was missed.
	Typical         int         `json:"typical"`
	TypicalTimeline []rig.Event `json:"typical_timeline,omitempty"`
}

// newCell adds up runs, at least one.
func newCell(f Fault, m Mode, target time.Duration, runs []Trial) Cell {
	c := Cell{Fault: f, Mode: m, Target: rig.Millis(target), Runs: runs, Timeline: []rig.Event{}}
	var stalls []rig.Millis
	for i, r := range runs {
		stalls = append(stalls, r.Stall)
		if r.Stall > runs[c.Slowest].Stall {
			c.Slowest = i
		}
		c.Open += count(!r.Ended)
		c.Wrong += count(r.Wrong)
		c.Resets += count(r.Reset)
	}
	slices.Sort(stalls)
	c.Median, c.Max = median(stalls), stalls[len(stalls)-1]
	if len(stalls) >= 100 {
		p := quantile(stalls, 0.99)
		c.P99 = &p
	}
	c.Met = target > 0 && c.Median <= c.Target && c.Wrong+c.Resets == 0
	if events := runs[c.Slowest].events; events != nil {
		c.Timeline = events
	}
	distance := func(r Trial) rig.Millis { return max(r.Stall-c.Median, c.Median-r.Stall) }
	for i, r := range runs {
		if distance(r) < distance(runs[c.Typical]) {
			c.Typical = i
		}
	}
	if c.missed() {
		c.TypicalTimeline = runs[c.Typical].events
	}
	return c
}

// missed reports whether there is a target that was not met.
func (c *Cell) missed() bool { return c.Target > 0 && !c.Met }

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// WriteJSON writes everything that was measured.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Broken counts the runs in which a byte was wrong or lost, or a connection broke.
// Of other systems than multi6 nothing counts.
func (r *Result) Broken() (n int) {
	for _, g := range r.Groups {
		for _, c := range g.Cells {
			if g.System == systemMulti6 {
				n += c.Wrong + c.Resets
			}
		}
	}
	return n
}
