package locator

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An example is one of RFC 6724 §10, with the addresses that stand there. Sources get
// on-link prefixes of the usual length, 64 bits or, of IPv4, 24.
type example struct {
	section string
	// sources and destinations are lists; a source ends in " deprecated" or " temporary"
	// where it is.
	sources, destinations []string
	// table has the rows that the section adds to the default table, or puts in the
	// place of rows there.
	table []PolicyRow
	// temporary: the RFC's choice of rule 7, which is not our default.
	temporary bool
	// want are the pairs that the RFC's result means, as "local → remote", in order. Of
	// a list of sources (§10.1) it is the first.
	want []string
	// bare: without our wishes, which put link-local pairs behind all others.
	bare bool
	// absent says why the example cannot be had; no want then.
	absent string
}

const (
	noMulticast = "a multicast address is no locator"
	noHome      = "there are no home addresses here, see sourceRules"
	noSelf      = "a packet to our own address leaves no host, see distinctEnds"
)

var examples = []example{
	{section: "10.1 appropriate scope",
		sources: []string{"2001:db8:3::1", "fe80::1"}, destinations: []string{"2001:db8:1::1"},
		want: []string{"2001:db8:3::1 → 2001:db8:1::1"}},
	{section: "10.1 appropriate scope, multicast", absent: noMulticast,
		sources: []string{"2001:db8:3::1", "fe80::1"}, destinations: []string{"ff05::1"}},
	{section: "10.1 same address", absent: noSelf, // the RFC's other source, 2001:db8:2::1, is left out
		sources: []string{"2001:db8:1::1 deprecated"}, destinations: []string{"2001:db8:1::1"}},
	{section: "10.1 appropriate scope, link-local",
		sources: []string{"fe80::2 deprecated", "2001:db8:1::1"}, destinations: []string{"fe80::1"},
		want: []string{"fe80::2 → fe80::1"}},
	{section: "10.1 longest matching prefix",
		sources: []string{"2001:db8:1::2", "2001:db8:3::2"}, destinations: []string{"2001:db8:1::1"},
		want: []string{"2001:db8:1::2 → 2001:db8:1::1"}},
	{section: "10.1 home address", absent: noHome},
	{section: "10.1 matching label",
		sources: []string{"2002:c633:6401::d5e3:7953:13eb:22e8 temporary", "2001:db8:1::2"}, destinations: []string{"2002:c633:6401::1"},
		want: []string{"2002:c633:6401::d5e3:7953:13eb:22e8 → 2002:c633:6401::1"}},
	{section: "10.1 temporary address", temporary: true,
		sources: []string{"2001:db8:1::2", "2001:db8:1::d5e3:7953:13eb:22e8 temporary"}, destinations: []string{"2001:db8:1::d5e3:0:0:1"},
		want: []string{"2001:db8:1::d5e3:7953:13eb:22e8 → 2001:db8:1::d5e3:0:0:1"}},
	{section: "10.1 temporary address, by our default", // Deviation: see byTemporary
		sources: []string{"2001:db8:1::2", "2001:db8:1::d5e3:7953:13eb:22e8 temporary"}, destinations: []string{"2001:db8:1::d5e3:0:0:1"},
		want: []string{"2001:db8:1::2 → 2001:db8:1::d5e3:0:0:1"}},

	// In the first two of §10.2 and §10.3 the RFC also lists the other destination, with
	// a source of another scope or from 169.254/16: such a pair is not legal, which
	// leaves the first of its result.
	{section: "10.2 matching scope",
		sources: []string{"2001:db8:1::2", "fe80::1", "169.254.13.78"}, destinations: []string{"2001:db8:1::1", "198.51.100.121"},
		want: []string{"2001:db8:1::2 → 2001:db8:1::1"}},
	{section: "10.2 matching scope, IPv4",
		sources: []string{"fe80::1", "198.51.100.117"}, destinations: []string{"2001:db8:1::1", "198.51.100.121"},
		want: []string{"198.51.100.117 → 198.51.100.121"}},
	{section: "10.2 higher precedence",
		sources: []string{"2001:db8:1::2", "fe80::1", "10.1.2.4"}, destinations: []string{"2001:db8:1::1", "10.1.2.3"},
		want: []string{"2001:db8:1::2 → 2001:db8:1::1", "10.1.2.4 → 10.1.2.3"}},
	{section: "10.2 smaller scope", bare: true,
		sources: []string{"2001:db8:1::2", "fe80::2"}, destinations: []string{"2001:db8:1::1", "fe80::1"},
		want: []string{"fe80::2 → fe80::1", "2001:db8:1::2 → 2001:db8:1::1"}},
	{section: "10.2 smaller scope, by our wishes", // Deviation: see byLinkLocal
		sources: []string{"2001:db8:1::2", "fe80::2"}, destinations: []string{"2001:db8:1::1", "fe80::1"},
		want: []string{"2001:db8:1::2 → 2001:db8:1::1", "fe80::2 → fe80::1"}},
	{section: "10.2 home address", absent: noHome},
	{section: "10.2 deprecated",
		sources: []string{"2001:db8:1::2", "fe80::2 deprecated"}, destinations: []string{"2001:db8:1::1", "fe80::1"},
		want: []string{"2001:db8:1::2 → 2001:db8:1::1", "fe80::2 → fe80::1"}},
	{section: "10.2 longest matching prefix",
		sources: []string{"2001:db8:1::2", "2001:db8:3f44::2", "fe80::2"}, destinations: []string{"2001:db8:1::1", "2001:db8:3ffe::1"},
		want: []string{"2001:db8:1::2 → 2001:db8:1::1", "2001:db8:3f44::2 → 2001:db8:3ffe::1",
			"2001:db8:1::2 → 2001:db8:3ffe::1", "2001:db8:3f44::2 → 2001:db8:1::1"}}, // the second sources, 34 bits each
	{section: "10.2 matching label",
		sources: []string{"2002:c633:6401::2", "fe80::2"}, destinations: []string{"2002:c633:6401::1", "2001:db8:1::1"},
		want: []string{"2002:c633:6401::2 → 2002:c633:6401::1", "2002:c633:6401::2 → 2001:db8:1::1"}},
	{section: "10.2 higher precedence, 6to4",
		sources: []string{"2002:c633:6401::2", "2001:db8:1::2", "fe80::2"}, destinations: []string{"2002:c633:6401::1", "2001:db8:1::1"},
		want: []string{"2001:db8:1::2 → 2001:db8:1::1", "2002:c633:6401::2 → 2002:c633:6401::1",
			"2002:c633:6401::2 → 2001:db8:1::1", "2001:db8:1::2 → 2002:c633:6401::1"}}, // the second sources, neither with its label

	{section: "10.3 matching scope", table: ipv4First,
		sources: []string{"2001:db8::2", "fe80::1", "169.254.13.78"}, destinations: []string{"2001:db8::1", "198.51.100.121"},
		want: []string{"2001:db8::2 → 2001:db8::1"}},
	{section: "10.3 matching scope, IPv4", table: ipv4First,
		sources: []string{"fe80::1", "198.51.100.117"}, destinations: []string{"2001:db8::1", "198.51.100.121"},
		want: []string{"198.51.100.117 → 198.51.100.121"}},
	{section: "10.3 higher precedence", table: ipv4First,
		sources: []string{"2001:db8::2", "fe80::1", "10.1.2.4"}, destinations: []string{"2001:db8::1", "10.1.2.3"},
		want: []string{"10.1.2.4 → 10.1.2.3", "2001:db8::2 → 2001:db8::1"}},

	{section: "10.4 link-local after global", bare: true, table: []PolicyRow{row("fe80::/10", 33, 1)},
		sources: []string{"2001:db8::2", "fe80::2"}, destinations: []string{"2001:db8::1", "fe80::1"},
		want: []string{"2001:db8::2 → 2001:db8::1", "fe80::2 → fe80::1"}},
	{section: "10.4 deprecated global", table: []PolicyRow{row("fe80::/10", 33, 1)},
		sources: []string{"2001:db8::2 deprecated", "fe80::2"}, destinations: []string{"2001:db8::1", "fe80::1"},
		want: []string{"fe80::2 → fe80::1", "2001:db8::2 → 2001:db8::1"}},

	// The settings of §10.5 and §10.6, with addresses of our own: two sites joined by a
	// line of their own, which has prefixes of its own.
	{section: "10.5 two sites, default table",
		sources: []string{"2001:db8:1a::a", "2001:db8:7a::a"}, destinations: []string{"2001:db8:1b::b", "2001:db8:7b::b"},
		want: []string{"2001:db8:1a::a → 2001:db8:1b::b", "2001:db8:7a::a → 2001:db8:7b::b",
			"2001:db8:1a::a → 2001:db8:7b::b", "2001:db8:7a::a → 2001:db8:1b::b"}}, // 47 bits each, then 41 each
	{section: "10.5 two sites, own line preferred", table: []PolicyRow{row("2001:db8:7a::/48", 45, 14), row("2001:db8:7b::/48", 45, 14)},
		sources: []string{"2001:db8:1a::a", "2001:db8:7a::a"}, destinations: []string{"2001:db8:1b::b", "2001:db8:7b::b"},
		want: []string{"2001:db8:7a::a → 2001:db8:7b::b", "2001:db8:1a::a → 2001:db8:1b::b",
			"2001:db8:1a::a → 2001:db8:7b::b", "2001:db8:7a::a → 2001:db8:1b::b"}},
	{section: "10.5 two sites, a third", table: []PolicyRow{row("2001:db8:7a::/48", 45, 14), row("2001:db8:7b::/48", 45, 14)},
		sources: []string{"2001:db8:1a::a", "2001:db8:7a::a"}, destinations: []string{"2001:db8:7c::c"},
		want: []string{"2001:db8:1a::a → 2001:db8:7c::c", "2001:db8:7a::a → 2001:db8:7c::c"}},
	{section: "10.6 unique local, default table",
		sources: []string{"fd11:1::a", "2001:db8:1::a"}, destinations: []string{"fd22:2::b", "2001:db8:2::b"},
		want: []string{"2001:db8:1::a → 2001:db8:2::b", "fd11:1::a → fd22:2::b",
			"fd11:1::a → 2001:db8:2::b", "2001:db8:1::a → fd22:2::b"}},
	{section: "10.6 unique local preferred", table: []PolicyRow{row("fd11:1::/48", 45, 14), row("fd22:2::/48", 45, 14)},
		sources: []string{"fd11:1::a", "2001:db8:1::a"}, destinations: []string{"fd22:2::b", "2001:db8:2::b"},
		want: []string{"fd11:1::a → fd22:2::b", "2001:db8:1::a → 2001:db8:2::b",
			"2001:db8:1::a → fd22:2::b", "fd11:1::a → 2001:db8:2::b"}},
	{section: "10.7 NATed IPv4 before relayed 6to4",
		sources: []string{"2002:c633:6401::2", "10.1.2.3"}, destinations: []string{"2001:db8:1::1", "203.0.113.1"},
		want: []string{"10.1.2.3 → 203.0.113.1", "2002:c633:6401::2 → 2001:db8:1::1"}},
	{section: "10.7 native 6to4 prefix", table: []PolicyRow{row("2002:c633:6401::/48", 45, 14)},
		sources: []string{"2002:c633:6401:1::1", "10.1.2.3"}, destinations: []string{"2002:c633:6401:2::2", "203.0.113.1"},
		want: []string{"2002:c633:6401:1::1 → 2002:c633:6401:2::2", "10.1.2.3 → 203.0.113.1"}},
}

// ipv4First is the change of §10.3.
var ipv4First = []PolicyRow{row("::ffff:0:0/96", 100, 4)}

// The examples of RFC 6724 §10, both ends in any order. All remote ends are vouched
// for: that private ones may mean someone else is no matter of the RFC.
func TestRFC6724Examples(t *testing.T) {
	for _, e := range examples {
		t.Run(e.section, func(t *testing.T) {
			for seed := range uint64(8) {
				var got []string
				for _, c := range e.pairs(seed) {
					got = append(got, c.Pair.String())
				}
				if e.absent != "" {
					if len(got) > 0 {
						t.Errorf("%v although %s", got, e.absent)
					}
					continue
				}
				if strings.HasPrefix(e.section, "10.1 ") {
					got = got[:1]
				}
				if diff := cmp.Diff(e.wanted(), got); diff != "" {
					t.Fatalf("pairs (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// wanted returns e.want as a Pair is written, which may differ from the RFC.
func (e example) wanted() []string {
	var list []string
	for _, s := range e.want {
		local, remote, _ := strings.Cut(s, " → ")
		list = append(list, pair(local, remote).String())
	}
	return list
}

// pairs returns what becomes of e.
func (e example) pairs(seed uint64) []Candidate {
	var locals []Local
	for _, s := range e.sources {
		addr, mark, _ := strings.Cut(s, " ")
		l := local(addr, 0)
		l.Bits = 64
		if l.Addr.Is4() {
			l.Bits = 24
		}
		l.Deprecated, l.Temporary = mark == "deprecated", mark == "temporary"
		locals = append(locals, l)
	}
	var remotes []Remote
	for _, d := range e.destinations {
		r := remote(d, 0)
		r.Vouched = true
		remotes = append(remotes, r)
	}
	o := Order{Table: amended(e.table), PreferTemporary: e.temporary}
	list := Pairs(shuffled(locals, seed), shuffled(remotes, seed+1), o)
	if e.bare {
		withoutWishes(list)
	}
	return list
}

// withoutWishes orders list by RFC 6724 alone.
func withoutWishes(list []Candidate) {
	for i := range list {
		list[i].Class = 0
	}
	rankSources(list)
	slices.SortFunc(list, func(a, b Candidate) int { return compareBy(order[len(wishes):], a, b) })
}

// amended returns the default table with rows added, or put in the place of those of
// the same prefix.
func amended(rows []PolicyRow) []PolicyRow {
	if len(rows) == 0 {
		return nil
	}
	has := make(map[netip.Prefix]bool)
	for _, r := range rows {
		has[r.Prefix] = true
	}
	for _, r := range DefaultTable() {
		if !has[r.Prefix] {
			rows = append(rows, r)
		}
	}
	return rows
}
