package underlay

import (
	"iter"
	"net/netip"
	"slices"
)

const (
	// MaxDatagram is the largest UDP payload that a Message can hold, and the
	// largest run of segments that is received.
	MaxDatagram = 65535
	// Headroom is how many bytes before a received payload may be written.
	Headroom = 16
)

// A Message is one UDP payload, or a run of equally long ones, on its way to or
// from the network.
type Message struct {
	// Buf holds the payload.
	Buf []byte
	// Full, of a received message, is the space that Buf lies in: Headroom bytes,
	// then Buf. All of it may be written.
	Full []byte
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
	// DSCP in the upper six bits, ECN in the lower two. It is the same for all
	// datagrams of a run.
	TrafficClass uint8
	// Err, after Send, says why this message was not sent, or a part of it.
	Err error
}

// Datagrams yields the datagrams that m holds, as parts of m.Buf.
func (m *Message) Datagrams() iter.Seq[[]byte] {
	if m.Segment <= 0 || len(m.Buf) <= m.Segment {
		return func(yield func([]byte) bool) { yield(m.Buf) }
	}
	return slices.Chunk(m.Buf, m.Segment)
}

// Count returns how many datagrams m is.
func (m *Message) Count() int {
	if m.Segment <= 0 {
		return 1
	}
	return max(1, (len(m.Buf)+m.Segment-1)/m.Segment)
}

// A pair is all of a Message that its headers are made of.
type pair struct {
	local  netip.Addr
	by     uint32 // index of the interface
	remote netip.AddrPort
	class  uint8
}

func (m *Message) pair() pair { return pair{m.Local, m.Interface, m.Remote, m.TrafficClass} }
