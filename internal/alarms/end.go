package alarms

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

// uplinks is how many locators each end has.
const uplinks = 2

// An end is a node with one peer: it does for its Context what the node's loop and
// packet path do.
type end struct {
	world  *world
	peer   *end
	name   string
	id     shim.Identity
	cfg    shim.Config
	c      *shim.Context
	header [wire.IPv6HeaderLen]byte
	port   uint16

	// deadline is the Context's, zero for never.
	deadline time.Duration
	acts     []shim.Action
	path     *shim.Path
	ring     shim.Ring
	tags     map[wire.Tag]*shim.Session
	seen     map[arrival]bool
	came     shim.Arrivals
	// resent is what was last sent again.
	resent shim.Resend

	tcp  tcp
	busy busy
	// nextTag is the last tag given out.
	nextTag wire.Tag

	// primary is the pair in use, state that of Figure 2.
	primary locator.Pair
	state   detect.State
	// control counts control datagrams sent.
	control uint64
}

// An arrival is a pair over which data has come in a session.
type arrival struct {
	session       *shim.Session
	local, remote int
}

// address returns the locator of an uplink, from 0: its last byte is the uplink.
func address(name string, uplink int) netip.Addr {
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8} // 2001:db8::/32 (RFC 3849)
	a[5], a[7], a[15] = name[0], byte(uplink+1), byte(uplink+1)
	return netip.AddrFrom16(a)
}

// uplinkOf is the inverse of address.
func uplinkOf(a netip.Addr) int { return int(a.As16()[15]) - 1 }

func addresses(name string) (as []netip.AddrPort) {
	for i := range uplinks {
		as = append(as, netip.AddrPortFrom(address(name, i), locator.DefaultPort))
	}
	return as
}

func key(name string) shim.Identity {
	var r [shim.KeyLen]byte
	copy(r[:], name)
	return shim.NewIdentity(shim.NewPrivateKey(r))
}

func newEnd(w *world, name, peer string, timers detect.Timers) *end {
	id, other := key(name), key(peer)
	e := &end{
		world: w, name: name, id: id, header: header(id.Public, other.Public),
		tags: make(map[wire.Tag]*shim.Session), seen: make(map[arrival]bool),
	}
	e.cfg = shim.Config{
		Node: &shim.Node{
			Port: locator.DefaultPort, Ciphers: wire.AES256GCM, Timers: timers,
			Random: rand.NewChaCha8(w.bytes()), NewTag: func() wire.Tag { e.nextTag++; return e.nextTag }, Base: base,
		},
		Identity: id, Peer: other.Public, Locators: addresses(peer), Keepalive: shim.KeepaliveOff,
	}
	return e
}

// start makes the Context.
func (e *end) start() {
	e.c = shim.New(e.cfg, e.world.time())
	var locals []locator.Local
	for i := range uplinks {
		locals = append(locals, locator.Local{Addr: address(e.name, i), Interface: uint32(i + 1)})
	}
	e.perform(e.c.SetLocals(e.world.time(), locals, e.acts[:0]))
}

// perform does what the Context asks for, and looks when it wants to be called next.
func (e *end) perform(acts []shim.Action) {
	for _, a := range acts {
		switch a := a.(type) {
		case shim.Send:
			e.control++
			f := e.world.queue.take()
			f.put(a.Datagram)
			e.transmit(f, a.Pair, false)
		case shim.SetPath:
			e.path = a.Path
			if a.Path != nil && e.ring.Waiting() > 0 {
				e.resend(shim.Resend{Session: a.Path.Session, Hop: a.Path.Hop, Term: a.Path.Term, Since: e.world.now})
			}
		case shim.ResendRest:
			e.resendRest(a.Pair)
		case shim.Resend:
			e.resend(a)
		case shim.Register:
			e.tags[a.Tag] = a.Session
		case shim.Unregister:
			delete(e.tags, a.Tag)
		case shim.Event:
			e.world.note(e, a)
		}
	}
	clear(acts)
	e.acts = acts[:0]
	e.deadline = 0
	if d := e.c.Deadline(); !d.IsZero() {
		e.deadline = d.Sub(base)
	}
}

// transmit puts a datagram on the wire.
func (e *end) transmit(f *flight, p locator.Pair, data bool) {
	f.to, f.local, f.remote = e.peer, uplinkOf(p.Remote.Addr()), uplinkOf(p.Local)
	at, arrives := e.world.link(e, f.remote, f.local).cross(e.world.now, data)
	if !arrives {
		e.world.queue.release(f)
		return
	}
	f.at = at
	e.world.queue.push(f)
}

// send takes the packet that fill writes from the device.
func (e *end) send(fill func(b []byte) int) {
	f := e.world.queue.take()
	from := shim.Headroom
	until := from + fill(f.buf[from:])
	pkt := f.buf[from:until]
	p := e.path
	e.ring.Push(e.world.now, inner.Packet{Buf: pkt}, p == nil)
	if p == nil {
		e.world.queue.release(f)
		e.touch()
		return
	}
	p.Term.Sent(e.world.now, &e.c.Marks, p.Session, pkt, 1)
	if p.Second.Pair.IsValid() {
		g := e.world.queue.take()
		copy(g.buf[from:], pkt)
		e.seal(g, p.Session, p.Second, until)
	}
	e.seal(f, p.Session, p.Hop, until)
	e.touch()
}

// seal makes the packet at the headroom of f a datagram, and sends it.
func (e *end) seal(f *flight, s *shim.Session, hop shim.Hop, until int) {
	d, _ := s.SealPacket(f.buf[:], shim.Headroom, until, false) // keys last longer than any run
	// The datagram ends with the tag that follows the packet.
	f.until = until + wire.AuthLen
	f.from = f.until - len(d)
	hop.Sent(1)
	e.transmit(f, hop.Pair, true)
}

// resend sends again what was lately sent. The real node spaces the packets; here
// they are few.
func (e *end) resend(a shim.Resend) {
	e.resent = a
	e.ring.Unconfirmed(a, e.world.now, func(p shim.Kept) {
		f := e.world.queue.take()
		e.seal(f, a.Session, a.Hop, shim.Headroom+copy(f.buf[shim.Headroom:], p.Buf))
	})
	e.ring.Sent(e.world.now, e.ring.Pushed())
}

// resendRest sends again what was over the limit before, and the rest with it.
func (e *end) resendRest(over locator.Pair) {
	if a := e.resent; a.Hop.Pair == over {
		a.Limit = math.MaxInt
		e.resend(a)
	}
}

// touch wakes the loop if it sleeps.
func (e *end) touch() {
	if e.c.Marks.Touch() {
		e.perform(e.c.HandleWake(e.world.time(), e.acts[:0]))
	}
}

// timeout calls the Context at its deadline.
func (e *end) timeout() { e.perform(e.c.HandleTimeout(e.world.time(), e.acts[:0])) }

// receive takes a datagram from the network. Nothing here is forged, so that what is
// dropped is only late or unknown.
func (e *end) receive(f *flight) {
	p := locator.Pair{Local: address(e.name, f.local), Remote: netip.AddrPortFrom(address(e.peer.name, f.remote), locator.DefaultPort)}
	h, err := wire.ParseHeader(f.datagram())
	switch {
	case err != nil:
	case h.Type == wire.Transport:
		if s := e.tags[h.Tag]; s != nil {
			e.receiveTransport(f, p, s)
		}
	default:
		e.receiveOpen(p, append([]byte(nil), f.datagram()...))
	}
}

func (e *end) receiveOpen(p locator.Pair, datagram []byte) {
	o, err := wire.ParseOpen(datagram)
	if err != nil {
		return
	}
	acts := e.acts[:0]
	if o.Type == wire.Open2 {
		acts, _ = e.c.HandleOpen2(e.world.time(), p, datagram, o, acts)
	} else if in, err := shim.ReadOpen1(e.id, e.cfg.Random, datagram, o); err == nil {
		acts, _ = e.c.HandleOpen1(e.world.time(), p, in, acts)
	}
	e.perform(acts)
}

func (e *end) receiveTransport(f *flight, p locator.Pair, s *shim.Session) {
	o, drop := s.OpenDatagram(e.world.now, f.buf[:], f.from, f.until)
	if drop != shim.DropNone {
		return
	}
	came := e.came.Came(e.world.now, p)
	if o.Kind == wire.KindControl {
		acts, _ := e.c.HandleControl(e.world.time(), p, s, came, f.buf[o.From:o.To], e.acts[:0])
		e.perform(acts)
		return
	}
	if !s.Used() {
		e.perform(e.c.HandleUsed(e.world.time(), s, e.acts[:0]))
	}
	if at := (arrival{s, f.local, f.remote}); !e.seen[at] {
		e.seen[at] = true
		e.perform(e.c.HandleMove(e.world.time(), p, s, f.until-f.from, e.acts[:0]))
	}
	pkt := f.buf[o.From:o.To]
	var term *shim.Term
	if e.path != nil {
		term = e.path.Term
	}
	term.Received(e.world.now, &e.c.Marks, pkt)
	e.touch()
	if pkt[6] == protocolTCP {
		e.world.deliver(e, e.tcp.receive(e.world.now, readTCP(pkt, &e.tcp)))
	}
}

// flush sends what TCP has to send.
func (e *end) flush() {
	for {
		g, ok := e.tcp.output(e.world.now)
		if !ok {
			return
		}
		e.send(func(b []byte) int { return e.putTCP(b, g) })
	}
}
