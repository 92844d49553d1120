package shim

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// announceFirst and announceLast bound the wait before a LocatorSet that was not
// acknowledged is sent again.
const (
	announceFirst = 100 * time.Millisecond
	announceLast  = 5 * time.Second
)

// An announcement is the LocatorSet that the peer is to know (Add and Delete of
// draft §5.2), sent again until it is acknowledged.
type announcement struct {
	sequence uint32
	// pending says that the peer has not acknowledged it.
	pending  bool
	wait     time.Duration
	resendAt time.Time
	// reportDelay is the one that the peer was last told.
	reportDelay time.Duration
}

// mostBehind is by how much the sequence may be behind the clock in an Open.
const mostBehind = time.Minute

// change notes that the locators are others now.
func (a *announcement) change(now time.Time) {
	a.sequence++
	a.date(now)
	a.pending, a.wait = true, announceFirst
	a.resendAt = time.Time{}
}

// date has the sequence keep up with the clock, by which a node that starts numbers its first
// set: if it was behind then, the peer knows a greater number from before.
func (a *announcement) date(now time.Time) {
	if t := uint32(now.Unix()); int32(t-a.sequence) > 0 {
		a.sequence = t
	}
}

func (a *announcement) acked(sequence uint32) {
	if sequence == a.sequence {
		a.pending = false
		a.resendAt = time.Time{}
	}
}

// set returns the LocatorSet of what is operational here.
func (a *announcement) set(c *Context) wire.LocatorSet {
	s := wire.LocatorSet{Sequence: a.sequence}
	links := make(map[uint32]uint8) // by interface, counted from 1
	for _, l := range c.localsToAnnounce() {
		if links[l.Interface] == 0 {
			links[l.Interface] = uint8(len(links) + 1)
		}
		loc := wire.Locator{
			AddrPort: netip.AddrPortFrom(l.Addr, c.cfg.Port), Preference: l.Preference, Deprecated: l.Deprecated, Metered: l.Metered,
			Link: links[l.Interface],
		}
		if s.Locators.Add(loc) != nil {
			break
		}
	}
	return s
}

// localsToAnnounce returns the local locators, if not all fit those first that are not
// deprecated, and then by preference.
func (c *Context) localsToAnnounce() []locator.Local {
	if len(c.locals) <= wire.MaxLocators {
		return c.locals
	}
	return slices.SortedStableFunc(slices.Values(c.locals), func(a, b locator.Local) int {
		switch {
		case a.Deprecated != b.Deprecated && b.Deprecated:
			return -1
		case a.Deprecated != b.Deprecated:
			return 1
		}
		return cmp.Compare(b.Preference, a.Preference)
	})
}

// appendIfDue appends the LocatorSet to frames if the peer may not know it.
func (a *announcement) appendIfDue(c *Context, frames []byte) []byte {
	if !a.pending {
		return frames
	}
	a.resendAt = c.now.Add(a.wait)
	a.wait = min(2*a.wait, announceLast)
	a.reportDelay = c.machine.ReportDelay()
	return wire.Policy{ReportDelay: a.reportDelay, Wishes: c.machine.Wishes()}.AppendTo(a.set(c).AppendTo(frames))
}

// tellReportDelay tells the peer when this end begins to report sooner or later,
// as over a metered pair.
func (c *Context) tellReportDelay() {
	if c.machine.Primary().IsValid() && c.machine.ReportDelay() != c.announce.reportDelay {
		c.announce.reportDelay = c.machine.ReportDelay()
		c.announce.change(c.now)
		c.announceIfDue()
	}
}

// announceIfDue sends the LocatorSet over the primary pair if the peer may not
// know it and it was not sent just now. Without a primary it follows the test that is
// under way when the locators change, and then goes with the Polls.
func (c *Context) announceIfDue() {
	a, p := &c.announce, c.machine.Primary()
	if !a.pending || c.now.Before(a.resendAt) {
		return
	}
	a.resendAt = time.Time{}
	if !p.IsValid() && a.wait == announceFirst {
		p = c.machine.Testing()
	}
	if p.IsValid() && c.sessions.current.usable(c.now) {
		c.sendFrames(p, c.sessions.current, a.appendIfDue(c, nil))
	}
}
