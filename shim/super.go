package shim

import (
	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/wire"
)

// A SuperSealer cuts super-packets and seals the segments. It is for one goroutine.
type SuperSealer struct {
	cutter inner.Cutter
	nonce  [nonceLen]byte
}

// SuperRoom returns how many bytes the datagrams of p take, at most.
func SuperRoom(p *inner.Packet) int {
	return len(p.Buf) + p.Segments()*(p.HeaderLen()+wire.HeaderLen+Tailroom)
}

// Seal appends to dst, which has SuperRoom, the datagrams of the segments of the
// super-packet p, one after another, and returns their length but for the last, which may
// be shorter. p.Buf is one that CheckInner accepts, and is destroyed: the header of each
// segment is written over what was sealed before. It reports false when the session's
// packet numbers are used up.
func (c *SuperSealer) Seal(s *Session, dst []byte, p *inner.Packet) (datagrams []byte, length int, ok bool) {
	if c.cutter.Reset(p) != nil {
		return dst, 0, false
	}
	segments := c.cutter.Segments()
	number, ok := s.number(segments)
	if !ok {
		return dst, 0, false
	}
	rewritable, begin := s.rewritable(p.Buf), len(dst)
	var compact [wire.InnerLen]byte
	if rewritable {
		wire.PutInner(compact[:], p.Buf)
		setPartial(&compact[0])
	}
	for i := range segments {
		from, to := c.cutter.Payload(i)
		if rewritable {
			from -= c.cutter.TransportLen()
			c.cutter.PutTransport(p.Buf[from:], i)
			from -= wire.InnerLen
			copy(p.Buf[from:], compact[:])
		} else {
			from -= c.cutter.HeaderLen()
			c.cutter.PutHeaders(p.Buf[from:], i)
			setPartial(&p.Buf[from])
		}
		dst = c.append(s, dst, p.Buf[from:to], number+uint64(i))
		if i == 0 {
			length = len(dst) - begin
		}
	}
	return dst, length, true
}

// append appends a datagram.
func (c *SuperSealer) append(s *Session, dst, payload []byte, number uint64) []byte {
	start := len(dst)
	dst = dst[:start+wire.HeaderLen]
	wire.PutHeader(dst[start:], wire.Header{Type: wire.Transport, Tag: s.remote, Number: uint32(number)})
	return s.sealer.aead().Seal(dst, putNonce(c.nonce[:], number), payload, dst[start:])
}
