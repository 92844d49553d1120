package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// addressesLen is the length of a body without its addresses.
const addressesLen = 1 + 2 + 2

// Addresses tells between which addresses the datagram travels, as its sender
// sees it. Whoever receives it from elsewhere, or elsewhere than there, has found
// a translator of addresses on the way (NAT).
type Addresses struct {
	// Source and Destination are of one family, without a zone.
	Source, Destination netip.AddrPort
}

// ParseAddresses reads the body of an Addresses frame.
func ParseAddresses(b []byte) (Addresses, error) {
	if err := checkLen("addresses", b, addressesLen); err != nil {
		return Addresses{}, err
	}
	size := 0
	switch b[0] { // family (8)
	case familyIPv4:
		size = 4
	case familyIPv6:
		size = 16
	default:
		return Addresses{}, fmt.Errorf("wire: addresses: %w of family %d", ErrAddress, b[0])
	}
	if err := checkLen("addresses", b, addressesLen+2*size); err != nil {
		return Addresses{}, err
	}
	at := func(b []byte) netip.AddrPort {
		addr, _ := netip.AddrFromSlice(b[2 : 2+size])               // address (32 or 128)
		return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b)) // port (16)
	}
	a := Addresses{Source: at(b[1:]), Destination: at(b[1+2+size:])}
	for _, x := range []netip.AddrPort{a.Source, a.Destination} {
		if err := (Locator{AddrPort: x}).check(); err != nil {
			return Addresses{}, err
		}
	}
	return a, nil
}

// AppendTo appends the frame to b. Both addresses must be of one family.
func (a Addresses) AppendTo(b []byte) []byte {
	family := byte(familyIPv6)
	if a.Source.Addr().Is4() {
		family = familyIPv4
	}
	b = appendFrameHeader(b, FrameAddresses, a.Len()-FrameHeaderLen)
	b = append(b, family)
	for _, x := range []netip.AddrPort{a.Source, a.Destination} {
		b = binary.BigEndian.AppendUint16(b, x.Port())
		b = append(b, x.Addr().AsSlice()...)
	}
	return b
}

// Len is the length of the frame.
func (a Addresses) Len() int {
	return FrameHeaderLen + addressesLen + 2*a.Source.Addr().BitLen()/8
}
