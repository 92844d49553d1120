package alarms

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A Shape is how delays spread.
type Shape string

// The shapes. Each adds half of the jitter on average, or less.
const (
	// Uniform adds between nothing and the jitter, to each datagram by itself: they
	// overtake each other.
	Uniform Shape = "uniform"
	// Pareto adds little to most datagrams and much to a few, up to 20 times the
	// jitter: a heavy tail.
	Pareto Shape = "pareto"
	// Swell is a queue that another's bursts fill: in order, the delay grows at once to
	// twice the jitter, every two seconds on average, and drains within some 200 ms.
	Swell Shape = "swell"
)

// Shapes returns all shapes.
func Shapes() []Shape { return []Shape{Uniform, Pareto, Swell} }

// ParseShape returns the shape of that name.
func ParseShape(name string) (Shape, error) { return parse("shape", name, Shapes()) }

// parse returns name as one of all.
func parse[T ~string](what, name string, all []T) (T, error) {
	for _, v := range all {
		if string(v) == name {
			return v, nil
		}
	}
	return "", fmt.Errorf("unknown %s %q; one of %v", what, name, all)
}

const (
	// paretoShape is the exponent of the tail; with 2.5 the variance exists, barely.
	paretoShape = 2.5
	paretoMost  = 20 // jitters
	// swellEvery and swellDrain are the means of the time between two swells and of
	// the time in which one drains.
	swellEvery = 2 * time.Second
	swellDrain = 200 * time.Millisecond
	// badFor is the mean duration of the bad state in the model of Gilbert and Elliott,
	// in which badLoss of the datagrams are lost, and none in the good one.
	badFor  = 40 * time.Millisecond
	badLoss = 0.5
)

// A link is a directed path between two locators.
type link struct {
	random *rand.Rand
	delay  time.Duration // one way, without jitter
	jitter time.Duration
	shape  Shape
	loss   float64
	bursts bool
	// service is the time that a bottleneck takes for a datagram of data, zero for none.
	service time.Duration

	// freeAt is when the bottleneck, and lastAt when the last datagram of a queue, is
	// through. swollen is the extra delay at swelledAt; swellAt is when the next swell
	// begins.
	freeAt, lastAt              time.Duration
	swollen, swelledAt, swellAt time.Duration
	bad                         bool
	turnsAt                     time.Duration
	blocked                     bool
}

// exponential draws from the exponential distribution.
func exponential(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean))
}

// cross returns when a datagram arrives that is sent now; false: it is lost.
func (l *link) cross(now time.Duration, data bool) (time.Duration, bool) {
	if l.blocked || l.loses(now) {
		return 0, false
	}
	at := now
	if l.service > 0 && data {
		l.freeAt = max(l.freeAt, now) + l.service
		at = l.freeAt
	}
	at += l.delay + l.extra(now)
	if l.shape == Swell {
		at = max(at, l.lastAt)
		l.lastAt = at
	}
	return at, true
}

// loses draws whether a datagram sent now is lost.
func (l *link) loses(now time.Duration) bool {
	if l.loss == 0 {
		return false
	}
	if !l.bursts {
		return l.random.Float64() < l.loss
	}
	share := min(l.loss/badLoss, 0.9) // of the time, in the bad state
	for l.turnsAt <= now {
		l.bad = !l.bad && l.turnsAt > 0
		mean := badFor
		if !l.bad {
			mean = time.Duration(float64(badFor) * (1 - share) / share)
		}
		l.turnsAt += exponential(l.random, mean) + 1
	}
	return l.bad && l.random.Float64() < badLoss
}

// extra draws the delay that jitter adds.
func (l *link) extra(now time.Duration) time.Duration {
	if l.jitter == 0 {
		return 0
	}
	switch l.shape {
	case Pareto:
		// Lomax with the mean of half the jitter: scale / (shape - 1).
		scale := float64(l.jitter) / 2 * (paretoShape - 1)
		d := scale * (math.Pow(1-l.random.Float64(), -1/paretoShape) - 1)
		return min(time.Duration(d), paretoMost*l.jitter)
	case Swell:
		return l.swell(now)
	}
	return time.Duration(l.random.Float64() * float64(l.jitter))
}

// swell returns what waits in the queue now.
func (l *link) swell(now time.Duration) time.Duration {
	if l.swellAt == 0 {
		l.swellAt = exponential(l.random, swellEvery)
	}
	for l.swellAt <= now {
		l.swollen, l.swelledAt = 2*l.jitter, l.swellAt
		l.swellAt += exponential(l.random, swellEvery) + 1
	}
	drained := float64(2*l.jitter) * float64(now-l.swelledAt) / float64(swellDrain)
	return max(l.swollen-time.Duration(drained), 0)
}
