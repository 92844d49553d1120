package throughput

import "time"

// Rough costs, of an idle machine with two processors.
const (
	groundCost      = 2 * time.Second        // making hosts and starting daemons
	checkCost       = 400 * time.Millisecond // beyond its time
	measurementCost = 400 * time.Millisecond // beyond its time
)

// Estimate returns about how long Run will take.
func (o Options) Estimate() time.Duration {
	turn := checkFor + checkCost
	for range o.Measurements {
		turn += warmUp + o.Time + measurementCost
	}
	each := groundCost + time.Duration(o.Rounds*len(o.Systems))*turn
	return (lookFor + time.Duration(len(o.Offloads))*each).Round(time.Second)
}
