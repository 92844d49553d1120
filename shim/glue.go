package shim

import (
	"bytes"
	"encoding/binary"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/wire"
)

// A Gluer opens datagrams into a buffer of its own such that consecutive segments of a
// connection come to lie one after another, as one super-packet. It is for one
// goroutine.
//
// A datagram is opened so that its headers fall on the end of the packet in making, the
// bytes of which are kept aside. If it continues that packet, they are put back and it is
// part of it already; if not, it is moved.
type Gluer struct {
	buf []byte
	// The packet in making is buf[begin:end], with count segments; there is none if
	// count is zero.
	begin, end, count int
	session           *Session
	kind              wire.Kind
	// header is the length of what comes before the data in a payload of this kind:
	// inner or IP header, and transport header. prefix is the former.
	header, prefix int
	compact        [wire.InnerLen]byte
	// head is a copy of the headers of its first segment.
	head      [maxHeader]byte
	protocol  uint8
	transport int // in the packet
	segment   int
	next      uint32 // sequence number
	// shut says that nothing can follow.
	shut bool

	// at is where the last payload was to be opened to, and saved what lay there.
	at    int
	saved [maxHeader]byte
	side  []byte
}

const (
	// maxHeader is the length of the longest IPv4 and TCP headers.
	maxHeader = 60 + 60
	// maxSuper is how long a super-packet can be.
	maxSuper = 65535
	// gluerRoom is what comes before the first payload: room for an IPv6 header.
	gluerRoom = wire.IPv6HeaderLen
)

// NewGluer returns a Gluer with nothing in it.
func NewGluer() *Gluer {
	return &Gluer{buf: make([]byte, gluerRoom+2*maxSuper), side: make([]byte, 0, maxSuper)}
}

// Place returns where the next payload, of at most maxSuper bytes, is to be opened to.
// Undo, Join or Begin must follow.
func (g *Gluer) Place() []byte {
	g.at = gluerRoom
	if g.count > 0 {
		g.at = g.end - g.header
		copy(g.saved[:g.header], g.buf[g.at:g.end])
	}
	return g.buf[g.at:g.at:len(g.buf)]
}

// Undo puts back what lay where the last payload was opened to.
func (g *Gluer) Undo() {
	if g.count > 0 {
		copy(g.buf[g.at:g.end], g.saved[:g.header])
	}
}

// Join makes payload, opened by s to Place, part of the packet in making if it continues
// that. ecn is the outer ECN field that the datagram came with.
func (g *Gluer) Join(s *Session, payload []byte, ecn uint8) bool {
	if g.count == 0 || g.shut || s != g.session || !g.continues(payload) || ecnChanges(payload, ecn) {
		return false
	}
	data := len(payload) - g.header
	g.count++
	g.next += uint32(data)
	g.shut = data < g.segment || g.protocol == inner.UDP && g.count == inner.MaxUDPSegments
	var last byte
	if g.protocol == inner.TCP {
		const fin, psh = 1 << 0, 1 << 3
		last = payload[g.prefix+13] & (fin | psh)
	}
	g.Undo() // payload's headers are gone
	g.end += data
	if last != 0 {
		g.buf[g.begin+g.transport+13] |= last
		g.shut = true
	}
	return true
}

// continues reports whether payload is what comes next after the packet in making, with
// the same headers.
func (g *Gluer) continues(payload []byte) bool {
	data := len(payload) - g.header
	if data <= 0 || data > g.segment || g.end-g.begin+data > maxSuper || !g.samePrefix(payload) {
		return false
	}
	ours, theirs := g.head[g.transport:], payload[g.prefix:]
	if g.protocol == inner.UDP {
		return binary.BigEndian.Uint32(ours) == binary.BigEndian.Uint32(theirs) &&
			int(binary.BigEndian.Uint16(theirs[4:])) == udpHeaderLen+data
	}
	// ports (32), sequence (32), acknowledgement (32), offset (4), reserved (4), flags (8),
	// window (16), checksum (16), urgent (16), options
	const fin, psh, cwr = 1 << 0, 1 << 3, 1 << 7
	n := g.header - g.prefix
	return binary.BigEndian.Uint32(ours) == binary.BigEndian.Uint32(theirs) &&
		binary.BigEndian.Uint32(theirs[4:]) == g.next &&
		binary.BigEndian.Uint32(ours[8:]) == binary.BigEndian.Uint32(theirs[8:]) &&
		ours[12] == theirs[12] && ours[13]&^(psh|fin|cwr) == theirs[13]&^(psh|fin) &&
		binary.BigEndian.Uint16(ours[14:]) == binary.BigEndian.Uint16(theirs[14:]) &&
		bytes.Equal(ours[18:n], theirs[18:n])
}

const udpHeaderLen = 8

// samePrefix reports whether payload begins with the inner or IP header of the next
// segment of the packet in making.
func (g *Gluer) samePrefix(payload []byte) bool {
	if wire.Kind(payload[0]>>4) != g.kind {
		return false
	}
	ours := &g.head
	switch g.kind {
	case wire.KindRewrittenPartial:
		return [wire.InnerLen]byte(payload) == g.compact
	case wire.KindIPv6Partial:
		return ours[0]&0x0f == payload[0]&0x0f && bytes.Equal(ours[1:4], payload[1:4]) && bytes.Equal(ours[6:40], payload[6:40])
	}
	// IPv4: header length (4), type of service (8), total length (16), identification (16),
	// flags and offset (16), time to live (8), protocol (8), checksum (16), addresses (64), options
	return ours[0]&0x0f == payload[0]&0x0f && ours[1] == payload[1] && bytes.Equal(ours[6:10], payload[6:10]) &&
		binary.BigEndian.Uint16(payload[4:]) == binary.BigEndian.Uint16(ours[4:])+uint16(g.count) &&
		bytes.Equal(ours[12:g.prefix], payload[12:g.prefix])
}

// ecnChanges reports whether an outer ECN field changes that of the payload's packet
// (RFC 6040 §4.2).
func ecnChanges(payload []byte, outer uint8) bool {
	outer &= 3
	if outer == 0 {
		return false
	}
	var own uint8
	switch wire.Kind(payload[0] >> 4).Whole() {
	case wire.KindRewritten:
		own = payload[3] & 3
	case wire.KindIPv6:
		own = payload[1] >> 4 & 3
	case wire.KindIPv4:
		own = payload[1] & 3
	}
	return own != outer
}

// Begin starts a packet with payload, opened by s as number to Place; what was in making is
// lost, call Take before. It returns the packet as it is now, or why it is dropped.
// The packet is valid until the next call.
func (g *Gluer) Begin(s *Session, payload []byte, number uint64, ecn uint8) (pkt []byte, d Drop) {
	g.count = 0
	g.kind = wire.Kind(payload[0] >> 4)
	if len(payload) >= wire.InnerLen {
		g.compact = [wire.InnerLen]byte(payload)
	}
	if g.at != gluerRoom {
		g.at = gluerRoom
		copy(g.buf[g.at:], payload)
	}
	o, d := s.Restore(g.buf, g.at, g.at+len(payload), number)
	if d != DropNone {
		return nil, d
	}
	pkt = g.buf[o.From:o.To]
	changed := false
	if ecn&3 != 0 {
		var drop bool
		if drop, changed = inner.Decapsulate(ecn&3, pkt); drop {
			return nil, DropECN
		}
	}
	g.session, g.begin, g.end, g.count = s, o.From, o.To, 1
	g.shut = !g.open(pkt) || changed // the next may bear no mark
	return pkt, DropNone
}

// Save keeps payload, which the packet in making does not go on with, and puts back the
// end of that packet.
func (g *Gluer) Save(payload []byte) []byte {
	g.side = append(g.side[:0], payload...)
	g.Undo()
	return g.side
}

// open finds out how pkt, the first segment, can be followed, and reports whether it can.
func (g *Gluer) open(pkt []byte) bool {
	transport, protocol, ok := inner.TransportOf(pkt)
	if !ok {
		return false
	}
	g.transport, g.protocol = transport, protocol
	header := transport + udpHeaderLen
	if protocol == inner.TCP {
		if len(pkt) < transport+20 {
			return false
		}
		header = transport + int(pkt[transport+12]>>4)*4
		const fin, syn, rst, psh, urg = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 5
		if header < transport+20 || pkt[transport+13]&(fin|syn|rst|psh|urg) != 0 {
			return false
		}
		g.next = binary.BigEndian.Uint32(pkt[transport+4:]) + uint32(len(pkt)-header)
	}
	g.segment = len(pkt) - header
	g.prefix = transport
	if g.kind.Whole() == wire.KindRewritten {
		g.prefix = wire.InnerLen
	}
	g.header = g.prefix + header - transport
	copy(g.head[:], pkt[:header])
	return g.segment > 0 && g.kind.Partial()
}

// Making reports whether a packet is in making, and whether it can go on.
func (g *Gluer) Making() (some, open bool) { return g.count > 0, g.count > 0 && !g.shut }

// Take returns the packet in making, and for how many it stands, zero if there is none.
// It is valid until Place.
func (g *Gluer) Take() (p inner.Packet, count int) {
	count, g.count = g.count, 0
	if count == 0 {
		return p, 0
	}
	p = inner.Packet{Buf: g.buf[g.begin:g.end], Partial: g.kind.Partial()}
	if p.Partial {
		var ok bool
		if p.Transport, _, ok = inner.TransportOf(p.Buf); !ok {
			p.Partial = false // its sender should not have said so; the checksum will fail
		}
	}
	if count == 1 {
		return p, 1
	}
	p.Segment = g.segment
	inner.SetLength(p.Buf)
	if g.protocol == inner.UDP {
		binary.BigEndian.PutUint16(p.Buf[g.transport+4:], uint16(len(p.Buf)-g.transport))
	}
	return p, count
}
