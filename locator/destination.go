package locator

import (
	"cmp"
	"fmt"
)

// destinationRules are the rules of RFC 6724 §6, in its order, applied to the remote
// locators DA and DB of two candidates, with their local locators as Source(DA) and
// Source(DB). Three of its rules are not here:
//
// Rule 1, avoid unusable destinations: a remote without a legal pair, or without a
// route (Order.Routable), has no candidate.
//
// Rule 4, prefer home addresses: see sourceRules.
//
// Rule 10, leave the order unchanged: an order of our own is needed instead, or the
// result would depend on the order of the input; see ties.
var destinationRules = []rule{
	{byMatchingScope, says("other scope")},
	{byLocalDeprecation, says("deprecated")},
	{byMatchingLabel, says("label")},
	{byPrecedence, whyPrecedence},
	{byNativeTransport, says("tunnel")},
	{bySmallerScope, says("wider scope")},
	{byFamily, says("IPv4 after IPv6")},
	{byCommonPrefix, says("shorter common prefix")},
}

// ties decide what all other rules leave open, so that the order is the same on every
// call. They mean nothing.
var ties = []rule{
	{byAddress, says("higher address")},
	{byInterface, says("higher interface number")},
	{byLink, says("higher link number")},
}

// byMatchingScope: RFC 6724 §6 rule 2: prefer pairs whose ends have one scope, which
// all legal pairs do.
func byMatchingScope(a, b Candidate) int { return falseFirst(a.scopeFault() != 0, b.scopeFault() != 0) }

// byPrecedence: RFC 6724 §6 rule 6: prefer the higher precedence of the remote end.
// With the default table it puts native IPv6 before IPv4.
func byPrecedence(a, b Candidate) int { return cmp.Compare(b.keys.precedence, a.keys.precedence) }

// byNativeTransport: RFC 6724 §6 rule 7: prefer what is not reached through a
// tunnel. Only interfaces that the user names are used although they are tunnels.
func byNativeTransport(a, b Candidate) int { return falseFirst(a.keys.tunnel, b.keys.tunnel) }

// bySmallerScope: RFC 6724 §6 rule 8. Among the candidates of one class it decides
// nothing: byLinkLocal has parted the two scopes that there are.
func bySmallerScope(a, b Candidate) int {
	return cmp.Compare(scopeOf(a.Pair.Remote.Addr()), scopeOf(b.Pair.Remote.Addr()))
}

// byFamily: RFC 6724 §6 rule 9 compares destinations of one family only. Were both
// families mixed, that would be no order: with IPv6 remotes X before Y by rule 9 and
// an IPv4 remote Z equal to both, Z could stand anywhere. So families that rule 6 has
// not parted are parted here.
func byFamily(a, b Candidate) int { return falseFirst(a.Pair.Local.Is4(), b.Pair.Local.Is4()) }

func byAddress(a, b Candidate) int {
	return cmp.Or(a.Pair.Local.Compare(b.Pair.Local), a.Pair.Remote.Compare(b.Pair.Remote))
}

// byInterface and byLink decide between two accounts of one pair.
func byInterface(a, b Candidate) int { return cmp.Compare(a.Interface, b.Interface) }

func byLink(a, b Candidate) int { return cmp.Compare(a.Link, b.Link) }

func whyPrecedence(best, c Candidate) string {
	if family := byFamily(best, c); family != 0 {
		return fmt.Sprintf("lower precedence: %s after %s", c.family(), best.family())
	}
	return fmt.Sprintf("lower precedence: %d < %d", c.keys.precedence, best.keys.precedence)
}

func (c Candidate) family() string {
	if c.Pair.Local.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
