package inner

import "encoding/binary"

const (
	protocolICMP   = 1
	protocolICMPv6 = 58
	icmpLen        = 8
	// quote4 and quote6 are how long an ICMP error may be, IP header and all: what every
	// host takes (RFC 792, RFC 1812 §4.3.2.3), and IPv6's least MTU (RFC 4443 §2.4).
	quote4, quote6 = 576, 1280
	errorHops      = 64
)

// AppendTooBig appends to b the ICMP error that tells the sender of pkt, an IP packet,
// that it may be mtu bytes long and no more: ICMPv6 Packet Too Big (RFC 4443 §3.2), or
// ICMP Fragmentation Needed (RFC 1191 §4). It bears the address that pkt was for, which
// is one that the sender has a route to. It is not ok, and b as it was, for packets that
// nobody is to be told of (RFC 4443 §2.4, RFC 1122 §3.2.2): ICMP errors, and fragments
// but the first.
func AppendTooBig(b, pkt []byte, mtu int) (out []byte, ok bool) {
	switch version(pkt) {
	case 4:
		return tooBig4(b, pkt, mtu)
	case 6:
		return tooBig6(b, pkt, mtu)
	}
	return b, false
}

func tooBig6(b, pkt []byte, mtu int) ([]byte, bool) {
	// Types below 128 are errors.
	if pkt[6] == protocolICMPv6 && (len(pkt) == ipv6Len || pkt[ipv6Len] < 128) {
		return b, false
	}
	begin := len(b)
	b = append(b, 6<<4, 0, 0, 0, 0, 0, protocolICMPv6, errorHops)
	b = append(append(b, pkt[24:40]...), pkt[8:24]...)
	b = append(b, 2, 0, 0, 0) // packet too big, code (8), checksum (16)
	b = binary.BigEndian.AppendUint32(b, uint32(mtu))
	b = append(b, pkt[:min(len(pkt), quote6-ipv6Len-icmpLen)]...)
	e := b[begin:]
	SetLength(e)
	binary.BigEndian.PutUint16(e[ipv6Len+2:], ^fold(sum(pseudo(e, ipv6Len, protocolICMPv6), e[ipv6Len:])))
	return b, true
}

func tooBig4(b, pkt []byte, mtu int) ([]byte, bool) {
	header := int(pkt[0]&15) * 4
	const offset = 0x1fff // of the fragment, in what flags share a word with
	if header < ipv4Len || header > len(pkt) || binary.BigEndian.Uint16(pkt[6:])&offset != 0 ||
		pkt[9] == protocolICMP && (len(pkt) == header || !query4(pkt[header])) {
		return b, false
	}
	begin := len(b)
	b = append(b, 4<<4|ipv4Len/4, 0, 0, 0, 0, 0, 0, 0, errorHops, protocolICMP, 0, 0)
	b = append(append(b, pkt[16:20]...), pkt[12:16]...)
	b = append(b, 3, 4, 0, 0, 0, 0) // unreachable, fragmentation needed, checksum (16), unused (16)
	b = binary.BigEndian.AppendUint16(b, uint16(min(mtu, 0xffff)))
	b = append(b, pkt[:min(len(pkt), quote4-ipv4Len-icmpLen)]...)
	e := b[begin:]
	SetLength(e)
	binary.BigEndian.PutUint16(e[ipv4Len+2:], ^fold(sum(0, e[ipv4Len:])))
	return b, true
}

// query4 reports whether a type of ICMP is no error (RFC 1122 §3.2.2).
func query4(typ byte) bool {
	switch typ {
	case 3, 4, 5, 11, 12:
		return false
	}
	return true
}
