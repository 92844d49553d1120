package rig

import (
	"encoding/json"
	"math"
	"time"
)

// A Clock counts from the start of a run, by the wall clock: that is what the
// daemons' events carry.
type Clock struct{ Start time.Time }

// NewClock returns a Clock that starts now.
func NewClock() Clock { return Clock{time.Now().Round(0)} }

// Now returns the time since the start.
func (c Clock) Now() time.Duration { return c.At(time.Now()) }

// At returns when t was, since the start.
func (c Clock) At(t time.Time) time.Duration { return t.Round(0).Sub(c.Start) }

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

// Milliseconds returns m in milliseconds.
func (m Millis) Milliseconds() float64 { return float64(m) / float64(time.Millisecond) }

// Seconds returns m in seconds.
func (m Millis) Seconds() float64 { return time.Duration(m).Seconds() }
