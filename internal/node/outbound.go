package node

import (
	"errors"
	"syscall"
	"time"

	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/shim"
)

// readOffset is where an inner packet starts in its buffer: room to seal it in
// place.
const readOffset = shim.Headroom

// outbound carries inner packets from the device to the network until the device
// closes.
func (n *Node) outbound() error {
	o := n.newSealer()
	batch := n.edges.Device.BatchSize()
	bufs, sizes := make([][]byte, batch), make([]int, batch)
	for i := range bufs {
		bufs[i] = make([]byte, readOffset+max(n.cfg.MTU, 1500)+shim.Tailroom)
	}
	for {
		got, err := n.edges.Device.Read(bufs, sizes, readOffset)
		if err != nil {
			if closed(err) {
				return nil
			}
			return err
		}
		now := n.since(time.Now())
		for i := range got {
			o.add(now, bufs[i], readOffset, readOffset+sizes[i])
		}
		o.flush()
	}
}

// A sealer seals inner packets and collects the datagrams to send. It is for one
// goroutine.
type sealer struct {
	node  *Node
	msgs  []underlay.Message
	peers []*peer
	// held is the peer whose ring and term are locked: the loop sends too.
	held *peer
}

func (n *Node) newSealer() *sealer { return &sealer{node: n} }

// add takes the inner packet buf[from:to], which has shim.Headroom before and
// shim.Tailroom after it. The buffer must stay as it is until flush.
func (o *sealer) add(now time.Duration, buf []byte, from, to int) {
	n, pkt := o.node, buf[from:to]
	if d := shim.CheckInner(pkt); d != shim.DropNone {
		n.drop(d)
		return
	}
	p := n.routes.owner(destination(pkt))
	if p == nil {
		n.drop(shim.DropNoPeer)
		return
	}
	path := p.path.Load()
	if path == nil {
		o.hold(p)
		lost := p.ring.Push(now, pkt, true)
		p.counters.waited.Add(1)
		n.drops[shim.DropQueueFull].Add(uint64(lost))
		n.touch(p)
		return
	}
	o.seal(now, p, path, buf, from, to)
}

// seal seals a packet for a path, and a copy for the pair under test if there is
// one.
func (o *sealer) seal(now time.Duration, p *peer, path *shim.Path, buf []byte, from, to int) {
	pkt := buf[from:to]
	if path.Term.Mark(now, pkt) {
		p.counters.marked.Add(1)
	}
	o.hold(p)
	path.Term.Sent(now, &p.context.Marks, path.Session, pkt)
	p.ring.Push(now, pkt, false)
	p.counters.outPackets.Add(1)
	p.counters.outBytes.Add(uint64(len(pkt)))
	o.node.touch(p)
	if path.Second.Pair.IsValid() {
		b := sealable(pkt)
		o.sealOver(p, path.Session, path.Second, b, shim.Headroom, len(b))
	}
	o.sealOver(p, path.Session, path.Hop, buf, from, to)
}

// sealOver seals a packet to be sent over one pair.
func (o *sealer) sealOver(p *peer, s *shim.Session, hop shim.Hop, buf []byte, from, to int) {
	datagram, ok := s.SealPacket(buf[:cap(buf)], from, to)
	if !ok {
		o.node.drop(shim.DropNoSession)
		return
	}
	o.msgs = append(o.msgs, underlay.Message{
		Buf: datagram, Local: hop.Pair.Local, Interface: hop.Interface, Remote: hop.Pair.Remote,
	})
	o.peers = append(o.peers, p)
}

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
		err, p := o.msgs[i].Err, o.peers[i]
		switch {
		case err == nil:
			continue
		case errors.Is(err, syscall.EMSGSIZE):
			o.node.drop(shim.DropOversize)
			continue // says nothing of the path
		}
		o.node.drop(shim.DropSend)
		if !p.sendFailed.Swap(true) {
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

// wake has the loop look at p. It may wait for the loop, but only when more peers
// than the queue holds wake at the same time.
func (n *Node) wake(p *peer) {
	select {
	case n.wakes <- p:
	case <-n.done:
	}
}
