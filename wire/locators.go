package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// MaxLocators is how many locators a LocatorSet can hold.
const MaxLocators = 16

const (
	locatorSetLen   = 4 + 1             // without locators
	locatorFixedLen = 1 + 1 + 1 + 1 + 2 // without the address
	flagDeprecated  = 1 << 0            // in a locator's flags
	flagMetered     = 1 << 1            // likewise
	familyIPv4      = 4                 // in a locator's family
	familyIPv6      = 6                 // likewise
)

// A Locator is one address of the sender of a LocatorSet.
type Locator struct {
	// AddrPort is a unicast address without a zone, and its UDP port.
	AddrPort netip.AddrPort
	// Deprecated says that others are better used (RFC 4862 §5.5.4).
	Deprecated bool
	// Metered says that it costs by the byte.
	Metered bool
	// Preference is the sender's opinion. The format does not weigh it.
	Preference uint8
	// Link is the same for locators of one interface, which are likely to fail
	// together. Zero: not told.
	Link uint8
}

// check returns an error if l can be nobody's locator, or has two spellings.
func (l Locator) check() error {
	a := l.AddrPort.Addr()
	if !a.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || l.AddrPort.Port() == 0 {
		return fmt.Errorf("wire: locator: %w %v", ErrAddress, l.AddrPort)
	}
	return nil
}

func (l Locator) len() int { return locatorFixedLen + l.AddrPort.Addr().BitLen()/8 }

func (l Locator) appendTo(b []byte) []byte {
	family, flags := byte(familyIPv6), byte(0)
	if l.AddrPort.Addr().Is4() {
		family = familyIPv4
	}
	if l.Deprecated {
		flags |= flagDeprecated
	}
	if l.Metered {
		flags |= flagMetered
	}
	b = append(b, family, flags, l.Preference, l.Link)
	b = binary.BigEndian.AppendUint16(b, l.AddrPort.Port())
	return append(b, l.AddrPort.Addr().AsSlice()...)
}

// parseLocator reads the locator that b starts with; its length is l.len.
func parseLocator(b []byte) (l Locator, err error) {
	if err := checkLen("locator", b, locatorFixedLen); err != nil {
		return l, err
	}
	var addr netip.Addr
	switch b[0] { // family (8)
	case familyIPv4:
		if err := checkLen("locator", b, locatorFixedLen+4); err != nil {
			return l, err
		}
		addr = netip.AddrFrom4([4]byte(b[locatorFixedLen:])) // address (32)
	case familyIPv6:
		if err := checkLen("locator", b, locatorFixedLen+16); err != nil {
			return l, err
		}
		addr = netip.AddrFrom16([16]byte(b[locatorFixedLen:])) // address (128)
	default:
		return l, fmt.Errorf("wire: locator: %w of family %d", ErrAddress, b[0])
	}
	l.Deprecated = b[1]&flagDeprecated != 0                               // flags (8)
	l.Metered = b[1]&flagMetered != 0                                     // likewise
	l.Preference = b[2]                                                   // preference (8)
	l.Link = b[3]                                                         // link (8)
	l.AddrPort = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[4:])) // port (16)
	return l, l.check()
}

// A LocatorList holds up to MaxLocators valid locators, by value. The zero
// LocatorList is empty.
type LocatorList struct {
	n    uint8
	list [MaxLocators]Locator
}

// Add puts loc at the end. It fails if the address is unspecified, multicast,
// IPv4 mapped into IPv6 or has a zone, if the port is zero, or if the list is
// full; l stays as it was.
func (l *LocatorList) Add(loc Locator) error {
	if err := loc.check(); err != nil {
		return err
	}
	if l.n == MaxLocators {
		return fmt.Errorf("wire: locator set %w: at most %d locators", ErrTooLong, MaxLocators)
	}
	l.list[l.n] = loc
	l.n++
	return nil
}

// All returns the locators, which stay part of l.
func (l *LocatorList) All() []Locator { return l.list[:l.n:l.n] }

// A LocatorSet tells the peer all locators of the sender; it replaces those of
// lower sequence number (Add and Delete of draft §5.2 in one).
type LocatorSet struct {
	Sequence uint32
	Locators LocatorList
}

// ParseLocatorSet reads the body of a LocatorSet frame. One bad locator makes
// the whole set bad.
func ParseLocatorSet(b []byte) (LocatorSet, error) {
	if err := checkLen("locator set", b, locatorSetLen); err != nil {
		return LocatorSet{}, err
	}
	s := LocatorSet{Sequence: binary.BigEndian.Uint32(b)} // sequence (32)
	count := b[4]                                         // count (8)
	b = b[locatorSetLen:]
	for range count {
		l, err := parseLocator(b)
		if err != nil {
			return LocatorSet{}, err
		}
		if err := s.Locators.Add(l); err != nil {
			return LocatorSet{}, err
		}
		b = b[l.len():]
	}
	return s, nil
}

// AppendTo appends the frame to b.
func (s LocatorSet) AppendTo(b []byte) []byte {
	b = appendFrameHeader(b, FrameLocatorSet, s.Len()-FrameHeaderLen)
	b = binary.BigEndian.AppendUint32(b, s.Sequence)
	b = append(b, s.Locators.n)
	for _, l := range s.Locators.All() {
		b = l.appendTo(b)
	}
	return b
}

// Len is the length of the frame.
func (s LocatorSet) Len() int {
	n := FrameHeaderLen + locatorSetLen
	for _, l := range s.Locators.All() {
		n += l.len()
	}
	return n
}

// A LocatorAck says that the LocatorSet of this sequence number came.
type LocatorAck struct {
	Sequence uint32
}

const locatorAckLen = 4

// ParseLocatorAck reads the body of a LocatorAck frame.
func ParseLocatorAck(b []byte) (LocatorAck, error) {
	if err := checkLen("locator ack", b, locatorAckLen); err != nil {
		return LocatorAck{}, err
	}
	return LocatorAck{Sequence: binary.BigEndian.Uint32(b)}, nil // sequence (32)
}

// AppendTo appends the frame to b.
func (a LocatorAck) AppendTo(b []byte) []byte {
	b = appendFrameHeader(b, FrameLocatorAck, locatorAckLen)
	return binary.BigEndian.AppendUint32(b, a.Sequence)
}

// Len is the length of the frame.
func (a LocatorAck) Len() int { return FrameHeaderLen + locatorAckLen }
