package locator

import (
	"net/netip"
	"testing"
)

// Each rule, with a pair of candidates that it must put in this order, and one
// that it must leave to the next rule.
func TestRules(t *testing.T) {
	of := func(local, remote string) Candidate { return Candidate{Pair: pair(local, remote)} }
	tests := []struct {
		name                string
		rule                rule
		first, second, tied Candidate
	}{
		{"not deprecated", byDeprecation,
			Candidate{}, Candidate{Deprecated: true, Preference: 9}, Candidate{Preference: 9}},
		{"preference", byPreference,
			Candidate{Preference: 2, Deprecated: true}, Candidate{Preference: 1}, Candidate{Preference: 2}},
		{"same label", byLabel,
			of("fd00::1", "fd12::1"), of("fd00::1", "2001:db8::1"), of("192.0.2.1", "198.51.100.1")},
		{"IPv6 before IPv4", byPrecedence,
			of("2001:db8::1", "2001:db8::2"), of("192.0.2.1", "198.51.100.1"), of("fd00::1", "2a00::1")},
		{"IPv4 before Teredo", byPrecedence,
			of("192.0.2.1", "198.51.100.1"), of("2001::1", "2001::2"), of("10.0.0.1", "192.0.2.1")},
		{"link-local last", byLinkLocal,
			of("2001:db8::1", "2001:db8::2"), of("fe80::1", "fe80::2"), of("192.0.2.1", "198.51.100.1")},
		{"link-local first", byScope,
			of("fe80::1", "fe80::2"), of("2001:db8::1", "2001:db8::2"), of("fe80::1", "fe80::3")},
		{"longer prefix", byCommonPrefix,
			of("2001:db8:1::1", "2001:db8:1::2"), of("2001:db8:1::1", "2001:db8:2::2"), of("2a00::1", "2a00::2")},
		{"address", byAddress,
			of("2001:db8::1", "2001:db8::3"), of("2001:db8::2", "2001:db8::1"), of("2001:db8::1", "2001:db8::3")},
		{"remote address", byAddress,
			of("2001:db8::1", "2001:db8::2"), of("2001:db8::1", "2001:db8::3"), of("2001:db8::1", "2001:db8::2")},
		{"interface", byInterface,
			Candidate{Interface: 1}, Candidate{Interface: 2}, Candidate{Interface: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.rule(tt.first, tt.second) >= 0 || tt.rule(tt.second, tt.first) <= 0 {
				t.Errorf("%v is not before %v", tt.first.Pair, tt.second.Pair)
			}
			if tt.rule(tt.first, tt.tied) != 0 {
				t.Errorf("%v and %v do not tie", tt.first.Pair, tt.tied.Pair)
			}
		})
	}
}

func TestLegal(t *testing.T) {
	tests := []struct {
		local, remote string
		legal         bool
	}{
		{"2001:db8::1", "2001:db8::2", true},
		{"192.0.2.1", "198.51.100.1", true},
		{"10.0.0.1", "198.51.100.1", true},
		{"fd00::1", "2001:db8::2", true},
		{"fe80::1", "fe80::2", true},
		{"192.0.2.1", "2001:db8::2", false},
		{"2001:db8::1", "192.0.2.1", false},
		{"fe80::1", "2001:db8::2", false},
		{"2001:db8::1", "fe80::2", false},
		{"2001:db8::1", "2001:db8::1", false},
		{"::1", "::1", false},
		{"2001:db8::1", "ff0e::1", false},
		{"192.0.2.1", "127.0.0.1", false},
		{"169.254.0.1", "169.254.0.2", false},
		{"fec0::1", "fec0::2", false},
		{"192.0.2.1", "::ffff:192.0.2.2", false},
		{"192.0.2.1", "255.255.255.255", false},
		{"0.0.0.0", "192.0.2.1", false},
	}
	for _, tt := range tests {
		if got := Legal(pair(tt.local, tt.remote)); got != tt.legal {
			t.Errorf("%s → %s: legal %v, want %v", tt.local, tt.remote, got, tt.legal)
		}
	}
	if Legal(Pair{}) || Legal(Pair{Local: netip.MustParseAddr("192.0.2.1")}) {
		t.Error("half a pair is legal")
	}
}

func TestCommonPrefix(t *testing.T) {
	tests := []struct {
		a, b string
		bits int
	}{
		{"2001:db8::1", "2001:db8::1", 64},
		{"2001:db8::1", "2001:db8::2", 64},
		{"2001:db8::", "2001:db8:8000::", 32},
		{"2001:db8::", "a001:db8::", 0},
		{"192.0.2.1", "192.0.2.1", 32},
		{"192.0.2.0", "192.0.2.1", 31},
		{"192.0.2.1", "64.0.2.1", 0},
		{"192.0.2.1", "2001:db8::1", 0},
	}
	for _, tt := range tests {
		if got := commonPrefix(netip.MustParseAddr(tt.a), netip.MustParseAddr(tt.b)); got != tt.bits {
			t.Errorf("%s, %s: %d bits, want %d", tt.a, tt.b, got, tt.bits)
		}
	}
}

// The examples of the policy table in RFC 6724 §2.1.
func TestPolicyTable(t *testing.T) {
	tests := []struct {
		addr              string
		precedence, label int
	}{
		{"::1", 50, 0}, {"2001:db8::1", 40, 1}, {"fe80::1", 40, 1}, {"192.0.2.1", 35, 4}, {"2002:c000:201::1", 30, 2},
		{"2001::1", 5, 5}, {"fd00::1", 3, 13}, {"::192.0.2.1", 1, 3}, {"fec0::1", 1, 11}, {"3ffe::1", 1, 12},
	}
	for _, tt := range tests {
		row := lookup(netip.MustParseAddr(tt.addr))
		if row.Precedence != tt.precedence || row.Label != tt.label {
			t.Errorf("%s: %d, %d; want %d, %d", tt.addr, row.Precedence, row.Label, tt.precedence, tt.label)
		}
	}
}

func TestPair(t *testing.T) {
	p := pair("192.0.2.1", "198.51.100.1")
	other := Pair{p.Local, netip.AddrPortFrom(netip.MustParseAddr("203.0.113.1"), 7000)}
	apart := pair("192.0.2.9", "203.0.113.9")
	for _, tt := range []struct {
		pair  Pair
		valid bool
		text  string
	}{
		{p, true, "192.0.2.1 → 198.51.100.1"},
		{other, true, "192.0.2.1 → 203.0.113.1:7000"},
		{Pair{}, false, "none"},
		{Pair{Local: p.Local}, false, "none"},
	} {
		if tt.pair.IsValid() != tt.valid || tt.pair.String() != tt.text {
			t.Errorf("%v: valid %v, %q; want %q", tt.pair.Local, tt.pair.IsValid(), tt.pair, tt.text)
		}
	}
	if !p.Shares(other) || !p.Shares(p) || p.Shares(apart) {
		t.Error("Shares is wrong")
	}
}
