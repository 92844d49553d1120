package shim

import (
	"net/netip"
	"slices"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// maxHeard is how many unannounced locators of a peer are kept.
const maxHeard = 4

// remotes are the locators of a peer, from three sources.
type remotes struct {
	// configured are where to look for the peer at first; what the peer has once
	// announced is taken out, as the peer speaks for it from then on.
	configured []netip.AddrPort
	// set is the peer's own word, and sequence its number.
	set      []locator.Remote
	sequence uint32
	any      bool
	// fromAfar are where authenticated packets came from that nobody announced,
	// the latest last.
	fromAfar []netip.AddrPort
}

func newRemotes(configured []netip.AddrPort) remotes {
	return remotes{configured: slices.Clone(configured)}
}

// announced takes in a LocatorSet. It reports false if it is older than what is
// known (RFC 1982: sequence numbers wrap).
func (r *remotes) announced(s wire.LocatorSet) bool {
	if r.any && int32(s.Sequence-r.sequence) < 0 {
		return false
	}
	r.any, r.sequence = true, s.Sequence
	r.set = r.set[:0]
	for _, l := range s.Locators.All() {
		r.set = append(r.set, locator.Remote{Addr: l.AddrPort, Preference: l.Preference, Deprecated: l.Deprecated})
		r.configured = slices.DeleteFunc(r.configured, func(a netip.AddrPort) bool { return a == l.AddrPort })
		r.fromAfar = slices.DeleteFunc(r.fromAfar, func(a netip.AddrPort) bool { return a == l.AddrPort })
	}
	return true
}

// heard takes in that an authenticated Open or Poll came from a. It reports
// whether that is news.
func (r *remotes) heard(a netip.AddrPort) bool {
	if slices.ContainsFunc(r.list(), func(l locator.Remote) bool { return l.Addr == a }) {
		return false
	}
	r.fromAfar = append(r.fromAfar, a)
	if len(r.fromAfar) > maxHeard {
		r.fromAfar = slices.Delete(r.fromAfar, 0, 1)
	}
	return true
}

// list returns all locators, the announced ones first.
func (r *remotes) list() []locator.Remote {
	l := slices.Clone(r.set)
	for _, a := range r.configured {
		l = append(l, locator.Remote{Addr: a})
	}
	for _, a := range r.fromAfar {
		l = append(l, locator.Remote{Addr: a})
	}
	return l
}
