package demo

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/rig"
)

const msec = time.Millisecond

// steps returns arrivals of one byte each at these milliseconds.
func steps(at ...int) []rig.Arrival {
	var as []rig.Arrival
	for _, ms := range at {
		as = append(as, rig.Arrival{At: time.Duration(ms) * msec, Bytes: 1})
	}
	return as
}

var (
	first  = node.Pair{Local: "1", Remote: "1"}
	second = node.Pair{Local: "2", Remote: "2"}
)

func at(ms float64, name string, e node.Event) rig.Event {
	return rig.Event{At: rig.Millis(ms * float64(msec)), Node: name, What: e}
}

func state(from, to, cause string) node.Event {
	return node.Event{Kind: "state", From: from, State: to, Cause: cause, Pair: &first}
}

// failover is the usual course of things: failure at 1000, healed at 2000.
func failover() observation {
	return observation{
		fault: lab.Blackhole, brokenAt: 1000 * msec, healedAt: 2000 * msec, until: 3000 * msec,
		primary: rig.Pairs{"a": first, "b": first},
		events: []rig.Event{
			at(900, "a", state("primary operational", "testing primary", "timer")), // a false alarm before
			at(910, "a", node.Event{Kind: "switch", Pair: &first}),
			at(1040, "b", state("primary operational", "testing primary", "timer")),
			at(1030, "a", state("primary operational", "testing primary", "icmp")),
			at(1030, "a", node.Event{Kind: "test", Pair: &first}),
			at(1050, "a", node.Event{Kind: "test", Pair: &second}),
			at(1060, "b", node.Event{Kind: "switch", Old: &first, Cause: "delete pair, then delete pair"}),
			at(1080, "b", node.Event{Kind: "switch", Pair: &second, Old: &first}),
			at(1070, "a", node.Event{Kind: "switch", Pair: &second, Old: &first, Cause: "icmp, then test ok"}),
			at(2500, "a", node.Event{Kind: "switch", Pair: &first, Old: &second}),
		},
		bulk: steps(200, 980, 990, 1005, 1090, 1095, 1500, 1990, 2010, 2400, 2990),
		rr:   steps(940, 990, 1000, 1095, 1990, 2000, 2990),
	}
}

func TestMeasure(t *testing.T) {
	got := failover().measure()
	want := measures{
		Suspicion: &Moment{After: rig.Millis(30 * msec), Node: "a", Pair: &first, Cause: "icmp"},
		Test:      &Moment{After: rig.Millis(50 * msec), Node: "a", Pair: &second},
		Switches: []Moment{
			{After: rig.Millis(70 * msec), Node: "a", Pair: &second, Cause: "icmp, then test ok"},
			{After: rig.Millis(80 * msec), Node: "b", Pair: &second},
		},
		FirstByte: ptr(rig.Millis(90 * msec)),
		Bulk:      Stall{From: rig.Millis(500 * msec), Length: rig.Millis(490 * msec), Ended: true, AfterReturn: rig.Millis(590 * msec), Before: rig.Millis(780 * msec)},
		RR:        Stall{From: rig.Millis(95 * msec), Length: rig.Millis(895 * msec), Ended: true, AfterReturn: rig.Millis(990 * msec), Before: rig.Millis(50 * msec)},
		Survived:  true, OnTarget: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func ptr[T any](v T) *T { return &v }

func TestMeasureAllDead(t *testing.T) {
	o := failover()
	o.fault, o.bulk, o.rr = lab.AllDead, steps(1000, 2040, 2900), steps(1000, 2060, 2900)
	got := o.measure()
	if got.Bulk.From != rig.Millis(1000*msec) || got.Bulk.Length != rig.Millis(40*msec) || got.RR.Length != rig.Millis(60*msec) {
		t.Errorf("stalls do not count from the return: %+v, %+v", got.Bulk, got.RR)
	}
	if *got.FirstByte != rig.Millis(1040*msec) {
		t.Errorf("first byte at %v", *got.FirstByte)
	}
}

func TestSurvival(t *testing.T) {
	tests := []struct {
		name               string
		bulk, rr           []rig.Arrival
		survived, onTarget bool
	}{
		{"no return within the limit", steps(990, 1900, 2100, 2900, 14990), steps(990, 1900, 2100, 2900, 14990), false, false},
		{"long on return", steps(990, 1500, 2001, 3500, 4000), steps(990, 1500, 2001, 2900, 3800), true, false},
		{"long", steps(990, 2300, 3100, 4000), steps(990, 1500, 2001, 2900, 3800), true, false},
		{"rr never comes back", steps(990, 1500, 2100, 2900), steps(990), false, false},
		{"all well", steps(990, 1500, 2100, 2900, 3800), steps(990, 1500, 2001, 2900, 3800), true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := failover()
			o.until, o.bulk, o.rr = max(tt.bulk[len(tt.bulk)-1].At, 4*time.Second), tt.bulk, tt.rr
			if got := o.measure(); got.Survived != tt.survived || got.OnTarget != tt.onTarget {
				t.Errorf("survived %v, on target %v; want %v, %v", got.Survived, got.OnTarget, tt.survived, tt.onTarget)
			}
		})
	}
}

func TestMeasureNothing(t *testing.T) {
	o := failover()
	o.events, o.bulk, o.rr = nil, nil, nil
	got := o.measure()
	if got.Suspicion != nil || got.Test != nil || len(got.Switches) != 0 || got.FirstByte != nil || got.Survived {
		t.Errorf("made something out of nothing: %+v", got)
	}
}

func TestPolicyChangeIsNoSuspicion(t *testing.T) {
	o := failover()
	o.events = []rig.Event{at(1010, "a", state("primary operational", "testing primary", "policy change"))}
	if got := o.measure().Suspicion; got != nil {
		t.Errorf("suspicion %+v", got)
	}
}
