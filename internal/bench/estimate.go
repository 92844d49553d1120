package bench

import "time"

// Rough costs, of an idle machine with two processors.
const (
	groupCost = 4 * time.Second         // building a lab and starting daemons
	runCost   = 1500 * time.Millisecond // a run besides what its fault takes
	stuckCost = limit / 2               // of a rival's stall, more or less
)

// Estimate returns about how long Run will take. Rivals that recover soon, or are
// not there, take less.
func (o Options) Estimate() (total time.Duration) {
	for _, rtt := range o.RTTs {
		run := runCost + 10*rtt
		for range o.Profiles {
			total += groupCost + time.Duration(len(o.Modes)+1)*countFor
			total += time.Duration(len(o.Modes)*o.Runs) * o.faultCost(run, 0)
		}
		for _, name := range o.Rivals {
			runs, modes, stuck := min(o.Runs, o.CompareRuns), len(tcpModes(o.Modes)), stuckCost
			switch name {
			case systemBFD:
				modes, stuck = len(o.Modes), 0
			case systemTCP:
				runs, stuck = min(runs, hopeless), limit
			}
			total += groupCost + countFor + time.Duration(modes*runs)*o.faultCost(run, stuck)
		}
	}
	return total.Round(time.Second)
}

// faultCost returns what a run of each fault takes together.
func (o Options) faultCost(run, stuck time.Duration) (sum time.Duration) {
	for _, f := range o.Faults {
		sum += run
		switch f {
		case F6:
			sum += o.Outage + stuck
		case F7, F8:
			sum += o.Trouble
		default:
			sum += watchFor + stuck
		}
	}
	return sum
}
