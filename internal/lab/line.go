package lab

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// An Impairment is what one direction of a link does to frames. The zero value
// is a perfect wire.
type Impairment struct {
	// Delay is the propagation time, one way.
	Delay time.Duration
	// Jitter is added to Delay, evenly spread from 0 to Jitter for each frame.
	// Frames stay in order.
	Jitter time.Duration
	// Rate is in bit/s of Ethernet frames (header included, check sequence and
	// gaps not). Zero is unlimited.
	Rate int64
	// Queue is how many bytes may wait for their turn where Rate is set; what
	// does not fit is dropped. Zero is 50 ms' worth, or 16 frames if that is more.
	Queue int
	// Loss is the part of the frames that are lost, from 0 to 1.
	Loss float64
	// Blackhole silently drops all but neighbour discovery, as if the path were
	// broken further on: the first hop looks alive. Frames on their way are lost too.
	Blackhole bool
	// MTU, if not zero, silently drops longer IP packets, in bytes, as a link further on
	// does whose router says nothing (RFC 2923 §2.1).
	MTU int
}

// Defaults for Impairment.Queue.
const (
	defaultQueueTime  = 50 * time.Millisecond
	defaultQueueBytes = 16 * 1514
)

// superFrameRate is the slowest rate, bit/s, at which super-frames pass whole:
// there the longest takes about 1 ms, and comes as one burst at the end of it.
const superFrameRate = 500e6

// Validate returns what is wrong with i.
func (i Impairment) Validate() error {
	switch {
	case i.Delay < 0 || i.Jitter < 0:
		return fmt.Errorf("lab: delay %v and jitter %v must not be negative", i.Delay, i.Jitter)
	case i.Rate < 0 || i.Queue < 0 || i.MTU < 0:
		return errors.New("lab: rate, queue and MTU must not be negative")
	case i.Loss < 0 || i.Loss > 1 || math.IsNaN(i.Loss):
		return fmt.Errorf("lab: loss %v is not within 0 to 1", i.Loss)
	}
	return nil
}

// superFrames reports whether frames may come several in one: not where each
// must meet its own fate or come at its own time.
func (i Impairment) superFrames() bool {
	return i.Loss == 0 && i.MTU == 0 && (i.Rate == 0 || i.Rate >= superFrameRate)
}

// queueTime is how long the last byte of a full queue waits.
func (i Impairment) queueTime() time.Duration {
	if i.Queue == 0 {
		return max(defaultQueueTime, i.transmitTime(defaultQueueBytes))
	}
	return i.transmitTime(i.Queue)
}

// transmitTime is how long n bytes take at i's rate.
func (i Impairment) transmitTime(n int) time.Duration {
	if i.Rate == 0 {
		return 0
	}
	return time.Duration(float64(n) * 8 * 1e9 / float64(i.Rate))
}

// A fate is what becomes of a frame.
type fate uint8

const (
	arrives    fate = iota + 1
	lost            // by chance
	queueFull       // too much was waiting
	blackholed      // by a Blackhole or a cut, or too long for the MTU
	noReceiver      // the interface at the other end was down
	fates
)

// A line decides when frames arrive at the other end of one direction. It does
// no I/O and knows no clock: now is handed in, as time since any fixed moment, and never
// goes back. It is owned by one goroutine.
type line struct {
	rng *rand.Rand
	// free is when the last frame accepted so far has left.
	free time.Duration
	// last is when it arrives.
	last time.Duration
}

// newLine makes a line whose chances follow from seed and stream.
func newLine(seed, stream uint64) *line {
	return &line{rng: rand.New(rand.NewPCG(seed, stream))}
}

// admit takes a frame of size bytes at time now and returns when it arrives. The
// time means nothing unless the fate is arrives.
func (l *line) admit(now time.Duration, size int, s *Impairment) (at time.Duration, f fate) {
	if s.MTU > 0 && size > ethLen+s.MTU {
		return 0, blackholed
	}
	left := now
	if s.Rate > 0 {
		start := max(now, l.free)
		left = start + s.transmitTime(size)
		// A frame that finds the line free goes, however short the queue.
		if start > now && left-now > s.queueTime() {
			return 0, queueFull
		}
		l.free = left
	}
	// A frame that is lost has taken its time on the line all the same.
	if s.Loss > 0 && l.rng.Float64() < s.Loss {
		return 0, lost
	}
	at = left + s.Delay
	if s.Jitter > 0 {
		at += time.Duration(l.rng.Int64N(int64(s.Jitter)))
	}
	l.last = max(l.last, at)
	return l.last, arrives
}
