package alarms

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/shim"
)

const (
	// longestPiece is how long a world lasts in which nothing fails: a few new sessions fall
	// into it.
	longestPiece = 10 * time.Minute
	// settle is how long it runs before anything counts, after it has opened.
	settle = 3 * time.Second
	// openFor is within what time it opens, however much is lost.
	openFor = 2 * time.Minute

	// Between two failures of a path, and after one was left.
	pauseLeast, pauseSpread, pauseAfter = 4 * time.Second, 2 * time.Second, time.Second
	// missedAfter is how long after a failure both ends must have left the pair.
	missedAfter = time.Minute
)

// counts are what happened while no path was broken.
type counts struct {
	time                    time.Duration
	suspicions, falseAlarms uint64
	// switches are those of both ends, joined those of them that an end did not begin by
	// itself, but on a Poll of the other that looked for a pair.
	switches, joined, control uint64
}

func (c *counts) add(o counts) {
	c.time += o.time
	c.suspicions += o.suspicions
	c.falseAlarms += o.falseAlarms
	c.switches += o.switches
	c.joined += o.joined
	c.control += o.control
}

// open runs a new world until both ends have a primary, and a little longer.
func open(s Setting, seed, stream uint64) *world {
	w := newWorld(s, seed, stream)
	w.until(w.now+openFor, w.settled)
	w.run(w.now + settle)
	return w
}

// total returns the counters of both ends.
func (w *world) total() (c counts) {
	for _, e := range []*end{w.a, w.b} {
		st := e.c.Status(w.time()).Stats
		c.suspicions += st.Suspicions
		c.falseAlarms += st.FalseAlarms
		c.control += e.control
	}
	c.switches, c.joined = w.switches, w.joined
	return c
}

// peaceful counts what happens within a time in which no path is broken.
func peaceful(s Setting, seed, stream uint64, length time.Duration) counts {
	w := open(s, seed, stream)
	before := w.total()
	w.run(w.now + length)
	c := w.total()
	return counts{
		time: length, suspicions: c.suspicions - before.suspicions, falseAlarms: c.falseAlarms - before.falseAlarms,
		switches: c.switches - before.switches, joined: c.joined - before.joined, control: c.control - before.control,
	}
}

// A detection is how long after the failure of an uplink one end suspected it, and
// both had left it.
type detection struct {
	suspicion, left time.Duration
	missed          bool
}

// failures breaks, n times, the uplink that A uses, both ways and silently.
func failures(s Setting, seed, stream uint64, n int) (all []detection) {
	w := open(s, seed, stream)
	random := rand.New(rand.NewPCG(seed, ^stream))
	for range n {
		w.flows()
		w.run(w.now + pauseLeast + time.Duration(random.Int64N(int64(pauseSpread))))
		w.until(w.now+missedAfter, w.settled)
		all = append(all, w.fail())
	}
	return all
}

// flows waits until the applications get something: TCP may be asleep after an outage.
func (w *world) flows() {
	if w.setting.Traffic == UDP {
		return
	}
	before := w.b.tcp.received
	w.until(w.now+maxRTO, func() bool { return w.b.tcp.received > before })
}

// fail breaks the uplink that A uses until both ends have left it.
func (w *world) fail() (d detection) {
	if !w.a.primary.IsValid() {
		return detection{missed: true, left: missedAfter} // so much is lost that none works
	}
	at, uplink := w.now, uplinkOf(w.a.primary.Local)
	w.watch = func(_ *end, ev shim.Event) {
		if ev.Kind == shim.EventState && ev.From == detect.PrimaryOperational && d.suspicion == 0 {
			d.suspicion = max(w.now-at, 1)
		}
	}
	w.block(uplink, true)
	d.missed = !w.until(at+missedAfter, func() bool {
		return w.a.primary.IsValid() && !w.over(w.a, w.a.primary, uplink) &&
			w.b.primary.IsValid() && !w.over(w.b, w.b.primary, uplink)
	})
	d.left = w.now - at
	w.watch = nil
	w.run(w.now + pauseAfter)
	w.block(uplink, false)
	return d
}

// spread returns the median and the 99th percentile of what of says of all, by nearest
// rank. Those missed count as long as they were watched.
func spread(all []detection, of func(detection) time.Duration) (median, p99 time.Duration) {
	if len(all) == 0 {
		return 0, 0
	}
	sorted := make([]time.Duration, 0, len(all))
	for _, d := range all {
		if v := of(d); v > 0 {
			sorted = append(sorted, v)
		} else {
			sorted = append(sorted, missedAfter)
		}
	}
	slices.Sort(sorted)
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[(99*n+99)/100-1]
}
