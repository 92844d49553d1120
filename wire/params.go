package wire

import (
	"encoding/binary"
	"time"
)

const paramsLen = 4 + 8 + 1 + 4 + 4

// Ciphers is a set of ciphers. Bits without a name are ignored.
type Ciphers uint8

// The ciphers.
const (
	AES256GCM        Ciphers = 1 << 0
	ChaCha20Poly1305 Ciphers = 1 << 1
)

// Params is what the sender of an Open asks for and offers.
type Params struct {
	// Tag is the one that the sender receives with in this context.
	Tag Tag
	// Timestamp is nanoseconds since the Unix epoch, greater than in every
	// earlier Open of the sender, first or second message.
	Timestamp uint64
	// Ciphers are those that the sender can use.
	Ciphers Ciphers
	// ReportDelay: within it, the sender reports packets it received.
	ReportDelay time.Duration
	// ReportWanted: within it, the sender wants the peer to report.
	ReportWanted time.Duration
}

// ParseParams reads the body of a Params frame.
func ParseParams(b []byte) (Params, error) {
	if err := checkLen("params", b, paramsLen); err != nil {
		return Params{}, err
	}
	tag, err := parseTag("params", b) // tag (32)
	if err != nil {
		return Params{}, err
	}
	return Params{
		Tag:          tag,
		Timestamp:    binary.BigEndian.Uint64(b[4:]), // timestamp (64)
		Ciphers:      Ciphers(b[12]),                 // ciphers (8)
		ReportDelay:  parseMicros(b[13:]),            // report delay (32)
		ReportWanted: parseMicros(b[17:]),            // report wanted (32)
	}, nil
}

// AppendTo appends the frame to b. p.Tag must be valid.
func (p Params) AppendTo(b []byte) []byte {
	b = appendFrameHeader(b, FrameParams, paramsLen)
	b = appendTag(b, p.Tag)
	b = binary.BigEndian.AppendUint64(b, p.Timestamp)
	b = append(b, byte(p.Ciphers))
	b = appendMicros(b, p.ReportDelay)
	return appendMicros(b, p.ReportWanted)
}

// Len is the length of the frame.
func (p Params) Len() int { return FrameHeaderLen + paramsLen }
