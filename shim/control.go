package shim

import (
	"slices"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// HandleControl takes in the frames of a control datagram that came with session
// s over the reverse of p, came being Arrivals' count with it. A reason other than
// DropNone says that frames are malformed; those before were acted on.
func (c *Context) HandleControl(now time.Time, p locator.Pair, s *Session, came uint32, frames wire.Frames, acts []Action) ([]Action, Drop) {
	c.enter(now, acts)
	if !c.used(s) {
		return c.leave(), DropUnknownTag
	}
	c.from(p, controlOverhead+len(frames))
	c.newestSet, c.came = false, came
	for f := frames; len(f) > 0; {
		typ, body, rest, err := f.Next()
		if err == nil {
			err = c.handleFrame(p, s, typ, body)
		}
		if err != nil {
			return c.leave(), DropMalformed
		}
		f = rest
	}
	return c.leave(), DropNone
}

// controlOverhead is how much longer a control datagram is than its frames.
const controlOverhead = wire.HeaderLen + 1 + wire.AuthLen

func (c *Context) handleFrame(p locator.Pair, s *Session, typ wire.FrameType, body []byte) error {
	if typ != wire.FrameEchoReply {
		c.keepalive.disturbed()
	}
	switch typ {
	case wire.FramePoll:
		f, err := wire.ParsePoll(body)
		if err != nil {
			return err
		}
		c.handlePoll(p, f)
	case wire.FrameReport:
		f, err := wire.ParseReport(body)
		if err != nil {
			return err
		}
		c.handleReport(f)
	case wire.FrameLocatorSet:
		f, err := wire.ParseLocatorSet(body)
		if err != nil {
			return err
		}
		c.handleLocatorSet(p, s, f)
	case wire.FrameLocatorAck:
		f, err := wire.ParseLocatorAck(body)
		if err != nil {
			return err
		}
		c.announce.acked(f.Sequence)
	case wire.FrameClose:
		if _, err := wire.ParseClose(body); err != nil {
			return err
		}
		c.handleClose(s)
	default:
		return c.handleLinkFrame(p, typ, body)
	}
	return nil
}

// handleLinkFrame takes in what tells of the links and NATs on the way.
func (c *Context) handleLinkFrame(p locator.Pair, typ wire.FrameType, body []byte) error {
	switch typ {
	case wire.FrameAddresses:
		f, err := wire.ParseAddresses(body)
		if err != nil {
			return err
		}
		c.handleAddresses(p, f)
	case wire.FrameEcho:
		f, err := wire.ParseEcho(body)
		if err != nil {
			return err
		}
		c.handleEcho(p, f)
	case wire.FrameEchoReply:
		f, err := wire.ParseEchoReply(body)
		if err != nil {
			return err
		}
		c.keepalive.replied(f.ID)
	case wire.FramePolicy:
		f, err := wire.ParsePolicy(body)
		if err != nil {
			return err
		}
		if c.newestSet {
			c.machine.SetPeerReport(f.ReportDelay)
			if !f.Wishes {
				c.machine.WishOver()
			}
		}
	}
	return nil // others: skipped by their length
}

func (c *Context) handlePoll(p locator.Pair, f wire.Poll) {
	poll := detect.Poll{ID: f.ID, Answer: f.Answer, Move: f.Move, Wish: f.Wish, Came: c.came}
	for _, ok := range f.OK.All() {
		poll.OK = append(poll.OK, detect.Heard{ID: ok.ID, Held: ok.Held})
	}
	if f.Wish {
		c.prompt = PromptPeer
	}
	c.perform(c.machine.HandlePoll(c.now, p, poll, nil))
	for _, ok := range f.OK.All() {
		c.measure(ok)
	}
}

// handleReport takes in what the peer has received: a confirmation, if it names a
// packet of this term that no Report named before.
func (c *Context) handleReport(f wire.Report) {
	t := c.term
	for _, s := range c.sessions.all {
		if s.remote != f.Tag {
			continue
		}
		if f.Missing > 0 {
			c.perform(c.machine.HandleMissing(c.now, float64(f.Missing)/256, nil))
		}
		news := f.Largest >= s.confirmed && f.Largest < s.next.Load()
		inTerm := t != nil && (s == t.session && f.Largest >= t.first || s.adoptedAt.After(t.startedAt))
		if !news {
			return
		}
		s.confirmed = f.Largest + 1
		now := c.since(c.now)
		if !inTerm || c.strays.has(s, f.Largest) {
			return
		}
		if sent, within, ok := t.reported(now, f.Largest); ok {
			c.history.reported = c.now
			if took, waited := t.timed(now, sent, within, f.Held); took > 0 {
				c.machine.HandleTiming(took, waited)
			}
			t.confirm(now, sent, 0)
			c.collect()
		}
		return
	}
}

func (c *Context) handleLocatorSet(p locator.Pair, s *Session, f wire.LocatorSet) {
	if c.remotes.announced(f) {
		c.event(Event{Kind: EventLocators, Detail: "the peer's"})
		c.setCandidates()
	}
	c.newestSet = f.Sequence == c.remotes.sequence
	to := c.machine.Primary()
	if !to.IsValid() {
		to = p
	}
	if c.known(to) {
		c.sendFrames(to, s, wire.LocatorAck{Sequence: f.Sequence}.AppendTo(nil))
	}
}

// handleClose forgets the session that the peer closes and older ones, as the peer
// has. A younger one was opened since.
func (c *Context) handleClose(s *Session) {
	c.event(Event{Kind: EventClose})
	for i := slices.Index(c.sessions.all, s); i >= 0; i-- {
		c.sessions.remove(c, i)
	}
	if cur := c.sessions.current; !slices.Contains(c.sessions.all, cur) {
		c.sessions.current = nil
		c.perform(c.machine.Disconnect(c.now, nil))
	}
}
