package inner

import (
	"encoding/binary"
	"errors"
)

// A Packet is an IP packet, or a super-packet that stands for several.
type Packet struct {
	// Buf is the packet, from its IP header on. The header's length field covers
	// all of it.
	Buf []byte
	// Transport is where the TCP or UDP header starts in Buf. It means something
	// only if Segment is not zero or Partial is set.
	Transport int
	// Segment is how many bytes of payload each packet has of those that a
	// super-packet stands for; the last may have fewer. Zero: no super-packet.
	Segment int
	// Partial says that the transport checksum is yet to be completed: its field
	// holds the sum of the pseudo-header, or anything. It is so in every
	// super-packet.
	Partial bool
}

// MaxUDPSegments is for how many datagrams a super-packet of UDP may stand if any kernel
// is to take it: UDP_MAX_SEGMENTS of Linux, 64 before 6.9 and 128 since.
const MaxUDPSegments = 64

// What Check finds.
var (
	errIP        = errors.New("inner: neither an IPv4 nor an IPv6 packet")
	errLength    = errors.New("inner: the length in the IP header is not the packet's")
	errTransport = errors.New("inner: no TCP or UDP header right after an IP header without extensions")
	errTruncated = errors.New("inner: TCP header truncated")
	errUDPLength = errors.New("inner: the length in the UDP header is not the packet's")
	errSegment   = errors.New("inner: negative segment size")
	errPartial   = errors.New("inner: a super-packet that is not marked partial")
)

// Check returns an error unless the fields of p agree with each other and with the
// headers in Buf. What uses Transport is meant for packets that it accepts; given others,
// it does no harm.
func (p *Packet) Check() error {
	_, _, err := p.check()
	return err
}

// check is Check, and returns what layout does; nothing if Transport means nothing.
func (p *Packet) check() (proto uint8, headers int, err error) {
	switch {
	case version(p.Buf) == 0:
		err = errIP
	case !lengthCovers(p.Buf):
		err = errLength
	case p.Segment < 0:
		err = errSegment
	case p.Segment > 0 && !p.Partial:
		err = errPartial
	case p.Partial:
		return p.layout()
	}
	return 0, 0, err
}

// layout returns the protocol of the header at Transport, and how long the headers
// are until its end.
func (p *Packet) layout() (proto uint8, headers int, err error) {
	at, proto, ok := TransportOf(p.Buf)
	if !ok || at != p.Transport {
		return 0, 0, errTransport
	}
	headers, err = headersEnd(p.Buf, at, proto)
	return proto, headers, err
}

// headersEnd returns where the header of proto ends that starts at at, with at least
// its fixed part.
func headersEnd(pkt []byte, at int, proto uint8) (int, error) {
	if proto == UDP {
		if int(binary.BigEndian.Uint16(pkt[at+4:])) != len(pkt)-at {
			return 0, errUDPLength
		}
		return at + udpLen, nil
	}
	end := at + int(pkt[at+12]>>4)*4
	if end < at+tcpLen || end > len(pkt) {
		return 0, errTruncated
	}
	return end, nil
}

// HeaderLen returns how long the IP and the transport header are together. It is zero
// if Transport means nothing: all of a packet counts as payload then.
func (p *Packet) HeaderLen() int {
	if !p.Partial && p.Segment == 0 {
		return 0
	}
	_, n, err := p.layout()
	if err != nil {
		return 0
	}
	return n
}

// Segments returns how many packets p stands for, at least one.
func (p *Packet) Segments() int {
	if p.Segment <= 0 {
		return 1
	}
	return segments(len(p.Buf)-p.HeaderLen(), p.Segment)
}

func segments(payload, segment int) int { return max(1, (payload+segment-1)/segment) }

// Payload returns where in Buf the payload of packet i is.
func (p *Packet) Payload(i int) (from, to int) {
	headers := p.HeaderLen()
	if p.Segment <= 0 {
		return headers, len(p.Buf)
	}
	from = min(headers+i*p.Segment, len(p.Buf))
	return from, min(from+p.Segment, len(p.Buf))
}
