package shim

import (
	"net/netip"
	"slices"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// maxHeard is how many locators of a peer are kept that it has not announced, or
// not yet for certain.
const maxHeard = 8

// remotes are the locators of a peer, from three sources.
type remotes struct {
	// configured are where to look for the peer at first; what the peer has once
	// announced is taken out, as the peer speaks for it from then on.
	configured []netip.AddrPort
	// set is the peer's own word, and sequence its number.
	set      []locator.Remote
	sequence uint32
	any      bool
	// fromAfar are where authenticated packets came from that nobody announced, and
	// what an Open 1 announced that the peer has not followed up yet, the latest
	// last.
	fromAfar []afar
}

// An afar is such a locator (NAT, a move). Anyone on the way could have made the
// peer's packet come from it, or sent an old Open again, so until a test of it was
// answered it gets at most amplification times what it sent (return routability,
// §3.3).
type afar struct {
	addr netip.AddrPort
	// of is the locator of the peer that shows as addr beyond a NAT, zero if that is
	// not known.
	of             netip.AddrPort
	received, sent int
	// came says that packets have come from it, verified that a test was answered.
	came, verified bool
}

// amplification is the bound of RFC 9000 §8.1.
const amplification = 3

func newRemotes(configured []netip.AddrPort) remotes {
	return remotes{configured: slices.Clone(configured)}
}

// announced takes in a LocatorSet. It reports false if it is older than what is
// known (RFC 1982: sequence numbers wrap), or the same.
func (r *remotes) announced(s wire.LocatorSet) bool {
	if r.any && int32(s.Sequence-r.sequence) <= 0 {
		return false
	}
	r.any, r.sequence = true, s.Sequence
	known := r.list()
	r.set = r.set[:0]
	for _, l := range s.Locators.All() {
		vouched := slices.ContainsFunc(known, func(k locator.Remote) bool { return k.Addr == l.AddrPort && k.Vouched })
		r.set = append(r.set, locator.Remote{
			Addr: l.AddrPort, Preference: l.Preference, Deprecated: l.Deprecated, Metered: l.Metered, Link: l.Link, Vouched: vouched,
		})
		r.configured = slices.DeleteFunc(r.configured, func(a netip.AddrPort) bool { return a == l.AddrPort })
		r.fromAfar = slices.DeleteFunc(r.fromAfar, func(a afar) bool { return a.addr == l.AddrPort })
	}
	return true
}

// sameLocators reports whether a and b are the same word of the peer's.
func sameLocators(a, b []locator.Remote) bool {
	return slices.EqualFunc(a, b, func(x, y locator.Remote) bool {
		x.Vouched = y.Vouched
		return x == y
	})
}

// heard takes in that an authenticated datagram of n bytes came from a. It reports
// whether a is news. What is in use does not make room for it.
func (r *remotes) heard(a netip.AddrPort, n int, inUse func(netip.AddrPort) bool) bool {
	return r.note(a, n, true, inUse)
}

// hinted takes in that a, which nothing came from, may be a locator of the peer, by
// an authenticated datagram of n bytes. It reports whether a is news.
func (r *remotes) hinted(a netip.AddrPort, n int, inUse func(netip.AddrPort) bool) bool {
	return r.note(a, n, false, inUse)
}

func (r *remotes) note(a netip.AddrPort, n int, came bool, inUse func(netip.AddrPort) bool) bool {
	if f := r.afar(a); f != nil {
		news := came && !f.came
		f.received += n
		f.came = f.came || came
		return news
	}
	if slices.ContainsFunc(r.list(), func(l locator.Remote) bool { return l.Addr == a }) {
		return false
	}
	if len(r.fromAfar) >= maxHeard {
		i := r.leastWanted(came, inUse)
		if i < 0 {
			return false
		}
		r.fromAfar = slices.Delete(r.fromAfar, i, i+1)
	}
	r.fromAfar = append(r.fromAfar, afar{addr: a, received: n, came: came})
	return true
}

// leastWanted returns which of fromAfar makes room, the oldest of its kind; less than zero:
// none. Hearsay must not drive out what packets came from, nor who rewrites addresses on the
// way what has answered.
func (r *remotes) leastWanted(came bool, inUse func(netip.AddrPort) bool) int {
	oldest := func(kind func(*afar) bool) int {
		return slices.IndexFunc(r.fromAfar, func(f afar) bool { return kind(&f) && !inUse(f.addr) })
	}
	i := oldest(func(f *afar) bool { return !f.came && !f.verified })
	if i < 0 && came {
		i = oldest(func(f *afar) bool { return !f.verified })
	}
	if i < 0 && came {
		i = oldest(func(*afar) bool { return true })
	}
	return i
}

// standsFor notes that the peer's own locator of shows as a. It reports whether
// that is news.
func (r *remotes) standsFor(a, of netip.AddrPort) bool {
	f := r.afar(a)
	if f == nil || f.of == of {
		return false
	}
	f.of = of
	return true
}

// configure replaces the configured locators.
func (r *remotes) configure(at []netip.AddrPort) {
	r.configured = slices.Clone(at)
	for i := range r.set {
		l := &r.set[i]
		r.configured = slices.DeleteFunc(r.configured, func(a netip.AddrPort) bool {
			l.Vouched = l.Vouched || a == l.Addr
			return a == l.Addr
		})
	}
	for _, a := range r.configured {
		r.fromAfar = slices.DeleteFunc(r.fromAfar, func(f afar) bool { return f.addr == a })
	}
}

func (r *remotes) afar(a netip.AddrPort) *afar {
	for i := range r.fromAfar {
		if r.fromAfar[i].addr == a {
			return &r.fromAfar[i]
		}
	}
	return nil
}

// allow reports whether n bytes may be sent to a, and counts them.
func (r *remotes) allow(a netip.AddrPort, n int) bool {
	f := r.afar(a)
	if f == nil || f.verified {
		return true
	}
	if f.sent+n > amplification*f.received {
		return false
	}
	f.sent += n
	return true
}

// trusted reports whether data may be sent to a without a test.
func (r *remotes) trusted(a netip.AddrPort) bool {
	f := r.afar(a)
	return f == nil || f.verified
}

// verify notes that a test of a was answered. It reports whether that vouches for a
// locator that nothing has vouched for.
func (r *remotes) verify(a netip.AddrPort) bool {
	if f := r.afar(a); f != nil {
		news := !f.came && !f.verified
		f.verified = true
		return news
	}
	for i := range r.set {
		if l := &r.set[i]; l.Addr == a && !l.Vouched {
			l.Vouched = true
			return true
		}
	}
	return false
}

// list returns all locators, the announced ones first.
func (r *remotes) list() []locator.Remote {
	l := slices.Clone(r.set)
	for _, a := range r.configured {
		l = append(l, locator.Remote{Addr: a, Preference: locator.DefaultPreference, Vouched: true})
	}
	for _, a := range r.fromAfar {
		l = append(l, r.remoteOf(a))
	}
	return l
}

// has reports whether a is one of them.
func (r *remotes) has(a netip.AddrPort) bool {
	return slices.ContainsFunc(r.list(), func(l locator.Remote) bool { return l.Addr == a })
}

// remoteOf returns a locator that nobody announced, which is worth what the one is
// that it stands for.
func (r *remotes) remoteOf(a afar) locator.Remote {
	l := locator.Remote{Addr: a.addr, Preference: locator.DefaultPreference, Vouched: a.came || a.verified}
	if i := slices.IndexFunc(r.set, func(s locator.Remote) bool { return s.Addr == a.of }); i >= 0 {
		s := r.set[i]
		l.Preference, l.Link, l.Deprecated, l.Metered = s.Preference, s.Link, s.Deprecated, s.Metered
	}
	return l
}

// status describes all locators for people.
func (r *remotes) status() []RemoteStatus {
	var all []RemoteStatus
	for i, l := range r.list() {
		s := RemoteStatus{Remote: l, Source: "announced"}
		switch n := i - len(r.set); {
		case n >= len(r.configured):
			s.Source, s.Of = "heard", r.fromAfar[n-len(r.configured)].of
		case n >= 0:
			s.Source = "configured"
		}
		all = append(all, s)
	}
	return all
}
