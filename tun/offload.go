package tun

import (
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/inner"
)

// offloads are the TUN_F flags: what the kernel may leave to us, and what in turn it
// does for us.
type offloads uint

const (
	checksum offloads = unix.TUN_F_CSUM
	cutTCP   offloads = unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	cutECN   offloads = unix.TUN_F_TSO_ECN
	cutUDP   offloads = unix.TUN_F_USO4 | unix.TUN_F_USO6 // since Linux 6.2
)

// wishes are what to ask the kernel for, one after another.
var wishes = []offloads{
	checksum | cutTCP | cutECN | cutUDP,
	checksum | cutTCP | cutECN,
	checksum | cutTCP,
	checksum,
}

// negotiate asks the kernel for the first of wishes that it grants, and returns it.
func negotiate(fd int, wishes []offloads) offloads {
	for _, o := range wishes {
		if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, int(o)) == nil {
			return o
		}
	}
	return 0
}

// cut reports whether the kernel cuts super-packets such as p.
func (o offloads) cut(p *inner.Packet) bool {
	_, proto, _ := inner.TransportOf(p.Buf)
	if proto == inner.UDP {
		return o&cutUDP == cutUDP && p.Segments() <= inner.MaxUDPSegments
	}
	return o&cutTCP == cutTCP
}

// names returns what is granted, and what is not.
func (o offloads) names() (used, missing []string) {
	for _, f := range []struct {
		flags offloads
		name  string
	}{{checksum, "checksum"}, {unix.TUN_F_TSO4, "tso4"}, {unix.TUN_F_TSO6, "tso6"}, {cutUDP, "uso"}} {
		if o&f.flags == f.flags {
			used = append(used, f.name)
		} else {
			missing = append(missing, f.name)
		}
	}
	return used, missing
}

// Offloads names what the kernel does not have to do packet by packet, and what it does
// not leave to us: "checksum" (completing checksums, if anybody), "tso4" and "tso6"
// (super-packets of TCP), and "uso" (those of UDP).
func (k *Kernel) Offloads() (used, missing []string) { return k.writer.granted.names() }

// What bounds a super-packet, so that once sealed it can leave in a single send with
// UDP_SEGMENT: the kernel's limit of segments, and of bytes, over IPv6.
const (
	maxSegments = inner.MaxUDPSegments
	maxSend     = 65535 - 40 - 8
	// sealedExtra is how much longer a datagram's payload is than the inner packet, at
	// most: an IPv4 packet travels whole, with our header and authentication tag.
	sealedExtra = 24
	// tcpReserve is what Linux keeps free of the size for headers (MAX_TCP_HEADER).
	tcpReserve = 320
)

// superPacket returns how many segments a super-packet may have for that MTU of the
// device, and how many bytes. Of full segments fewer fit than of short ones; the size
// sees to that.
func superPacket(mtu int) (segments, size int) {
	full := max(1, min(maxSegments, maxSend/(mtu+sealedExtra)))
	const least = 40 + 20 // headers of IPv6 and TCP
	return maxSegments, min(full*(mtu-least)+tcpReserve+least, MaxPacket)
}

// limitSuperPackets has the kernel keep to superPacket. Without it they may be larger,
// which costs the node a second send.
func limitSuperPackets(link netlink.Link, mtu int) {
	segments, size := superPacket(mtu)
	_ = netlink.LinkSetGSOMaxSegs(link, segments)
	_ = netlink.LinkSetGSOMaxSize(link, size)
	_ = netlink.LinkSetGSOIPv4MaxSize(link, size) // since Linux 6.3; before, the other is for both
}
