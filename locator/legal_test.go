package locator

import (
	"net/netip"
	"testing"
)

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
