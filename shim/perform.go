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
		c.record(a)
		switch a := a.(type) {
		case detect.SendPoll:
			if a.Size > 0 {
				c.sendPadded(a)
			} else {
				c.sendPoll(a)
			}
		case detect.SetMTU:
			c.setMTU(a)
		case detect.SendReport:
			c.sendReport(a.Pair)
		case detect.SetPrimary:
			c.setPrimary(a)
		case detect.Duplicate:
			c.duplicate(a.To, a.Answered)
		case detect.Answered:
			if a.Padded {
				// That one did not arrive would be no loss of the pair's.
				c.tallyOf(a.Pair).sent.Add(1)
			}
			c.vouched = c.remotes.verify(a.Pair.Remote) || c.vouched
			if a.Pair == c.untrusted {
				c.duplicate(a.Pair, true)
			}
			if a.Pair == c.second {
				c.do(ResendRest{a.Pair})
			}
		case detect.ResetTimer:
			c.resetTimer(a.Before)
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

// resetTimer takes in that the primary pair works, as a Poll sent at that time has shown.
// What is overdue is not waited for any longer. If it has not been sent twice yet, it is
// now: it may be lost although the pair works. What is not overdue may be, too, and is
// still waited for.
func (c *Context) resetTimer(sent time.Time) {
	t, doubled := c.term, c.doubled
	c.doubled = false
	if t == nil || sent.IsZero() {
		return
	}
	c.brokenSince = 0
	if !doubled {
		if c.silentFor() <= c.machine.SendTimer() {
			return
		}
		raise(&t.twiceUntil, c.since(c.now))
		c.resend(c.machine.Primary(), resendFirst)
	}
	raise(&t.arrivedSent, c.since(sent))
}

// silentFor returns how long it is since the first packet was sent that is not
// confirmed, zero if all are.
func (c *Context) silentFor() time.Duration {
	t := earliest(c.unconfirmed())
	if t.IsZero() {
		return 0
	}
	return max(c.now.Sub(t), 1)
}

// unconfirmed returns when the first packets were sent that TCP can confirm, and a Report,
// of those that are not.
func (c *Context) unconfirmed() (segments, others time.Time) {
	if c.term == nil {
		return time.Time{}, time.Time{}
	}
	seg, other := c.term.unconfirmed(c.since(c.now))
	return c.instant(int64(seg)), c.instant(int64(other))
}

// maxResendAge bounds how far back packets are sent again when they were never
// confirmed: an answering end that only acknowledges.
const maxResendAge = time.Second

// Where the primary pair may yet prove to work, and copies cost, only the oldest packets are
// sent again before another pair has answered: what keeps upper layers going.
const (
	resendFirst = 64 << 10
	resendAll   = 1 << 30
)

// duplicate sends packets over p too, from the unconfirmed ones on, and all of those if it has
// answered; the zero pair ends it.
func (c *Context) duplicate(p locator.Pair, answered bool) {
	if !c.inDoubt() {
		c.doubtSince = c.lostSince()
	}
	c.second, c.untrusted = locator.Pair{}, locator.Pair{}
	switch {
	case !p.IsValid():
		c.brokenSince = 0
		if c.term != nil {
			raise(&c.term.twiceUntil, c.since(c.now))
			if !c.machine.Primary().IsValid() { // what it was of is no more
				c.outageSince = max(c.outageSince, time.Duration(c.term.arrivedSent.Load()))
				c.term = nil
			}
		}
	case c.remotes.trusted(p.Remote):
		c.second, c.doubled = p, true
		if c.machine.Primary().IsValid() && !answered {
			c.resend(p, c.limit(p))
		} else {
			c.resend(p, resendAll) // without a primary, what the host sends goes there, too
		}
	default:
		c.untrusted = p
	}
	c.setPath()
}

// inDoubt reports whether packets go over two pairs, or soon will.
func (c *Context) inDoubt() bool { return c.second.IsValid() || c.untrusted.IsValid() }

// resend sends again over p what may have been lost: all sent since what is known
// to have arrived, or since there was no pair, until p was given all packets.
// limit bounds the bytes.
func (c *Context) resend(p locator.Pair, limit int) {
	if !c.sessions.current.usable(c.now) {
		return
	}
	c.do(Resend{
		Session: c.sessions.current, Hop: c.hop(p), Term: c.term, Since: c.lostSince(), Limit: limit, Test: p == c.second,
		First: c.brokenSince,
	})
}

// limit returns how much may be sent again over p, which is under test, before it has answered.
func (c *Context) limit(p locator.Pair) int {
	if c.machine.Metered(p) || c.machine.AlarmsProveFalse(c.now) {
		return resendFirst
	}
	return resendAll
}

// breaksHere notes that the primary pair fails at this end. The peer's packets came until then;
// what was sent some time before may be lost in a queue.
func (c *Context) breaksHere() {
	heard, since := time.Duration(c.Marks.heard.Load()), c.lostSince()
	if c.brokenSince <= since && heard > since { // its first sign counts
		c.brokenSince = heard - (heard-since)/4
	}
}

// lostSince returns since when packets may have been lost. What arrives while packets go
// over two pairs does not tell that those from before the doubt have.
func (c *Context) lostSince() time.Duration {
	switch {
	case c.term == nil:
		return c.outageSince
	case c.inDoubt():
		return c.doubtSince
	case c.term.startedAt.Equal(c.now):
		return c.outageSince // nothing has gone out in it yet
	}
	return max(c.since(c.now)-maxResendAge, time.Duration(c.term.arrivedSent.Load()))
}

// setPrimary starts a new term.
func (c *Context) setPrimary(a detect.SetPrimary) {
	switch {
	case !a.To.IsValid():
		if a.Reason.Evidence == detect.DeletePair && c.remotes.has(a.From.Remote) {
			c.breaksHere()
		}
	case a.To == c.second:
		c.do(ResendRest{a.To}) // it may have answered before packets went over it
	default:
		if a.Reason.Cause == detect.PolicyChange || a.Reason.Cause == detect.Degraded {
			c.brokenSince = 0 // the old pair works
		}
		c.resend(a.To, resendAll)
	}
	c.outageSince = c.lostSince()
	c.term, c.second, c.untrusted = nil, locator.Pair{}, locator.Pair{}
	if a.To.IsValid() {
		c.brokenSince = 0
		moved := c.last.IsValid() && c.last != a.To
		c.last = a.To
		c.newTerm()
		if moved {
			c.term.mark = markFor(c.machine.RTT())
		}
		c.keepalive.failures = 0
		if a.To.Local != a.From.Local {
			c.keepalive.forget()
		}
	}
	c.setPath()
	c.tellReportDelay()
	c.event(Event{Kind: EventSwitch, Pair: a.To, Old: a.From, Cause: a.Reason.String(), Took: c.history.took(c.now)})
}

// sendPoll sends a Poll, or the Open that stands for it.
func (c *Context) sendPoll(a detect.SendPoll) {
	kind := EventAnswer
	if a.Answer {
		kind = EventTest
		c.tests = true
		defer func() { c.tests = false }()
	}
	c.event(Event{Kind: kind, Pair: a.Pair})
	s := c.sessions.forTest(c.now)
	// Polls fail for ever against a peer that has lost its state. So every other
	// round opens anew, unless the peer itself waits for an answer to its Open.
	if s == nil || a.Answer && a.Round%2 == 1 && s.Used() {
		if a.Answer {
			c.history.opened()
			c.sendOpen1(a.Pair, a.ID, false)
		}
		return
	}
	if s.open2 != nil && !s.Used() {
		c.send(a.Pair, s.open2)
	}
	// What is gone first, so that the answer does not go there.
	frames := wirePoll(a).AppendTo(c.announce.appendIfDue(c, nil))
	c.mark(a.Pair, a.ID)
	c.sendFrames(a.Pair, s, c.addresses(a.Pair).AppendTo(frames))
}

func wirePoll(a detect.SendPoll) wire.Poll {
	p := wire.Poll{ID: a.ID, Answer: a.Answer, Move: a.Move, Wish: a.Wish}
	for _, h := range a.OK {
		if p.OK.Add(wire.OK{ID: h.ID, Held: h.Held, Came: h.Came}) != nil {
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
		if p != c.machine.Primary() {
			c.strays.note(s, b)
		}
		c.tallyOf(p).sent.Add(1)
		c.send(p, b)
	}
}

func (c *Context) send(p locator.Pair, datagram []byte) {
	if !c.remotes.allow(p.Remote, len(datagram)) {
		return
	}
	if p == c.machine.Primary() {
		c.keepalive.passed(c.now)
	}
	index, _ := c.machine.Interface(p)
	c.do(Send{Pair: p, Interface: index, Metered: c.machine.Metered(p), Test: c.tests, Datagram: datagram})
}
