package shim

import (
	"time"

	"github.com/multi6/multi6/wire"
)

// How much a pair loses is told by packet numbers: who receives much reports now and
// then how many packets came, even if nothing else asks for a Report, and who sent
// them compares that with how many it numbered. Numbers run over all pairs, so a window
// counts only if no other pair was used in it.

const (
	// qualityEvery is the time between two such Reports: with both ends sending, one
	// a second.
	qualityEvery = 2 * time.Second
	// qualityLeast is how many packets a window has, at least.
	qualityLeast = 100
)

// reportQuality sends a Report if much has come and none was sent for some time. A
// metered pair is spared.
func (c *Context) reportQuality() {
	s, p := c.sessions.current, c.machine.Primary()
	if !s.usable(c.now) || !p.IsValid() || c.now.Sub(c.reportedAt) < qualityEvery || c.machine.Metered(p) {
		return
	}
	if s.received.Load()-s.reported >= qualityLeast {
		c.sendReport(p)
	}
}

// A lossWindow is what was last reported of a session, and in which term.
type lossWindow struct {
	largest, received uint64
	term              *Term
	at                time.Time
}

// measure takes in a Report of s and tells the machine what was lost since the one
// before, if it was all sent over the primary pair.
func (c *Context) measure(s *Session, f wire.Report) {
	w := s.losses
	if w.term != nil && c.term == w.term && (f.Largest-w.largest < qualityLeast || c.now.Sub(w.at) < qualityEvery) {
		return // wait for more
	}
	s.losses = lossWindow{f.Largest, f.Received, c.term, c.now}
	if c.term == nil || c.second.IsValid() {
		s.losses.term = nil
	}
	if w.term == nil || w.term != s.losses.term {
		return
	}
	sent, came := f.Largest-w.largest, f.Received-w.received
	c.perform(c.machine.HandleLoss(c.now, sent, sent-min(came, sent), nil))
}
