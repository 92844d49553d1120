package wire

const (
	// MaxParts is the number of parts that a payload can travel in.
	MaxParts = 8
	// PartLen is how many bytes come before the bytes of a part.
	PartLen = 1

	partMore  = 1 << 3
	partIndex = MaxParts - 1
)

// A Part tells which bytes of a payload a datagram holds that travels in several, since
// one would be too long for the path. They have consecutive packet numbers.
type Part struct {
	// Index counts from 0.
	Index int
	// More says that another part follows.
	More bool
}

// ParsePart reads the first byte of a payload of KindPart.
func ParsePart(first byte) Part { return Part{int(first & partIndex), first&partMore != 0} }

// AppendTo appends the first byte to b. The bytes of the part follow.
func (p Part) AppendTo(b []byte) []byte {
	first := byte(KindPart)<<4 | byte(p.Index)&partIndex
	if p.More {
		first |= partMore
	}
	return append(b, first)
}
