package lab

import "encoding/binary"

// vnetLen is the length of struct virtio_net_hdr, which is in front of every
// frame read from or written to a tap.
const vnetLen = 10

// maxRecord holds the longest super-frame with its virtio-net header.
const maxRecord = vnetLen + ethLen + 65536

const (
	ethLen  = 14
	ip4Len  = 20
	ip6Len  = 40
	udpLen  = 8
	typeIP4 = 0x0800
	typeARP = 0x0806
	typeIP6 = 0x86dd
)

// A class says what a frame carries, as far as the lab tells apart.
type class uint8

const (
	// classNeighbour is ARP and IPv6 neighbour discovery (ICMPv6 133 to 137,
	// RFC 4861 §4): what a first hop says of itself.
	classNeighbour class = iota + 1
	// classGroup is MLD (RFC 3810) and IGMP.
	classGroup
	classTCP
	classUDP
	classOther
	classes
)

// IP protocol numbers.
const (
	protoHopByHop = 0
	protoICMP6    = 58
	protoIGMP     = 2
	protoTCP      = 6
	protoUDP      = 17
)

// classify returns the class of an Ethernet frame.
func classify(frame []byte) class {
	if len(frame) < ethLen {
		return classOther
	}
	packet := frame[ethLen:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case typeARP:
		return classNeighbour
	case typeIP4:
		if len(packet) >= ip4Len {
			return classOfProtocol(packet[9])
		}
	case typeIP6:
		if len(packet) >= ip6Len {
			return classify6(packet[6], packet[ip6Len:])
		}
	}
	return classOther
}

// classify6 looks at what follows an IPv6 header whose next header is next.
func classify6(next byte, rest []byte) class {
	if next == protoHopByHop && len(rest) >= 8 {
		// RFC 8200 §4.3: the length is in 8-byte units beyond the first. MLD comes with a
		// router alert.
		skip := 8 + 8*int(rest[1])
		next = rest[0]
		rest = rest[min(skip, len(rest)):]
	}
	if next != protoICMP6 || len(rest) == 0 {
		return classOfProtocol(next)
	}
	switch t := rest[0]; {
	case t >= 133 && t <= 137:
		return classNeighbour
	case t >= 130 && t <= 132, t == 143:
		return classGroup
	}
	return classOther
}

func classOfProtocol(p byte) class {
	switch p {
	case protoTCP:
		return classTCP
	case protoUDP:
		return classUDP
	case protoIGMP:
		return classGroup
	}
	return classOther
}

// wireSize returns how many frames a record (virtio-net header and frame) would
// be on a wire, and their bytes from the Ethernet header on, without the frame
// check sequence. A record that makes no sense counts as one frame.
func wireSize(record []byte) (frames, size int) {
	frame := record[vnetLen:]
	size = len(frame)
	// struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start,
	// csum_offset, in the byte order of the machine.
	segment := int(binary.NativeEndian.Uint16(record[4:]))
	if record[1] == 0 || segment == 0 {
		return 1, size
	}
	// hdr_len is but a hint; the headers end with the transport's, which starts
	// where the checksum does.
	header := int(binary.NativeEndian.Uint16(record[6:]))
	switch classify(frame) {
	case classTCP:
		if header+13 > len(frame) {
			return 1, size
		}
		header += int(frame[header+12]>>4) * 4
	case classUDP:
		header += udpLen
	}
	payload := size - header
	if payload <= segment {
		return 1, size
	}
	frames = (payload + segment - 1) / segment
	return frames, size + (frames-1)*header
}
