package underlay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlLen has room for the packet info, traffic class and segment size.
const controlLen = 128

// appendControl appends the control messages of m: source and interface, traffic
// class if not zero, segment size if not zero.
func appendControl(b []byte, is6 bool, m *Message, segment int) []byte {
	if m.Local.IsValid() || m.Interface != 0 {
		b = appendPacketInfo(b, is6, m)
	}
	if m.TrafficClass != 0 {
		level, typ := unix.IPPROTO_IP, unix.IP_TOS
		if is6 {
			level, typ = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		var v [4]byte
		binary.NativeEndian.PutUint32(v[:], uint32(m.TrafficClass))
		b = appendMessage(b, level, typ, v[:])
	}
	if segment != 0 {
		var v [2]byte
		binary.NativeEndian.PutUint16(v[:], uint16(segment))
		b = appendMessage(b, unix.IPPROTO_UDP, unix.UDP_SEGMENT, v[:])
	}
	return b
}

func appendPacketInfo(b []byte, is6 bool, m *Message) []byte {
	if is6 {
		var info [unix.SizeofInet6Pktinfo]byte // address (128), interface (32)
		if m.Local.IsValid() {
			*(*[16]byte)(info[:16]) = m.Local.As16()
		}
		binary.NativeEndian.PutUint32(info[16:], m.Interface)
		return appendMessage(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, info[:])
	}
	var info [unix.SizeofInet4Pktinfo]byte // interface (32), source (32), destination (32)
	binary.NativeEndian.PutUint32(info[:], m.Interface)
	if m.Local.IsValid() {
		*(*[4]byte)(info[4:]) = m.Local.As4()
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

// parseControl takes from b the destination, interface and segment size of a
// received message. What is not there stays as it was.
func parseControl(b []byte, m *Message, segment *int) {
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
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 2:
			*segment = int(binary.NativeEndian.Uint16(data))
		}
		b = b[min(unix.CmsgSpace(len(data)), len(b)):]
	}
}
