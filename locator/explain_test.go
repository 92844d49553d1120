package locator

import (
	"net/netip"
	"testing"
)

// Explain names the first rule that puts the second of two pairs behind the first.
func TestExplain(t *testing.T) {
	tests := []struct {
		name   string
		change func(l *Local, r *Remote) // from 2001:db8:1::1 → 2001:db8:2::1
		want   string
	}{
		{"deprecated here", func(l *Local, _ *Remote) { l.Deprecated = true }, "deprecated"},
		{"deprecated there", func(_ *Local, r *Remote) { r.Deprecated = true }, "deprecated"},
		{"preference", func(l *Local, _ *Remote) { l.Preference = 90 }, "lower preference: 190 < 200"},
		{"metered", func(_ *Local, r *Remote) { r.Metered = true }, "metered"},
		{"first of several", func(l *Local, _ *Remote) { l.Preference, l.Metered = 90, true }, "lower preference: 190 < 200"},
		{"private", func(l *Local, r *Remote) {
			l.Addr, r.Addr = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddrPort("10.0.0.2:6110")
		}, "ambiguous private address"},
		{"link-local", func(l *Local, r *Remote) {
			l.Addr, r.Addr = netip.MustParseAddr("fe80::1"), netip.MustParseAddrPort("[fe80::2]:6110")
		}, "ambiguous link-local address"},
		{"known link-local", func(l *Local, r *Remote) {
			l.Addr, r.Addr, r.Vouched = netip.MustParseAddr("fe80::1"), netip.MustParseAddrPort("[fe80::2]:6110"), true
		}, "link-local"},
		{"label", func(l *Local, r *Remote) {
			l.Addr, r.Addr = netip.MustParseAddr("fd00::1"), netip.MustParseAddrPort("[2a00::1]:6110")
		}, "label"},
		{"IPv4", func(l *Local, r *Remote) {
			l.Addr, r.Addr = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddrPort("198.51.100.1:6110")
		}, "lower precedence: IPv4 after IPv6"},
		{"Teredo", func(l *Local, r *Remote) {
			l.Addr, r.Addr = netip.MustParseAddr("2001::1"), netip.MustParseAddrPort("[2001::2]:6110")
		}, "lower precedence: 5 < 40"},
		{"tunnel", func(l *Local, r *Remote) {
			l.Tunnel, r.Addr = true, netip.MustParseAddrPort("[2001:db8:2::2]:6110")
		}, "tunnel"},
		{"prefix", func(_ *Local, r *Remote) { r.Addr = netip.MustParseAddrPort("[2a00::1]:6110") }, "shorter common prefix"},
		{"address", func(_ *Local, r *Remote) { r.Addr = netip.MustParseAddrPort("[2001:db8:2::2]:6110") }, "higher address"},
	}
	table := newPolicyTable(nil)
	best := candidate(local("2001:db8:1::1", 100), remote("2001:db8:2::1", 100), table, false)
	if why := Explain(best, best); why != "" {
		t.Errorf("the best itself: %q", why)
	}
	for _, tt := range tests {
		l, r := local("2001:db8:1::1", 100), remote("2001:db8:2::1", 100)
		tt.change(&l, &r)
		c := candidate(l, r, table, false)
		if why := Explain(best, c); why != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, why, tt.want)
		}
		if why := Explain(c, best); why != "" {
			t.Errorf("%s: the better is behind the worse: %q", tt.name, why)
		}
	}
}

// A pair that is behind only for its local end says by which source rule.
func TestExplainSources(t *testing.T) {
	tests := []struct {
		name, local string
		change      func(l *Local)
		want        string
	}{
		{"label", "fd00::1", nil, "worse source: label"},
		{"prefix", "2a00::1", nil, "worse source: shorter common prefix"},
		{"temporary", "2001:db8:1::1", func(l *Local) { l.Temporary = true }, "worse source: temporary address"},
		{"equal", "2001:db8:1::3", nil, "equal source, higher address"},
	}
	for _, tt := range tests {
		other := local(tt.local, 0)
		if tt.change != nil {
			tt.change(&other)
		}
		got := Pairs([]Local{local("2001:db8:1::2", 0), other}, []Remote{remote("2001:db8:1::9", 0)}, Order{})
		if got[1].Pair.Local != other.Addr {
			t.Errorf("%s: best is %v", tt.name, got[0].Pair)
		}
		if why := Explain(got[0], got[1]); why != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, why, tt.want)
		}
	}
	passing := local("2001:db8:1::9", 0)
	passing.Temporary = true
	got := Pairs([]Local{local("2001:db8:1::2", 0), passing}, []Remote{remote("2001:db8:1::7", 0)}, Order{PreferTemporary: true})
	if why := Explain(got[0], got[1]); why != "worse source: public address" {
		t.Errorf("temporary wanted: %q", why)
	}
}
