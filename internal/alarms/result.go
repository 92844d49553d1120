package alarms

import (
	"encoding/json"
	"io"
	"runtime"
	"time"

	"github.com/multi6/multi6/internal/rig"
)

// ResultVersion is the version of the schema of Result. It grows when a field
// changes its meaning or goes; new fields do not count.
const ResultVersion = 1

// A Result is all that was simulated.
type Result struct {
	Version int    `json:"version"`
	Seed    uint64 `json:"seed"`
	CPUs    int    `json:"cpus"`
	// Builds are those that took part, if there was a journal.
	Builds []string `json:"builds,omitempty"`
	// Hours is the virtual time in which nothing failed, Seconds the time that the
	// last run took.
	Hours   float64 `json:"hours"`
	Seconds float64 `json:"seconds"`
	Cells   []Cell  `json:"cells"`
}

// A Cell is one setting.
type Cell struct {
	Profile string     `json:"profile"` // or "margin": balanced but for the margin
	Margin  rig.Millis `json:"margin_ms"`
	Traffic Traffic    `json:"traffic"`
	RTT     rig.Millis `json:"rtt_ms"`
	Jitter  rig.Millis `json:"jitter_ms"`
	Shape   Shape      `json:"shape"`
	Loss    float64    `json:"loss"`
	Bursts  bool       `json:"bursts"`
	Busy    bool       `json:"busy"`

	// Hours is the virtual time without failures. Counts are of both ends; a switch is any
	// change of the primary.
	Hours       float64 `json:"hours"`
	Suspicions  uint64  `json:"suspicions"`
	FalseAlarms uint64  `json:"false_alarms"`
	Switches    uint64  `json:"false_switches"`
	// Joined are the switches to which a Poll of the other end led, and not a suspicion of
	// one's own.
	Joined uint64 `json:"false_switches_joined"`
	// Control is how many control datagrams both ends send per second.
	Control float64 `json:"control_pps"`

	// Failures is how often a path failed, Missed how often it was not left within a
	// minute. Suspicion is when one end first left "primary operational", Switch when both
	// had left the pair, after the failure.
	Failures  int       `json:"failures"`
	Missed    int       `json:"missed"`
	Suspicion Quantiles `json:"suspicion"`
	Switch    Quantiles `json:"switch"`

	setting    Setting
	counts     counts
	detections []detection
}

// Quantiles describes a distribution.
type Quantiles struct {
	Median rig.Millis `json:"median_ms"`
	P99    rig.Millis `json:"p99_ms"`
}

func newResult(o Options) *Result {
	r := &Result{Version: ResultVersion, Seed: o.Seed, CPUs: runtime.GOMAXPROCS(0)}
	if o.Journal != nil {
		r.Builds = o.Journal.builds
	}
	for _, s := range o.Settings {
		r.Cells = append(r.Cells, Cell{
			Profile: s.Profile, Margin: rig.Millis(s.Timers.Margin), Traffic: s.Traffic, RTT: rig.Millis(s.RTT),
			Jitter: rig.Millis(s.Jitter), Shape: s.Shape, Loss: s.Loss, Bursts: s.Bursts, Busy: s.Busy, setting: s,
		})
	}
	return r
}

func (r *Result) add(o outcome) {
	c := &r.Cells[o.setting]
	c.counts.add(o.counts)
	c.detections = append(c.detections, o.detections...)
}

// finish computes what is derived.
func (r *Result) finish(took time.Duration) {
	r.Seconds = took.Seconds()
	for i := range r.Cells {
		c := &r.Cells[i]
		n := c.counts
		c.Hours = n.time.Hours()
		r.Hours += c.Hours
		c.Suspicions, c.FalseAlarms, c.Switches, c.Joined = n.suspicions, n.falseAlarms, n.switches, n.joined
		if n.time > 0 {
			c.Control = float64(n.control) / n.time.Seconds()
		}
		c.Failures = len(c.detections)
		for _, d := range c.detections {
			if d.missed {
				c.Missed++
			}
		}
		c.Suspicion = quantiles(c.detections, func(d detection) time.Duration { return d.suspicion })
		c.Switch = quantiles(c.detections, func(d detection) time.Duration { return d.left })
	}
}

func quantiles(all []detection, of func(detection) time.Duration) Quantiles {
	median, p99 := spread(all, of)
	return Quantiles{rig.Millis(median), rig.Millis(p99)}
}

// Switches returns the false switches of all cells.
func (r *Result) Switches() (n uint64) {
	for _, c := range r.Cells {
		n += c.Switches
	}
	return n
}

// A Rate is a count per hour. Of nothing seen there is only an upper bound.
type Rate struct {
	PerHour float64
	Bound   bool
}

// rate returns the rate of n within hours. If there was none, it is less than 3 / hours
// with 95 % confidence: the rule of three.
func rate(n uint64, hours float64) Rate {
	if n == 0 {
		return Rate{3 / hours, true}
	}
	return Rate{float64(n) / hours, false}
}

// WriteJSON writes r as an indented JSON document.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
