package shim

import (
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// quoteWindow is how many of the last packet numbers of a session an ICMP error may
// quote: what is sent in a round trip at a gigabit per second and more. Who is not
// on the path has to guess the tag and one of them, one chance in 2^40.
const quoteWindow = 1 << 16

// HandleICMP takes in that an ICMP error says that a datagram with header h, which
// this node sent over p, was not delivered. It is a reason to test p if that is the
// primary pair, and no more (draft §3.3). Its reason is DropICMP, and nothing was
// done, unless this context has lately sent such a datagram.
func (c *Context) HandleICMP(now time.Time, p locator.Pair, h wire.Header, acts []Action) ([]Action, Drop) {
	if !c.known(p) || !c.sent(now, h) {
		return acts, DropICMP
	}
	c.enter(now, acts)
	c.perform(c.machine.HandleHint(now, p, nil))
	return c.leave(), DropNone
}

// sent reports whether a datagram with header h may be one that was lately sent.
func (c *Context) sent(now time.Time, h wire.Header) bool {
	switch h.Type {
	case wire.Open1:
		for _, i := range c.initiations {
			if i.tag == h.Tag && now.Sub(i.at) <= initiationFor {
				return true
			}
		}
	case wire.Open2:
		for _, s := range c.sessions.all {
			if s.remote == h.Tag && s.open2 != nil {
				return true
			}
		}
	case wire.Transport:
		for _, s := range c.sessions.all {
			if s.remote == h.Tag && s.sentLately(h.Number) {
				return true
			}
		}
	}
	return false
}

// sentLately reports whether the packet number whose low 32 bits are number is one of
// the last quoteWindow.
func (s *Session) sentLately(number uint32) bool {
	next := s.next.Load()
	age := uint64(uint32(next) - number) // 1 for the last one
	return age >= 1 && age <= min(next, quoteWindow)
}
