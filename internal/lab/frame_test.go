package lab

import (
	"encoding/binary"
	"testing"
)

// ethernet returns a frame of the type with the packet in it.
func ethernet(kind uint16, packet []byte) []byte {
	f := make([]byte, ethLen, ethLen+len(packet))
	binary.BigEndian.PutUint16(f[12:], kind)
	return append(f, packet...)
}

// ip6 returns an IPv6 packet; its header is all zero but for the next header.
func ip6(next byte, rest ...byte) []byte {
	return append(append(make([]byte, 6, ip6Len+len(rest)), next), append(make([]byte, ip6Len-7), rest...)...)
}

func ip4(protocol byte) []byte {
	p := make([]byte, ip4Len)
	p[9] = protocol
	return p
}

func TestClassify(t *testing.T) {
	for name, c := range map[string]struct {
		frame []byte
		want  class
	}{
		"empty":                  {nil, classOther},
		"ARP":                    {ethernet(typeARP, nil), classNeighbour},
		"router solicitation":    {ethernet(typeIP6, ip6(58, 133)), classNeighbour},
		"neighbour solicitation": {ethernet(typeIP6, ip6(58, 135)), classNeighbour},
		"redirect":               {ethernet(typeIP6, ip6(58, 137)), classNeighbour},
		"echo request":           {ethernet(typeIP6, ip6(58, 128)), classOther},
		"node information":       {ethernet(typeIP6, ip6(58, 139)), classOther},
		"ICMPv6 cut short":       {ethernet(typeIP6, ip6(58)), classOther},
		"MLDv2, hop by hop":      {ethernet(typeIP6, ip6(0, 58, 0, 5, 2, 0, 0, 0, 0, 143)), classGroup},
		"MLDv1":                  {ethernet(typeIP6, ip6(58, 131)), classGroup},
		"hop by hop too long":    {ethernet(typeIP6, ip6(0, 58, 255, 0, 0, 0, 0, 0, 0)), classOther},
		"hop by hop cut short":   {ethernet(typeIP6, ip6(0, 58)), classOther},
		"IGMP":                   {ethernet(typeIP4, ip4(2)), classGroup},
		"TCP over IPv4":          {ethernet(typeIP4, ip4(6)), classTCP},
		"UDP over IPv4":          {ethernet(typeIP4, ip4(17)), classUDP},
		"TCP over IPv6":          {ethernet(typeIP6, ip6(6)), classTCP},
		"UDP over IPv6":          {ethernet(typeIP6, ip6(17)), classUDP},
		"IPv4 cut short":         {ethernet(typeIP4, ip4(17)[:19]), classOther},
		"IPv6 cut short":         {ethernet(typeIP6, ip6(17)[:39]), classOther},
		"LLDP":                   {ethernet(0x88cc, nil), classOther},
	} {
		if got := classify(c.frame); got != c.want {
			t.Errorf("%s: class %d, want %d", name, got, c.want)
		}
	}
}

func TestWireSize(t *testing.T) {
	// record makes a super-frame of a protocol with headers up to the payload,
	// the transport's starting after IPv6.
	record := func(protocol byte, transport, payload, segment int) []byte {
		p := ip6(protocol, make([]byte, transport+payload)...)
		p[min(ip6Len+12, len(p)-1)] = byte(transport/4) << 4 // TCP's data offset
		r := append(make([]byte, vnetLen), ethernet(typeIP6, p)...)
		if segment > 0 {
			r[1] = 1
		}
		binary.NativeEndian.PutUint16(r[4:], uint16(segment))
		binary.NativeEndian.PutUint16(r[6:], ethLen+ip6Len)
		return r
	}
	const net = ethLen + ip6Len
	for name, c := range map[string]struct {
		record       []byte
		frames, size int
	}{
		"plain":                {record(6, 20, 1000, 0), 1, net + 20 + 1000},
		"TCP, three and a bit": {record(6, 32, 3100, 1000), 4, 3100 + 4*(net+32)},
		"TCP, exactly three":   {record(6, 32, 3000, 1000), 3, 3000 + 3*(net+32)},
		"TCP, one":             {record(6, 32, 900, 1000), 1, 900 + net + 32},
		"UDP":                  {record(17, 8, 2400, 1200), 2, 2400 + 2*(net+8)},
		"TCP cut short":        {record(6, 8, 0, 1000), 1, net + 8},
		"no frame":             {make([]byte, vnetLen), 1, 0},
	} {
		if frames, size := wireSize(c.record); frames != c.frames || size != c.size {
			t.Errorf("%s: %d frames, %d bytes; want %d, %d", name, frames, size, c.frames, c.size)
		}
	}
}

// No record, however odd, upsets the parser or makes more of it than its bytes.
func FuzzWireSize(f *testing.F) {
	f.Add(append(make([]byte, vnetLen), ethernet(typeIP6, ip6(0, 58, 255, 0, 0, 0, 0, 0))...))
	f.Add(append([]byte{0, 1, 0, 0, 1, 0, 14, 0, 0, 0}, ethernet(typeIP6, ip6(6, make([]byte, 40)...))...))
	f.Fuzz(func(t *testing.T, record []byte) {
		if len(record) < vnetLen {
			return
		}
		frames, size := wireSize(record)
		if frames < 1 || frames > max(1, len(record)) || size < len(record)-vnetLen {
			t.Errorf("%d bytes are %d frames of %d bytes", len(record), frames, size)
		}
	})
}
