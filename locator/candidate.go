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
	// Metered locators cost by the byte: they are tested and reported over no
	// more than need be.
	Metered bool
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
	// Class counts from 0, the best. Candidates of one class are equally
	// wanted; only the tie-breaks of RFC 6724 tell them apart, which evidence
	// may overrule.
	Class int
}

// An Order is what legality and order depend on besides the locators. The zero
// Order is good.
type Order struct {
	// Table replaces the policy table of RFC 6724 §2.1; empty: the default one.
	Table []PolicyRow
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
	list := make([]Candidate, 0, len(locals)*len(remotes))
	for _, l := range locals {
		for _, r := range remotes {
			if p := (Pair{l.Addr, r.Addr}); Legal(p) && o.routable(l, r.Addr.Addr()) {
				list = append(list, Candidate{
					Pair:       p,
					Interface:  l.Interface,
					Link:       r.Link,
					Preference: int(l.Preference) + int(r.Preference),
					Deprecated: l.Deprecated || r.Deprecated,
					Metered:    l.Metered || r.Metered,
				})
			}
		}
	}
	slices.SortFunc(list, compare)
	list = dropRepeats(list)
	classify(list)
	return list
}

// dropRepeats keeps the first, best candidate of each pair: a locator may have
// been given twice with different preferences.
func dropRepeats(sorted []Candidate) []Candidate {
	seen := make(map[Pair]bool, len(sorted))
	return slices.DeleteFunc(sorted, func(c Candidate) bool {
		again := seen[c.Pair]
		seen[c.Pair] = true
		return again
	})
}

// classify numbers the classes of a sorted list.
func classify(sorted []Candidate) {
	for i := 1; i < len(sorted); i++ {
		sorted[i].Class = sorted[i-1].Class
		if compareBy(wishes, sorted[i-1], sorted[i]) != 0 {
			sorted[i].Class++
		}
	}
}
