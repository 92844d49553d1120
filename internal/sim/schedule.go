package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// SettleTime is how long before its end a schedule makes its last change, if it
// is at least twice as long.
const SettleTime = 30 * time.Second

// Schedule returns random faults for the twins with two uplinks each, in order
// of time: n troubles that begin within the first part of d, most of which heal
// again, some overlapping. In its last SettleTime (half of d, if that is less)
// nothing changes, and in each direction at least one path works; not
// necessarily the same pair in both.
func Schedule(seed uint64, d time.Duration, n int) []Fault {
	return ScheduleUplinks(seed, 2, d, n)
}

// ScheduleUplinks is Schedule for twins with that many uplinks each.
func ScheduleUplinks(seed uint64, uplinks int, d time.Duration, n int) []Fault {
	r := rand.New(rand.NewPCG(seed, uint64(uplinks)))
	cut := d - min(SettleTime, d/2)

	var faults, open []Fault
	for range n {
		t := randomTrouble(r, uplinks)
		t.fault.At = within(r, cut)
		t.heal.At = t.fault.At + time.Millisecond + within(r, t.longest)
		faults = append(faults, t.fault)
		if t.heal.At < cut {
			faults = append(faults, t.heal)
			continue
		}
		t.heal.At = cut
		open = append(open, t.heal)
	}
	r.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return append(faults, enough(r, uplinks, faults, open)...)
}

// within returns a random time before d, in whole milliseconds.
func within(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(max(d.Milliseconds(), 1))) * time.Millisecond
}

// enough returns as many of heals as it takes for a working path in each
// direction after faults, and at random some more. All of them together undo
// everything.
func enough(r *rand.Rand, uplinks int, faults, heals []Fault) []Fault {
	n := New(0)
	defer n.Close()
	a, b := Twins(n, uplinks)
	for _, f := range faults {
		f.Apply(n)
	}
	more := 0
	if len(heals) > 0 {
		more = r.IntN(len(heals) + 1)
	}
	for i, h := range heals {
		if i >= more && len(n.Working(a, b)) > 0 && len(n.Working(b, a)) > 0 {
			return heals[:i:i]
		}
		h.Apply(n)
	}
	return heals
}
