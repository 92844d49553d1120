package shim

import (
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// perform turns the machine's actions into datagrams, snapshots and events.
func (c *Context) perform(acts []detect.Action) {
	for _, a := range acts {
		switch a := a.(type) {
		case detect.SendPoll:
			c.sendPoll(a)
		case detect.SendReport:
			c.sendReport(a.Pair)
		case detect.SetPrimary:
			c.setPrimary(a)
		case detect.Duplicate:
			c.duplicate(a.To)
		case detect.ResetTimer:
			if c.term != nil {
				limit := c.since(a.Before)
				clearBefore(&c.term.unconfirmed, limit)
				clearBefore(&c.term.unreported, limit)
			}
		case detect.Transition:
			c.event(Event{Kind: EventState, From: a.From, To: a.To, Cause: a.Event.String(), Pair: a.Pair, SilentFor: c.silentFor()})
		case detect.TestFailed:
			c.event(Event{Kind: EventTestFailed, Pair: a.Pair, Detail: a.After.String()})
		}
	}
}

func (c *Context) event(e Event) {
	e.At = c.now
	c.do(e)
}

// silentFor returns how long it is since the first packet was sent that is not
// confirmed.
func (c *Context) silentFor() time.Duration {
	if c.term == nil {
		return 0
	}
	t := earliest(c.instant(c.term.unconfirmed.Load()), c.instant(c.term.unreported.Load()))
	if t.IsZero() {
		return 0
	}
	return c.now.Sub(t)
}

// maxResendAge bounds how far back packets are sent again.
const maxResendAge = time.Second

// duplicate sends packets over p too, from the unconfirmed ones on; the zero pair
// ends it.
func (c *Context) duplicate(p locator.Pair) {
	c.second = p
	if p.IsValid() {
		c.resend(p)
	}
	c.setPath()
}

// resend sends again over p what may have been lost on the primary: all since the
// last evidence, less a round trip (DESIGN §7).
func (c *Context) resend(p locator.Pair) {
	if !c.sessions.current.usable(c.now) {
		return
	}
	now := c.since(c.now)
	since := now - maxResendAge
	if t := c.term; t != nil {
		since = max(since, time.Duration(t.confirmed.Load())-c.machine.RTT())
	}
	c.do(Resend{Session: c.sessions.current, Hop: c.hop(p), Term: c.term, Since: since})
}

// setPrimary starts a new term.
func (c *Context) setPrimary(a detect.SetPrimary) {
	if a.To.IsValid() && a.To != c.second && a.From.IsValid() {
		c.resend(a.To)
	}
	c.term, c.second = nil, locator.Pair{}
	if a.To.IsValid() {
		c.last = a.To
		c.newTerm()
	}
	c.setPath()
	c.event(Event{Kind: EventSwitch, Pair: a.To, Old: a.From, Cause: a.Reason.String()})
}

// sendPoll sends a Poll, or the Open that stands for it.
func (c *Context) sendPoll(a detect.SendPoll) {
	kind := EventAnswer
	if a.Answer {
		kind = EventTest
	}
	c.event(Event{Kind: kind, Pair: a.Pair})
	s := c.sessions.forTest(c.now)
	// Polls fail for ever against a peer that has lost its state. So every other
	// round opens anew.
	if s == nil || a.Answer && a.Round%2 == 1 {
		if a.Answer {
			c.sendOpen1(a.Pair, a.ID, false)
		}
		return
	}
	if s.open2 != nil && !s.Used() {
		c.send(a.Pair, s.open2)
	}
	c.sendFrames(a.Pair, s, c.announce.appendIfDue(c, wirePoll(a).AppendTo(nil)))
}

func wirePoll(a detect.SendPoll) wire.Poll {
	p := wire.Poll{ID: a.ID, Answer: a.Answer, Move: a.Move}
	for _, h := range a.OK {
		if p.OK.Add(wire.OK{ID: h.ID, Held: h.Held}) != nil {
			break // the list is full; the newest are in it
		}
	}
	return p
}

// sendReport tells the peer what came in each session.
func (c *Context) sendReport(p locator.Pair) {
	now := c.since(c.now)
	var frames []byte
	for _, s := range c.sessions.all {
		if r, ok := s.report(now); ok && r.Received != s.reported {
			s.reported = r.Received
			frames = r.AppendTo(frames)
		}
	}
	clearBefore(&c.Marks.owedTCP, now)
	clearBefore(&c.Marks.owedOther, now)
	if frames != nil {
		c.sendFrames(p, c.sessions.current, frames)
	}
}

// sendFrames sends control frames, if there is a session that can.
func (c *Context) sendFrames(p locator.Pair, s *Session, frames []byte) {
	if !s.usable(c.now) {
		return
	}
	if b, ok := s.SealControl(frames); ok {
		c.send(p, b)
	}
}

func (c *Context) send(p locator.Pair, datagram []byte) {
	c.do(Send{Pair: p, Interface: c.interfaces[p], Datagram: datagram})
}
