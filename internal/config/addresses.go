package config

import (
	"net/netip"
	"slices"

	"github.com/multi6/multi6/shim"
)

const ourselves = "this node"

// addressing validates inner addresses, routes and locators, once all identities
// are known. Every inner prefix has one owner, and no locator is one.
func (v *validator) addressing(c *Config, f rawFile) {
	v.owners = make(map[netip.Prefix]string)
	if c.PrivateKey != (shim.PrivateKey{}) {
		v.owners[host(c.Identifier())] = ourselves
	}
	for key, title := range v.keys {
		v.owners[host(key.Identifier())] = title
	}
	c.Addresses = v.addresses(f.addresses)
	for i, p := range f.peers {
		c.Peers[i].Routes = v.routes(p.routes, title(p, c.Peers[i]))
	}
	for i, p := range f.peers {
		c.Peers[i].Locators, c.Peers[i].Names = v.locators(p.locators)
	}
	for _, p := range f.peers {
		v.pathsOutside(p.routes, c.Peers)
	}
}

// pathsOutside reports routes that would lead packets to a peer's locators, which
// are our own, into the TUN again.
func (v *validator) pathsOutside(routes list, peers []Peer) {
	for _, t := range routes.all {
		p, err := netip.ParsePrefix(t.s)
		if err != nil {
			continue // reported already
		}
		for _, peer := range peers {
			if i := slices.IndexFunc(peer.Locators, func(l netip.AddrPort) bool { return p.Contains(l.Addr()) }); i >= 0 {
				v.report(t.at, "route %s holds the locator %s of peer %s, which is reached outside of the TUN; write narrower routes",
					quote(t.s), peer.Locators[i].Addr(), quote(peer.Name))
				break
			}
		}
	}
}

// host returns the prefix that holds a alone.
func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// addresses validates our own inner addresses. Each takes its prefix on the TUN
// as well.
func (v *validator) addresses(l list) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range l.all {
		p, ok := v.prefix(t, "address")
		if ok && v.claim(t, "address", host(p.Addr()), ourselves) {
			all = append(all, p)
		}
	}
	for _, p := range all {
		v.owners[p.Masked()] = ourselves
	}
	return all
}

// routes validates the inner prefixes behind a peer.
func (v *validator) routes(l list, owner string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range l.all {
		p, ok := v.prefix(t, "route")
		if !ok {
			continue
		}
		if p != p.Masked() {
			v.report(t.at, "route %s has bits set behind the prefix; write %q", quote(t.s), p.Masked())
			continue
		}
		if v.claim(t, "route", p, owner) {
			all = append(all, p)
		}
	}
	return all
}

// claim gives p to owner, or reports who has it.
func (v *validator) claim(t text, what string, p netip.Prefix, owner string) bool {
	switch other, taken := v.owners[p]; {
	case !taken:
		v.owners[p] = owner
		return true
	case other == owner:
		v.report(t.at, "%s %s belongs to %s already; take it out", what, quote(t.s), owner)
	default:
		v.report(t.at, "%s %s belongs to %s; a prefix has one owner", what, quote(t.s), other)
	}
	return false
}

// prefix reads ADDRESS/BITS and refuses what cannot be an inner address.
func (v *validator) prefix(t text, what string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(t.s)
	if err != nil {
		if a, err := netip.ParseAddr(t.s); err == nil && a.Zone() == "" {
			v.report(t.at, "%s %s has no prefix length; write %q", what, quote(t.s), host(a))
		} else {
			v.report(t.at, "%s %s is no prefix; write one such as \"10.99.0.1/32\" or \"fd00::1/128\"", what, quote(t.s))
		}
		return p, false
	}
	a := p.Addr()
	trouble := ""
	switch {
	case a.Is4In6():
		trouble = "is IPv4-mapped; write it as IPv4"
	case a.IsLoopback():
		trouble = "is a loopback address"
	case a.IsMulticast():
		trouble = "is multicast"
	case a.IsLinkLocalUnicast():
		trouble = "is link-local, which cannot be routed"
	case a.IsUnspecified() && (what == "address" || p.Bits() > 0):
		trouble = "is the unspecified address"
	}
	if trouble != "" {
		v.report(t.at, "%s %s %s", what, quote(t.s), trouble)
		return p, false
	}
	return p, true
}
