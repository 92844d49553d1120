package tun

import (
	"encoding/binary"

	"github.com/multi6/multi6/inner"
)

// A splitter cuts a super-packet in software. The zero value has nothing to cut.
type splitter struct {
	pkt  []byte
	c    inner.Cutter
	next int
}

// begin starts with p, which must stay as it is until the last put.
func (s *splitter) begin(p *inner.Packet) error {
	s.pkt, s.next = p.Buf, 0
	return s.c.Reset(p)
}

// more reports whether there is another packet to put.
func (s *splitter) more() bool { return s.next < s.c.Segments() }

// size returns how long the next packet is.
func (s *splitter) size() int {
	from, to := s.c.Payload(s.next)
	return s.c.HeaderLen() + to - from
}

// put writes the next packet to dst, which has room for it, and returns how long it
// is. Its transport checksum field is zero.
func (s *splitter) put(dst []byte) int {
	s.c.PutHeaders(dst, s.next)
	from, to := s.c.Payload(s.next)
	s.next++
	return s.c.HeaderLen() + copy(dst[s.c.HeaderLen():], s.pkt[from:to])
}

// An odd is a super-packet from the kernel whose transport header is behind
// extensions, which inner.Packet does not describe. It is cut in software, and the
// checksums are completed.
type odd struct {
	splitter
	start, field int    // of the checksum
	pseudo       uint16 // sum of the pseudo-header without the length
}

// begin starts with a copy of pkt, which came with h.
func (o *odd) begin(h *vnetHeader, pkt []byte) error {
	proto := h.protocol()
	o.start, o.field = int(h.sumStart), int(h.sumField)
	if field, _ := inner.ChecksumAt(proto); !h.needsSum() || o.field != field {
		return errOdd
	}
	o.pkt, o.next = append(o.pkt[:0], pkt...), 0
	p := inner.Packet{Buf: o.pkt, Transport: o.start, Segment: int(h.gsoSize), Partial: true}
	if err := o.c.ResetAt(&p, proto); err != nil {
		return err
	}
	// The kernel knows the pseudo-header better than we do: with a routing header the
	// destination is another.
	o.pseudo = addWords(binary.BigEndian.Uint16(pkt[o.start+o.field:]), ^uint16(len(pkt)-o.start))
	return nil
}

// put writes the next packet to dst and returns how long it is.
func (o *odd) put(dst []byte) (int, error) {
	n := o.splitter.put(dst)
	binary.BigEndian.PutUint16(dst[o.start+o.field:], addWords(o.pseudo, uint16(n-o.start)))
	return n, inner.CompleteAt(dst[:n], o.start, o.field)
}

// addWords adds in one's complement (RFC 1071 §1).
func addWords(a, b uint16) uint16 {
	sum := uint32(a) + uint32(b)
	return uint16(sum>>16 + sum&0xffff)
}
