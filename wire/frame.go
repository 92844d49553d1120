package wire

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// FrameHeaderLen is the length of the type and length of a frame.
const FrameHeaderLen = 3

// A FrameType says what a frame is.
type FrameType uint8

// The types of frames.
const (
	FramePadding    FrameType = 0 // a single byte
	FrameParams     FrameType = 1
	FrameLocatorSet FrameType = 2
	FrameLocatorAck FrameType = 3
	FramePoll       FrameType = 4
	FrameReport     FrameType = 5
	FrameClose      FrameType = 6
	FrameAddresses  FrameType = 7
	FrameEcho       FrameType = 8
	FrameEchoReply  FrameType = 9
	FramePolicy     FrameType = 10
)

// String returns the name of the frame.
func (t FrameType) String() string {
	switch t {
	case FramePadding:
		return "padding"
	case FrameParams:
		return "params"
	case FrameLocatorSet:
		return "locator set"
	case FrameLocatorAck:
		return "locator ack"
	case FramePoll:
		return "poll"
	case FrameReport:
		return "report"
	case FrameClose:
		return "close"
	case FrameAddresses:
		return "addresses"
	case FrameEcho:
		return "echo"
	case FrameEchoReply:
		return "echo reply"
	case FramePolicy:
		return "policy"
	}
	return fmt.Sprintf("unknown (%d)", uint8(t))
}

// Frames is a run of encoded frames: the payload of a Noise message, or that of
// a control payload after its first byte.
//
//	for f := frames; len(f) > 0; {
//		typ, body, rest, err := f.Next()
//		if err != nil {
//			return err
//		}
//		switch typ {
//		case FramePoll:
//			poll, err := ParsePoll(body)
//			…
//		}
//		f = rest
//	}
type Frames []byte

// Next returns the type and body of the first frame, of whatever type, and the
// frames after it. A run of padding comes as one frame, the body being the run.
// The body is a part of f. There is a first frame unless f is empty. After an
// error the frames that follow cannot be found. Success does not allocate.
func (f Frames) Next() (typ FrameType, body []byte, rest Frames, err error) {
	if len(f) > 0 && FrameType(f[0]) == FramePadding {
		n := 1
		for n < len(f) && f[n] == 0 {
			n++
		}
		return FramePadding, f[:n:n], f[n:], nil
	}
	if err := checkLen("frame header", f, FrameHeaderLen); err != nil {
		return 0, nil, nil, err
	}
	typ = FrameType(f[0])                                       // type (8)
	end := FrameHeaderLen + int(binary.BigEndian.Uint16(f[1:])) // length (16)
	if len(f) < end {
		return 0, nil, nil, &lengthError{typ.String() + " frame", len(f), end}
	}
	return typ, f[FrameHeaderLen:end:end], f[end:], nil
}

// ParseControl returns the frames of the control payload b, which they are a
// part of.
func ParseControl(b []byte) (Frames, error) {
	if err := checkLen("control", b, 1); err != nil {
		return nil, err
	}
	if k := Kind(b[0] >> 4); k != KindControl {
		return nil, kindError(k)
	}
	return Frames(b[1:]), nil
}

// AppendControl appends the first byte of a control payload to b. Frames
// follow.
func AppendControl(b []byte) []byte { return append(b, byte(KindControl)<<4) }

// AppendPadding appends n bytes of padding to b, none if n is negative.
func AppendPadding(b []byte, n int) []byte {
	n = max(0, n)
	b = slices.Grow(b, n)[:len(b)+n]
	clear(b[len(b)-n:])
	return b
}

// appendFrameHeader appends the type and length of a frame with a body of n
// bytes.
func appendFrameHeader(b []byte, t FrameType, n int) []byte {
	b = append(b, byte(t))
	return binary.BigEndian.AppendUint16(b, uint16(n))
}
