package tun

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/inner"
)

// A virtio-net header comes before each packet that is read or written (virtio 1.3
// §5.1.6, the legacy form, which TUN devices speak by default: in the host's byte order and
// without a count of buffers):
//
//	flags (8)  GSO type (8)  header length (16)  GSO size (16)
//	checksum start (16)  checksum offset (16)
//
// With the flag "needs checksum" the checksum of everything from checksum start on is
// to be put checksum offset bytes further on. With a GSO type the packet is a
// super-packet, to be cut into payloads of GSO size. The header length is a hint.
const vnetLen = 10

// A vnetHeader is such a header.
type vnetHeader struct {
	flags, gsoType                         uint8
	headerLen, gsoSize, sumStart, sumField uint16
}

func (h *vnetHeader) parse(b *[vnetLen]byte) {
	h.flags, h.gsoType = b[0], b[1]
	h.headerLen = binary.NativeEndian.Uint16(b[2:])
	h.gsoSize = binary.NativeEndian.Uint16(b[4:])
	h.sumStart = binary.NativeEndian.Uint16(b[6:])
	h.sumField = binary.NativeEndian.Uint16(b[8:])
}

func (h *vnetHeader) put(b *[vnetLen]byte) {
	b[0], b[1] = h.flags, h.gsoType
	binary.NativeEndian.PutUint16(b[2:], h.headerLen)
	binary.NativeEndian.PutUint16(b[4:], h.gsoSize)
	binary.NativeEndian.PutUint16(b[6:], h.sumStart)
	binary.NativeEndian.PutUint16(b[8:], h.sumField)
}

var (
	errGSO = errors.New("tun: super-packet of a kind that was not asked for")
	errOdd = errors.New("tun: super-packet with headers in unusual places")
)

// packet returns what pkt is, which came with h. A checksum in an unusual place is
// completed. errOdd means that pkt has to be cut here and now (see odd), other errors
// that it makes no sense.
func (h *vnetHeader) packet(pkt []byte) (inner.Packet, error) {
	if h.gsoType == unix.VIRTIO_NET_HDR_GSO_NONE {
		return h.single(pkt)
	}
	want := h.protocol()
	if want == 0 || h.gsoSize == 0 {
		return inner.Packet{}, errGSO
	}
	// Forwarded packets may come without "needs checksum": theirs was verified.
	at, proto, ok := inner.TransportOf(pkt)
	p := inner.Packet{Buf: pkt, Transport: at, Segment: int(h.gsoSize), Partial: true}
	if !ok || proto != want || h.needsSum() && !h.sums(at, proto) || p.Check() != nil {
		return inner.Packet{}, errOdd
	}
	return p, nil
}

// single returns pkt, which is no super-packet.
func (h *vnetHeader) single(pkt []byte) (inner.Packet, error) {
	if !h.needsSum() {
		return inner.Packet{Buf: pkt}, nil
	}
	at, proto, ok := inner.TransportOf(pkt)
	p := inner.Packet{Buf: pkt, Transport: at, Partial: true}
	if ok && h.sums(at, proto) && p.Check() == nil {
		return p, nil
	}
	return inner.Packet{Buf: pkt}, inner.CompleteAt(pkt, int(h.sumStart), int(h.sumField))
}

func (h *vnetHeader) needsSum() bool { return h.flags&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0 }

// sums reports whether the checksum is that of a header of proto at at.
func (h *vnetHeader) sums(at int, proto uint8) bool {
	field, _ := inner.ChecksumAt(proto)
	return int(h.sumStart) == at && int(h.sumField) == field
}

// protocol returns that of a super-packet, zero if it is none that we know.
func (h *vnetHeader) protocol() uint8 {
	switch h.gsoType &^ unix.VIRTIO_NET_HDR_GSO_ECN {
	case unix.VIRTIO_NET_HDR_GSO_TCPV4, unix.VIRTIO_NET_HDR_GSO_TCPV6:
		return inner.TCP
	case unix.VIRTIO_NET_HDR_GSO_UDP_L4:
		return inner.UDP
	}
	return 0
}

// describe makes h the header for p, which Check accepts, and puts the sum of the
// pseudo-header in p if the kernel is to complete its checksum.
func (h *vnetHeader) describe(p *inner.Packet) {
	*h = vnetHeader{}
	if !p.Partial {
		return
	}
	inner.PutPseudo(p.Buf, p.Transport)
	_, proto, _ := inner.TransportOf(p.Buf)
	field, _ := inner.ChecksumAt(proto)
	h.flags = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	h.headerLen = uint16(p.HeaderLen())
	h.sumStart, h.sumField = uint16(p.Transport), uint16(field)
	if p.Segments() == 1 {
		return
	}
	h.gsoSize = uint16(p.Segment)
	switch {
	case proto == inner.UDP:
		h.gsoType = unix.VIRTIO_NET_HDR_GSO_UDP_L4
		return
	case p.Buf[0]>>4 == 4:
		h.gsoType = unix.VIRTIO_NET_HDR_GSO_TCPV4
	default:
		h.gsoType = unix.VIRTIO_NET_HDR_GSO_TCPV6
	}
	const flagCWR = 0x80 // RFC 3168 §6.1
	if p.Buf[p.Transport+13]&flagCWR != 0 {
		h.gsoType |= unix.VIRTIO_NET_HDR_GSO_ECN
	}
}
