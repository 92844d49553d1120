package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/sim"
)

func TestScheduleSettles(t *testing.T) {
	const d = 2 * time.Minute
	whole, oneWay := 0, 0
	for seed := range uint64(2000) {
		uplinks := 1 + int(seed%3)
		n := sim.New(seed)
		a, b := sim.Twins(n, uplinks)
		last := time.Duration(0)
		for _, f := range sim.ScheduleUplinks(seed, uplinks, d, 25) {
			if f.At < last || f.At > d-sim.SettleTime {
				t.Errorf("seed %d: %v comes after %v", seed, f, last)
			}
			last = f.At
			f.Apply(n)
		}
		ab, ba := n.Working(a, b), n.Working(b, a)
		if len(ab) == 0 || len(ba) == 0 {
			t.Errorf("seed %d: working in the end: %v and %v", seed, ab, ba)
		}
		if len(ab) == uplinks*uplinks && len(ba) == len(ab) {
			whole++
		}
		if !common(ab, ba) {
			oneWay++
		}
	}
	if whole > 1800 || whole < 50 || oneWay < 5 {
		t.Errorf("of 2000, %d end without a fault and %d with unidirectional pairs only", whole, oneWay)
	}
}

// common reports whether a pair works both ways.
func common(ab, ba []sim.Path) bool {
	for _, p := range ab {
		for _, q := range ba {
			if p.From == q.To && p.To == q.From {
				return true
			}
		}
	}
	return false
}

func TestScheduleIsVariedAndRepeatable(t *testing.T) {
	kinds := map[string]int{
		": blocked": 0, "no longer blocked": 0, "* → *: blocked": 0, ": down": 0, ": up": 0,
		"removed": 0, "added": 0, "loss": 0, "delay": 0, "→ *: blocked": 0, "* → 2": 0,
	}
	dead := 0
	for seed := range uint64(100) {
		n := sim.New(seed)
		a, b := sim.Twins(n, 2)
		fs := sim.Schedule(seed, time.Minute, 20)
		if fmt.Sprint(fs) != fmt.Sprint(sim.Schedule(seed, time.Minute, 20)) {
			t.Errorf("seed %d gives two schedules", seed)
		}
		for _, f := range fs {
			for k := range kinds {
				if strings.Contains(f.String(), k) {
					kinds[k]++
				}
			}
			f.Apply(n)
			if len(n.Working(a, b)) == 0 || len(n.Working(b, a)) == 0 {
				dead++
			}
		}
	}
	for k, n := range kinds {
		if n < 10 {
			t.Errorf("%q occurs %d times", k, n)
		}
	}
	if dead < 100 {
		t.Errorf("a direction is dead only %d times", dead)
	}
}

func TestShortSchedules(t *testing.T) {
	for _, d := range []time.Duration{0, time.Millisecond, time.Second} {
		for _, f := range sim.Schedule(1, d, 5) {
			if f.At > d {
				t.Errorf("%v in a schedule of %v", f, d)
			}
		}
	}
	if fs := sim.Schedule(1, time.Minute, 0); len(fs) != 0 {
		t.Errorf("no troubles asked for, got %v", fs)
	}
}
