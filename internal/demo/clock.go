package demo

import (
	"encoding/json"
	"math"
	"time"
)

// A clock counts from the start of a run, by the wall clock: that is what the
// daemons' events carry.
type clock struct{ start time.Time }

func newClock() clock { return clock{time.Now().Round(0)} }

func (c clock) now() time.Duration { return c.at(time.Now()) }

func (c clock) at(t time.Time) time.Duration { return t.Round(0).Sub(c.start) }

// Millis is a duration whose JSON form is a number of milliseconds, to the
// microsecond.
type Millis time.Duration

// MarshalJSON implements json.Marshaler.
func (m Millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(m).Microseconds()) / 1000)
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Millis) UnmarshalJSON(b []byte) error {
	var ms float64
	if err := json.Unmarshal(b, &ms); err != nil {
		return err
	}
	*m = Millis(math.Round(ms*1000)) * Millis(time.Microsecond)
	return nil
}

func (m Millis) milliseconds() float64 { return float64(m) / float64(time.Millisecond) }

func (m Millis) seconds() float64 { return time.Duration(m).Seconds() }
