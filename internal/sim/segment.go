package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

const (
	ipv6Len = 40
	tcpLen  = 20
	mssLen  = 4 // the MSS option (RFC 9293 §3.2)

	protoTCP    = 6
	protoICMPv6 = 58
)

// Flags of a TCP segment (RFC 9293 §3.1).
const (
	flagFIN uint8 = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// A segment is a TCP segment, its payload shared with the packet it came in.
type segment struct {
	src, dst netip.AddrPort
	seq, ack uint32
	flags    uint8
	window   uint16
	mss      uint16 // zero: no option
	payload  []byte
}

// length returns the sequence space that s takes.
func (s segment) length() uint32 {
	n := uint32(len(s.payload))
	if s.flags&flagSYN != 0 {
		n++
	}
	if s.flags&flagFIN != 0 {
		n++
	}
	return n
}

// appendTo appends s as an IPv6 packet with a valid checksum to b.
func (s segment) appendTo(b []byte) []byte {
	options := 0
	if s.mss != 0 {
		options = mssLen
	}
	n := tcpLen + options + len(s.payload)
	be, start := binary.BigEndian, len(b)
	b = be.AppendUint32(b, 6<<28|uint32(s.src.Port()^s.dst.Port())) // version, traffic class 0, flow label
	b = be.AppendUint16(b, uint16(n))                               // payload length
	b = append(b, protoTCP, 64)                                     // next header, hop limit
	b = append(b, s.src.Addr().AsSlice()...)
	b = append(b, s.dst.Addr().AsSlice()...)

	b = be.AppendUint16(b, s.src.Port())
	b = be.AppendUint16(b, s.dst.Port())
	b = be.AppendUint32(b, s.seq)
	b = be.AppendUint32(b, s.ack)
	b = append(b, uint8(tcpLen+options)/4<<4, s.flags)
	b = be.AppendUint16(b, s.window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	if s.mss != 0 {
		b = append(b, 2, mssLen)
		b = be.AppendUint16(b, s.mss)
	}
	b = append(b, s.payload...)
	be.PutUint16(b[start+ipv6Len+16:], ^checksum(b[start:]))
	return b
}

// parseSegment reads the IPv6 packet b, which must hold a TCP segment with a
// right checksum.
func parseSegment(b []byte) (s segment, err error) {
	if len(b) < ipv6Len+tcpLen || b[0]>>4 != 6 || b[6] != protoTCP {
		return s, fmt.Errorf("sim: no TCP segment: % x", b[:min(len(b), ipv6Len)])
	}
	be := binary.BigEndian
	if n := int(be.Uint16(b[4:])); n != len(b)-ipv6Len {
		return s, fmt.Errorf("sim: IPv6 payload length %d, have %d bytes", n, len(b)-ipv6Len)
	}
	if checksum(b) != 0xffff {
		return s, errors.New("sim: wrong TCP checksum")
	}
	src, dst := [16]byte(b[8:]), [16]byte(b[24:])
	t := b[ipv6Len:]
	header := int(t[12]>>4) * 4
	if header < tcpLen || header > len(t) {
		return s, fmt.Errorf("sim: TCP header of %d bytes in %d", header, len(t))
	}
	return segment{
		src:     netip.AddrPortFrom(netip.AddrFrom16(src), be.Uint16(t)),
		dst:     netip.AddrPortFrom(netip.AddrFrom16(dst), be.Uint16(t[2:])),
		seq:     be.Uint32(t[4:]),
		ack:     be.Uint32(t[8:]),
		flags:   t[13],
		window:  be.Uint16(t[14:]),
		mss:     parseMSS(t[tcpLen:header]),
		payload: t[header:],
	}, nil
}

// parseMSS returns the MSS option among options, or zero.
func parseMSS(options []byte) uint16 {
	for len(options) > 0 && options[0] != 0 { // 0: end of list
		if options[0] == 1 { // no-operation
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return 0
		}
		if options[0] == 2 && options[1] == mssLen {
			return binary.BigEndian.Uint16(options[2:])
		}
		options = options[options[1]:]
	}
	return 0
}

// checksum returns the Internet checksum, not inverted, of the upper layer of
// the IPv6 packet b and its pseudo-header (RFC 8200 §8.1). It is 0xffff if b
// holds a right one.
func checksum(b []byte) uint16 {
	sum := uint32(b[6]) + uint32(len(b)-ipv6Len)
	for i, c := range b[8:] { // both addresses are even in length
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// parseTooBig reads the IPv6 packet b as an ICMPv6 Packet Too Big (RFC 4443
// §3.2) about a TCP segment, and returns the MTU and the ends of that segment.
func parseTooBig(b []byte) (mtu int, src, dst netip.AddrPort, ok bool) {
	const quoted = ipv6Len + 8
	if len(b) < quoted+ipv6Len+4 || b[0]>>4 != 6 || b[6] != protoICMPv6 || b[ipv6Len] != 2 ||
		checksum(b) != 0xffff || b[quoted+6] != protoTCP {
		return 0, src, dst, false
	}
	be, q := binary.BigEndian, b[quoted:]
	src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(q[8:])), be.Uint16(q[ipv6Len:]))
	dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(q[24:])), be.Uint16(q[ipv6Len+2:]))
	return int(be.Uint32(b[ipv6Len+4:])), src, dst, true
}
