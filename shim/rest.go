package shim

import (
	"slices"
	"time"
)

// A node may have thousands of peers of which few are talked to. What a Context and its
// sessions keep for the packet path only is given back when a peer has been quiet for some
// time, and made anew by the next packet.

// Quiet reports whether nothing is under way to or from the peer, as far as the
// loop has seen, and nothing waits.
func (c *Context) Quiet() bool {
	waits := c.machine.Connected() && !c.machine.Primary().IsValid()
	return !c.Marks.awake.Load() && !waits && c.silentFor() == 0
}

// Holds reports whether Rest has something to give back.
func (c *Context) Holds() bool {
	return c.term.holds() || len(c.initiations) > 0 || len(c.samples) > 0 || slices.ContainsFunc(c.sessions.all, (*Session).holds)
}

// Rest gives back what memory a peer can do without that has been Quiet. Meanwhile nobody
// may call Sent of the Path's Term.
func (c *Context) Rest(now time.Time, acts []Action) []Action {
	c.enter(now, acts)
	c.term.rest()
	for _, s := range c.sessions.all {
		s.rest()
	}
	c.forgetInitiations()
	c.forgetLosses()
	c.machine.Rest(c.now)
	return c.leave()
}

// holds and rest are those of a Term, of which there may be none. All that was sent has
// arrived.
func (t *Term) holds() bool {
	return t != nil && (t.flows.Load() != nil || t.segments.entries.Load() != nil || t.others.entries.Load() != nil)
}

func (t *Term) rest() {
	if t != nil {
		t.flows.Store(nil)
		t.segments.rest()
		t.others.rest()
	}
}

func (s *Session) holds() bool {
	return s.window.Load() != nil || s.assemblies.Load() != nil || s.sealer.holds() || s.opener.holds()
}

func (s *Session) rest() {
	s.window.Store(nil)
	s.assemblies.Store(nil)
	s.sealer.rest()
	s.opener.rest()
}

func (k *cipherKey) holds() bool { return k.schedule.Load() != nil }

func (k *cipherKey) rest() { k.schedule.Store(nil) }

func (l *sendLog) rest() {
	l.head.Store(0)
	l.last.Store(0)
	l.entries.Store(nil)
	l.lastAt.Store(0)
	l.entered, l.first = 0, 0
}
