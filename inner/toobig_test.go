package inner_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/multi6/multi6/inner"
)

// icmpOf returns an IPv6 packet of ICMPv6, or an IPv4 packet of ICMP, of a type.
func icmpOf(v6 bool, typ byte) []byte {
	if v6 {
		b := make([]byte, 48)
		b[0], b[6], b[40] = 0x60, 58, typ
		inner.SetLength(b)
		return b
	}
	b := make([]byte, 28)
	b[0], b[9], b[20] = 0x45, 1, typ
	inner.SetLength(b)
	return b
}

// TestTooBig has gopacket read the errors.
func TestTooBig(t *testing.T) {
	src, dst := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	long := make([]byte, 1400)
	long[0], long[6] = 0x60, inner.UDP
	copy(long[8:], src.AsSlice())
	copy(long[24:], dst.AsSlice())
	inner.SetLength(long)
	b, ok := inner.AppendTooBig([]byte{1, 2}, long, 1300)
	if !ok || len(b) != 2+1280 {
		t.Fatalf("%t, %d bytes", ok, len(b))
	}
	p := gopacket.NewPacket(b[2:], layers.LayerTypeIPv6, gopacket.Default)
	ip, _ := p.NetworkLayer().(*layers.IPv6)
	icmp, _ := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	if ip == nil || icmp == nil || icmp.TypeCode.Type() != layers.ICMPv6TypePacketTooBig ||
		ip.SrcIP.String() != dst.String() || ip.DstIP.String() != src.String() || binary.BigEndian.Uint32(icmp.Payload) != 1300 {
		t.Errorf("%v", p)
	}

	four := make([]byte, 1400)
	four[0], four[9] = 0x45, inner.UDP
	copy(four[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	inner.SetLength(four)
	b, ok = inner.AppendTooBig(nil, four, 1300)
	if !ok || len(b) != 576 {
		t.Fatalf("%t, %d bytes", ok, len(b))
	}
	p = gopacket.NewPacket(b, layers.LayerTypeIPv4, gopacket.Default)
	ip4, _ := p.NetworkLayer().(*layers.IPv4)
	icmp4, _ := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	if ip4 == nil || icmp4 == nil || icmp4.TypeCode != layers.CreateICMPv4TypeCode(3, 4) || icmp4.Seq != 1300 ||
		ip4.SrcIP.String() != "10.0.0.2" || ip4.DstIP.String() != "10.0.0.1" ||
		onesSum(b[:20]) != 0xffff || onesSum(b[20:]) != 0xffff {
		t.Errorf("%v", p)
	}
}

// TestTooBigIsNotForAll: nobody is told of errors, nor of fragments but the first.
func TestTooBigIsNotForAll(t *testing.T) {
	fragment := icmpOf(false, 8)
	fragment[7] = 1
	for name, c := range map[string]struct {
		pkt  []byte
		want bool
	}{
		"ICMPv6 echo": {icmpOf(true, 128), true}, "ICMPv6 error": {icmpOf(true, 2), false},
		"ICMP echo": {icmpOf(false, 8), true}, "ICMP error": {icmpOf(false, 3), false},
		"a later fragment": {fragment, false}, "no packet": {[]byte{0x60}, false}, "nothing": {nil, false},
	} {
		if _, ok := inner.AppendTooBig(nil, c.pkt, 1280); ok != c.want {
			t.Errorf("%s: %t", name, ok)
		}
	}
}

// Whatever the packet, the error is one: as long as it says, and its checksums are right.
func TestTooBigProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		isIP := rapid.Bool().Draw(t, "IP")
		pkt := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "any bytes")
		if isIP {
			pkt = append(rapid.SliceOfN(rapid.Byte(), 60, 60).Draw(t, "headers"), make([]byte, rapid.IntRange(0, 2000).Draw(t, "data"))...)
			pkt[0] = rapid.SampledFrom([]byte{0x45, 0x4f, 0x60}).Draw(t, "version")
			pkt[6], pkt[7], pkt[9] = 0, 0, inner.UDP // neither a fragment nor an error
		}
		b, ok := inner.AppendTooBig(nil, pkt, 1280)
		if !ok {
			if isIP {
				t.Fatalf("no error for % x", pkt)
			}
			return
		}
		if err := (&inner.Packet{Buf: b}).Check(); err != nil {
			t.Fatalf("%v: % x", err, b)
		}
		if b[0]>>4 == 6 {
			pseudo := append(append([]byte{}, b[8:40]...), 0, 0, byte((len(b)-40)>>8), byte(len(b)-40), 0, 0, 0, 58)
			if s := onesSum(append(pseudo, b[40:]...)); s != 0xffff {
				t.Errorf("checksum %#x", s)
			}
			return
		}
		if ip, icmp := onesSum(b[:20]), onesSum(b[20:]); ip != 0xffff || icmp != 0xffff {
			t.Errorf("checksums %#x, %#x", ip, icmp)
		}
	})
}

// onesSum is the one's complement sum of RFC 1071.
func onesSum(b []byte) (s uint32) {
	for i := range b {
		s += uint32(b[i]) << (8 * (1 - i%2))
		s = s>>16 + s&0xffff
	}
	return s
}
