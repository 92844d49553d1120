package shim

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/multi6/multi6/wire"
)

// A segment is what TCP progress needs to know of a TCP segment (RFC 9293
// §3.1).
type segment struct {
	// flow names the connection as seen from this end, the same for both
	// directions.
	flow uint64
	// sequence and length are in sequence space: SYN and FIN count one each.
	sequence, length uint32
	// syn says that a connection begins.
	syn bool
	// ack says that acknowledged is valid. sacked is the highest right edge of a
	// SACK block above it (RFC 2018), acknowledged itself if there is none.
	ack                  bool
	acknowledged, sacked uint32
}

const protocolTCP = 6

// parseSegment returns the TCP segment that pkt, which CheckInner accepts,
// carries, outbound or inbound. It reports false for anything else, fragments and
// packets with extension headers included.
func parseSegment(pkt []byte, inbound bool) (segment, bool) {
	var tcp []byte
	var source, destination uint64
	if pkt[0]>>4 == 6 {
		if pkt[6] != protocolTCP {
			return segment{}, false
		}
		tcp = pkt[wire.IPv6HeaderLen:]
		source, destination = fold(pkt[8:24]), fold(pkt[24:40])
	} else {
		fragment := binary.BigEndian.Uint16(pkt[6:])&0x3fff != 0 // more fragments (1), offset (13)
		if pkt[9] != protocolTCP || fragment {
			return segment{}, false
		}
		tcp = pkt[int(pkt[0]&0x0f)*4:]
		source, destination = uint64(binary.BigEndian.Uint32(pkt[12:])), uint64(binary.BigEndian.Uint32(pkt[16:]))
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
	source = mix(source + uint64(binary.BigEndian.Uint16(tcp))<<48)
	destination = mix(destination + uint64(binary.BigEndian.Uint16(tcp[2:]))<<48)
	if inbound {
		source, destination = destination, source
	}
	s := segment{
		flow:         mix(source+bits.RotateLeft64(destination, 1)) | 1, // zero is no flow
		sequence:     binary.BigEndian.Uint32(tcp[4:]),
		length:       uint32(len(tcp) - offset),
		ack:          flags&ack != 0,
		acknowledged: binary.BigEndian.Uint32(tcp[8:]),
	}
	s.sacked = s.acknowledged
	if s.ack && offset > 20 {
		s.sacked = highestSACK(tcp[20:offset], s.acknowledged)
	}
	if flags&syn != 0 {
		s.syn = true
		s.length++
	}
	if flags&fin != 0 {
		s.length++
	}
	return s, true
}

// IsAcknowledgement reports whether an inner packet is a pure acknowledgement of TCP's.
func IsAcknowledgement(pkt []byte) bool {
	s, ok := parseSegment(pkt, false)
	return ok && s.length == 0
}

// highestSACK returns the highest right edge among the SACK blocks in options, or
// ack if none is above it.
func highestSACK(options []byte, ack uint32) uint32 {
	const end, nop, sack = 0, 1, 5 // kinds (RFC 9293 §3.2, RFC 2018 §3)
	highest := ack
	for len(options) > 0 && options[0] != end {
		if options[0] == nop {
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			break
		}
		if options[0] == sack {
			for block := options[2:options[1]]; len(block) >= 8; block = block[8:] {
				if right := binary.BigEndian.Uint32(block[4:]); int32(right-highest) > 0 {
					highest = right
				}
			}
		}
		options = options[options[1]:]
	}
	return highest
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

const (
	// numFlows is how many connections of a peer are watched at a time; of two
	// that fall on the same slot, the one that sent last is.
	numFlows = 64
	// flowEntries is how many instants are kept of each: two round trips' worth.
	flowEntries = 32
)

// flows watches TCP connections for progress in one term. The goroutine that
// sends writes a slot's span and log, the one that receives its acknowledged and
// sacked; a slot changes hands by its key.
type flows [numFlows]flow

type flow struct {
	key atomic.Uint64
	// span is the sequence space sent in this term: first in the upper, end in
	// the lower 32 bits.
	span                 atomic.Uint64
	acknowledged, sacked atomic.Uint32
	// log holds the end of a segment and when it was first sent.
	log     [flowEntries]atomic.Uint64
	head    atomic.Uint32
	entered time.Duration // of the one who sends
	// lastAt is when the end of the span was sent, and resentAt when a segment
	// was sent again since there was progress, zero for never.
	lastAt, resentAt atomic.Int64
	// holeAt is when it was last known that the receiver misses something: what was sent
	// before may have come at once and have waited there for what is missing.
	holeAt atomic.Int64
}

func (f *flows) slot(key uint64) *flow { return &f[key>>1%numFlows] }

// sent notes a segment that occupies sequence space.
func (f *flows) sent(now, grain time.Duration, s segment) {
	slot, end := f.slot(s.flow), s.sequence+s.length
	if slot.key.Load() != s.flow || s.syn {
		slot.key.Store(0)
		slot.resentAt.Store(0)
		slot.holeAt.Store(0)
		slot.head.Store(0)
		slot.acknowledged.Store(s.sequence)
		slot.sacked.Store(s.sequence)
		slot.span.Store(uint64(s.sequence)<<32 | uint64(end))
		slot.note(now, grain, end)
		slot.key.Store(s.flow)
		return
	}
	span := slot.span.Load()
	first, last := uint32(span>>32), uint32(span)
	if int32(s.sequence-last) >= 0 {
		slot.note(now, grain, end)
		slot.span.Store(uint64(first)<<32 | uint64(end))
		return
	}
	// A retransmission: its acknowledgement may be the original's, so it is not
	// timed (RFC 6298 §3); but it is sent on this pair and counts.
	slot.resentAt.Store(max(int64(now), 1))
	slot.holeAt.Store(int64(now))
	if int32(s.sequence-first) < 0 {
		slot.acknowledged.CompareAndSwap(first, s.sequence)
		first = s.sequence
	}
	if int32(end-last) > 0 {
		last = end
		slot.note(now, grain, end)
	}
	slot.span.Store(uint64(first)<<32 | uint64(last))
}

// note takes down that new data up to end is sent now.
func (fl *flow) note(now, grain time.Duration, end uint32) {
	if h := fl.head.Load(); h == 0 || now-fl.entered >= grain {
		fl.entered = now
		fl.log[h%flowEntries].Store(entry(end, now))
		fl.head.Store(h + 1)
	}
	fl.lastAt.Store(int64(now.Truncate(time.Microsecond))) // as exact as the logs
}

// sentAt returns when the latest data before edge was first sent, as far as is
// known.
func (fl *flow) sentAt(edge, end uint32, now time.Duration) time.Duration {
	if edge == end {
		return time.Duration(fl.lastAt.Load())
	}
	h := fl.head.Load()
	for i := uint32(1); i <= min(h, flowEntries); i++ {
		if e := fl.log[(h-i)%flowEntries].Load(); int32(entryNumber(e)-edge) <= 0 {
			return entryAt(e, now)
		}
	}
	return 0
}

// waited returns for how long the oldest data after edge has been under way, as far as
// is known, zero if it is not. What is acknowledged late, for a delayed acknowledgement
// or a lost one, has waited for longest: that is what suspicion goes by.
func (fl *flow) waited(edge uint32, now time.Duration) (d time.Duration) {
	h := fl.head.Load()
	for i := uint32(1); i <= min(h, flowEntries); i++ {
		e := fl.log[(h-i)%flowEntries].Load()
		if int32(entryNumber(e)-edge) <= 0 {
			break
		}
		d = now - entryAt(e, now)
	}
	return d
}

// progress is what an acknowledgement shows: a packet sent at that time has
// arrived. sample, if not zero, is a round-trip time.
type progress struct{ sent, sample time.Duration }

// acked reports whether s newly acknowledges something sent in this term, in
// order or not.
func (f *flows) acked(now time.Duration, s segment) (progress, bool) {
	slot := f.slot(s.flow)
	if slot.key.Load() != s.flow {
		return progress{}, false
	}
	span := slot.span.Load()
	first, end := uint32(span>>32), uint32(span)
	news := func(edge, before uint32) bool {
		// Something new, sent in this term, and sent at all.
		return int32(edge-before) > 0 && int32(edge-first) > 0 && int32(edge-end) <= 0
	}
	before, beforeSACK := slot.acknowledged.Load(), slot.sacked.Load()
	inOrder, outOfOrder := news(s.acknowledged, before), news(s.sacked, beforeSACK)
	if !inOrder && !outOfOrder {
		return progress{}, false
	}
	p := progress{sent: slot.sentAt(s.sacked, end, now)}
	waited := slot.waited(before, now)
	if now-waited < time.Duration(slot.holeAt.Load()) {
		waited = 0
	}
	// The slot may have changed hands meanwhile.
	if slot.key.Load() != s.flow {
		return progress{}, false
	}
	if s.sacked != s.acknowledged {
		slot.holeAt.Store(int64(now))
	}
	if outOfOrder {
		slot.sacked.CompareAndSwap(beforeSACK, s.sacked)
	}
	if !inOrder {
		return p, true
	}
	if !slot.acknowledged.CompareAndSwap(before, s.acknowledged) {
		return progress{}, false
	}
	if at := slot.resentAt.Swap(0); at != 0 {
		p.sent = max(p.sent, time.Duration(at))
		return p, true
	}
	p.sample = waited
	return p, true
}
