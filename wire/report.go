package wire

import (
	"encoding/binary"
	"time"
)

const reportLen = 4 + 8 + 4 + 8 + 1

// A Report tells the peer what came of its packets, when nothing else does.
type Report struct {
	// Tag is the reporter's: it speaks of the packets that came with it, which
	// is to say under one key.
	Tag Tag
	// Largest is the largest packet number that came.
	Largest uint64
	// Held is the time since Largest came.
	Held time.Duration
	// Received is how many packets came.
	Received uint64
	// Missing is the share of lately numbered packets that did not come, in units of
	// 1/256, where it is worth a look at the pair that they were sent over; else zero.
	Missing uint8
}

// ParseReport reads the body of a Report frame.
func ParseReport(b []byte) (Report, error) {
	if err := checkLen("report", b, reportLen); err != nil {
		return Report{}, err
	}
	tag, err := parseTag("report", b) // tag (32)
	if err != nil {
		return Report{}, err
	}
	return Report{
		Tag:      tag,
		Largest:  binary.BigEndian.Uint64(b[4:]),  // largest (64)
		Held:     parseMicros(b[12:]),             // held (32)
		Received: binary.BigEndian.Uint64(b[16:]), // received (64)
		Missing:  b[24],                           // missing (8)
	}, nil
}

// AppendTo appends the frame to b. r.Tag must be valid.
func (r Report) AppendTo(b []byte) []byte {
	b = appendFrameHeader(b, FrameReport, reportLen)
	b = appendTag(b, r.Tag)
	b = binary.BigEndian.AppendUint64(b, r.Largest)
	b = appendMicros(b, r.Held)
	b = binary.BigEndian.AppendUint64(b, r.Received)
	return append(b, r.Missing)
}

// Len is the length of the frame.
func (r Report) Len() int { return FrameHeaderLen + reportLen }
