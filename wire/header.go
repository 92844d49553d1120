package wire

import (
	"encoding/binary"
	"fmt"
)

const (
	// Version is the version of the format that this package speaks.
	Version = 2
	// HeaderLen is the length of the header of every datagram.
	HeaderLen = 8
	// MaxTag is the largest tag: 24 bits.
	MaxTag Tag = 1<<24 - 1
)

// A Type is the type of a datagram, four bits on the wire.
type Type uint8

// The types of datagrams. Zero is none.
const (
	Open1     Type = 1 // Open, first message
	Open2     Type = 2 // Open, the answer
	Retry     Type = 3 // answer of a node under load: a sealed cookie
	Transport Type = 4 // sealed packets and control frames
)

// String returns the type's name.
func (t Type) String() string {
	switch t {
	case Open1:
		return "open 1"
	case Open2:
		return "open 2"
	case Retry:
		return "retry"
	case Transport:
		return "transport"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// A Tag is the number, chosen by a receiver, that selects a context on arrival.
// It has 24 bits; zero is never a valid tag.
type Tag uint32

// Valid reports whether t can be on the wire.
func (t Tag) Valid() bool { return t-1 < MaxTag }

// String returns t as six hexadecimal digits.
func (t Tag) String() string { return fmt.Sprintf("%06x", uint32(t)) }

// A Header is the first HeaderLen bytes of a datagram.
type Header struct {
	Type Type
	// Tag is the receiver's, in Open 1 the sender's.
	Tag Tag
	// Number is the low 32 bits of the packet number in Transport; elsewhere
	// it is zero.
	Number uint32
}

// ParseHeader reads the header of the datagram b. It does not look at the rest.
// Neither success nor failure allocates.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, headerTruncated[len(b)]
	}
	// type (4), version (4), tag (24), number (32)
	w := binary.BigEndian.Uint64(b)
	h := Header{Type: Type(w >> 60), Tag: Tag(w>>32) & MaxTag}
	if v := uint8(w>>56) & 0x0f; v != Version {
		return Header{}, versionError(v)
	}
	switch h.Type {
	case Transport:
		h.Number = uint32(w)
	case Open1, Open2, Retry:
		// Sent as zero, ignored on receipt.
	default:
		return Header{}, typeError(h.Type)
	}
	if h.Tag == 0 {
		return Header{}, errZeroTag
	}
	return h, nil
}

// PutHeader writes h over the first HeaderLen bytes of b; it panics if b is
// shorter. Bits of the tag that do not fit are dropped.
func PutHeader(b []byte, h Header) {
	w := uint64(h.Type)<<60 | Version<<56 | uint64(h.Tag&MaxTag)<<32
	if h.Type == Transport {
		w |= uint64(h.Number)
	}
	binary.BigEndian.PutUint64(b, w)
}

// AppendTo appends h to b.
func (h Header) AppendTo(b []byte) []byte {
	var a [HeaderLen]byte
	PutHeader(a[:], h)
	return append(b, a[:]...)
}

// ExpandNumber returns the packet number whose low 32 bits are truncated and
// which is nearest to largest + 1, largest being the largest number received so
// far under the key (zero if none). Of two that are equally near it is the
// larger. largest must be below 2⁶⁴ - 1; keys are replaced long before.
func ExpandNumber(largest uint64, truncated uint32) uint64 {
	// RFC 9000 appendix A.3, with numbers of 64 bits instead of 62.
	const window, half = 1 << 32, 1 << 31
	expected := largest + 1
	candidate := expected&^(window-1) | uint64(truncated)
	// The differences are taken the way that cannot overflow.
	switch {
	case candidate < expected && expected-candidate >= half && candidate < 1<<64-window:
		return candidate + window
	case candidate > expected && candidate-expected > half && candidate >= window:
		return candidate - window
	}
	return candidate
}
