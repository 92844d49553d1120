package inner

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

var (
	errSuper = errors.New("inner: a super-packet has no checksum: cut it first")
	errAt    = errors.New("inner: checksum beyond the packet's end")
)

// CompleteChecksum computes the transport checksum of a packet that is Partial, which
// then it is no more. A super-packet is an error, and so is a packet that Check refuses.
func (p *Packet) CompleteChecksum() error {
	if p.Segment != 0 {
		return errSuper
	}
	if !p.Partial {
		return nil
	}
	proto, _, err := p.layout()
	if err != nil {
		return err
	}
	completeTransport(p.Buf, p.Transport, proto)
	p.Partial = false
	return nil
}

// completeTransport writes the checksum of the header of proto at transport.
func completeTransport(pkt []byte, transport int, proto uint8) {
	at, _ := ChecksumAt(proto)
	field := pkt[transport+at:]
	binary.BigEndian.PutUint16(field, 0)
	check := ^fold(sum(pseudo(pkt, transport, proto), pkt[transport:]))
	if check == 0 && proto == UDP {
		check = 0xffff // RFC 768: zero is for no checksum
	}
	binary.BigEndian.PutUint16(field, check)
}

// CompleteAt completes a checksum as Linux's csum_start and csum_offset describe it: it
// covers pkt[start:], and its field, offset bytes further on, holds what else is to be
// added. It serves for headers of any kind.
func CompleteAt(pkt []byte, start, offset int) error {
	if start < 0 || offset < 0 || start+offset+2 > len(pkt) {
		return errAt
	}
	check := ^fold(sum(0, pkt[start:]))
	if check == 0 {
		check = 0xffff // the same number, and not UDP's "none"
	}
	binary.BigEndian.PutUint16(pkt[start+offset:], check)
	return nil
}

// PutPseudo writes the sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) to the
// checksum field of the TCP or UDP header at transport: folded but not complemented, as
// Linux's CHECKSUM_PARTIAL has it. Other packets are left alone.
func PutPseudo(pkt []byte, transport int) {
	var proto uint8
	switch version(pkt) {
	case 4:
		proto = pkt[9]
	case 6:
		proto = pkt[6]
	}
	if transport < 0 || !fixedPart(proto, len(pkt)-transport) {
		return
	}
	at, _ := ChecksumAt(proto)
	binary.BigEndian.PutUint16(pkt[transport+at:], fold(pseudo(pkt, transport, proto)))
}

// pseudo returns the sum of the pseudo-header of pkt, which is IPv4 or IPv6. The length
// in it is what follows transport.
func pseudo(pkt []byte, transport int, proto uint8) uint64 {
	addresses := pkt[12:20]
	if pkt[0]>>4 == 6 {
		addresses = pkt[8:40]
	}
	// A length may be more than 16 bits long, and all is summed in the byte order of
	// sum.
	rest := uint32(len(pkt)-transport) + uint32(proto)
	return sum(uint64(bits.ReverseBytes32(rest)), addresses)
}

// sum adds the 16-bit words of b to acc, the last of which may lack its second byte
// (RFC 1071 §1). It adds eight bytes at a time, with the carry going round, and in
// little-endian order, which §2 (B) allows: fold puts the result right.
func sum(acc uint64, b []byte) uint64 {
	var carry uint64
	for len(b) >= 64 {
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[32:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[40:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[48:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[56:]), carry)
		acc += carry // cannot overflow: after a carry acc is below its maximum
		b = b[64:]
	}
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
		acc += carry
		b = b[8:]
	}
	var last uint64
	for i, v := range b {
		last |= uint64(v) << (8 * i)
	}
	acc, carry = bits.Add64(acc, last, 0)
	return acc + carry
}

// fold returns acc, a result of sum, as the sum of 16-bit words in network order.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return bits.ReverseBytes16(uint16(acc))
}
