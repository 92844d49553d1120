package throughput

import "fmt"

// A Target is what a system is to reach, as a multiple of another's value in the same
// round.
type Target struct {
	Text     string   `json:"text"`
	Offloads Offloads `json:"offloads"`
	System   System   `json:"system"`
	Metric   Metric   `json:"metric"`
	Of       System   `json:"of"`
	// Limit is the least that the ratio may be, or the most where AtMost says so.
	Limit  float64 `json:"limit"`
	AtMost bool    `json:"at_most,omitempty"`
	// Ratio is what was measured. Nil: nothing was.
	Ratio *float64 `json:"ratio,omitempty"`
	Met   bool     `json:"met"`
}

var targets = []Target{
	{Text: "one TCP stream", Offloads: On, System: AES, Metric: TCP1, Of: WireGuard, Limit: 3.0},
	{Text: "one TCP stream", Offloads: On, System: AES, Metric: TCP1, Of: Direct, Limit: 0.45},
	{Text: "one TCP stream", Offloads: Off, System: AES, Metric: TCP1, Of: WireGuard, Limit: 3.2},
	{Text: "one TCP stream", Offloads: Off, System: AES, Metric: TCP1, Of: Direct, Limit: 0.62},
	{Text: "one TCP stream", Offloads: On, System: ChaCha, Metric: TCP1, Of: WireGuard, Limit: 1.7},
	{Text: "CPU time per Gbit", Offloads: On, System: AES, Metric: TCP1CPU, Of: WireGuard, Limit: 0.33, AtMost: true},
	{Text: "64-byte UDP received", Offloads: On, System: AES, Metric: UDP, Of: WireGuard, Limit: 7.0},
	{Text: "64-byte UDP received", Offloads: On, System: AES, Metric: UDP, Of: Direct, Limit: 1.0},
	{Text: "UDP round trip, idle, p50", Offloads: On, System: AES, Metric: IdleP50, Of: WireGuard, Limit: 0.75, AtMost: true},
}

// judge returns the targets with what was measured.
func (r *Result) judge(ts []Target) []Target {
	judged := []Target{}
	for _, t := range ts {
		if row := r.row(t.Offloads, t.System, t.Metric); row != nil {
			t.Ratio = row.of(t.Of)
		}
		t.Met = t.Ratio != nil && (t.AtMost && *t.Ratio <= t.Limit || !t.AtMost && *t.Ratio >= t.Limit)
		judged = append(judged, t)
	}
	return judged
}

func (t Target) limit() string {
	if t.AtMost {
		return fmt.Sprintf("≤ %.2f", t.Limit)
	}
	return fmt.Sprintf("≥ %.2f", t.Limit)
}

func (t Target) verdict() string {
	switch {
	case t.Ratio == nil:
		return "not measured"
	case t.Met:
		return "met"
	}
	return "missed"
}
