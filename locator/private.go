package locator

import "net/netip"

// A realm is a kind of private address. Many networks use the same addresses of a
// realm, so that one of them need not mean the host that the peer means by it.
type realm uint8

const (
	// public addresses mean one host everywhere.
	public realm = iota
	// rfc1918 addresses are private (RFC 1918 §3).
	rfc1918
	// shared addresses are between a provider and its customers (RFC 6598 §7).
	shared
	// uniqueLocal addresses are meant to be unique (RFC 4193 §3), but lead nowhere
	// from outside their site.
	uniqueLocal
)

// realms are the prefixes of private addresses. The draft names RFC 1918 only; the
// other two are alike in what matters here.
var realms = [...]struct {
	prefix netip.Prefix
	realm  realm
}{
	{netip.MustParsePrefix("10.0.0.0/8"), rfc1918},
	{netip.MustParsePrefix("172.16.0.0/12"), rfc1918},
	{netip.MustParsePrefix("192.168.0.0/16"), rfc1918},
	{netip.MustParsePrefix("100.64.0.0/10"), shared},
	{netip.MustParsePrefix("fc00::/7"), uniqueLocal},
}

func realmOf(a netip.Addr) realm {
	for _, r := range realms {
		if r.prefix.Contains(a) {
			return r.realm
		}
	}
	return public
}

// A meaning says how surely a remote locator, used from a local one, means the
// peer (draft §3.1: where link-local and RFC 1918 addresses are used, their use
// needs to be unambiguous).
type meaning uint8

const (
	// meansPeer: nobody else can be meant.
	meansPeer meaning = iota
	// mayMeanPeer: it means the peer if both ends are in one network, which is for a
	// test to find out.
	mayMeanPeer
	// meansOther: whoever answers to the address from here is not the peer.
	meansOther
)

// meaningOf says what r means from l.
//
// A private remote from a public local: the hosts that know the address are not
// where l is. From a local of its own realm: perhaps. From a local of another realm
// it is as from a public one. A public remote means the peer from anywhere; that l
// is private then only says that there is a NAT on the way.
func meaningOf(l Local, r Remote) meaning {
	a := r.Addr.Addr()
	there := realmOf(a)
	switch {
	case r.Vouched:
		return meansPeer
	case a.IsLinkLocalUnicast():
		return mayMeanPeer
	case there == public, l.onLink(a) > 0:
		return meansPeer
	case realmOf(l.Addr) == there:
		return mayMeanPeer
	}
	return meansOther
}

// onLink returns the length in bits of l's on-link prefix if that holds a, else
// zero.
func (l Local) onLink(a netip.Addr) int {
	if l.Bits <= 0 || a.IsLinkLocalUnicast() {
		return 0 // not known; and every link is fe80::/64, so that proves nothing
	}
	if p, err := l.Addr.Prefix(l.Bits); err == nil && p.Contains(a) {
		return l.Bits
	}
	return 0
}
