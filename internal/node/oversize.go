package node

import (
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/shim"
)

// What the host hands over may be too long for the pair that it is to go over, as the
// host does not know yet, or cannot. Nothing of it is lost in silence:
//
//   - TCP whose segments are ours to make (their checksum is) is cut into shorter ones.
//     The host is told by its route. An ICMP error would have it take for lost
//     what is under way; it is for hosts whose routes cannot be changed.
//   - What must be carried all the same goes in parts (shim.MayPart).
//   - All else is dropped and counted, and the host is told by an ICMP error.

const (
	// refusalRate bounds the ICMP errors a second, per goroutine, about packets that
	// were dropped, adviceRate those about packets that were not.
	refusalRate, adviceRate = 1000, 10
	// leastSegment is how short TCP segments are cut, at least.
	leastSegment = 64
	// leastMTU6 is what IPv6 asks of every link (RFC 8200 §5): the host takes no less
	// for the MTU of a path.
	leastMTU6 = 1280
)

// A notifier tells the host which packets are too long. It is for one goroutine.
type notifier struct {
	refusals, advice bucket
	pending          []notice
	out              []inner.Packet
}

// A notice is an ICMP error about a packet that was to go to a peer over hop.
type notice struct {
	peer *peer
	hop  shim.Hop
	icmp []byte
}

func newNotifier() notifier {
	return notifier{
		refusals: bucket{rate: refusalRate, burst: refusalRate}, advice: bucket{rate: adviceRate, burst: adviceRate},
	}
}

// tell tells the sender of pkt that it may be mtu bytes long, when flush is called.
func (t *notifier) tell(limit *bucket, q *peer, hop shim.Hop, pkt []byte, mtu int) {
	if !limit.allow(time.Now()) {
		return
	}
	if b, ok := inner.AppendTooBig(nil, pkt, mtu); ok {
		t.pending = append(t.pending, notice{q, hop, b})
	}
}

// flush hands what there is to tell to the device, as far as it is of the pairs that packets
// go over now: the kernel believes it for minutes. It forgets it when a route
// changes; meanwhile nothing is told.
func (t *notifier) flush(n *Node) {
	if len(t.pending) == 0 {
		return
	}
	n.telling.Lock()
	defer n.telling.Unlock()
	for _, x := range t.pending {
		if path := x.peer.path.Load(); path != nil && path.Hop == x.hop {
			t.out = append(t.out, inner.Packet{Buf: x.icmp})
			x.peer.told.Store(true)
		}
	}
	n.inbound.Lock()
	defer n.inbound.Unlock()
	if _, err := n.edges.Device.Write(t.out); err != nil && !closed(err) {
		n.drops[shim.DropDevice].Add(1)
	}
	clear(t.pending)
	clear(t.out)
	t.pending, t.out = t.pending[:0], t.out[:0]
}

// single returns how long the packets are that p stands for, but for the last.
func single(p *inner.Packet) int {
	if p.Segment > 0 {
		return min(p.HeaderLen()+p.Segment, len(p.Buf))
	}
	return len(p.Buf)
}

// hostMTU returns what the host is to take for the MTU where packets such as pkt may be
// longest bytes long.
func hostMTU(pkt []byte, longest int) int {
	if pkt[0]>>4 == 6 {
		return max(longest, leastMTU6)
	}
	return longest
}

// oversize does with p, which is longer than longest, what can be done. It lies in buf as
// for sealOver.
func (o *sealer) oversize(q *peer, s *shim.Session, hop shim.Hop, buf []byte, p *inner.Packet, longest int) {
	mtu, size := hostMTU(p.Buf, longest), single(p)
	switch segment := longest - p.HeaderLen(); {
	case mayCut(p) && segment >= leastSegment:
		if size > mtu && !q.routed.Load() {
			o.notices.tell(&o.notices.advice, q, hop, p.Buf, mtu)
		}
		p.Segment = segment
		o.sealOver(q, s, hop, buf, p)
	case p.Segment > 0:
		o.singly(q, s, hop, p)
	case shim.MayPart(p.Buf):
		o.sealParts(q, s, hop, buf, p)
	default:
		o.node.drop(shim.DropOversize)
		o.notices.tell(&o.notices.refusals, q, hop, p.Buf, mtu)
	}
}

// mayCut reports whether p is of TCP, without a checksum yet, no SYN, as there must not be
// two of those, and not signed.
func mayCut(p *inner.Packet) bool {
	const syn = 1 << 1
	at, proto, ok := inner.TransportOf(p.Buf)
	return ok && proto == inner.TCP && p.Partial && p.Buf[at+13]&syn == 0 && !signed(p.Buf[at:])
}

// signed reports whether a TCP segment has an option that covers its payload: MD5 (RFC 2385)
// or TCP-AO (RFC 5925).
func signed(segment []byte) bool {
	const end, none, md5, ao = 0, 1, 19, 29
	header := min(int(segment[12]>>4)*4, len(segment))
	for o := 20; o < header && segment[o] != end; {
		switch {
		case segment[o] == md5, segment[o] == ao:
			return true
		case segment[o] == none:
			o++
			continue
		case o+1 == header || segment[o+1] < 2:
			return false
		}
		o += int(segment[o+1])
	}
	return false
}

// singly seals the packets that p stands for one by one.
func (o *sealer) singly(q *peer, s *shim.Session, hop shim.Hop, p *inner.Packet) {
	var c inner.Cutter
	if c.Reset(p) != nil {
		o.node.drop(shim.DropMalformed)
		return
	}
	for i := range c.Segments() {
		from, to := c.Payload(i)
		n := c.HeaderLen()
		b := make([]byte, shim.Headroom+n+to-from, shim.Headroom+n+to-from+shim.Tailroom)
		c.PutHeaders(b[shim.Headroom:], i)
		copy(b[shim.Headroom+n:], p.Buf[from:to])
		one := inner.Packet{Buf: b[shim.Headroom:], Transport: p.Transport, Partial: true}
		o.sealOver(q, s, hop, b, &one)
	}
}

// sealParts seals a packet as several datagrams.
func (o *sealer) sealParts(q *peer, s *shim.Session, hop shim.Hop, buf []byte, p *inner.Packet) {
	from := offsetIn(buf, p.Buf)
	m := message(hop, p.Buf)
	datagrams, drop := s.SealParts(buf, from, from+len(p.Buf), p.Partial, hop.Room)
	if drop != shim.DropNone {
		o.node.drop(drop)
		return
	}
	hop.Sent(len(datagrams))
	for _, d := range datagrams {
		m.Buf = d
		o.msgs, o.peers = append(o.msgs, m), append(o.peers, q)
	}
}

// message returns the message that is to carry pkt, without its bytes.
func message(hop shim.Hop, pkt []byte) underlay.Message {
	return underlay.Message{
		Local: hop.Pair.Local, Interface: hop.Interface, Remote: hop.Pair.Remote, TrafficClass: inner.OuterClass(pkt),
	}
}
