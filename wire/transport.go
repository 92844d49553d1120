package wire

import "fmt"

const (
	// AuthLen is the length of the authentication tag of both ciphers.
	AuthLen = 16
	// MinTransportLen is the shortest transport datagram that can be genuine:
	// a payload has at least the byte that holds its kind.
	MinTransportLen = HeaderLen + 1 + AuthLen
	// Overhead is how much longer a rewritten packet is over IPv6 than it was:
	// UDP header, our header, inner header and authentication tag come in, and
	// the outer IPv6 header takes the place of the inner one.
	Overhead = 8 + HeaderLen + InnerLen + AuthLen
)

// A Kind says what a transport payload is: the first four bits of it.
type Kind uint8

// The kinds of payload. Zero is none.
const (
	KindRewritten Kind = 1 // an IPv6 packet with an inner header
	KindControl   Kind = 2 // frames
	KindIPv4      Kind = 4 // a whole IPv4 packet
	KindIPv6      Kind = 6 // a whole IPv6 packet
	KindPart      Kind = 8 // a part of a payload

	// The same, but the packet's TCP or UDP checksum is void: its sender left it to
	// the device, and the seal vouches for the bytes. The receiver has it completed if
	// the packet travels on.
	KindRewrittenPartial Kind = 3
	KindIPv4Partial      Kind = 5
	KindIPv6Partial      Kind = 7
)

// Partial reports whether the packet's checksum is to be completed.
func (k Kind) Partial() bool {
	return k == KindRewrittenPartial || k == KindIPv4Partial || k == KindIPv6Partial
}

// Whole returns the kind that k is but for Partial.
func (k Kind) Whole() Kind {
	switch k {
	case KindRewrittenPartial:
		return KindRewritten
	case KindIPv4Partial:
		return KindIPv4
	case KindIPv6Partial:
		return KindIPv6
	}
	return k
}

// PutKind writes k into the payload's first byte, the rest of which stays.
func PutKind(first *byte, k Kind) { *first = byte(k)<<4 | *first&0x0f }

// PartialOf returns the kind that k, of a packet, is with Partial.
func PartialOf(k Kind) Kind {
	switch k {
	case KindRewritten:
		return KindRewrittenPartial
	case KindIPv4:
		return KindIPv4Partial
	case KindIPv6:
		return KindIPv6Partial
	}
	return k
}

// PayloadKind returns the kind of the payload that starts with the byte first.
// Neither success nor failure allocates.
func PayloadKind(first byte) (Kind, error) {
	switch k := Kind(first >> 4); k {
	case KindRewritten, KindControl, KindIPv4, KindIPv6, KindRewrittenPartial, KindIPv4Partial, KindIPv6Partial,
		KindPart:
		return k, nil
	default:
		return 0, kindError(k)
	}
}

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case KindRewritten:
		return "rewritten"
	case KindControl:
		return "control"
	case KindIPv4:
		return "ipv4"
	case KindIPv6:
		return "ipv6"
	case KindPart:
		return "part"
	case KindRewrittenPartial, KindIPv4Partial, KindIPv6Partial:
		return k.Whole().String() + " partial"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}
