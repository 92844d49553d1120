package shim

import (
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
)

// A Status describes a Context for people.
type Status struct {
	State     detect.State
	Connected bool
	// Primary and Testing are zero if there is none.
	Primary, Testing locator.Pair
	SendTimer        time.Duration
	// SessionAge is zero if there is no session.
	SessionAge time.Duration
	Pairs      []detect.PairStatus
	Stats      detect.Stats
}

// Status returns the state of the Context.
func (c *Context) Status(now time.Time) Status {
	s := Status{
		State: c.machine.State(), Connected: c.machine.Connected(),
		Primary: c.machine.Primary(), Testing: c.machine.Testing(),
		SendTimer: c.machine.SendTimer(), Pairs: c.machine.Pairs(), Stats: c.machine.Stats(),
	}
	if cur := c.sessions.current; cur.usable(now) {
		s.SessionAge = now.Sub(cur.created)
	}
	return s
}
