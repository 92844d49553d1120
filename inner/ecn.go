package inner

import "encoding/binary"

// The codepoints of the ECN field (RFC 3168 §5).
const (
	notECT = 0
	ect1   = 1
	ect0   = 2
	ce     = 3

	ecnMask = 3
	discard = 0xff // none of them: the packet is to be dropped
)

// combined gives the ECN field of the packet that goes on, by those of the inner header
// and of the outer one it arrived in (RFC 6040 Figure 4). Of the combinations that the
// figure marks as currently unused, the one that is dropped is congestion that the
// inner transport could not be told of; the others pass as they are.
var combined = [4][4]uint8{
	//       outer: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE
	notECT: {notECT, notECT, notECT, discard},
	ect1:   {ect1, ect1, ect1, ce},
	ect0:   {ect0, ect1, ect0, ce},
	ce:     {ce, ce, ce, ce},
}

// OuterClass returns the traffic class, or type of service, for the outer header of pkt:
// that of its own header, DSCP and ECN alike (RFC 6040 §4.1, normal mode). It is zero if
// pkt is no IP packet.
func OuterClass(pkt []byte) uint8 {
	switch version(pkt) {
	case 4:
		return pkt[1]
	case 6:
		return pkt[0]<<4 | pkt[1]>>4
	}
	return 0
}

// Decapsulate combines the ECN field of the outer header that pkt arrived in, the lower
// two bits of outerECN, with its own (RFC 6040 §4.2). It reports whether pkt must be
// dropped, and whether its header was changed.
func Decapsulate(outerECN uint8, pkt []byte) (drop, changed bool) {
	v := version(pkt)
	if v == 0 {
		return false, false
	}
	ecn := OuterClass(pkt) & ecnMask
	to := combined[ecn][outerECN&ecnMask]
	if to == discard || to == ecn {
		return to == discard, false
	}
	if v == 6 {
		// traffic class (8): its lower half is the upper of the second byte
		pkt[1] = pkt[1]&^(ecnMask<<4) | to<<4
		return false, true
	}
	before := binary.BigEndian.Uint16(pkt)
	pkt[1] = pkt[1]&^ecnMask | to
	updateChecksum(pkt[10:], before, binary.BigEndian.Uint16(pkt))
	return false, true
}

// updateChecksum changes the checksum that field starts with for a word of what it
// covers that became another (RFC 1624 §3: HC' = ~(~HC + ~m + m')).
func updateChecksum(field []byte, m, became uint16) {
	s := uint32(^binary.BigEndian.Uint16(field)) + uint32(^m) + uint32(became)
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	binary.BigEndian.PutUint16(field, ^uint16(s))
}
