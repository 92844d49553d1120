package locator

import "net/netip"

// legality holds the rules that every pair must pass. None depends on the
// state of either end.
var legality = [...]func(local, remote netip.Addr) bool{
	bothFit,
	sameFamily,
	scopesFit,
	distinctEnds,
}

// Legal reports whether packets could travel on p at all. Pairs leaves out more: what
// has no route, and private remotes that from here mean someone else.
func Legal(p Pair) bool {
	if p.Remote.Port() == 0 {
		return false
	}
	for _, rule := range legality {
		if !rule(p.Local, p.Remote.Addr()) {
			return false
		}
	}
	return true
}

// bothFit: neither end is loopback, multicast, unspecified, site-local and so
// on.
func bothFit(local, remote netip.Addr) bool { return unfit(local) == "" && unfit(remote) == "" }

// sameFamily: an outer header has two addresses of one kind.
func sameFamily(local, remote netip.Addr) bool { return local.Is4() == remote.Is4() }

// scopesFit: a link-local address reaches only link-local addresses of its
// link, and only they reach it (RFC 4007 §9).
func scopesFit(local, remote netip.Addr) bool {
	return local.IsLinkLocalUnicast() == remote.IsLinkLocalUnicast()
}

// distinctEnds: a packet to our own address never leaves the host.
func distinctEnds(local, remote netip.Addr) bool { return local != remote }
