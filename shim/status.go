package shim

import (
	"maps"
	"net/netip"
	"slices"
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
	// Pairs are all known pairs by rank, best first.
	Pairs []PairStatus
	// Pinned is the pair that a user has switched to, zero if there is none.
	Pinned locator.Pair
	// Remotes are the peer's locators.
	Remotes []RemoteStatus
	// Outside is how the peer sees local locators that are behind a NAT.
	Outside map[netip.Addr]netip.AddrPort
	// Keepalive is the interval of keepalives, zero if none are sent.
	Keepalive time.Duration
	Stats     detect.Stats
}

// A PairStatus describes a pair for people.
type PairStatus struct {
	detect.PairStatus
	// Why says why the pair comes after the first, "" of the first.
	Why string
	// Interface is the index of the local locator's.
	Interface uint32
	Metered   bool
}

// A RemoteStatus describes a locator of the peer for people.
type RemoteStatus struct {
	locator.Remote
	// Source says how it is known: "announced", "configured" or "heard".
	Source string
	// Of is the announced locator that it stands for beyond a NAT, zero if that is
	// not known.
	Of netip.AddrPort
}

// Status returns the state of the Context.
func (c *Context) Status(now time.Time) Status {
	s := Status{
		State: c.machine.State(), Connected: c.machine.Connected(),
		Primary: c.machine.Primary(), Testing: c.machine.Testing(),
		SendTimer: c.machine.SendTimer(), Stats: c.machine.Stats(),
		Pinned: c.machine.Pinned(), Remotes: c.remotes.status(), Outside: maps.Clone(c.outside),
	}
	cs := c.candidates()
	for _, p := range c.machine.Pairs() {
		x := PairStatus{PairStatus: p, Metered: c.machine.Metered(p.Pair)}
		x.Interface, _ = c.machine.Interface(p.Pair)
		// What routes there are may have changed since the machine was told.
		if i := slices.IndexFunc(cs, func(y locator.Candidate) bool { return y.Pair == p.Pair }); i >= 0 {
			x.Why = locator.Explain(cs[0], cs[i])
		}
		s.Pairs = append(s.Pairs, x)
	}
	if c.keepsAlive() {
		s.Keepalive = c.keepalive.interval(c.cfg.Keepalive)
	}
	if cur := c.sessions.current; cur.usable(now) {
		s.SessionAge = now.Sub(cur.created)
	}
	return s
}
