package locator

import (
	"cmp"
	"net/netip"
)

// sourceRules are the rules of RFC 6724 §5, in its order. They compare candidates
// that have one remote locator, which is the RFC's D, by their local ones, SA and
// SB. Two of its rules are not here:
//
// Rule 4, prefer home addresses: a host with Mobile IP (RFC 6275) would send from
// its home address through the home agent. Nothing tells us which address that is,
// and to move between addresses is what multi6 itself is for.
//
// Rule 5.5, prefer addresses in a prefix advertised by the next hop: it binds hosts
// that remember which router advertised which prefix. Linux does not tell; the
// routes by source address that such a site needs anyway are respected, since
// Order.Routable asks for a route from each local locator.
var sourceRules = []rule{
	{bySameAddress, says("not the same address")},
	{byAppropriateScope, says("other scope")},
	{byLocalDeprecation, says("deprecated")},
	{byOutgoingInterface, says("other interface")},
	{byMatchingLabel, says("label")},
	{byTemporary, whyTemporary},
	{byCommonPrefix, says("shorter common prefix")},
}

// bySameAddress: RFC 6724 §5 rule 1: prefer D itself. Legal pairs have two
// addresses, so that none is preferred; see distinctEnds.
func bySameAddress(a, b Candidate) int { return falseFirst(!a.ownAddress(), !b.ownAddress()) }

// byAppropriateScope: RFC 6724 §5 rule 2: prefer the smallest scope that is not
// smaller than D's, then the greatest that is. Legal pairs have one scope.
func byAppropriateScope(a, b Candidate) int { return cmp.Compare(a.scopeFault(), b.scopeFault()) }

// byLocalDeprecation: RFC 6724 §5 rule 3 and §6 rule 3: avoid deprecated local
// addresses. It matters among pairs that are deprecated for different reasons.
func byLocalDeprecation(a, b Candidate) int {
	return falseFirst(a.keys.localDeprecated, b.keys.localDeprecated)
}

// byOutgoingInterface: RFC 6724 §5 rule 5: prefer addresses of the interface that
// packets to D leave by. Here each pair leaves by the interface of its own local
// locator, so the rule asks for the interface on whose link D is, where there is
// one: by it the host would send. The longest on-link prefix of any local locator on
// the interface stands for that.
func byOutgoingInterface(a, b Candidate) int { return cmp.Compare(b.keys.onLink, a.keys.onLink) }

// byMatchingLabel: RFC 6724 §5 rule 6 and §6 rule 5: prefer pairs whose ends have
// one label, so that for instance a unique local address does not send to a global one.
func byMatchingLabel(a, b Candidate) int { return falseFirst(!a.keys.sameLabel, !b.keys.sameLabel) }

// byTemporary: RFC 6724 §5 rule 7: prefer temporary addresses, if Order says so.
//
// Deviation: the default is the public address. A locator is announced to a peer that
// knows who we are by our key, so a temporary one hides nothing from it; and each
// that ends costs a Delete, and a switch if it was in use.
func byTemporary(a, b Candidate) int { return falseFirst(a.keys.unwantedKind, b.keys.unwantedKind) }

// byCommonPrefix: RFC 6724 §5 rule 8 and §6 rule 9: prefer the longer prefix that
// both ends have in common.
func byCommonPrefix(a, b Candidate) int { return cmp.Compare(b.keys.commonPrefix, a.keys.commonPrefix) }

func (c Candidate) ownAddress() bool { return c.Pair.Local == c.Pair.Remote.Addr() }

// scopeFault orders by appropriateness of the local end's scope: zero is the remote
// end's own, then come the greater ones, nearest first, then the smaller ones,
// nearest first.
func (c Candidate) scopeFault() int {
	s, d := scopeOf(c.Pair.Local), scopeOf(c.Pair.Remote.Addr())
	if s < d {
		return scopeGlobal + d - s
	}
	return s - d
}

// Scopes are numbered as in RFC 4291 §2.7 (RFC 6724 §3.1).
const (
	scopeLinkLocal = 0x2
	scopeSiteLocal = 0x5
	scopeGlobal    = 0xe
)

// scopeOf returns a's scope. RFC 6724 §3.1 and §3.2: unique local addresses and
// private IPv4 addresses are global, 169.254/16 is link-local.
func scopeOf(a netip.Addr) int {
	switch {
	case a.IsLinkLocalUnicast(), a.IsLoopback():
		return scopeLinkLocal
	case siteLocal.Contains(a):
		return scopeSiteLocal
	}
	return scopeGlobal
}

// unknownBits bounds the common prefix of IPv6 addresses where the length of the
// on-link prefix is not known: interface identifiers begin there (RFC 4291 §2.5.1).
const unknownBits = 64

// commonPrefix returns the number of leading bits that l and a have in common, zero
// if they are of different families. RFC 6724 §2.2: only as far as the prefix of the
// source goes; the likeness of interface identifiers means nothing.
//
// An address that is alone on its prefix (/128, or /32 of IPv4), as DHCPv6 and
// point-to-point links give it, has no interface identifier to leave out.
func commonPrefix(l Local, a netip.Addr) int {
	if l.Addr.BitLen() != a.BitLen() {
		return 0
	}
	limit := l.Bits
	if limit <= 0 {
		limit = unknownBits
	}
	x, y := l.Addr.AsSlice(), a.AsSlice()
	n := 0
	for n < min(limit, a.BitLen()) && bit(x, n) == bit(y, n) {
		n++
	}
	return n
}

// bit returns bit n of b, the most significant first.
func bit(b []byte, n int) byte { return b[n/8] >> (7 - n%8) & 1 }
