package locator

import (
	"net/netip"
	"testing"
)

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
