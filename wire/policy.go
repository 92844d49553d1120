package wire

import "time"

const (
	policyLen  = 4 + 1
	flagWishes = 1 << 0 // in a Policy's flags
)

// A Policy tells what the sender does otherwise than it said in its Open. It goes
// with a LocatorSet, whose acknowledgement is for both.
type Policy struct {
	// ReportDelay: within it, the sender reports packets it received.
	ReportDelay time.Duration
	// Wishes: the sender's user has switched to the pair it sends over, and what the
	// peer was asked for still holds.
	Wishes bool
}

// ParsePolicy reads the body of a Policy frame.
func ParsePolicy(b []byte) (Policy, error) {
	if err := checkLen("policy", b, policyLen); err != nil {
		return Policy{}, err
	}
	return Policy{
		ReportDelay: parseMicros(b),       // report delay (32)
		Wishes:      b[4]&flagWishes != 0, // flags (8)
	}, nil
}

// AppendTo appends the frame to b.
func (p Policy) AppendTo(b []byte) []byte {
	var flags byte
	if p.Wishes {
		flags |= flagWishes
	}
	return append(appendMicros(appendFrameHeader(b, FramePolicy, policyLen), p.ReportDelay), flags)
}

// Len is the length of the frame.
func (p Policy) Len() int { return FrameHeaderLen + policyLen }
