package locator

import (
	"net/netip"
	"slices"
)

// A Local is a locator of this node that is operational.
type Local struct {
	// Addr is the address, without zone.
	Addr netip.Addr
	// Interface is the index of the interface that has Addr.
	Interface uint32
	// Bits is the length of the on-link prefix, in bits; zero: not known.
	Bits int
	// Preference is better when higher.
	Preference uint8
	// Deprecated locators are used last (draft §3.5).
	Deprecated bool
	// Temporary addresses change for privacy's sake (RFC 8981).
	Temporary bool
	// Tunnel says that the interface is one end of a tunnel.
	Tunnel bool
	// Metered locators cost by the byte: they are tested and reported over no
	// more than need be.
	Metered bool
	// MTU is that of the interface, in bytes; zero: not known.
	MTU int
}

// A Remote is a locator that the peer announced or that was configured.
type Remote struct {
	// Addr is the address, without zone, and the UDP port.
	Addr netip.AddrPort
	// Preference is the peer's own, better when higher.
	Preference uint8
	// Link is the same for locators of one interface of the peer; zero: unknown.
	Link uint8
	// Deprecated locators are used last (draft §3.5).
	Deprecated bool
	// Metered is the peer's word that the locator costs by the byte.
	Metered bool
	// Vouched says that the locator is known to be the peer's by more than its
	// word: it was configured, or packets came from it.
	Vouched bool
}

// A Candidate is a legal pair and its place in the order.
type Candidate struct {
	Pair Pair
	// Interface is the index of the interface that has Pair.Local, Link the number
	// of the peer's that has Pair.Remote, zero if that is unknown.
	Interface uint32
	Link      uint8
	// Preference is the sum of both ends' preferences.
	Preference int
	// Deprecated says that one end at least is deprecated.
	Deprecated bool
	// Metered says that one end at least costs by the byte.
	Metered bool
	// MTU is what Pair.Local's interface carries, in bytes; zero: not known.
	MTU int
	// Ambiguous says that the remote locator, used from the local one, may mean
	// someone else (draft §3.1): it is private or link-local, nobody vouches for it
	// and it is not on a link that is known to be ours.
	Ambiguous bool
	// Class counts from 0, the best. Candidates of one class are equally
	// wanted; only the rules of RFC 6724 tell them apart, which evidence
	// may overrule.
	Class int

	keys keys
}

// An Order is what legality and order depend on besides the locators. The zero
// Order is good.
type Order struct {
	// Table replaces the policy table of RFC 6724 §2.1; empty: the default one. The
	// order of the rows does not matter. See ValidateTable.
	Table []PolicyRow
	// PreferTemporary has temporary addresses of this node before its public ones
	// (RFC 6724 §5 rule 7); see byTemporary for why that is not the default.
	PreferTemporary bool
	// Routable reports whether there is a route from l to remote by l's interface.
	// Nil: always.
	Routable func(l Local, remote netip.Addr) bool
}

func (o Order) routable(l Local, remote netip.Addr) bool {
	return o.Routable == nil || o.Routable(l, remote)
}

// Pairs returns every legal pair of a local and a remote locator once, best
// first. The result depends on what is in the slices, not on their order.
func Pairs(locals []Local, remotes []Remote, o Order) []Candidate {
	table := newPolicyTable(o.Table)
	list := make([]Candidate, 0, len(locals)*len(remotes))
	for _, r := range remotes {
		links := linksOf(r.Addr.Addr(), locals)
		for _, l := range locals {
			if !Legal(Pair{l.Addr, r.Addr}) || meaningOf(l, r) == meansOther || !o.routable(l, r.Addr.Addr()) {
				continue
			}
			c := candidate(l, r, table, o.PreferTemporary)
			c.keys.onLink = max(c.keys.onLink, links[l.Interface])
			list = append(list, c)
		}
	}
	list = dropRepeats(list)
	classify(list)
	rankSources(list)
	slices.SortFunc(list, compare)
	return list
}

// candidate returns the pair of l and r, with all that the two alone tell.
func candidate(l Local, r Remote, table policyTable, preferTemporary bool) Candidate {
	a := r.Addr.Addr()
	mine, theirs := table.lookup(l.Addr), table.lookup(a)
	return Candidate{
		Pair:       Pair{l.Addr, r.Addr},
		Interface:  l.Interface,
		Link:       r.Link,
		Preference: int(l.Preference) + int(r.Preference),
		Deprecated: l.Deprecated || r.Deprecated,
		Metered:    l.Metered || r.Metered,
		MTU:        l.MTU,
		Ambiguous:  meaningOf(l, r) == mayMeanPeer,
		keys: keys{
			localDeprecated: l.Deprecated,
			sameLabel:       mine.Label == theirs.Label,
			precedence:      theirs.Precedence,
			temporary:       l.Temporary,
			unwantedKind:    l.Temporary != preferTemporary,
			tunnel:          l.Tunnel,
			onLink:          l.onLink(a),
			commonPrefix:    commonPrefix(l, a),
		},
	}
}

// linksOf returns the interfaces on whose link a is, by the on-link prefixes of any
// of their addresses, with the length of the longest one in bits.
func linksOf(a netip.Addr, locals []Local) map[uint32]int {
	links := make(map[uint32]int)
	for _, l := range locals {
		if n := l.onLink(a); n > 0 && l.Interface != 0 {
			links[l.Interface] = max(links[l.Interface], n)
		}
	}
	return links
}
