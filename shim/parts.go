package shim

import (
	"encoding/binary"
	"slices"

	"github.com/multi6/multi6/wire"
)

// A packet that is too long for a pair, but may not be refused, travels in parts: below
// IPv6 there must be a way for 1280 bytes (RFC 8200 §5), whatever a link and our
// headers leave of them. Unlike fragments of the outer packet, parts pass firewalls and
// NATs as any datagram does.

// SealParts is SealPacket for a packet that takes several datagrams, of at most room bytes
// each. The buffer needs no room at the end. The reason is DropOversize if the packet takes
// more than wire.MaxParts, DropNoSession when the session's packet numbers are used up.
func (s *Session) SealParts(buf []byte, from, to int, partial bool, room int) (datagrams [][]byte, d Drop) {
	payload := buf[s.rewrite(buf, from, to, partial):to]
	room -= wire.HeaderLen + wire.PartLen + wire.AuthLen
	if room < 1 || len(payload) > wire.MaxParts*room {
		return nil, DropOversize
	}
	count := (len(payload) + room - 1) / room
	number, ok := s.number(count)
	if !ok {
		return nil, DropNoSession
	}
	var nonce [nonceLen]byte
	for part := range slices.Chunk(payload, (len(payload)+count-1)/count) {
		i := len(datagrams)
		header := make([]byte, wire.HeaderLen, wire.HeaderLen+wire.PartLen+len(part)+wire.AuthLen)
		wire.PutHeader(header, wire.Header{Type: wire.Transport, Tag: s.remote, Number: uint32(number) + uint32(i)})
		plain := append(wire.Part{Index: i, More: i < count-1}.AppendTo(header), part...)[wire.HeaderLen:]
		datagrams = append(datagrams, s.sealer.aead().Seal(header, putNonce(nonce[:], number+uint64(i)), plain, header))
	}
	return datagrams, DropNone
}

// assemblies are the payloads of a session of which only some parts have come. They
// belong to whoever opens. The oldest gives way to a new one: what is lost is lost.
type assemblies struct {
	slots [4]assembly
	next  int
}

// An assembly is a payload of which parts have come.
type assembly struct {
	// first is the number of the first part. have is the set of parts that have come, size
	// their bytes, count the number of all parts, zero while the last one is not known.
	first uint64
	have  uint8
	size  int
	count int
	parts [wire.MaxParts][]byte
}

// Assemble takes in the payload of a part, opened with number, and returns the whole
// payload once its last part has come. The part is copied.
func (s *Session) Assemble(number uint64, payload []byte) (whole []byte, d Drop) {
	p := wire.ParsePart(payload[0])
	if uint64(p.Index) > number || len(payload) == wire.PartLen {
		return nil, DropMalformed
	}
	as := s.assemblies.Load()
	if as == nil {
		as = new(assemblies)
		s.assemblies.Store(as)
	}
	a := as.of(number - uint64(p.Index))
	if a.size += len(payload) - wire.PartLen; a.size > maxSuper {
		*a = assembly{}
		return nil, DropMalformed
	}
	a.parts[p.Index] = slices.Clone(payload[wire.PartLen:])
	a.have |= 1 << p.Index
	if !p.More {
		a.count = p.Index + 1
	}
	if a.count == 0 || a.have != 1<<a.count-1 {
		return nil, DropNone
	}
	whole = slices.Concat(a.parts[:a.count]...)
	*a = assembly{}
	if kind := wire.Kind(whole[0] >> 4); kind == wire.KindControl || kind == wire.KindPart {
		return nil, DropMalformed
	}
	return whole, DropNone
}

// of returns the assembly whose first part has that number.
func (as *assemblies) of(first uint64) *assembly {
	for i := range as.slots {
		if a := &as.slots[i]; a.have != 0 && a.first == first {
			return a
		}
	}
	a := &as.slots[as.next]
	as.next = (as.next + 1) % len(as.slots)
	*a = assembly{first: first}
	return a
}

// dontFragment is in the flags of IPv4 (RFC 791 §3.1), leastMTU6 what IPv6 asks of every
// link (RFC 8200 §5).
const (
	dontFragment = 0x4000
	leastMTU6    = 1280
)

// MayPart reports whether pkt, which CheckInner accepts, has to be carried in parts if it
// is too long for a pair, as its sender cannot or need not make it shorter.
func MayPart(pkt []byte) bool {
	if pkt[0]>>4 == 6 {
		return len(pkt) <= leastMTU6
	}
	return binary.BigEndian.Uint16(pkt[6:])&dontFragment == 0
}
