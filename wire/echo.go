package wire

import (
	"encoding/binary"
	"time"
)

const (
	echoLen      = 8 + 4
	echoReplyLen = 8
)

// An Echo asks for an EchoReply after some time, over the reverse of the pair that
// it came by. It finds out for how long a NAT keeps its mapping.
type Echo struct {
	// ID is unpredictable and unique to the sender.
	ID uint64
	// After is how long the reply is to wait.
	After time.Duration
}

// ParseEcho reads the body of an Echo frame.
func ParseEcho(b []byte) (Echo, error) {
	if err := checkLen("echo", b, echoLen); err != nil {
		return Echo{}, err
	}
	return Echo{
		ID:    binary.BigEndian.Uint64(b), // id (64)
		After: parseMicros(b[8:]),         // after (32)
	}, nil
}

// AppendTo appends the frame to b.
func (e Echo) AppendTo(b []byte) []byte {
	b = appendFrameHeader(b, FrameEcho, echoLen)
	b = binary.BigEndian.AppendUint64(b, e.ID)
	return appendMicros(b, e.After)
}

// Len is the length of the frame.
func (e Echo) Len() int { return FrameHeaderLen + echoLen }

// An EchoReply answers an Echo.
type EchoReply struct {
	// ID is the Echo's.
	ID uint64
}

// ParseEchoReply reads the body of an EchoReply frame.
func ParseEchoReply(b []byte) (EchoReply, error) {
	if err := checkLen("echo reply", b, echoReplyLen); err != nil {
		return EchoReply{}, err
	}
	return EchoReply{ID: binary.BigEndian.Uint64(b)}, nil // id (64)
}

// AppendTo appends the frame to b.
func (e EchoReply) AppendTo(b []byte) []byte {
	b = appendFrameHeader(b, FrameEchoReply, echoReplyLen)
	return binary.BigEndian.AppendUint64(b, e.ID)
}

// Len is the length of the frame.
func (e EchoReply) Len() int { return FrameHeaderLen + echoReplyLen }
