package locator

import (
	"cmp"
	"net/netip"
)

// A rule compares two candidates: negative if a comes first, zero if the rule
// cannot tell. Each compares a key of a with the same key of b, so that any
// list of them is a consistent order.
type rule func(a, b Candidate) int

// wishes are the rules that part candidates into classes: what the users at
// both ends and the addresses' owners want.
var wishes = []rule{
	byDeprecation,
	byPreference,
	byLinkLocal,
}

// ties are the rules that decide within a class: RFC 6724 §6, in its order, as
// far as a pair shows it, then an order that never ties. Rule 2 (matching
// scope) is a matter of legality here; rules 1, 4 and 7 need what is no
// property of two locators.
var ties = []rule{
	byLabel,
	byPrecedence,
	byScope,
	byCommonPrefix,
	byAddress,
	byInterface,
}

// compare orders candidates by all rules.
func compare(a, b Candidate) int {
	return cmp.Or(compareBy(wishes, a, b), compareBy(ties, a, b))
}

func compareBy(rules []rule, a, b Candidate) int {
	for _, r := range rules {
		if c := r(a, b); c != 0 {
			return c
		}
	}
	return 0
}

// byDeprecation: RFC 6724 §6 rule 3, and draft §3.5: move away from deprecated
// addresses while there are others.
func byDeprecation(a, b Candidate) int { return falseFirst(a.Deprecated, b.Deprecated) }

// byPreference: the sum of both ends' preferences, higher first. RFC 6724 §2.1
// leaves room for such policy above its own rules.
func byPreference(a, b Candidate) int { return cmp.Compare(b.Preference, a.Preference) }

// byLinkLocal puts link-local pairs last: whether both ends are on one link is not
// known, and testing a pair that cannot work costs a time-out at the worst moment.
func byLinkLocal(a, b Candidate) int {
	return falseFirst(a.Pair.Remote.Addr().IsLinkLocalUnicast(), b.Pair.Remote.Addr().IsLinkLocalUnicast())
}

// byLabel: RFC 6724 §6 rule 5: prefer pairs whose ends have the same label, so
// that for instance a unique local address is not sent from to a global one.
func byLabel(a, b Candidate) int { return falseFirst(!a.Pair.sameLabel(), !b.Pair.sameLabel()) }

// byPrecedence: RFC 6724 §6 rule 6: prefer the higher precedence of the remote
// end; this puts native IPv6 before IPv4.
func byPrecedence(a, b Candidate) int {
	return cmp.Compare(
		lookup(b.Pair.Remote.Addr()).Precedence,
		lookup(a.Pair.Remote.Addr()).Precedence)
}

// byScope: RFC 6724 §6 rule 8: prefer the smaller scope. Link-local and global
// are the only scopes of legal pairs.
func byScope(a, b Candidate) int {
	return falseFirst(
		!a.Pair.Remote.Addr().IsLinkLocalUnicast(),
		!b.Pair.Remote.Addr().IsLinkLocalUnicast())
}

// byCommonPrefix: RFC 6724 §6 rule 9: prefer the longer prefix that both ends
// share. Rule 6 has separated the families before.
func byCommonPrefix(a, b Candidate) int {
	return cmp.Compare(
		commonPrefix(b.Pair.Local, b.Pair.Remote.Addr()),
		commonPrefix(a.Pair.Local, a.Pair.Remote.Addr()))
}

// byAddress makes the order the same on every call (RFC 6724 §6 rule 10 leaves
// it as given).
func byAddress(a, b Candidate) int {
	return cmp.Or(a.Pair.Local.Compare(b.Pair.Local), a.Pair.Remote.Compare(b.Pair.Remote))
}

// byInterface decides between two accounts of the same pair.
func byInterface(a, b Candidate) int { return cmp.Compare(a.Interface, b.Interface) }

// maxCommonPrefix bounds the common prefix of IPv6 addresses, in bits: RFC 6724
// §2.2 counts no further than the source's prefix, which is 64 in practice
// (RFC 4291 §2.5.1). Below that the interface identifiers start, whose likeness
// means nothing.
const maxCommonPrefix = 64

// commonPrefix returns the number of leading bits that a and b share (RFC 6724
// §2.2), zero if they are of different families.
func commonPrefix(a, b netip.Addr) int {
	if a.BitLen() != b.BitLen() {
		return 0
	}
	limit := min(a.BitLen(), maxCommonPrefix)
	for n := limit; n > 0; n-- {
		if p, err := a.Prefix(n); err == nil && p.Contains(b) {
			return n
		}
	}
	return 0
}

// A PolicyRow is a row of the RFC 6724 policy table (§2.1). IPv4 addresses are
// written as such, or as ::ffff:0:0/96 and longer.
type PolicyRow struct {
	Prefix            netip.Prefix
	Precedence, Label int
}

// ipv4Row is the row ::ffff:0:0/96 of RFC 6724 §2.1, which stands for IPv4.
var ipv4Row = PolicyRow{netip.MustParsePrefix("0.0.0.0/0"), 35, 4}

// policyTable is the default table of RFC 6724 §2.1 for IPv6, longest prefix
// first, so that the first match is the best.
var policyTable = [...]PolicyRow{
	{netip.MustParsePrefix("::1/128"), 50, 0},
	{netip.MustParsePrefix("::/96"), 1, 3},
	{netip.MustParsePrefix("2001::/32"), 5, 5},
	{netip.MustParsePrefix("2002::/16"), 30, 2},
	{netip.MustParsePrefix("3ffe::/16"), 1, 12},
	{netip.MustParsePrefix("fec0::/10"), 1, 11},
	{netip.MustParsePrefix("fc00::/7"), 3, 13},
	{netip.MustParsePrefix("::/0"), 40, 1},
}

// lookup returns a's row of the policy table.
func lookup(a netip.Addr) PolicyRow {
	for _, row := range policyTable {
		if row.Prefix.Contains(a) {
			return row
		}
	}
	return ipv4Row
}

// sameLabel reports whether both ends of p have one label.
func (p Pair) sameLabel() bool { return lookup(p.Local).Label == lookup(p.Remote.Addr()).Label }
