package shim

import (
	"encoding/binary"
	"fmt"

	"github.com/multi6/multi6/wire"
)

// A Drop is the reason why a packet was dropped. Every dropped packet is counted
// under one.
type Drop uint8

// The reasons. DropNone is no drop.
const (
	DropNone Drop = iota
	// DropMalformed: not of the format (wire), or an inner packet whose lengths
	// do not fit.
	DropMalformed
	// DropVersion: of another version of the format.
	DropVersion
	// DropUnknownTag: for a context that is not, or is no longer, here.
	DropUnknownTag
	// DropForged: the authentication tag is wrong.
	DropForged
	// DropReplayed: the packet number was seen before, or is too old.
	DropReplayed
	// DropUnknownPeer: an Open of a key that is not configured.
	DropUnknownPeer
	// DropStaleOpen: an Open not newer than one seen before, or an answer to
	// none of ours.
	DropStaleOpen
	// DropOpenLimit: more Opens than can be worked on.
	DropOpenLimit
	// DropSource: an inner source that the peer may not use.
	DropSource
	// DropNoPeer: an inner destination that no peer owns.
	DropNoPeer
	// DropOversize: an inner packet longer than the path can carry.
	DropOversize
	// DropQueueFull: the queue that waits for a primary pair is full.
	DropQueueFull
	// DropLate: a datagram has waited for a primary pair for too long.
	DropLate
	// DropNoSession: packets wait no longer for a session.
	DropNoSession
	// DropSend: the kernel would not send.
	DropSend
	// DropDevice: the TUN device would not take the packet.
	DropDevice
	// DropControlFull: the loop's queue is full.
	DropControlFull
	// DropICMP: an ICMP error that does not quote what this node has lately sent.
	DropICMP
	// DropICMPLimit: more ICMP errors than are looked at.
	DropICMPLimit
	// DropTooBig: an ICMP error that says that a link carries less than any may.
	DropTooBig
	// DropECN: a congestion mark on a packet whose transport does not know of marks
	// (RFC 6040 §4.2).
	DropECN

	// NumDrops is the number of reasons, DropNone included.
	NumDrops
)

var dropNames = [NumDrops]string{
	DropNone: "none", DropMalformed: "malformed", DropVersion: "version", DropUnknownTag: "unknown_tag",
	DropForged: "forged", DropReplayed: "replayed", DropUnknownPeer: "unknown_peer", DropStaleOpen: "stale_open",
	DropOpenLimit: "open_limit", DropSource: "source", DropNoPeer: "no_peer", DropOversize: "oversize",
	DropQueueFull: "queue_full", DropLate: "late", DropNoSession: "no_session", DropSend: "send", DropDevice: "device",
	DropControlFull: "control_full", DropICMP: "icmp", DropICMPLimit: "icmp_limit", DropTooBig: "too_big", DropECN: "ecn",
}

// String returns the reason's name as status shows it.
func (d Drop) String() string {
	if d < NumDrops {
		return dropNames[d]
	}
	return fmt.Sprintf("drop(%d)", uint8(d))
}

// CheckInner returns DropMalformed unless pkt is a whole IPv4 or IPv6 packet
// whose length field agrees with its length (RFC 791 §3.1, RFC 8200 §3).
func CheckInner(pkt []byte) Drop {
	switch {
	case len(pkt) >= 20 && pkt[0]>>4 == 4 && pkt[0]&0x0f >= 5 &&
		int(binary.BigEndian.Uint16(pkt[2:])) == len(pkt) && int(pkt[0]&0x0f)*4 <= len(pkt):
		return DropNone
	case len(pkt) >= wire.IPv6HeaderLen && pkt[0]>>4 == 6 &&
		int(binary.BigEndian.Uint16(pkt[4:]))+wire.IPv6HeaderLen == len(pkt):
		return DropNone
	}
	return DropMalformed
}
