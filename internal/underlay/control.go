package underlay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlLen has room for the packet info, traffic class and segment size.
const controlLen = 128

// appendControl appends the control messages of p: source and interface, traffic
// class if not zero.
func appendControl(b []byte, is6 bool, p *pair) []byte {
	if p.local.IsValid() || p.by != 0 {
		b = appendPacketInfo(b, is6, p)
	}
	if p.class != 0 {
		level, typ := unix.IPPROTO_IP, unix.IP_TOS
		if is6 {
			level, typ = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		var v [4]byte
		binary.NativeEndian.PutUint32(v[:], uint32(p.class))
		b = appendMessage(b, level, typ, v[:])
	}
	return b
}

// segmentLen is how many bytes appendSegment appends.
var segmentLen = unix.CmsgSpace(2)

// appendSegment appends the length of the datagrams of a run.
func appendSegment(b []byte, segment int) []byte {
	var v [2]byte
	binary.NativeEndian.PutUint16(v[:], uint16(segment))
	return appendMessage(b, unix.IPPROTO_UDP, unix.UDP_SEGMENT, v[:])
}

func appendPacketInfo(b []byte, is6 bool, p *pair) []byte {
	if is6 {
		var info [unix.SizeofInet6Pktinfo]byte // address (128), interface (32)
		if p.local.IsValid() {
			*(*[16]byte)(info[:16]) = p.local.As16()
		}
		binary.NativeEndian.PutUint32(info[16:], p.by)
		return appendMessage(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, info[:])
	}
	var info [unix.SizeofInet4Pktinfo]byte // interface (32), source (32), destination (32)
	binary.NativeEndian.PutUint32(info[:], p.by)
	if p.local.IsValid() {
		*(*[4]byte)(info[4:]) = p.local.As4()
	}
	return appendMessage(b, unix.IPPROTO_IP, unix.IP_PKTINFO, info[:])
}

// appendMessage appends one control message (cmsg(3)).
func appendMessage(b []byte, level, typ int, data []byte) []byte {
	start := len(b)
	b = b[:start+unix.CmsgSpace(len(data))]
	clear(b[start:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[start]))
	h.Level, h.Type = int32(level), int32(typ)
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[start+unix.CmsgLen(0):], data)
	return b
}

// parseControl takes from b the destination, interface, traffic class and segment
// size of a received message. What is not there stays as it was.
func parseControl(b []byte, m *Message) {
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(b) {
			return
		}
		data := b[unix.CmsgLen(0):size]
		switch {
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			m.Local = netip.AddrFrom16([16]byte(data))
			m.Interface = binary.NativeEndian.Uint32(data[16:])
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			m.Interface = binary.NativeEndian.Uint32(data)
			m.Local = netip.AddrFrom4([4]byte(data[8:])) // the header's destination
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			m.Segment = int(uint16(binary.NativeEndian.Uint32(data)))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_TCLASS && len(data) >= 4:
			m.TrafficClass = uint8(binary.NativeEndian.Uint32(data))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS && len(data) >= 1:
			m.TrafficClass = data[0]
		}
		b = b[min(unix.CmsgSpace(len(data)), len(b)):]
	}
}
