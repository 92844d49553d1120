package locator

import "testing"

// Draft §3.1: private and link-local locators are used where they are unambiguous.
func TestMeaning(t *testing.T) {
	for _, tt := range []struct {
		name    string
		local   string
		bits    int
		remote  string
		vouched bool
		want    meaning
	}{
		{"public, public", "192.0.2.1", 24, "198.51.100.1", false, meansPeer},
		{"NAT", "10.0.0.1", 24, "198.51.100.1", false, meansPeer},
		{"carrier's NAT", "100.64.0.1", 10, "198.51.100.1", false, meansPeer},
		{"unique local to global", "fd00::1", 64, "2001:db8::1", false, meansPeer},
		{"RFC 1918 from public", "192.0.2.1", 24, "10.0.0.2", false, meansOther},
		{"shared from public", "192.0.2.1", 24, "100.127.255.255", false, meansOther},
		{"unique local from global", "2001:db8::1", 64, "fc00::2", false, meansOther},
		{"RFC 1918 from public, vouched", "192.0.2.1", 24, "10.0.0.2", true, meansPeer},
		{"RFC 1918 on the link", "10.0.0.1", 24, "10.0.0.2", false, meansPeer},
		{"RFC 1918 off the link", "10.0.0.1", 24, "10.0.1.2", false, mayMeanPeer},
		{"RFC 1918, link not known", "10.0.0.1", 0, "10.0.0.2", false, mayMeanPeer},
		{"RFC 1918, two blocks", "192.168.0.1", 24, "172.31.0.1", false, mayMeanPeer},
		{"RFC 1918 off the link, vouched", "10.0.0.1", 24, "10.0.1.2", true, meansPeer},
		{"just outside RFC 1918", "192.0.2.1", 24, "172.32.0.1", false, meansPeer},
		{"shared from RFC 1918", "10.0.0.1", 24, "100.64.0.2", false, meansOther},
		{"RFC 1918 from shared", "100.64.0.1", 24, "10.0.0.2", false, meansOther},
		{"shared, shared", "100.64.0.1", 24, "100.65.0.1", false, mayMeanPeer},
		{"unique local on the link", "fd00::1", 64, "fd00::2", false, meansPeer},
		{"unique local elsewhere", "fd00::1", 64, "fd00:0:0:1::2", false, mayMeanPeer},
		{"link-local", "fe80::1", 64, "fe80::2", false, mayMeanPeer},
		{"link-local, vouched", "fe80::1", 64, "fe80::2", true, meansPeer},
	} {
		l, r := local(tt.local, 0), remote(tt.remote, 0)
		l.Bits, r.Vouched = tt.bits, tt.vouched
		if got := meaningOf(l, r); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Ambiguous pairs come after all others that are not deprecated, whatever is
// preferred; pairs that lead to someone else are no pairs.
func TestPairsPrivate(t *testing.T) {
	inside, outside := local("10.0.0.1", 200), local("192.0.2.1", 0)
	inside.Bits, outside.Bits = 24, 24
	old := local("192.0.2.9", 0)
	old.Deprecated = true
	known := remote("10.9.9.9", 0)
	known.Vouched = true
	got := Pairs([]Local{inside, outside, old},
		[]Remote{remote("10.0.0.2", 50), remote("10.0.1.2", 200), remote("198.51.100.1", 0), known}, Order{})
	wantOrder(t, got,
		"0: 10.0.0.1 → 10.0.0.2",
		"1: 10.0.0.1 → 10.9.9.9",
		"1: 10.0.0.1 → 198.51.100.1",
		"2: 192.0.2.1 → 198.51.100.1",
		"2: 192.0.2.1 → 10.9.9.9",
		"3: 10.0.0.1 → 10.0.1.2",
		"4: 192.0.2.9 → 198.51.100.1",
		"4: 192.0.2.9 → 10.9.9.9",
	)
	for i, c := range got {
		if c.Ambiguous != (i == 5) {
			t.Errorf("%v: ambiguous %v", c.Pair, c.Ambiguous)
		}
	}
}
