package node

import (
	"bytes"
	"errors"
	"time"

	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

const (
	// inboundBatch is how many datagrams are worked on at a time.
	inboundBatch = 128
	// inboundOffset is where a datagram starts in its buffer: room to restore
	// the inner packet in place, and for the device's own header before it.
	inboundOffset = 64
)

// A datagram is an Open, or the frames of a control datagram, or what an ICMP error
// tells, on its way to the loop.
type datagram struct {
	pair locator.Pair // as seen from this node
	// raw is a whole Open, or a transport datagram that came before its session
	// was made; nil for frames.
	raw []byte
	// target and frames are of a control datagram. With frames nil, it is the
	// first use of the session or, if size is not zero, the first datagram of that
	// many bytes over the pair.
	target *target
	frames []byte
	size   int
	// quoted is the header of a datagram of ours that was not delivered.
	quoted *wire.Header
}

// An opener opens datagrams and collects inner packets for the device. It is
// used under Node.inbound.
type opener struct {
	node    *Node
	bufs    [][]byte
	packets [][]byte
}

func (n *Node) newOpener(buffers int) *opener {
	o := &opener{node: n, bufs: make([][]byte, buffers)}
	for i := range o.bufs {
		o.bufs[i] = make([]byte, inboundOffset+max(n.cfg.MTU+128, 2048))
	}
	return o
}

// receive carries datagrams from one receiver to the device until it closes.
func (n *Node) receive(r Receiver) error {
	o := n.newOpener(inboundBatch)
	for {
		runs, err := r.Receive()
		if err != nil {
			if closed(err) {
				return nil
			}
			return err
		}
		n.inbound.Lock()
		now := n.since(time.Now())
		i := 0
		for k := range runs {
			for datagram := range runs[k].Datagrams() {
				if i == len(o.bufs) {
					o.write()
					i = 0
				}
				m := runs[k]
				m.Buf = o.bufs[i][inboundOffset:][:copy(o.bufs[i][inboundOffset:], datagram)]
				if d := o.open(now, i, &m); d != shim.DropNone {
					n.drop(d)
				}
				i++
			}
		}
		o.write()
		n.inbound.Unlock()
	}
}

// open opens the datagram in buffer i.
func (o *opener) open(now time.Duration, i int, m *underlay.Message) shim.Drop {
	h, err := wire.ParseHeader(m.Buf)
	switch {
	case errors.Is(err, wire.ErrVersion):
		return shim.DropVersion
	case err != nil:
		return shim.DropMalformed
	}
	pair := locator.Pair{Local: m.Local.WithZone(""), Remote: m.Remote}
	switch h.Type {
	case wire.Transport:
		return o.transport(now, i, len(m.Buf), h.Tag, pair)
	case wire.Open1, wire.Open2:
		return o.node.post(datagram{pair: pair, raw: bytes.Clone(m.Buf)})
	}
	return shim.DropMalformed // we have asked for no Retry
}

func (o *opener) transport(now time.Duration, i, size int, tag wire.Tag, pair locator.Pair) shim.Drop {
	v, ok := o.node.tags.Load(tag)
	if !ok {
		return shim.DropUnknownTag
	}
	t := v.(*target)
	buf := o.bufs[i]
	if t.session == nil {
		// The Open 2 that makes the session may be with the loop still.
		return o.node.post(datagram{pair: pair, raw: bytes.Clone(buf[inboundOffset : inboundOffset+size])})
	}
	got, d := t.session.OpenDatagram(now, buf, inboundOffset, inboundOffset+size)
	if d != shim.DropNone {
		return d
	}
	p := t.peer
	if got.Kind == wire.KindControl {
		p.counters.inControl.Add(1)
		return o.node.post(datagram{pair: pair, target: t, frames: bytes.Clone(buf[got.From:got.To])})
	}
	if !t.session.Used() && !t.told.Swap(true) {
		if d := o.node.post(datagram{pair: pair, target: t}); d != shim.DropNone {
			t.told.Store(false)
			o.node.drop(d)
		}
	}
	if !t.knows(pair) {
		if d := o.node.post(datagram{pair: pair, target: t, size: size}); d != shim.DropNone {
			o.node.drop(d)
		} else {
			t.learn(pair)
		}
	}
	return o.packet(now, p, got, i)
}

// packet takes an inner packet that came from p.
func (o *opener) packet(now time.Duration, p *peer, got shim.Opened, i int) shim.Drop {
	buf := o.bufs[i]
	pkt := buf[got.From:got.To]
	var term *shim.Term
	if path := p.path.Load(); path != nil {
		term = path.Term
	}
	// It has arrived, whatever becomes of it.
	term.Received(now, &p.context.Marks, pkt)
	o.node.touch(p)
	if got.Kind != wire.KindRewritten && o.node.routes.owner(source(pkt)) != p {
		return shim.DropSource
	}
	p.counters.inPackets.Add(1)
	p.counters.inBytes.Add(uint64(len(pkt)))
	o.packets = append(o.packets, buf[got.From-tun.WriteHeadroom:got.To])
	return shim.DropNone
}

// early opens a transport datagram that had to wait for its session.
func (o *opener) early(d datagram, h wire.Header) shim.Drop {
	n := o.node
	v, ok := n.tags.Load(h.Tag)
	if !ok || v.(*target).session == nil || len(d.raw) > len(o.bufs[0])-inboundOffset {
		return shim.DropUnknownTag
	}
	n.inbound.Lock()
	defer n.inbound.Unlock()
	size := copy(o.bufs[0][inboundOffset:], d.raw)
	drop := o.transport(n.since(time.Now()), 0, size, h.Tag, d.pair)
	o.write()
	return drop
}

// write hands the collected packets to the device.
func (o *opener) write() {
	if len(o.packets) == 0 {
		return
	}
	_, err := o.node.edges.Device.Write(o.packets, tun.WriteHeadroom)
	if err != nil && !closed(err) {
		o.node.drops[shim.DropDevice].Add(1)
	}
	clear(o.packets)
	o.packets = o.packets[:0]
}

// post hands a datagram to the loop, or drops it.
func (n *Node) post(d datagram) shim.Drop {
	select {
	case n.control <- d:
		return shim.DropNone
	default:
		return shim.DropControlFull
	}
}
