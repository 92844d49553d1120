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
)

// PayloadKind returns the kind of the payload that starts with the byte first.
// Neither success nor failure allocates.
func PayloadKind(first byte) (Kind, error) {
	switch k := Kind(first >> 4); k {
	case KindRewritten, KindControl, KindIPv4, KindIPv6:
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
	}
	return fmt.Sprintf("kind %d", uint8(k))
}
