package node

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

// TestICMPLimit: of a flood some are looked at each second, and the rest is counted.
func TestICMPLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Config{}, Edges{})
		if err != nil {
			t.Fatal(err)
		}
		var limit icmpLimit
		quote := wire.Header{Type: wire.Transport, Tag: 1}.AppendTo(nil)
		for second := range 3 {
			got := map[shim.Drop]int{}
			for range 1000 {
				got[n.icmp(&underlay.ICMPError{Remote: netip.MustParseAddrPort("[2001:db8::1]:6110"), Type: 1, Quote: quote}, &limit)]++
			}
			if got[shim.DropNone] != icmpRate || got[shim.DropICMPLimit] != 1000-icmpRate {
				t.Errorf("second %d: %v, want %d looked at", second, got, icmpRate)
			}
			time.Sleep(time.Second)
		}
		if len(n.control) != 3*icmpRate {
			t.Errorf("%d for the loop, want %d", len(n.control), 3*icmpRate)
		}
	})
}

// TestICMPTypes: only what says that a datagram was not delivered, and quotes a header of
// ours, goes to the loop.
func TestICMPTypes(t *testing.T) {
	quote := wire.Header{Type: wire.Transport, Tag: 1}.AppendTo(nil)
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:6110"), netip.MustParseAddrPort("[2001:db8::1]:6110")
	for _, c := range []struct {
		name string
		e    underlay.ICMPError
		want shim.Drop
	}{
		{"network unreachable", underlay.ICMPError{Remote: v4, Type: 3, Code: 0}, shim.DropNone},
		{"port unreachable", underlay.ICMPError{Remote: v4, Type: 3, Code: 3}, shim.DropNone},
		{"fragmentation needed", underlay.ICMPError{Remote: v4, Type: 3, Code: 4}, shim.DropNone},
		{"prohibited", underlay.ICMPError{Remote: v4, Type: 3, Code: 13}, shim.DropNone},
		{"time exceeded", underlay.ICMPError{Remote: v4, Type: 11}, shim.DropNone},
		{"parameter problem", underlay.ICMPError{Remote: v4, Type: 12}, shim.DropNone},
		{"source quench", underlay.ICMPError{Remote: v4, Type: 4}, shim.DropICMP},
		{"IPv6 no route", underlay.ICMPError{Remote: v6, Type: 1, Code: 0}, shim.DropNone},
		{"IPv6 port unreachable", underlay.ICMPError{Remote: v6, Type: 1, Code: 4}, shim.DropNone},
		{"IPv6 packet too big", underlay.ICMPError{Remote: v6, Type: 2}, shim.DropNone},
		{"IPv6 time exceeded", underlay.ICMPError{Remote: v6, Type: 3}, shim.DropNone},
		{"IPv6 parameter problem", underlay.ICMPError{Remote: v6, Type: 4, Code: 1}, shim.DropNone},
		{"IPv6 unknown error", underlay.ICMPError{Remote: v6, Type: 100}, shim.DropICMP},
		{"quotes nothing", underlay.ICMPError{Remote: v4, Type: 3, Quote: []byte{}}, shim.DropICMP},
		{"quotes half a header", underlay.ICMPError{Remote: v6, Type: 1, Quote: quote[:7]}, shim.DropICMP},
		{"quotes something else", underlay.ICMPError{Remote: v6, Type: 1, Quote: make([]byte, 60)}, shim.DropICMP},
	} {
		n, err := New(Config{}, Edges{})
		if err != nil {
			t.Fatal(err)
		}
		if c.e.Quote == nil {
			c.e.Quote = quote
		}
		if got := n.icmp(&c.e, &icmpLimit{}); got != c.want || (len(n.control) == 1) != (c.want == shim.DropNone) {
			t.Errorf("%s: %v and %d for the loop, want %v", c.name, got, len(n.control), c.want)
		}
	}
}
