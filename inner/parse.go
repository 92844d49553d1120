package inner

import "encoding/binary"

// The protocols that TransportOf knows (IANA's protocol numbers).
const (
	TCP = 6
	UDP = 17
)

// Header lengths, without options.
const (
	ipv4Len = 20
	ipv6Len = 40
	tcpLen  = 20
	udpLen  = 8
)

// fragment covers the bits of flags and fragment offset that only fragments have
// set: more fragments (1), offset (13). RFC 791 §3.1.
const fragment = 0x3fff

// version returns 4 or 6 if pkt has at least a fixed IP header of that version, else 0.
func version(pkt []byte) int {
	switch {
	case len(pkt) >= ipv6Len && pkt[0]>>4 == 6:
		return 6
	case len(pkt) >= ipv4Len && pkt[0]>>4 == 4:
		return 4
	}
	return 0
}

// lengthCovers reports whether pkt is an IP packet that is as long as it says.
func lengthCovers(pkt []byte) bool {
	switch version(pkt) {
	case 4:
		return int(binary.BigEndian.Uint16(pkt[2:])) == len(pkt)
	case 6:
		return int(binary.BigEndian.Uint16(pkt[4:])) == len(pkt)-ipv6Len
	}
	return false
}

// TransportOf returns where the TCP or UDP header of pkt starts, and which it is. It
// is not ok unless the header comes right after an IPv4 header, options included, or the
// fixed IPv6 header, and its fixed part is there. Fragments are not ok.
func TransportOf(pkt []byte) (offset int, proto uint8, ok bool) {
	switch version(pkt) {
	case 4:
		offset, proto = int(pkt[0]&15)*4, pkt[9]
		if offset < ipv4Len || binary.BigEndian.Uint16(pkt[6:])&fragment != 0 {
			return 0, 0, false
		}
	case 6:
		offset, proto = ipv6Len, pkt[6]
	default:
		return 0, 0, false
	}
	if !fixedPart(proto, len(pkt)-offset) {
		return 0, 0, false
	}
	return offset, proto, true
}

// fixedPart reports whether the fixed part of a TCP or UDP header fits in n bytes.
func fixedPart(proto uint8, n int) bool {
	return proto == TCP && n >= tcpLen || proto == UDP && n >= udpLen
}

// ChecksumAt returns where the checksum is in the header of proto. It is not ok for
// protocols other than TCP and UDP.
func ChecksumAt(proto uint8) (offset int, ok bool) {
	switch proto {
	case TCP:
		return 16, true
	case UDP:
		return 6, true
	}
	return 0, false
}
