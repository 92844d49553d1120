package inner_test

import (
	"bytes"
	"net"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/multi6/multi6/inner"
)

// TestDecapsulate walks over RFC 6040 Figure 4, with every DSCP.
func TestDecapsulate(t *testing.T) {
	const drop = 9
	const not, one, zero, ce = 0, 1, 2, 3 // Not-ECT, ECT(1), ECT(0), CE
	figure := []struct{ inner, outer, want uint8 }{
		{not, not, not}, {not, zero, not}, {not, one, not}, {not, ce, drop},
		{zero, not, zero}, {zero, zero, zero}, {zero, one, one}, {zero, ce, ce},
		{one, not, one}, {one, zero, one}, {one, one, one}, {one, ce, ce},
		{ce, not, ce}, {ce, zero, ce}, {ce, one, ce}, {ce, ce, ce},
	}
	for _, cell := range figure {
		for dscp := range uint8(64) {
			for _, pkt := range withClass(t, dscp<<2|cell.inner) {
				want := bytes.Clone(pkt)
				if cell.want != drop {
					for _, p := range withClass(t, dscp<<2|cell.want) {
						if p[0]>>4 == pkt[0]>>4 {
							want = p
						}
					}
				}
				// What is above the outer ECN field does not count.
				gotDrop, changed := inner.Decapsulate(0xa4|cell.outer, pkt)
				if gotDrop != (cell.want == drop) || changed != (!gotDrop && cell.want != cell.inner) || !bytes.Equal(pkt, want) {
					t.Errorf("inner %02b, outer %02b: drop %v, changed %v\n% x, want\n% x", cell.inner, cell.outer, gotDrop, changed, pkt, want)
				}
			}
		}
	}
}

func TestOuterClass(t *testing.T) {
	for class := range 256 {
		for _, pkt := range withClass(t, uint8(class)) {
			if got := inner.OuterClass(pkt); got != uint8(class) {
				t.Errorf("class %#x of IPv%d: %#x", class, pkt[0]>>4, got)
			}
		}
	}
	if got := inner.OuterClass([]byte{0x6f, 0xff}); got != 0 {
		t.Errorf("no packet has class %#x", got)
	}
}

// withClass returns packets of that traffic class, one of IPv4 and one of IPv6.
func withClass(t *testing.T, class uint8) [][]byte {
	udp := &layers.UDP{SrcPort: 1, DstPort: 2}
	return [][]byte{
		template{udp: udp, payload: []byte("x"), ip4: &layers.IPv4{Version: 4, TOS: class, TTL: 3, Id: 0xfff0,
			Protocol: layers.IPProtocolUDP, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}}.bytes(t),
		template{udp: udp, payload: []byte("x"), ip6: &layers.IPv6{Version: 6, TrafficClass: class, HopLimit: 3, FlowLabel: 0xfffff,
			NextHeader: layers.IPProtocolUDP, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}}.bytes(t),
	}
}
