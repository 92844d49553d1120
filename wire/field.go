package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// parseTag reads a tag of 32 bits, the upper 8 being zero, from the start of
// the frame what.
func parseTag(what string, b []byte) (Tag, error) {
	t := Tag(binary.BigEndian.Uint32(b))
	if !t.Valid() {
		return 0, fmt.Errorf("wire: %s: %w %#x", what, ErrTag, uint32(t))
	}
	return t, nil
}

func appendTag(b []byte, t Tag) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(t&MaxTag))
}

// parseMicros reads a duration of 32 bits in microseconds.
func parseMicros(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Microsecond
}

// appendMicros appends d in microseconds, rounded down. A negative d becomes
// zero, and one above 71 minutes the largest that there is.
func appendMicros(b []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(min(max(0, d.Microseconds()), math.MaxUint32)))
}
