package locator

import (
	"fmt"
	"testing"
)

// One test per cell of draft §5.1 Figure 1; the cells that the figure leaves
// blank keep the state.
func TestFigure1(t *testing.T) {
	events := map[event]string{
		becomesAvailable:    "becomes available",
		becomesOperational:  "becomes operational",
		noLongerOperational: "no longer operational",
		noLongerAvailable:   "no longer available",
	}
	tests := []struct {
		from State
		on   event
		to   State
	}{
		{none, becomesAvailable, Available},
		{none, becomesOperational, none},
		{none, noLongerOperational, none},
		{none, noLongerAvailable, none},
		{Available, becomesAvailable, Available},
		{Available, becomesOperational, Operational},
		{Available, noLongerOperational, Available},
		{Available, noLongerAvailable, none},
		{Operational, becomesAvailable, Operational},
		{Operational, becomesOperational, Operational},
		{Operational, noLongerOperational, Available},
		{Operational, noLongerAvailable, none},
	}
	seen := make(map[string]bool)
	for _, tt := range tests {
		name := fmt.Sprintf("%v, %s", tt.from, events[tt.on])
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			if got := tt.from.step(tt.on); got != tt.to {
				t.Errorf("to %v, want %v", got, tt.to)
			}
		})
	}
	if want := 3 * len(events); len(seen) != want {
		t.Errorf("%d cells tested, want %d", len(seen), want)
	}
}

func TestSettle(t *testing.T) {
	for _, from := range []State{none, Available, Operational} {
		for _, tt := range []struct {
			available, operational bool
			to                     State
		}{
			{false, false, none},
			{false, true, none},
			{true, false, Available},
			{true, true, Operational},
		} {
			if got := from.settle(tt.available, tt.operational); got != tt.to {
				t.Errorf("%v.settle(%v, %v) = %v, want %v", from, tt.available, tt.operational, got, tt.to)
			}
		}
	}
}

func TestStateString(t *testing.T) {
	for s, want := range map[State]string{
		none: "none", Available: "available", Operational: "operational", 9: "State(9)",
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
