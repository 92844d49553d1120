package shim

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/multi6/multi6/wire"
)

// A segment is what TCP progress needs to know of a TCP segment (RFC 9293
// §3.1).
type segment struct {
	// flow names the connection, the same for both directions.
	flow uint64
	// sequence and length are in sequence space: SYN and FIN count one each.
	sequence, length uint32
	// ack says that acknowledged is valid.
	ack          bool
	acknowledged uint32
}

const protocolTCP = 6

// parseSegment returns the TCP segment that pkt, which CheckInner accepts,
// carries. It reports false for anything else, fragments and packets with
// extension headers included.
func parseSegment(pkt []byte) (segment, bool) {
	var tcp []byte
	var flow uint64
	if pkt[0]>>4 == 6 {
		if pkt[6] != protocolTCP {
			return segment{}, false
		}
		tcp = pkt[wire.IPv6HeaderLen:]
		flow = fold(pkt[8:24]) + fold(pkt[24:40])
	} else {
		fragment := binary.BigEndian.Uint16(pkt[6:])&0x3fff != 0 // more fragments (1), offset (13)
		if pkt[9] != protocolTCP || fragment {
			return segment{}, false
		}
		tcp = pkt[int(pkt[0]&0x0f)*4:]
		flow = mix(uint64(binary.BigEndian.Uint32(pkt[12:]))) + mix(uint64(binary.BigEndian.Uint32(pkt[16:])))
	}
	if len(tcp) < 20 {
		return segment{}, false
	}
	offset := int(tcp[12]>>4) * 4
	if offset < 20 || offset > len(tcp) {
		return segment{}, false
	}
	const fin, syn, ack = 1 << 0, 1 << 1, 1 << 4
	flags := tcp[13]
	s := segment{
		// A sum, so that the two directions are the same flow.
		flow:         mix(flow + mix(uint64(binary.BigEndian.Uint16(tcp))) + mix(uint64(binary.BigEndian.Uint16(tcp[2:])))),
		sequence:     binary.BigEndian.Uint32(tcp[4:]),
		length:       uint32(len(tcp) - offset),
		ack:          flags&ack != 0,
		acknowledged: binary.BigEndian.Uint32(tcp[8:]),
	}
	if flags&syn != 0 {
		s.length++
	}
	if flags&fin != 0 {
		s.length++
	}
	return s, true
}

func fold(a []byte) uint64 {
	return mix(binary.BigEndian.Uint64(a) ^ mix(binary.BigEndian.Uint64(a[8:])))
}

// mix spreads the bits of x (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// numFlows is how many connections of a peer are watched at a time; of two that
// fall on the same slot, the one that sent last is.
const numFlows = 128

// flows watches TCP connections for progress in one term. The goroutine that
// sends writes a slot's span, the one that receives its acknowledged; a slot
// changes hands by its key.
type flows [numFlows]flow

type flow struct {
	key atomic.Uint64
	// span is the sequence space sent in this term: first in the upper, end in
	// the lower 32 bits.
	span         atomic.Uint64
	acknowledged atomic.Uint32
	// timedEnd is the end of the segment whose round trip is being timed, and
	// timedAt when it was sent, zero for none.
	timedEnd atomic.Uint32
	timedAt  atomic.Int64
}

func (f *flows) slot(key uint64) *flow { return &f[key%numFlows] }

// sent notes a segment that occupies sequence space.
func (f *flows) sent(now time.Duration, s segment) {
	slot, end := f.slot(s.flow), s.sequence+s.length
	if slot.key.Load() != s.flow {
		slot.key.Store(0)
		slot.timedAt.Store(0)
		slot.acknowledged.Store(s.sequence)
		slot.span.Store(uint64(s.sequence)<<32 | uint64(end))
		slot.time(now, end)
		slot.key.Store(s.flow)
		return
	}
	span := slot.span.Load()
	first, last := uint32(span>>32), uint32(span)
	switch {
	case int32(end-last) > 0 && int32(s.sequence-last) >= 0:
		slot.time(now, end)
		slot.span.Store(uint64(first)<<32 | uint64(end))
	default:
		// A retransmission: its acknowledgement may be the original's, so it is
		// not timed (RFC 6298 §3); but it is sent on this pair and counts.
		slot.timedAt.Store(0)
		if int32(s.sequence-first) < 0 {
			slot.acknowledged.CompareAndSwap(first, s.sequence)
			first = s.sequence
		}
		if int32(end-last) > 0 {
			last = end
		}
		slot.span.Store(uint64(first)<<32 | uint64(last))
	}
}

func (fl *flow) time(now time.Duration, end uint32) {
	if fl.timedAt.Load() == 0 {
		fl.timedEnd.Store(end)
		fl.timedAt.Store(max(int64(now), 1))
	}
}

// acked reports whether s newly acknowledges something sent in this term, and
// the round-trip time if that was being measured.
func (f *flows) acked(now time.Duration, s segment) (sample time.Duration, progress bool) {
	slot := f.slot(s.flow)
	if slot.key.Load() != s.flow {
		return 0, false
	}
	span, before := slot.span.Load(), slot.acknowledged.Load()
	first, end, ack := uint32(span>>32), uint32(span), s.acknowledged
	if int32(ack-before) <= 0 || int32(ack-first) <= 0 || int32(ack-end) > 0 {
		return 0, false // nothing new, from before this term, or never sent
	}
	timedAt, timedEnd := slot.timedAt.Load(), slot.timedEnd.Load()
	// The slot may have changed hands meanwhile.
	if slot.key.Load() != s.flow || !slot.acknowledged.CompareAndSwap(before, ack) {
		return 0, false
	}
	if timedAt != 0 && int32(ack-timedEnd) >= 0 && slot.timedAt.CompareAndSwap(timedAt, 0) {
		sample = now - time.Duration(timedAt)
	}
	return sample, true
}
