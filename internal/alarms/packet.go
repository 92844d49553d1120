package alarms

import (
	"encoding/binary"

	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

const (
	tcpLen      = 20
	protocolTCP = 6
	protocolUDP = 17
	// The TCP ports of A and B.
	portA, portB = 1000, 2000
	// sackKind is the kind of the SACK option, nop of padding (RFC 2018 §3).
	sackKind, nop = 5, 1
)

// header is the IPv6 header of a packet from one identifier to another, without
// length and next header.
func header(from, to shim.PublicKey) (h [wire.IPv6HeaderLen]byte) {
	src, dst := from.Identifier().As16(), to.Identifier().As16()
	h[0], h[7] = 6<<4, 64 // version, hop limit
	copy(h[8:], src[:])
	copy(h[24:], dst[:])
	return h
}

// putTCP writes the packet that carries g to b and returns its length. The payload
// is whatever b holds, and the checksum zero: nothing here looks at them.
func (e *end) putTCP(b []byte, g segment) int {
	options := 0
	if g.blocks > 0 {
		options = 4 + 8*g.blocks
	}
	n := tcpLen + options + g.length
	copy(b, e.header[:])
	be := binary.BigEndian
	be.PutUint16(b[4:], uint16(n))
	b[6] = protocolTCP
	t := b[wire.IPv6HeaderLen:]
	be.PutUint16(t, e.port)
	be.PutUint16(t[2:], portA+portB-e.port)
	be.PutUint32(t[4:], uint32(g.position))
	be.PutUint32(t[8:], uint32(g.ack))
	t[12], t[13] = byte(tcpLen+options)/4<<4, 1<<4 // data offset, ACK
	be.PutUint64(t[14:], 0)                        // window, checksum, urgent pointer, and what follows
	if options > 0 {
		o := t[tcpLen:]
		o[0], o[1], o[2], o[3] = nop, nop, sackKind, byte(2+8*g.blocks)
		for i, s := range g.sacks[:g.blocks] {
			be.PutUint32(o[4+8*i:], uint32(s.start))
			be.PutUint32(o[8+8*i:], uint32(s.end))
		}
	}
	return wire.IPv6HeaderLen + n
}

// readTCP is the inverse of putTCP; t gives the positions that the numbers are near.
func readTCP(b []byte, t *tcp) segment {
	be, b := binary.BigEndian, b[wire.IPv6HeaderLen:]
	offset := int(b[12]>>4) * 4
	near := func(position int64, b []byte) int64 {
		return position + int64(int32(be.Uint32(b)-uint32(position)))
	}
	g := segment{position: near(t.received, b[4:]), length: len(b) - offset, ack: near(t.una, b[8:])}
	if offset > tcpLen {
		o := b[tcpLen:]
		g.blocks = int(o[3]-2) / 8
		for i := range g.blocks {
			g.sacks[i] = span{near(t.una, o[4+8*i:]), near(t.una, o[8+8*i:])}
		}
	}
	return g
}

// udpLen is the length of a datagram of the application, header included.
const udpLen = 40

// putUDP writes a packet that nothing acknowledges and returns its length.
func (e *end) putUDP(b []byte) int {
	copy(b, e.header[:])
	binary.BigEndian.PutUint16(b[4:], udpLen)
	b[6] = protocolUDP
	return wire.IPv6HeaderLen + udpLen
}
