package inner

import (
	"encoding/binary"
	"errors"
)

// maxHeaders bounds the headers that a Cutter keeps. IPv4 and TCP have at most 60 bytes
// each; IPv6 extension headers may come in between.
const maxHeaders = 256

var errHeaders = errors.New("inner: headers longer than 256 bytes")

// Flags of TCP (RFC 9293 §3.1, RFC 3168 §6.1).
const (
	flagFIN = 0x01
	flagPSH = 0x08
	flagURG = 0x20
	flagCWR = 0x80
)

// A Cutter makes the headers of the packets that a super-packet stands for. It keeps a
// copy of the super-packet's own, so they may be overwritten after Reset: a caller can
// put the headers of each packet right before its payload, over what was used already.
// The zero value stands for nothing until Reset.
type Cutter struct {
	headers   [maxHeaders]byte // with zero for what differs between packets
	headerLen int
	transport int

	end      int // of the payload
	segment  int
	segments int

	v4  bool
	sum uint64 // of the IPv4 header, in the byte order of sum
	id  uint16 // IPv4's identification

	tcp      bool
	sequence uint32
	flags    byte
	urgent   int // up to where data is, in the payload
}

// Reset prepares c for p, which Check must accept. A packet that is neither a
// super-packet nor Partial has no headers for the Cutter: all of it is payload. After an
// error c stands for nothing.
func (c *Cutter) Reset(p *Packet) error {
	c.clear()
	proto, headers, err := p.check()
	if err != nil {
		return err
	}
	if !p.Partial {
		c.end, c.segment, c.segments = len(p.Buf), len(p.Buf), 1
		return nil
	}
	return c.take(p, proto, headers)
}

// ResetAt prepares c for p with a header of proto, TCP or UDP, at Transport, whatever
// is between that and the fixed IP header.
func (c *Cutter) ResetAt(p *Packet, proto uint8) error {
	c.clear()
	if !lengthCovers(p.Buf) {
		return errLength
	}
	least := ipv6Len
	if p.Buf[0]>>4 == 4 {
		if least = int(p.Buf[0]&15) * 4; least < ipv4Len {
			return errLength
		}
	}
	if p.Transport < least || !fixedPart(proto, len(p.Buf)-p.Transport) {
		return errTransport
	}
	headers, err := headersEnd(p.Buf, p.Transport, proto)
	if err != nil {
		return err
	}
	return c.take(p, proto, headers)
}

func (c *Cutter) clear() {
	c.headerLen, c.transport, c.end, c.segment, c.segments = 0, 0, 0, 0, 0
}

func (c *Cutter) take(p *Packet, proto uint8, headers int) error {
	switch {
	case headers > maxHeaders:
		return errHeaders
	case p.Segment < 0:
		return errSegment
	}
	c.headerLen, c.transport = headers, p.Transport
	c.end = len(p.Buf)
	c.segment, c.segments = c.end-headers, 1
	if p.Segment > 0 {
		c.segment, c.segments = p.Segment, segments(c.end-headers, p.Segment)
	}
	copy(c.headers[:], p.Buf[:headers])
	c.takeIP()
	c.takeTransport(proto)
	return nil
}

func (c *Cutter) takeIP() {
	c.v4 = c.headers[0]>>4 == 4
	if !c.v4 {
		return
	}
	h := c.headers[:int(c.headers[0]&15)*4]
	c.id = binary.BigEndian.Uint16(h[4:])
	clear(h[2:6]) // total length (16), identification (16)
	clear(h[10:12])
	s := sum(0, h)
	c.sum = s>>32 + s&0xffffffff // with room to add
}

func (c *Cutter) takeTransport(proto uint8) {
	c.tcp = proto == TCP
	at, _ := ChecksumAt(proto)
	h := c.headers[c.transport:c.headerLen]
	clear(h[at : at+2])
	if c.tcp {
		c.sequence = binary.BigEndian.Uint32(h[4:])
		c.flags = h[13]
		c.urgent = int(binary.BigEndian.Uint16(h[18:]))
	}
}

// Segments returns how many packets there are.
func (c *Cutter) Segments() int { return c.segments }

// HeaderLen returns how long the headers of each packet are, IP and transport together.
func (c *Cutter) HeaderLen() int { return c.headerLen }

// TransportLen returns how long the transport header of each packet is.
func (c *Cutter) TransportLen() int { return c.headerLen - c.transport }

// Payload returns where in the super-packet the payload of packet i is.
func (c *Cutter) Payload(i int) (from, to int) {
	from = min(c.headerLen+i*c.segment, c.end)
	return from, min(from+c.segment, c.end)
}

// PutHeaders writes the headers of packet i to dst, which has HeaderLen bytes or more.
// They have the lengths of the packet, IPv4's identification counts up and its checksum
// is right; the transport header is as from PutTransport.
func (c *Cutter) PutHeaders(dst []byte, i int) {
	if c.headerLen == 0 {
		return
	}
	dst = dst[:c.headerLen]
	copy(dst, c.headers[:c.transport])
	from, to := c.Payload(i)
	length := uint16(c.headerLen + to - from)
	if c.v4 {
		id := c.id + uint16(i)
		binary.BigEndian.PutUint16(dst[2:], length)
		binary.BigEndian.PutUint16(dst[4:], id)
		// Both words are where sum has them: four bytes, after an even number.
		words := binary.LittleEndian.Uint32(dst[2:])
		binary.BigEndian.PutUint16(dst[10:], ^fold(c.sum+uint64(words)))
	} else {
		binary.BigEndian.PutUint16(dst[4:], length-ipv6Len)
	}
	c.putTransport(dst[c.transport:], i, to-from)
}

// PutTransport writes the TCP or UDP header of packet i to dst, which has TransportLen
// bytes or more. In UDP the length is the packet's. In TCP sequence numbers count on, the
// last packet alone has FIN and PSH, and the first alone CWR; the urgent pointer of all
// is to the same byte, and those after it have none. The checksum is zero.
func (c *Cutter) PutTransport(dst []byte, i int) {
	if c.headerLen == 0 {
		return
	}
	from, to := c.Payload(i)
	c.putTransport(dst[:c.headerLen-c.transport], i, to-from)
}

func (c *Cutter) putTransport(dst []byte, i, payload int) {
	copy(dst, c.headers[c.transport:c.headerLen])
	if !c.tcp {
		binary.BigEndian.PutUint16(dst[4:], uint16(udpLen+payload))
		return
	}
	binary.BigEndian.PutUint32(dst[4:], c.sequence+uint32(i*c.segment))
	flags := c.flags
	if i > 0 {
		flags &^= flagCWR
		if flags&flagURG != 0 {
			rest := max(0, c.urgent-i*c.segment)
			binary.BigEndian.PutUint16(dst[18:], uint16(rest))
			if rest == 0 {
				flags &^= flagURG
			}
		}
	}
	if i < c.segments-1 {
		flags &^= flagFIN | flagPSH
	}
	dst[13] = flags
}
