package wire

import "time"

const policyLen = 4

// A Policy tells what the sender does otherwise than it said in its Open. It goes
// with a LocatorSet, whose acknowledgement is for both.
type Policy struct {
	// ReportDelay: within it, the sender reports packets it received.
	ReportDelay time.Duration
}

// ParsePolicy reads the body of a Policy frame.
func ParsePolicy(b []byte) (Policy, error) {
	if err := checkLen("policy", b, policyLen); err != nil {
		return Policy{}, err
	}
	return Policy{ReportDelay: parseMicros(b)}, nil // report delay (32)
}

// AppendTo appends the frame to b.
func (p Policy) AppendTo(b []byte) []byte {
	return appendMicros(appendFrameHeader(b, FramePolicy, policyLen), p.ReportDelay)
}

// Len is the length of the frame.
func (p Policy) Len() int { return FrameHeaderLen + policyLen }
