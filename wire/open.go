package wire

const (
	// MACLen is the length of mac1 and of mac2.
	MACLen = 16
	// MinOpen1Len is the length of an Open 1 with an empty Noise payload:
	// header, e, sealed s, authentication tag, mac1, mac2.
	MinOpen1Len = HeaderLen + 32 + 48 + AuthLen + 2*MACLen
	// MinOpen2Len is the length of an Open 2 with an empty Noise payload:
	// header, e, authentication tag, mac1, mac2.
	MinOpen2Len = HeaderLen + 32 + AuthLen + 2*MACLen
	// MaxOpenLen is the longest Open: what IPv6's least MTU of 1280 bytes (RFC
	// 8200 §5) leaves after the IPv6 and UDP headers.
	MaxOpenLen = 1280 - 40 - 8
)

// OpenClasses are the lengths that Open 1 and Open 2 are padded to, so that
// their length says little of what they hold.
var OpenClasses = [...]int{256, 512, MaxOpenLen}

// OpenPadding returns how many bytes of padding bring an Open of n bytes, all
// told, to the next of OpenClasses that is at least least bytes long. It
// reports false if no class is long enough. An Open 1 takes at least 512, so
// that its answer need not be longer than the question.
func OpenPadding(n, least int) (pad int, ok bool) {
	for _, class := range OpenClasses {
		if class >= n && class >= least {
			return class - n, true
		}
	}
	return 0, false
}

// An Open is a datagram of type Open 1 or Open 2.
type Open struct {
	Type Type // Open1 or Open2
	// Tag is the sender's in Open 1, the receiver's in Open 2.
	Tag Tag
	// Noise is the whole Noise message.
	Noise []byte
	// MAC1 proves that the sender knows the receiver's public key.
	MAC1 [MACLen]byte
	// MAC2 proves that the sender got a cookie; without one it is zero.
	MAC2 [MACLen]byte
}

// ParseOpen reads the datagram b, of type Open 1 or Open 2. The result's Noise
// is a part of b.
func ParseOpen(b []byte) (Open, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return Open{}, err
	}
	least := MinOpen1Len
	switch h.Type {
	case Open1:
	case Open2:
		least = MinOpen2Len
	default:
		return Open{}, typeError(h.Type)
	}
	if len(b) < least {
		return Open{}, &lengthError{h.Type.String(), len(b), least}
	}
	if len(b) > MaxOpenLen {
		return Open{}, &lengthError{h.Type.String(), len(b), MaxOpenLen}
	}
	mac1, mac2 := len(b)-2*MACLen, len(b)-MACLen
	return Open{
		Type:  h.Type,
		Tag:   h.Tag,
		Noise: b[HeaderLen:mac1:mac1],
		MAC1:  [MACLen]byte(b[mac1:]),
		MAC2:  [MACLen]byte(b[mac2:]),
	}, nil
}

// AppendTo appends the datagram to b. o.Type must be Open1 or Open2, and o.Len
// at most MaxOpenLen.
func (o Open) AppendTo(b []byte) []byte {
	b = Header{Type: o.Type, Tag: o.Tag}.AppendTo(b)
	b = append(b, o.Noise...)
	b = append(b, o.MAC1[:]...)
	return append(b, o.MAC2[:]...)
}

// Len is the length of the datagram.
func (o Open) Len() int { return HeaderLen + len(o.Noise) + 2*MACLen }

// CoveredByMAC1 returns the part of the datagram b, a whole Open, that mac1 is
// computed over: all before mac1.
func CoveredByMAC1(b []byte) []byte { return b[:max(0, len(b)-2*MACLen)] }

// CoveredByMAC2 returns the part of the datagram b, a whole Open, that mac2 is
// computed over: all before mac2, mac1 included.
func CoveredByMAC2(b []byte) []byte { return b[:max(0, len(b)-MACLen)] }

// SetMAC1 writes mac1 into its place in the datagram b, a whole Open.
func SetMAC1(b []byte, mac1 [MACLen]byte) { copy(b[len(CoveredByMAC1(b)):], mac1[:]) }

// SetMAC2 writes mac2 into its place in the datagram b, a whole Open.
func SetMAC2(b []byte, mac2 [MACLen]byte) { copy(b[len(CoveredByMAC2(b)):], mac2[:]) }
