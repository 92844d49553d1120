package throughput

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
	// CPUs, Kernel and Load are those of the machine: Load as in /proc/loadavg, before
	// the first measurement.
	CPUs   int    `json:"cpus"`
	Kernel string `json:"kernel"`
	Load   string `json:"load"`
	// Congestion is TCP's congestion control, by the kernel's name for it.
	Congestion string     `json:"congestion_control"`
	Rounds     int        `json:"rounds"`
	Time       rig.Millis `json:"time_ms"` // of a measurement
	// Rows are the medians of Samples, Targets what they are held against.
	Rows    []Row    `json:"medians"`
	Targets []Target `json:"targets"`
	// Warnings say what makes the figures doubtful, Skipped what was not measured, and why.
	Warnings []string `json:"warnings,omitempty"`
	Skipped  []string `json:"skipped,omitempty"`
	// Wrong says where what arrived was not what was sent, Failed what failed otherwise
	// that must not: direct and multi6.
	Wrong   []string `json:"wrong,omitempty"`
	Failed  []string `json:"failed,omitempty"`
	Samples []Sample `json:"samples"`
}

// A Sample is one value that was measured.
type Sample struct {
	Round    int      `json:"round"` // from 1
	Offloads Offloads `json:"offloads"`
	System   System   `json:"system"`
	Metric   Metric   `json:"metric"`
	Value    float64  `json:"value"`
}

// A Row is a metric of a system over all rounds. The ratios are medians of the
// rounds' ratios, absent where one of the two was never measured.
type Row struct {
	Offloads    Offloads `json:"offloads"`
	System      System   `json:"system"`
	Metric      Metric   `json:"metric"`
	Median      float64  `json:"median"`
	OfWireGuard *float64 `json:"of_wireguard_go,omitempty"`
	OfDirect    *float64 `json:"of_direct,omitempty"`
}

// of returns the ratio to a system.
func (r Row) of(base System) *float64 {
	if base == Direct {
		return r.OfDirect
	}
	return r.OfWireGuard
}

// summarize computes Rows and Targets from Samples.
func (r *Result) summarize() {
	r.Rows = []Row{}
	for _, o := range []Offloads{On, Off} {
		for _, s := range Systems() {
			for _, m := range Metrics() {
				values := r.rounds(o, s, m)
				if len(values) == 0 {
					continue
				}
				r.Rows = append(r.Rows, Row{
					Offloads: o, System: s, Metric: m, Median: median(valuesOf(values)),
					OfWireGuard: ratio(values, r.rounds(o, WireGuard, m)),
					OfDirect:    ratio(values, r.rounds(o, Direct, m)),
				})
			}
		}
	}
	r.Targets = r.judge(targets)
}

// row returns a row, nil if there is none.
func (r *Result) row(o Offloads, s System, m Metric) *Row {
	i := slices.IndexFunc(r.Rows, func(x Row) bool { return x.Offloads == o && x.System == s && x.Metric == m })
	if i < 0 {
		return nil
	}
	return &r.Rows[i]
}

// rounds returns the values of the rounds in which there is one.
func (r *Result) rounds(o Offloads, s System, m Metric) map[int]float64 {
	values := make(map[int]float64)
	for _, x := range r.Samples {
		if x.Offloads == o && x.System == s && x.Metric == m {
			values[x.Round] = x.Value
		}
	}
	return values
}

// ratio returns the median of the ratios of a to b in the rounds that have both, nil if
// none has.
func ratio(a, b map[int]float64) *float64 {
	var all []float64
	for round, v := range a {
		if w := b[round]; w > 0 {
			all = append(all, v/w)
		}
	}
	if len(all) == 0 {
		return nil
	}
	m := median(all)
	return &m
}

func valuesOf(rounds map[int]float64) (all []float64) {
	for _, v := range rounds {
		all = append(all, v)
	}
	return all
}

// median returns the median, the mean of the middle two where they are two. values
// are not empty; they are put in order.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// WriteJSON writes everything that was measured.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}
