package shim

import (
	"encoding/binary"
	"time"
)

// Draft §4: upon a change of pair the transport protocol SHOULD be notified, so that
// it can adapt. ECN-capable transports are told in the one way that all of them
// understand, by a mark that says the path is congested: for about a window's worth of
// packets after the switch, which a sender answers as one event (RFC 3168 §6.1.2).

// leastMark and mostMark bound for how long packets are marked.
const (
	leastMark = 2 * time.Millisecond
	mostMark  = time.Second
)

// markFor returns for how long packets are marked on a path with that round-trip
// time.
func markFor(rtt time.Duration) time.Duration { return min(max(rtt, leastMark), mostMark) }

// Mark marks pkt, which goes out now, if the term's pair is new: from the first packet
// that can be marked, for a round trip. It reports whether it did.
func (t *Term) Mark(now time.Duration, pkt []byte) bool {
	if t.mark == 0 {
		return false
	}
	until := t.markUntil.Load()
	if until != 0 && int64(now) >= until || !MarkCE(pkt) {
		return false
	}
	if until == 0 {
		t.markUntil.Store(int64(now + t.mark))
	}
	return true
}

const ecnCE = 3

// MarkCE sets Congestion Experienced in the header of pkt, which CheckInner accepts, if
// its transport is capable of ECN (RFC 3168 §5). It reports whether it did.
func MarkCE(pkt []byte) bool {
	if pkt[0]>>4 == 6 {
		// traffic class (8), the lower half of which is in the second byte's upper
		if !ecnCapable(pkt[1] >> 4) {
			return false
		}
		pkt[1] |= ecnCE << 4
		return true
	}
	if !ecnCapable(pkt[1]) {
		return false
	}
	before := binary.BigEndian.Uint16(pkt)
	pkt[1] |= ecnCE
	// RFC 1624 §3: HC' = ~(~HC + ~m + m')
	sum := uint32(^binary.BigEndian.Uint16(pkt[10:])) + uint32(^before) + uint32(binary.BigEndian.Uint16(pkt))
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(pkt[10:], ^uint16(sum))
	return true
}

// ecnCapable reports whether the codepoint in the lower two bits is ECT(0) or ECT(1).
func ecnCapable(b byte) bool { return b&3 == 1 || b&3 == 2 }
