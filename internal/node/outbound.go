package node

import (
	"errors"
	"syscall"
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
)

// outboundPackets is how many packets are read from the device at a time, and
// outboundRoom for how many bytes there is room: at least one super-packet and many short
// ones.
const (
	outboundPackets = 128
	outboundRoom    = 3 * (shim.Headroom + tun.MaxPacket + shim.Tailroom)
)

// outbound carries inner packets from the device to the network until the device
// closes.
func (n *Node) outbound() error {
	o := n.newOutlet()
	for {
		got, err := n.edges.Device.Read(o.room())
		if err != nil {
			if closed(err) {
				return nil
			}
			return err
		}
		o.take(got)
	}
}

// An outlet takes packets from the device to the network. It is for one goroutine.
type outlet struct {
	*sealer
	buf  []byte
	pkts []inner.Packet
}

func (n *Node) newOutlet() *outlet {
	return &outlet{n.newSealer(), make([]byte, outboundRoom), make([]inner.Packet, outboundPackets)}
}

// room returns where the device is to put packets, as tun.Device.Read takes it.
func (o *outlet) room() (buf []byte, pkts []inner.Packet, headroom, tailroom int) {
	return o.buf, o.pkts, shim.Headroom, shim.Tailroom
}

// take sends the first n packets that are there.
func (o *outlet) take(n int) {
	now := o.node.since(time.Now())
	for i := range n {
		o.add(now, o.buf, &o.pkts[i])
	}
	o.flush()
	o.notices.flush(o.node)
}

// A sealer seals inner packets and collects the datagrams to send. It is for one
// goroutine.
type sealer struct {
	node  *Node
	msgs  []underlay.Message
	peers []*peer
	// held is the peer whose ring and term are locked: the loop sends too.
	held *peer
	// super seals super-packets, to run; second is a copy of one for a second pair.
	super       shim.SuperSealer
	run, second []byte
	// notices are what the host is to be told.
	notices notifier
}

func (n *Node) newSealer() *sealer { return &sealer{node: n, notices: newNotifier()} }

// add takes the inner packet p, which lies in buf with shim.Headroom before it and
// shim.Tailroom after it. The buffer must stay as it is until flush.
func (o *sealer) add(now time.Duration, buf []byte, p *inner.Packet) {
	n := o.node
	if d := shim.CheckInner(p.Buf); d != shim.DropNone {
		n.drop(d)
		return
	}
	q := n.routes.owner(destination(p.Buf))
	if q == nil {
		n.drop(shim.DropNoPeer)
		return
	}
	o.hold(q)
	defer n.touch(q)
	path := q.path.Load() // it changes only while nobody holds q
	if path == nil {
		q.counters.waited.Add(uint64(p.Segments()))
		o.wait(now, q, p)
		return
	}
	o.seal(now, q, path, buf, p)
}

// wait puts a packet aside until the loop sends it.
func (o *sealer) wait(now time.Duration, q *peer, p *inner.Packet) {
	lost := q.ring.Push(now, *p, true)
	o.node.drops[shim.DropQueueFull].Add(uint64(lost))
}

// seal seals a packet for a path, and a copy for the pair under test if there is
// one.
func (o *sealer) seal(now time.Duration, q *peer, path *shim.Path, buf []byte, p *inner.Packet) {
	segments := uint64(p.Segments())
	if path.Term.Mark(now, p.Buf) {
		q.counters.marked.Add(segments)
	}
	size := len(p.Buf) + int(segments-1)*p.HeaderLen()
	q.counters.outPackets.Add(segments)
	q.counters.outBytes.Add(uint64(size))
	if r := q.resender; r != nil && !shim.IsAcknowledgement(p.Buf) && r.queues(now, path.Pair, size, &q.ring) {
		r.queued += size
		o.wait(now, q, p)
		return
	}
	path.Term.Sent(now, &q.context.Marks, path.Session, p.Buf, int(segments))
	if path.Second.Pair.IsValid() && !q.resender.queues(now, path.Second.Pair, 0, &q.ring) {
		o.copyOver(q, path.Session, path.Second, *p)
	}
	settled := path.Term.Settled()
	if path.Second.Pair.IsValid() {
		settled = 0 // what arrives may have gone over either
	}
	q.ring.Settle(settled)
	q.ring.Push(now, *p, false)
	o.sealOver(q, path.Session, path.Hop, buf, p)
}

// copyOver seals a copy of a packet to be sent over one pair.
func (o *sealer) copyOver(q *peer, s *shim.Session, hop shim.Hop, p inner.Packet) {
	if p.Segment > 0 {
		o.second = append(o.second[:0], p.Buf...)
		p.Buf = o.second
		o.sealOver(q, s, hop, nil, &p)
		return
	}
	b := sealable(p.Buf)
	p.Buf = b[shim.Headroom:]
	o.sealOver(q, s, hop, b, &p)
}

// sealOver seals a packet, which lies in buf as for add, to be sent over one pair. A
// super-packet need not, and is sent at once.
func (o *sealer) sealOver(q *peer, s *shim.Session, hop shim.Hop, buf []byte, p *inner.Packet) {
	if longest := s.Longest(hop, p.Buf); single(p) > longest {
		o.oversize(q, s, hop, buf, p, longest)
		return
	}
	hop.Sent(p.Segments())
	m := message(hop, p.Buf)
	if p.Segment > 0 {
		o.sealSuper(q, s, m, p)
		return
	}
	from := offsetIn(buf, p.Buf)
	datagram, ok := s.SealPacket(buf, from, from+len(p.Buf), p.Partial)
	if !ok {
		o.node.drop(shim.DropNoSession)
		return
	}
	m.Buf = datagram
	o.msgs, o.peers = append(o.msgs, m), append(o.peers, q)
}

// sealSuper sends what was collected, and the segments of a super-packet as one message:
// the kernel does worse with two at a time.
func (o *sealer) sealSuper(q *peer, s *shim.Session, m underlay.Message, p *inner.Packet) {
	o.send()
	if room := shim.SuperRoom(p); cap(o.run) < room {
		o.run = make([]byte, 0, room)
	}
	var ok bool
	if m.Buf, m.Segment, ok = o.super.Seal(s, o.run[:0], p); !ok {
		o.node.drops[shim.DropNoSession].Add(uint64(p.Segments()))
		return
	}
	o.msgs, o.peers = append(o.msgs, m), append(o.peers, q)
	o.send()
}

// offsetIn returns where part, a slice of buf, begins in it.
func offsetIn(buf, part []byte) int { return cap(buf) - cap(part) }

// hold locks the ring of p, once for a run of packets to the same peer.
func (o *sealer) hold(p *peer) {
	if o.held == p {
		return
	}
	o.release()
	p.ringMu.Lock()
	o.held = p
}

func (o *sealer) release() {
	if o.held != nil {
		o.held.ringMu.Unlock()
		o.held = nil
	}
}

// flush sends what was collected.
func (o *sealer) flush() {
	o.release()
	o.send()
}

// send sends what was collected, without letting go of the ring.
func (o *sealer) send() {
	if len(o.msgs) == 0 {
		return
	}
	if _, err := o.node.edges.Sender.Send(o.msgs); err != nil {
		o.failed()
	}
	clear(o.peers)
	o.msgs, o.peers = o.msgs[:0], o.peers[:0]
}

// failed counts what was not sent, and tells the loop.
func (o *sealer) failed() {
	for i := range o.msgs {
		m, p := &o.msgs[i], o.peers[i]
		if m.Err == nil {
			continue
		}
		drop, news := shim.DropSend, &p.sendFailed
		if errors.Is(m.Err, syscall.EMSGSIZE) {
			drop, news = shim.DropOversize, &p.tooLong // says nothing of shorter ones
		}
		o.node.drops[drop].Add(uint64(m.Count()))
		if errors.Is(m.Err, syscall.EAGAIN) {
			continue // a queue is full, which says nothing of the pair
		}
		if news.Swap(&locator.Pair{Local: m.Local, Remote: m.Remote}) == nil {
			o.node.wake(p)
		}
	}
}

// touch notes that a packet passes, and wakes the loop if it sleeps over the
// peer.
func (n *Node) touch(p *peer) {
	if p.context.Marks.Touch() {
		n.wake(p)
	}
}

// wake has the loop look at p. It never waits: who wakes may hold what the loop is
// waiting for.
func (n *Node) wake(p *peer) {
	if !p.waking.Swap(true) {
		n.wakes <- p
	}
}
