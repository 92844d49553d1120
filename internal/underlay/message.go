package underlay

import "net/netip"

// MaxDatagram is the largest UDP payload that a Message can hold, and the
// largest run of segments.
const MaxDatagram = 65535

// A Message is one UDP payload, or a run of equally long ones, on its way to or
// from the network.
type Message struct {
	// Buf holds the payload. To send: all of it. To receive: the caller gives
	// the space, Receive shortens Buf to what came.
	Buf []byte
	// Segment, if not zero, says that Buf holds several datagrams one after
	// another, each Segment bytes long but the last, which may be shorter.
	Segment int
	// Local is this node's address: the source to send from, or the
	// destination that the datagram came to.
	Local netip.Addr
	// Interface is the index of the interface to send through, or that the
	// datagram came in by. Zero leaves the choice to the kernel's routes.
	Interface uint32
	// Remote is the other end.
	Remote netip.AddrPort
	// TrafficClass is the outer traffic class (IPv6) or type of service (IPv4):
	// DSCP in the upper six bits, ECN in the lower two.
	TrafficClass uint8
	// Err, after Send, says why this message was not sent.
	Err error
}
