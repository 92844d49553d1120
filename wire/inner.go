package wire

import (
	"encoding/binary"
	"math"
)

const (
	// InnerLen is the length of the inner header of a rewritten packet.
	InnerLen = 6
	// IPv6HeaderLen is the length of the header that it stands for (RFC 8200
	// §3).
	IPv6HeaderLen = 40
)

// PutInner writes the inner header that stands for the IPv6 header ip6 over
// the first InnerLen bytes of dst. dst may be any part of ip6; to rewrite a
// packet in place it is the last InnerLen bytes of the header. PutInner panics
// if either slice is too short.
//
// The payload length does not travel, but follows from the datagram's: the
// caller has checked that it is what follows the header.
func PutInner(dst, ip6 []byte) {
	_, _ = dst[InnerLen-1], ip6[IPv6HeaderLen-1]
	// Version (4), traffic class (8), flow label (20); then payload length
	// (16), next header (8), hop limit (8). All is read before dst is written.
	word := binary.BigEndian.Uint32(ip6)
	next, hops := ip6[6], ip6[7]

	dst[0] = byte(KindRewritten)<<4 | byte(word>>16)&0x0f
	binary.BigEndian.PutUint16(dst[1:], uint16(word))
	dst[3] = byte(word >> 20)
	dst[4] = next
	dst[5] = hops
}

// RestoreInner writes an IPv6 header over the first IPv6HeaderLen bytes of ip6
// from the inner header that inner starts with, the length of what follows it,
// and the two identifiers. inner may be any part of ip6; to restore a packet in
// place it starts InnerLen bytes before the header's end. source and
// destination must lie elsewhere.
//
// If inner is no inner header or payloadLen does not fit in 16 bits, ip6 is
// left alone. RestoreInner panics if ip6 is too short; it allocates nothing.
func RestoreInner(ip6, inner []byte, payloadLen int, source, destination *[16]byte) error {
	if len(inner) < InnerLen {
		return innerTruncated[len(inner)]
	}
	if k := Kind(inner[0] >> 4); k.Whole() != KindRewritten {
		return kindError(k)
	}
	if uint(payloadLen) > math.MaxUint16 {
		return errPayloadLen
	}
	// Kind (4), flow label (20), traffic class (8), next header (8), hop limit
	// (8). All is read before ip6 is written.
	word := binary.BigEndian.Uint32(inner)
	next, hops := inner[4], inner[5]

	_ = ip6[IPv6HeaderLen-1]
	binary.BigEndian.PutUint32(ip6, 6<<28|word&0xff<<20|word>>8&0xfffff)
	binary.BigEndian.PutUint16(ip6[4:], uint16(payloadLen))
	ip6[6] = next
	ip6[7] = hops
	*(*[16]byte)(ip6[8:]) = *source
	*(*[16]byte)(ip6[24:]) = *destination
	return nil
}
