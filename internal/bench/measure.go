package bench

import (
	"cmp"
	"slices"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/rig"
	"github.com/multi6/multi6/shim"
)

// A Trial is one failure. Moments count from the failure.
type Trial struct {
	Stall rig.Millis `json:"stall_ms"`
	// Ended is false if nothing had arrived by the end of the watch.
	Ended bool `json:"ended"`
	// From is when the stall began.
	From rig.Millis `json:"from_ms"`
	// Before is the longest gap shortly before the failure: what the machine and
	// TCP do by themselves.
	Before rig.Millis `json:"before_ms"`
	// OnReturn is the longest gap that began when healing had, and is no part of
	// the stall.
	OnReturn rig.Millis `json:"on_return_ms"`
	// Lost is how long it takes, at the rate before the failure, to carry what was
	// missing until healing began; only of a stream that is limited by its rate.
	Lost *rig.Millis `json:"lost_ms,omitempty"`

	// Suspicion is when a node first left "primary operational", Test when one
	// first tested a pair that was not its primary, the others when each
	// first took another pair.
	Suspicion *rig.Millis `json:"suspicion_ms,omitempty"`
	Test      *rig.Millis `json:"test_ms,omitempty"`
	SwitchA   *rig.Millis `json:"switch_a_ms,omitempty"`
	SwitchB   *rig.Millis `json:"switch_b_ms,omitempty"`

	// Retransmits are those of A's TCP in the run; RTO was its retransmission
	// timer just before.
	Retransmits uint32     `json:"tcp_retransmits"`
	RTO         rig.Millis `json:"tcp_rto_ms"`
	// Resent and FalseAlarms are the sums of both nodes.
	Resent      uint64 `json:"resent"`
	FalseAlarms uint64 `json:"false_alarms"`

	// Wrong tells that something was wrong or lost, Reset that the connection
	// broke, Error how.
	Wrong bool   `json:"wrong"`
	Reset bool   `json:"reset"`
	Error string `json:"error,omitempty"`

	events []rig.Event // during the window, from the failure
}

// beforeFor is the time before a failure that Trial.Before is about.
const beforeFor = 300 * time.Millisecond

// stall puts what arrived into r. Observation ended at until.
func (r *Trial) stall(as []rig.Arrival, w window, until time.Duration) {
	g := rig.LongestGap(as, w.failed, w.until, until)
	if w.returned > 0 {
		g = rig.GapFrom(as, w.returned, until)
	}
	if w.stuck && g.End > w.until {
		g.End, g.Open = w.until, true
	}
	r.Stall, r.Ended, r.From = rig.Millis(g.Length()), !g.Open, rig.Millis(g.Start-w.failed)
	r.Before = rig.Millis(rig.LongestGap(as[:rig.After(as, w.failed)], w.failed-beforeFor, w.failed, w.failed).Length())
	if i := rig.After(as, w.until); i < len(as) {
		r.OnReturn = rig.Millis(rig.LongestGap(as, as[i].At+1, until, until).Length())
	}
}

// lost puts into r how much less than before the failure arrived after it.
func (r *Trial) lost(as []rig.Arrival, w window) {
	before := rig.Total(as, w.failed-beforeFor, w.failed)
	if before == 0 {
		return
	}
	came := float64(rig.Total(as, w.failed, w.until)) / float64(before) * float64(beforeFor)
	lost := rig.Millis(w.until - w.failed - time.Duration(came))
	r.Lost = &lost
}

// moments puts what the nodes told during the window into r; primary are their
// pairs before it. The events are in order of time.
func (r *Trial) moments(events []rig.Event, w window, primary rig.Pairs) {
	from, _ := slices.BinarySearchFunc(events, w.failed, byTime)
	to, _ := slices.BinarySearchFunc(events, w.until, byTime)
	r.events = slices.Clone(events[from:to])
	for i := range r.events {
		r.events[i].At -= rig.Millis(w.failed)
	}
	operational := detect.PrimaryOperational.String()
	r.Suspicion = r.first(func(e rig.Event) bool {
		return e.What.Kind == shim.EventState.String() && e.What.From == operational && e.What.State != operational &&
			e.What.Cause != detect.PolicyChange.String()
	})
	r.Test = r.first(func(e rig.Event) bool {
		return e.What.Kind == shim.EventTest.String() && e.What.Pair != nil && *e.What.Pair != primary[e.Node]
	})
	switched := func(name string) *rig.Millis {
		return r.first(func(e rig.Event) bool {
			return e.Node == name && e.What.Kind == shim.EventSwitch.String() && e.What.Pair != nil
		})
	}
	r.SwitchA, r.SwitchB = switched("a"), switched("b")
}

func byTime(e rig.Event, t time.Duration) int { return cmp.Compare(time.Duration(e.At), t) }

// first returns when the first event came of which is says so.
func (r *Trial) first(is func(rig.Event) bool) *rig.Millis {
	i := slices.IndexFunc(r.events, is)
	if i < 0 {
		return nil
	}
	return &r.events[i].At
}

// judge puts how the stream ended into r.
func (r *Trial) judge(err error) {
	r.Wrong, r.Reset = sortError(err)
	if r.Wrong || r.Reset {
		r.Error = err.Error()
	}
}

// quantile returns the q-th quantile, from 0 to 1, by nearest rank; sorted is
// not empty.
func quantile(sorted []rig.Millis, q float64) rig.Millis {
	i := int(q*float64(len(sorted))+0.9999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// median returns the median, the mean of the middle two where they are two.
// sorted is not empty.
func median(sorted []rig.Millis) rig.Millis {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
