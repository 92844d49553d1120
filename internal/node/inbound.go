package node

import (
	"bytes"
	"errors"
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
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
	// came is the peer's count of arrivals with the frames.
	came uint32
	// quoted is the header of a datagram of ours that was not delivered; tooBig says
	// that it was longer than mtu, what some link carries, zero for unknown.
	quoted *wire.Header
	tooBig bool
	mtu    int
}

// An opener opens datagrams and hands inner packets to the device. It is used under
// Node.inbound.
type opener struct {
	node  *Node
	gluer *shim.Gluer
	// from is whose packet is in making, term what it confirms.
	from *peer
	out  [1]inner.Packet
	// tag and target are those that datagrams last came with.
	tag    wire.Tag
	target *target
}

func (n *Node) newOpener() *opener { return &opener{node: n, gluer: shim.NewGluer()} }

// receive carries datagrams from one receiver to the device until it closes.
func (n *Node) receive(r Receiver) error {
	o := n.newOpener()
	for {
		msgs, err := r.Receive()
		if err != nil {
			if closed(err) {
				return nil
			}
			return err
		}
		o.take(msgs)
	}
}

// take opens what was received, and hands it to the device.
func (o *opener) take(msgs []underlay.Message) {
	n := o.node
	n.inbound.Lock()
	defer n.inbound.Unlock()
	o.target, o.tag = nil, 0
	now := n.since(time.Now())
	for i := range msgs {
		o.run(now, &msgs[i])
	}
	o.emit(now)
}

// run opens the datagrams of m.
func (o *opener) run(now time.Duration, m *underlay.Message) {
	pair := locator.Pair{Local: m.Local.WithZone(""), Remote: m.Remote}
	if len(m.Buf) == 0 {
		o.node.drop(shim.DropMalformed)
	}
	for from := underlay.Headroom; from < len(m.Full); {
		to := len(m.Full)
		if m.Segment > 0 {
			to = min(to, from+m.Segment)
		}
		if d := o.open(now, m.Full, from, to, pair, m.TrafficClass); d != shim.DropNone {
			o.node.drop(d)
		}
		from = to
	}
}

// open opens the datagram buf[from:to].
func (o *opener) open(now time.Duration, buf []byte, from, to int, pair locator.Pair, class uint8) shim.Drop {
	h, err := wire.ParseHeader(buf[from:to])
	switch {
	case errors.Is(err, wire.ErrVersion):
		return shim.DropVersion
	case err != nil:
		return shim.DropMalformed
	}
	switch h.Type {
	case wire.Transport:
		return o.transport(now, buf, from, to, h.Tag, pair, class)
	case wire.Open1, wire.Open2:
		return o.node.post(datagram{pair: pair, raw: bytes.Clone(buf[from:to])})
	}
	return shim.DropMalformed // we have asked for no Retry
}

// find returns what tag selects, nil for nothing.
func (o *opener) find(tag wire.Tag) *target {
	if o.target == nil || o.tag != tag {
		o.tag, o.target = tag, o.node.tags.find(tag)
	}
	return o.target
}

func (o *opener) transport(now time.Duration, buf []byte, from, to int, tag wire.Tag, pair locator.Pair, class uint8) shim.Drop {
	t := o.find(tag)
	switch {
	case t == nil:
		return shim.DropUnknownTag
	case t.session == nil:
		// The Open 2 that makes the session may be with the loop still.
		return o.node.post(datagram{pair: pair, raw: bytes.Clone(buf[from:to])})
	}
	payload, number, d := t.session.Open(now, o.gluer.Place(), buf, from, to)
	if d != shim.DropNone {
		o.gluer.Undo()
		return d
	}
	came := t.peer.arrivals.Came(now, pair)
	if path := t.peer.path.Load(); path != nil && path.Pair == pair {
		t.peer.context.Marks.Heard(now)
	}
	switch wire.Kind(payload[0] >> 4) {
	case wire.KindPart:
		whole, d := t.session.Assemble(number, payload)
		o.gluer.Undo()
		if whole == nil {
			o.node.touch(t.peer) // which has something to give back when it rests
			return d
		}
		payload = append(o.gluer.Place(), whole...)
	case wire.KindControl:
		frames := bytes.Clone(payload[1:])
		o.gluer.Undo()
		t.peer.counters.inControl.Add(1)
		return o.node.post(datagram{pair: pair, target: t, frames: frames, came: came})
	}
	o.tell(t, pair, to-from)
	if o.gluer.Join(t.session, payload, class) {
		return shim.DropNone
	}
	return o.begin(now, t, payload, number, class)
}

// tell tells the loop what is new about t.
func (o *opener) tell(t *target, pair locator.Pair, size int) {
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
}

// begin takes the first, or only, packet of a series, after the one in making has gone.
func (o *opener) begin(now time.Duration, t *target, payload []byte, number uint64, class uint8) shim.Drop {
	if some, _ := o.gluer.Making(); some {
		payload = o.gluer.Save(payload)
		o.emit(now)
	}
	whole := wire.Kind(payload[0]>>4).Whole() != wire.KindRewritten
	pkt, d := o.gluer.Begin(t.session, payload, number, class)
	if d != shim.DropNone {
		return d
	}
	o.from = t.peer
	if whole && o.node.routes.owner(source(pkt)) != t.peer {
		o.received(now, pkt) // it has arrived, whatever becomes of it
		o.gluer.Take()
		return shim.DropSource
	}
	if _, open := o.gluer.Making(); !open {
		o.emit(now)
	}
	return shim.DropNone
}

// received has pkt count as evidence.
func (o *opener) received(now time.Duration, pkt []byte) {
	p := o.from
	var term *shim.Term
	if path := p.path.Load(); path != nil {
		term = path.Term
	}
	term.Received(now, &p.context.Marks, pkt)
	o.node.touch(p)
}

// emit hands the packet in making to the device.
func (o *opener) emit(now time.Duration) {
	x, count := o.gluer.Take()
	if count == 0 {
		return
	}
	o.received(now, x.Buf)
	c := &o.from.counters
	c.inPackets.Add(uint64(count))
	c.inBytes.Add(uint64(len(x.Buf) + (count-1)*x.HeaderLen()))
	o.out[0] = x
	if _, err := o.node.edges.Device.Write(o.out[:]); err != nil && !closed(err) {
		o.node.drops[shim.DropDevice].Add(uint64(count))
	}
}

// early opens a transport datagram that had to wait for its session.
func (o *opener) early(d datagram, h wire.Header) shim.Drop {
	n := o.node
	if t := n.tags.find(h.Tag); t == nil || t.session == nil {
		return shim.DropUnknownTag
	}
	n.inbound.Lock()
	defer n.inbound.Unlock()
	o.target = nil
	buf := append(make([]byte, underlay.Headroom), d.raw...)
	now := n.since(time.Now())
	drop := o.transport(now, buf, underlay.Headroom, len(buf), h.Tag, d.pair, 0)
	o.emit(now)
	return drop
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
