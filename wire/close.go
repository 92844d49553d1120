package wire

const closeLen = 1

// A Close ends the context.
type Close struct {
	// Reason says why. The format gives its values no meaning.
	Reason uint8
}

// ParseClose reads the body of a Close frame.
func ParseClose(b []byte) (Close, error) {
	if err := checkLen("close", b, closeLen); err != nil {
		return Close{}, err
	}
	return Close{Reason: b[0]}, nil // reason (8)
}

// AppendTo appends the frame to b.
func (c Close) AppendTo(b []byte) []byte {
	return append(appendFrameHeader(b, FrameClose, closeLen), c.Reason)
}

// Len is the length of the frame.
func (c Close) Len() int { return FrameHeaderLen + closeLen }
