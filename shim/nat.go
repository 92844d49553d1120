package shim

import (
	"net/netip"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// Address translators (NATs) are found by comparing what either end believes: an
// Addresses frame says between which addresses its sender sees the datagram
// travel. Where the receiver sees others, there is a NAT: at its own end if the
// destination differs, at the peer's if the source does.

// addresses returns the pair p as this end sees it.
func (c *Context) addresses(p locator.Pair) wire.Addresses {
	return wire.Addresses{Source: netip.AddrPortFrom(p.Local, c.cfg.Port), Destination: p.Remote}
}

// handleAddresses takes in how the peer sees a datagram that came over the reverse
// of p.
func (c *Context) handleAddresses(p locator.Pair, a wire.Addresses) {
	own := netip.AddrPortFrom(p.Local, c.cfg.Port)
	was, known := c.outside[p.Local]
	switch {
	case a.Destination == own:
		delete(c.outside, p.Local)
	case !known || was != a.Destination:
		if c.outside == nil {
			c.outside = make(map[netip.Addr]netip.AddrPort)
		}
		c.outside[p.Local] = a.Destination
		c.event(Event{Kind: EventNAT, Pair: p, Detail: "seen as " + a.Destination.String()})
		if known {
			c.keepalive.remapped()
		}
	}
	if a.Source != p.Remote && c.remotes.standsFor(p.Remote, a.Source) {
		c.setCandidates()
	}
}

// behindNAT reports whether the peer sees packets of local locator a come from
// another address.
func (c *Context) behindNAT(a netip.Addr) bool {
	_, ok := c.outside[a]
	return ok
}

// HandleMove takes in that n bytes of the peer, authenticated by session s, have
// come over the reverse of p for the first time.
func (c *Context) HandleMove(now time.Time, p locator.Pair, s *Session, n int, acts []Action) []Action {
	c.enter(now, acts)
	if c.used(s) {
		c.from(p, n)
	}
	return c.leave()
}

// from takes in that n authenticated bytes came over the reverse of p. If the peer
// was never heard from there, it has moved, or a NAT has given it another port; then
// the locator that we send to may be gone.
func (c *Context) from(p locator.Pair, n int) {
	if c.remotes.heard(p.Remote, n, c.inUse) {
		c.setCandidates()
		if !c.machine.Connected() && c.known(p) {
			c.last = p // where to begin when there is something to say
		}
		c.perform(c.machine.HandleMove(c.now, p, nil))
	}
}
