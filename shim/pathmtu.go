package shim

import (
	"fmt"
	"math"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

const ipv4HeaderLen = 20 // without options

// FamilyExtra is how much longer the outer headers are over IPv6 than over IPv4.
const FamilyExtra = wire.IPv6HeaderLen - ipv4HeaderLen

// outerLen is the length of the outer IP and UDP headers of p's family.
func outerLen(p locator.Pair) int {
	const udp = 8
	if p.Local.Is4() {
		return ipv4HeaderLen + udp
	}
	return wire.IPv6HeaderLen + udp
}

const (
	// wholeExtra is how much longer a datagram is than a packet that travels whole,
	// rewrittenExtra the same for one between the identifiers, which is less than 0.
	wholeExtra     = wire.HeaderLen + wire.AuthLen
	rewrittenExtra = wholeExtra + wire.InnerLen - wire.IPv6HeaderLen
)

// MTU returns how long an inner packet may be that goes over h: one that is rewritten,
// being between the two identifiers, or one that travels whole.
func (h Hop) MTU(rewritten bool) int {
	switch {
	case h.Room == 0:
		return math.MaxInt
	case rewritten:
		return h.Room - rewrittenExtra
	}
	return h.Room - wholeExtra
}

// Longest returns how long an inner packet such as pkt may be that goes over h.
func (s *Session) Longest(h Hop, pkt []byte) int { return h.MTU(s.rewritable(pkt)) }

// hop returns p for the packet path.
func (c *Context) hop(p locator.Pair) Hop {
	if !p.IsValid() {
		return Hop{}
	}
	index, _ := c.machine.Interface(p)
	h := Hop{Pair: p, Interface: index, sent: &c.tallyOf(p).sent}
	if mtu := c.machine.MTU(p); mtu > 0 {
		h.Room = mtu - outerLen(p)
	}
	return h
}

// limitMTUs has no longer packets tested than inner ones can lead to.
func (c *Context) limitMTUs(cs []locator.Candidate) {
	for i := range cs {
		if x := &cs[i]; c.cfg.MTU > 0 && x.MTU > 0 {
			x.MTU = min(x.MTU, c.cfg.MTU+wholeExtra+outerLen(x.Pair))
		}
	}
}

// sendPadded sends a Poll that is to be as long as a.Size says.
func (c *Context) sendPadded(a detect.SendPoll) {
	s := c.sessions.current
	if !s.usable(c.now) {
		return
	}
	frames := wirePoll(a).AppendTo(nil)
	frames = wire.AppendPadding(frames, a.Size-outerLen(a.Pair)-controlOverhead-len(frames))
	b, ok := s.SealControl(frames)
	if !ok || !c.remotes.allow(a.Pair.Remote, len(b)) {
		return
	}
	if a.Pair != c.machine.Primary() {
		c.strays.note(s, b)
	}
	c.keepalive.passed(c.now)
	index, _ := c.machine.Interface(a.Pair)
	c.do(Send{
		Pair: a.Pair, Interface: index, Metered: c.machine.Metered(a.Pair), Test: true, Padded: a.Size, Datagram: b,
	})
}

// setMTU has the packet path keep to another path MTU. If it is smaller, what was
// not confirmed may have been lost for being too long.
func (c *Context) setMTU(a detect.SetMTU) {
	if a.From > 0 && a.To > 0 {
		c.event(Event{Kind: EventMTU, Pair: a.Pair, Detail: fmt.Sprintf("%d → %d", a.From, a.To)})
	}
	if a.Pair != c.machine.Primary() || c.term == nil {
		return
	}
	if 0 < a.To && a.To < a.From {
		c.outageSince = max(c.since(c.now)-maxResendAge, time.Duration(c.term.acknowledged.Load()))
		if s := c.sessions.current; s.usable(c.now) {
			c.do(Resend{Session: s, Hop: c.hop(a.Pair), Term: c.term, Since: c.outageSince, Limit: resendAll})
		}
		c.newTerm() // as after a switch: how long that took says nothing of the path
	}
	c.setPath()
}

// HandleTooBig takes in that an ICMP error says that a datagram with header h, which this
// node sent over p, was longer than the mtu of some link, zero for unknown. Nothing is
// believed but that it is worth a test. Its reason is DropICMP unless this context
// has lately sent such a datagram, DropTooBig if no link may have that MTU.
func (c *Context) HandleTooBig(now time.Time, p locator.Pair, h wire.Header, mtu int, acts []Action) ([]Action, Drop) {
	if !c.known(p) || !c.sent(now, h) {
		return acts, DropICMP
	}
	c.enter(now, acts)
	todo, ok := c.machine.HandleTooBig(now, p, mtu, nil)
	c.perform(todo)
	if !ok {
		return c.leave(), DropTooBig
	}
	return c.leave(), DropNone
}

// HandleTooLong takes in that this host would not send a datagram over p for its length:
// a Poll that was padded to that size, or anything if that is zero.
func (c *Context) HandleTooLong(now time.Time, p locator.Pair, padded int, acts []Action) []Action {
	c.enter(now, acts)
	c.perform(c.machine.HandleTooLong(now, p, padded, nil))
	return c.leave()
}
