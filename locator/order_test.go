package locator

import (
	"net/netip"
	"testing"
)

// A trial is a rule with two candidates that it must put in this order, and one that
// it must leave to the next rule.
type trial struct {
	name                string
	rule                func(a, b Candidate) int
	first, second, tied Candidate
}

func (tt trial) run(t *testing.T) {
	t.Run(tt.name, func(t *testing.T) {
		if tt.rule(tt.first, tt.second) >= 0 || tt.rule(tt.second, tt.first) <= 0 {
			t.Errorf("%v is not before %v", tt.first.Pair, tt.second.Pair)
		}
		if tt.rule(tt.first, tt.tied) != 0 || tt.rule(tt.tied, tt.first) != 0 {
			t.Errorf("%v and %v do not tie", tt.first.Pair, tt.tied.Pair)
		}
	})
}

// of returns the candidate of two locators without any mark, the local one in a /64
// or /24 that is known.
func of(local, remote string) Candidate { return marked(local, remote, nil) }

// marked returns the candidate of two locators that mark has changed, by the default
// Order.
func marked(l, r string, mark func(*Local, *Remote)) Candidate {
	src, dst := local(l, 0), remote(r, 0)
	src.Bits = 64
	if src.Addr.Is4() {
		src.Bits = 24
	}
	if mark != nil {
		mark(&src, &dst)
	}
	return candidate(src, dst, newPolicyTable(nil), false)
}

func TestWishes(t *testing.T) {
	for _, tt := range []trial{
		{"not deprecated", byDeprecation,
			Candidate{}, Candidate{Deprecated: true, Preference: 9}, Candidate{Preference: 9}},
		{"not ambiguous", byAmbiguity,
			Candidate{}, Candidate{Ambiguous: true, Preference: 9}, Candidate{Deprecated: true}},
		{"preference", byPreference,
			Candidate{Preference: 2, Deprecated: true}, Candidate{Preference: 1}, Candidate{Preference: 2}},
		{"not metered", byMetered,
			Candidate{}, Candidate{Metered: true, Preference: 9}, Candidate{Preference: 9}},
		{"link-local last", byLinkLocal,
			of("2001:db8::1", "2001:db8::2"), of("fe80::1", "fe80::2"), of("192.0.2.1", "198.51.100.1")},
	} {
		tt.run(t)
	}
}

// Each wish outweighs all that follow it in the list.
func TestWishesInOrder(t *testing.T) {
	global, onLink := pair("2001:db8::1", "2001:db8::2"), pair("fe80::1", "fe80::2")
	for i, tt := range []struct{ first, second Candidate }{
		{Candidate{Pair: onLink, Ambiguous: true, Metered: true}, Candidate{Pair: global, Preference: 9, Deprecated: true}},
		{Candidate{Pair: onLink, Metered: true}, Candidate{Pair: global, Preference: 9, Ambiguous: true}},
		{Candidate{Pair: onLink, Metered: true, Preference: 1}, Candidate{Pair: global}},
		{Candidate{Pair: onLink}, Candidate{Pair: global, Metered: true}},
		{Candidate{Pair: global}, Candidate{Pair: onLink}},
	} {
		if compareBy(wishes, tt.first, tt.second) >= 0 || compareBy(wishes, tt.second, tt.first) <= 0 {
			t.Errorf("wish %d does not decide", i)
		}
	}
}

func TestSourceRules(t *testing.T) {
	deprecated := func(l *Local, _ *Remote) { l.Deprecated = true }
	for _, tt := range []trial{
		{"rule 1, same address", bySameAddress,
			of("2001:db8::1", "2001:db8::1"), of("2001:db8::2", "2001:db8::1"), of("fd00::1", "fd00::1")},
		{"rule 2, own scope", byAppropriateScope,
			of("fe80::1", "fe80::2"), of("2001:db8::1", "fe80::2"), of("2001:db8::1", "2001:db8::2")},
		{"rule 2, wider scope", byAppropriateScope,
			of("2001:db8::1", "fec0::2"), of("fe80::1", "fec0::2"), of("fd00::1", "fec0::2")},
		{"rule 2, nearest of the wider", byAppropriateScope,
			of("fec0::1", "fe80::2"), of("2001:db8::1", "fe80::2"), of("fec0::7", "fe80::2")},
		{"rule 2, nearest of the narrower", byAppropriateScope,
			of("fec0::1", "2001:db8::2"), of("fe80::1", "2001:db8::2"), of("fec0::7", "2001:db8::2")},
		{"rule 3, not deprecated", byLocalDeprecation,
			of("2001:db8::1", "2001:db8::2"), marked("2001:db8::1", "2001:db8::2", deprecated), of("fd00::1", "2001:db8::2")},
		{"rule 5, outgoing interface", byOutgoingInterface,
			of("192.0.2.1", "192.0.2.2"), of("198.51.100.1", "192.0.2.2"), of("192.0.2.9", "192.0.2.2")},
		{"rule 6, matching label", byMatchingLabel,
			of("2002:c000:201::1", "2002::1"), of("2001:db8::1", "2002::1"), of("2002::7", "2002::1")},
		{"rule 7, public", byTemporary,
			of("2001:db8::1", "2001:db8::2"),
			marked("2001:db8::1", "2001:db8::2", func(l *Local, _ *Remote) { l.Temporary = true }),
			of("fd00::1", "2001:db8::2")},
		{"rule 8, longer prefix", byCommonPrefix,
			of("2001:db8:1::1", "2001:db8:1::2"), of("2001:db8:3::1", "2001:db8:1::2"), of("2001:db8:1::9", "2001:db8:1::2")},
	} {
		tt.run(t)
	}
}

// RFC 6724 §5 rule 7 the other way, as configured.
func TestPreferTemporary(t *testing.T) {
	lasting, passing := local("2001:db8::1", 0), local("2001:db8::2", 0)
	passing.Temporary = true
	locals, remotes := []Local{lasting, passing}, []Remote{remote("2001:db8::9", 0)}
	wantOrder(t, Pairs(locals, remotes, Order{}), "0: 2001:db8::1 → 2001:db8::9", "0: 2001:db8::2 → 2001:db8::9")
	wantOrder(t, Pairs(locals, remotes, Order{PreferTemporary: true}), "0: 2001:db8::2 → 2001:db8::9", "0: 2001:db8::1 → 2001:db8::9")
}

// All addresses of the interface on whose link the remote is go before those of
// others, also those in another prefix (RFC 6724 §5 rule 5).
func TestOutgoingInterface(t *testing.T) {
	at := func(addr string, index uint32) Local {
		l := local(addr, 0)
		l.Interface, l.Bits = index, 64
		return l
	}
	got := Pairs(
		[]Local{at("2001:db8:1::1", 1), at("2001:db8:ffff::1", 2), at("2001:db8:2::2", 2)},
		[]Remote{remote("2001:db8:2::9", 0)}, Order{})
	wantOrder(t, got,
		"0: 2001:db8:2::2 → 2001:db8:2::9",
		"0: 2001:db8:ffff::1 → 2001:db8:2::9",
		"0: 2001:db8:1::1 → 2001:db8:2::9")
	if why := Explain(got[0], got[2]); why != "worse source: other interface" {
		t.Errorf("why: %q", why)
	}
}

func TestDestinationRules(t *testing.T) {
	deprecated := func(l *Local, _ *Remote) { l.Deprecated = true }
	tunnel := func(l *Local, _ *Remote) { l.Tunnel = true }
	for _, tt := range []trial{
		{"rule 2, matching scope", byMatchingScope,
			of("192.0.2.1", "198.51.100.1"), of("fe80::1", "2001:db8::1"), of("fe80::1", "fe80::2")},
		{"rule 3, not deprecated", byLocalDeprecation,
			of("fd00::1", "2001:db8::2"), marked("2001:db8::1", "2001:db8::2", deprecated), of("2001:db8::1", "2001:db8::2")},
		{"rule 5, matching label", byMatchingLabel,
			of("fd00::1", "fd12::1"), of("fd00::1", "2001:db8::1"), of("192.0.2.1", "198.51.100.1")},
		{"rule 6, IPv6 before IPv4", byPrecedence,
			of("2001:db8::1", "2001:db8::2"), of("192.0.2.1", "198.51.100.1"), of("fd00::1", "2a00::1")},
		{"rule 6, IPv4 before Teredo", byPrecedence,
			of("192.0.2.1", "198.51.100.1"), of("2001::1", "2001::2"), of("10.0.0.1", "192.0.2.1")},
		{"rule 7, native transport", byNativeTransport,
			of("2001:db8::1", "2001:db8::2"), marked("2001:db8::1", "2001:db8::2", tunnel), of("fd00::1", "2a00::1")},
		{"rule 8, smaller scope", bySmallerScope,
			of("fe80::1", "fe80::2"), of("2001:db8::1", "2001:db8::2"), of("fe80::1", "fe80::3")},
		{"rule 9, longer prefix", byCommonPrefix,
			of("2001:db8:1::1", "2001:db8:1::2"), of("2001:db8:1::1", "2001:db8:2::2"), of("2a00::1", "2a00::2")},
		{"rule 9, families apart", byFamily,
			of("2001:db8::1", "2a00::2"), of("192.0.2.1", "192.0.2.2"), of("fd00::1", "fd00::2")},
	} {
		tt.run(t)
	}
}

func TestTies(t *testing.T) {
	for _, tt := range []trial{
		{"local address", byAddress,
			of("2001:db8::1", "2001:db8::3"), of("2001:db8::2", "2001:db8::1"), of("2001:db8::1", "2001:db8::3")},
		{"remote address", byAddress,
			of("2001:db8::1", "2001:db8::2"), of("2001:db8::1", "2001:db8::3"), of("2001:db8::1", "2001:db8::2")},
		{"interface", byInterface, Candidate{Interface: 1}, Candidate{Interface: 2}, Candidate{Interface: 1}},
		{"link", byLink, Candidate{Link: 1}, Candidate{Link: 2}, Candidate{Link: 1}},
	} {
		tt.run(t)
	}
}

// A table that gives both families one precedence must not mix them: rule 9 cannot
// compare across (RFC 6724 §6).
func TestPairsFamiliesOfOnePrecedence(t *testing.T) {
	flat := Order{Table: []PolicyRow{{netip.MustParsePrefix("::/0"), 40, 1}}}
	wantOrder(t, Pairs(
		[]Local{local("192.0.2.1", 0), local("2001:db8::1", 0)},
		[]Remote{remote("192.0.2.2", 0), remote("2a00::1", 0), remote("2001:db8::2", 0), remote("198.51.100.1", 0)}, flat),
		"0: 2001:db8::1 → 2001:db8::2", "0: 2001:db8::1 → 2a00::1",
		"0: 192.0.2.1 → 192.0.2.2", "0: 192.0.2.1 → 198.51.100.1")
}

func TestCommonPrefix(t *testing.T) {
	tests := []struct {
		local  string
		length int
		remote string
		bits   int
	}{
		{"2001:db8::1", 0, "2001:db8::1", 64},
		{"2001:db8::1", 0, "2001:db8::2", 64},
		{"2001:db8::1", 64, "2001:db8::2", 64},
		{"2001:db8::1", 56, "2001:db8::2", 56},
		{"2001:db8::1", 128, "2001:db8::2", 126},
		{"2001:db8::1", 999, "2001:db8::1", 128},
		{"2001:db8::", 64, "2001:db8:8000::", 32},
		{"2001:db8::", 16, "2001:db8:8000::", 16},
		{"2001:db8::", 64, "a001:db8::", 0},
		{"192.0.2.1", 0, "192.0.2.1", 32},
		{"192.0.2.0", 0, "192.0.2.1", 31},
		{"192.0.2.0", 24, "192.0.2.1", 24},
		{"192.0.2.1", 24, "64.0.2.1", 0},
		{"192.0.2.1", 24, "2001:db8::1", 0},
	}
	for _, tt := range tests {
		l := Local{Addr: netip.MustParseAddr(tt.local), Bits: tt.length}
		if got := commonPrefix(l, netip.MustParseAddr(tt.remote)); got != tt.bits {
			t.Errorf("%s/%d, %s: %d bits, want %d", tt.local, tt.length, tt.remote, got, tt.bits)
		}
	}
}
