package shim

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/replay"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

const (
	// Headroom is how many bytes a buffer needs before an inner packet, or
	// before a datagram, so that the other can be made in its place.
	Headroom = 40
	// Tailroom is how many bytes a buffer needs after an inner packet.
	Tailroom = wire.AuthLen

	// rekeyAfter is the age at which the initiator of a session opens a new one
	// when it has something to send, and rejectAfter the age at which a session
	// is no longer used (the lifetimes of WireGuard §6.2).
	rekeyAfter  = 120 * time.Second
	rejectAfter = 180 * time.Second
	// rekeyNumbers and rejectNumbers are the same in packets. NIST SP 800-38D
	// §8.3 allows 2^32 invocations of AES-GCM under one key.
	rekeyNumbers  = 1 << 31
	rejectNumbers = 1 << 32
)

// A Session is a pair of transport keys, made by one Open. Sealing is safe for
// concurrent use; opening is not, the caller lets one goroutine at a time do it.
type Session struct {
	local, remote wire.Tag
	// self and peer are the identifiers whose packets are rewritten.
	self, peer [16]byte
	// initiated says that this end sent Open 1.
	initiated bool
	created   time.Time

	sealer, opener cipherKey
	next           atomic.Uint64

	// window takes down which numbers were received, down to floor; those below count
	// as received. It is nil while nothing comes. Both belong to whoever opens, but that
	// rest takes the window away.
	window atomic.Pointer[replay.Filter]
	floor  uint64
	// assemblies are nil until a part comes. They belong to whoever opens, but that rest
	// takes them away.
	assemblies atomic.Pointer[assemblies]
	// largest is the largest packet number received, plus one; largestAt when it
	// came (since the context's base) and received the count.
	largest, received atomic.Uint64
	largestAt         atomic.Int64
	// used says that the peer has sealed a packet with this session: it has our
	// Open 2, or we have its.
	used atomic.Bool

	// What follows belongs to the Context.

	// open2 is our answer to the peer's Open, kept until the peer has shown that
	// it got it, and sequence that of the LocatorSet in it.
	open2    []byte
	sequence uint32
	// greeting is what the peer said in that Open; it counts when the peer has
	// shown that it is no replay.
	greeting *greeting
	// over is the pair whose reverse that Open came by.
	over locator.Pair
	// stamp is the timestamp of the Open 1, answered that of the Open 2, each by
	// its sender's clock.
	stamp, answered uint64
	// heardAt is when a control datagram last came with the session, adoptedAt
	// when packets began to be sealed with it.
	heardAt, adoptedAt time.Time
	// reported is the count that our last Report told; confirmed is the largest
	// packet number, plus one, that the peer has reported.
	reported, confirmed uint64
	// gaps is the window of the packet numbers that the peer lately used.
	gaps window
}

// Tag returns the tag with which the peer's packets of this session come.
func (s *Session) Tag() wire.Tag { return s.local }

// Used reports whether the peer is known to have the session's keys.
func (s *Session) Used() bool { return s.used.Load() }

func addr16(a netip.Addr) [16]byte { return a.As16() }

// nonceLen is the length of the nonce of both ciphers.
const nonceLen = 12

// putNonce writes the nonce of a packet number into the bytes before a datagram,
// where it costs no allocation: 32 zero bits, then the number.
func putNonce(b []byte, number uint64) []byte {
	_ = b[nonceLen-1]
	binary.BigEndian.PutUint32(b, 0)
	binary.BigEndian.PutUint64(b[4:], number)
	return b[:nonceLen]
}

// number takes n packet numbers and returns the first. It reports false when the keys
// are used up.
func (s *Session) number(n int) (first uint64, ok bool) {
	end := s.next.Add(uint64(n))
	return end - uint64(n), end <= rejectNumbers
}

// seal encrypts the payload that follows a header at start, up to end. buf has
// room for nonceLen before start and for wire.AuthLen after end. It returns the
// datagram, or reports false when the keys are used up.
func (s *Session) seal(buf []byte, start, end int) ([]byte, bool) {
	number, ok := s.number(1)
	if !ok {
		return nil, false
	}
	header := buf[start : start+wire.HeaderLen]
	wire.PutHeader(header, wire.Header{Type: wire.Transport, Tag: s.remote, Number: uint32(number)})
	payload := buf[start+wire.HeaderLen : end]
	sealed := s.sealer.aead().Seal(payload[:0], putNonce(buf[start-nonceLen:start], number), payload, header)
	return buf[start : start+wire.HeaderLen+len(sealed)], true
}

// SealPacket turns the inner packet buf[from:to] into a datagram in the same
// buffer, which needs Headroom before the packet and Tailroom after it. The
// packet is one that CheckInner accepts; partial says that its checksum is to be
// completed. It reports false when the session's packet numbers are used up.
func (s *Session) SealPacket(buf []byte, from, to int, partial bool) ([]byte, bool) {
	return s.seal(buf, s.rewrite(buf, from, to, partial)-wire.HeaderLen, to)
}

// rewrite makes a payload of the packet buf[from:to], and returns where it begins.
func (s *Session) rewrite(buf []byte, from, to int, partial bool) (start int) {
	start = from
	if pkt := buf[from:to]; s.rewritable(pkt) {
		start = from + wire.IPv6HeaderLen - wire.InnerLen
		wire.PutInner(buf[start:start+wire.InnerLen], pkt)
	}
	if partial {
		setPartial(&buf[start])
	}
	return start
}

// setPartial marks a payload by its first byte.
func setPartial(first *byte) { wire.PutKind(first, wire.PartialOf(wire.Kind(*first>>4))) }

// rewritable reports whether pkt travels between the two identifiers, so that
// its header need not.
func (s *Session) rewritable(pkt []byte) bool {
	return pkt[0]>>4 == 6 && [16]byte(pkt[8:24]) == s.self && [16]byte(pkt[24:40]) == s.peer
}

// SealControl returns a datagram that holds frames.
func (s *Session) SealControl(frames []byte) ([]byte, bool) {
	const start = nonceLen
	buf := make([]byte, start+wire.HeaderLen, start+wire.HeaderLen+1+len(frames)+wire.AuthLen)
	buf = wire.AppendControl(buf)
	buf = append(buf, frames...)
	return s.seal(buf, start, len(buf))
}

// An Opened is what a datagram held.
type Opened struct {
	Kind wire.Kind
	// From and To delimit the inner packet, or the frames, in the buffer.
	From, To int
	// Number is the packet number.
	Number uint64
}

// Open opens buf[from:to], a transport datagram for this session, to dst, which has room
// for it and either lies elsewhere or is buf[from+wire.HeaderLen:from+wire.HeaderLen],
// and returns the payload. The nonceLen bytes before from are overwritten. now is the time
// since the context's base. A reason other than DropNone means that the datagram is to be
// dropped and counted. What is not authentic, or was seen before, changes nothing.
func (s *Session) Open(now time.Duration, dst, buf []byte, from, to int) (payload []byte, number uint64, d Drop) {
	if to-from < wire.MinTransportLen {
		return nil, 0, DropMalformed
	}
	largest := s.largest.Load()
	header := buf[from : from+wire.HeaderLen]
	number = wire.ExpandNumber(max(largest, 1)-1, binary.BigEndian.Uint32(header[4:]))
	payload, err := s.opener.aead().Open(dst[:0], putNonce(buf[from-nonceLen:from], number), buf[from+wire.HeaderLen:to], header)
	if err != nil {
		return nil, 0, DropForged
	}
	if !s.isNew(number, largest) {
		return nil, 0, DropReplayed
	}
	s.received.Add(1)
	if number >= largest {
		s.largest.Store(number + 1)
		s.largestAt.Store(int64(now))
	}
	return payload, number, DropNone
}

// isNew reports whether a packet is the first of that number, and takes it down. What is
// not after the largest one when the window begins is not new: nothing is on its way for
// as long as it takes a session to rest.
func (s *Session) isNew(number, largest uint64) bool {
	w := s.window.Load()
	if w == nil {
		w, s.floor = new(replay.Filter), largest
		s.window.Store(w)
	}
	return number >= s.floor && w.ValidateCounter(number, rejectNumbers)
}

// OpenDatagram opens buf[from:to] in place, as Open does, and restores the inner packet,
// for which it needs Headroom before it.
func (s *Session) OpenDatagram(now time.Duration, buf []byte, from, to int) (Opened, Drop) {
	if to-from < wire.MinTransportLen {
		return Opened{}, DropMalformed
	}
	start := from + wire.HeaderLen
	payload, number, d := s.Open(now, buf[start:start], buf, from, to)
	if d != DropNone {
		return Opened{}, d
	}
	return s.Restore(buf, start, start+len(payload), number)
}

// Restore finds out what the payload buf[from:to], opened with number, is, and puts back
// the header of a rewritten packet, for which it needs Headroom before it.
func (s *Session) Restore(buf []byte, from, to int, number uint64) (Opened, Drop) {
	kind, err := wire.PayloadKind(buf[from])
	if err != nil {
		return Opened{}, DropMalformed
	}
	o := Opened{Kind: kind, From: from, To: to, Number: number}
	switch kind.Whole() {
	case wire.KindControl:
		o.From++
	case wire.KindRewritten:
		ip := o.From + wire.InnerLen - wire.IPv6HeaderLen
		if o.To-o.From < wire.InnerLen {
			return Opened{}, DropMalformed
		}
		err := wire.RestoreInner(buf[ip:], buf[o.From:o.From+wire.InnerLen], o.To-o.From-wire.InnerLen, &s.peer, &s.self)
		if err != nil {
			return Opened{}, DropMalformed
		}
		o.From = ip
	default:
		wire.PutKind(&buf[from], kind.Whole())
		if CheckInner(buf[from:to]) != DropNone {
			return Opened{}, DropMalformed
		}
	}
	return o, DropNone
}

// report describes what came with this session.
func (s *Session) report(now time.Duration) (wire.Report, bool) {
	largest := s.largest.Load()
	if largest == 0 {
		return wire.Report{}, false
	}
	return wire.Report{
		Tag: s.local, Largest: largest - 1, Received: s.received.Load(),
		Held: now - time.Duration(s.largestAt.Load()),
	}, true
}

// usable reports whether packets may be sealed with the session at now.
func (s *Session) usable(now time.Time) bool {
	return s != nil && now.Sub(s.created) < rejectAfter && s.next.Load() < rejectNumbers
}

// stale reports whether the session is to be replaced when there is something to
// send. The initiator is earlier, so that one end does it.
func (s *Session) stale(now time.Time) bool {
	after := rekeyAfter
	if !s.initiated {
		after += (rejectAfter - rekeyAfter) / 2
	}
	return now.Sub(s.created) >= after || s.next.Load() >= rekeyNumbers
}
