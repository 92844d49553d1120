package shim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// start is when virtual time begins.
var start = time.Unix(1_800_000_000, 0)

// oneWay is how long a datagram travels unless the test says otherwise.
const oneWay = 10 * time.Millisecond

var (
	localsA = []netip.Addr{netip.MustParseAddr("2001:db8:a1::1"), netip.MustParseAddr("2001:db8:a2::1")}
	localsB = []netip.Addr{netip.MustParseAddr("2001:db8:b1::1"), netip.MustParseAddr("2001:db8:b2::1")}
)

// A world is two hosts, the network between them and virtual time. Nothing in it
// moves but by run and its like.
type world struct {
	t    testing.TB
	now  time.Time
	a, b *host
	// fate decides on each datagram: it returns the delay of each copy that
	// arrives, none if it is lost. Nil delivers all after oneWay.
	fate    func(*flight) []time.Duration
	flights []*flight
	// nat, if not nil, is between A and the rest.
	nat     *natBox
	nextTag wire.Tag
	random  *rand.ChaCha8
}

// A flight is a datagram on its way.
type flight struct {
	at       time.Time
	from, to *host
	// src and dst are the outer addresses.
	src, dst netip.AddrPort
	datagram []byte
}

func (f *flight) kind() wire.Type { h, _ := wire.ParseHeader(f.datagram); return h.Type }

// between reports whether f travels from address src to address dst.
func (f *flight) between(src, dst netip.Addr) bool { return f.src.Addr() == src && f.dst.Addr() == dst }

// A host is one node with one peer: it performs what its Context asks for, and
// hands inner packets to the packet side, as the node does.
type host struct {
	w      *world
	name   string
	id     Identity
	cfg    Config
	locals []locator.Local
	c      *Context

	tags   map[wire.Tag]*Session
	seen   map[arrival]bool
	path   *Path
	ring   Ring
	got    [][]byte
	came   Arrivals
	drops  [NumDrops]int
	events []Event
	// resends are those that the Context asked for.
	resends []Resend
	// sent are the datagrams that left, whatever became of them.
	sent []*flight
	// timeouts counts HandleTimeout at one instant.
	timeouts  int
	timeoutAt time.Time
}

// An arrival is a pair over which data has come in a session.
type arrival struct {
	session *Session
	pair    locator.Pair
}

// A setup says how the two hosts of a world differ from the usual.
type setup struct {
	timers         detect.Timers
	pskA, pskB     PresharedKey
	localsA        []netip.Addr
	localsB        []netip.Addr
	noLocatorsOfA  bool // B does not know where A is
	keepaliveA     time.Duration
	ciphersA       wire.Ciphers
	ciphersB       wire.Ciphers
	swapIdentities bool
	wrongKeyOfB    bool // A believes that B has another key
}

func key(seed byte) PrivateKey {
	var r [KeyLen]byte
	for i := range r {
		r[i] = seed + byte(i)
	}
	return NewPrivateKey(r)
}

func newWorld(t testing.TB, s setup) *world {
	t.Helper()
	w := &world{t: t, now: start, random: rand.NewChaCha8([32]byte{1}), nextTag: 0x100}
	if s.timers == (detect.Timers{}) {
		s.timers = detect.Balanced
	}
	if s.localsA == nil {
		s.localsA = localsA
	}
	if s.localsB == nil {
		s.localsB = localsB
	}
	idA, idB := NewIdentity(key(1)), NewIdentity(key(2))
	if idB.Public.Less(idA.Public) != s.swapIdentities { // by default A has the lesser key
		idA, idB = idB, idA
	}
	peerOfA, whereA := idB.Public, s.localsA
	if s.wrongKeyOfB {
		peerOfA = key(99).Public()
	}
	if s.noLocatorsOfA {
		whereA = nil
	}
	w.a = w.newHost("a", idA, s.localsA, Config{
		Node: &Node{Timers: s.timers, Ciphers: s.ciphersA},
		Peer: peerOfA, PresharedKey: s.pskA, Locators: ports(s.localsB), Keepalive: s.keepaliveA,
	})
	w.b = w.newHost("b", idB, s.localsB, Config{
		Node: &Node{Timers: s.timers, Ciphers: s.ciphersB},
		Peer: idA.Public, PresharedKey: s.pskB, Locators: ports(whereA),
	})
	return w
}

func ports(as []netip.Addr) (out []netip.AddrPort) {
	for _, a := range as {
		out = append(out, netip.AddrPortFrom(a, locator.DefaultPort))
	}
	return out
}

func (w *world) newHost(name string, id Identity, addrs []netip.Addr, cfg Config) *host {
	cfg.Identity, cfg.Port, cfg.Random, cfg.Base = id, locator.DefaultPort, w.random, start.Add(-time.Second)
	cfg.NewTag = func() wire.Tag { w.nextTag++; return w.nextTag }
	if cfg.Ciphers == 0 {
		cfg.Ciphers = wire.AES256GCM | wire.ChaCha20Poly1305
	}
	if name == "b" {
		cfg.Keepalive = KeepaliveOff
	}
	h := &host{w: w, name: name, id: id, cfg: cfg}
	for i, a := range addrs {
		h.locals = append(h.locals, locator.Local{Addr: a, Interface: uint32(i + 1)})
	}
	h.restart()
	return h
}

// restart makes h forget everything, as a daemon that was killed does.
func (h *host) restart() {
	h.c = New(h.cfg, h.w.now)
	h.tags, h.seen, h.path, h.ring, h.came = map[wire.Tag]*Session{}, map[arrival]bool{}, nil, Ring{}, Arrivals{}
	h.perform(h.c.SetLocals(h.w.now, h.locals, nil))
}

func (h *host) other() *host {
	if h == h.w.a {
		return h.w.b
	}
	return h.w.a
}

func (h *host) pair(local, remote int) locator.Pair {
	return locator.Pair{Local: h.locals[local].Addr, Remote: netip.AddrPortFrom(h.other().locals[remote].Addr, locator.DefaultPort)}
}

func (h *host) since() time.Duration { return h.w.now.Sub(h.cfg.Base) }

// perform does what the Context asked for.
func (h *host) perform(acts []Action) {
	h.w.t.Helper()
	for _, a := range acts {
		switch a := a.(type) {
		case Send:
			if a.Padded > 0 && len(a.Datagram) != a.Padded-outerLen(a.Pair) {
				h.w.t.Fatalf("%s pads to %d bytes of %d", h.name, len(a.Datagram), a.Padded)
			}
			if a.Padded == 0 && len(a.Datagram) > wire.MaxOpenLen {
				h.w.t.Fatalf("%s sends a control datagram of %d bytes", h.name, len(a.Datagram))
			}
			h.transmit(a.Pair, a.Datagram)
		case SetPath:
			h.path = a.Path
			if h.path != nil {
				if h.path.Session == nil || h.path.Term == nil || !h.path.Pair.IsValid() || h.path.Interface == 0 {
					h.w.t.Fatalf("%s: path with gaps: %+v", h.name, h.path)
				}
				if h.ring.Waiting() > 0 {
					h.resend(Resend{Session: h.path.Session, Hop: h.path.Hop, Term: h.path.Term, Since: h.since()})
				}
			}
		case ResendRest:
			if n := len(h.resends); n > 0 && h.resends[n-1].Hop.Pair == a.Pair {
				r := h.resends[n-1]
				r.Limit = resendAll
				h.resends = append(h.resends, r)
				h.resend(r)
			}
		case Resend:
			h.resends = append(h.resends, a)
			h.resend(a)
		case Register:
			h.tags[a.Tag] = a.Session
		case Unregister:
			delete(h.tags, a.Tag)
		case Event:
			h.events = append(h.events, a)
		}
	}
}

// transmit puts a datagram on the wire.
func (h *host) transmit(p locator.Pair, datagram []byte) {
	f := &flight{from: h, to: h.other(), src: netip.AddrPortFrom(p.Local, locator.DefaultPort), dst: p.Remote, datagram: bytes.Clone(datagram)}
	h.sent = append(h.sent, f)
	if !h.w.nat.passes(h, f) {
		return
	}
	delays := []time.Duration{oneWay}
	if h.w.fate != nil {
		delays = h.w.fate(f)
	}
	for _, d := range delays {
		c := *f
		c.at = h.w.now.Add(d)
		h.w.flights = append(h.w.flights, &c)
	}
}

// send takes an inner packet from the device.
func (h *host) send(pkt []byte) {
	h.w.t.Helper()
	if d := CheckInner(pkt); d != DropNone {
		h.w.t.Fatalf("test sends a bad inner packet: %v", d)
	}
	if h.path == nil {
		h.ring.Push(h.since(), inner.Packet{Buf: pkt}, true)
		h.touch()
		return
	}
	p := h.path
	p.Term.Sent(h.since(), &h.c.Marks, p.Session, pkt, 1)
	if !h.seal(p.Session, p.Hop, pkt) {
		h.drops[DropNoSession]++
		h.touch()
		return
	}
	h.ring.Push(h.since(), inner.Packet{Buf: pkt}, false)
	if p.Second.Pair.IsValid() {
		h.seal(p.Session, p.Second, pkt)
	}
	h.touch()
}

// seal sends pkt over a pair.
func (h *host) seal(s *Session, hop Hop, pkt []byte) bool {
	buf := make([]byte, Headroom+len(pkt)+Tailroom)
	copy(buf[Headroom:], pkt)
	d, ok := s.SealPacket(buf, Headroom, Headroom+len(pkt), false)
	if ok {
		hop.Sent(1)
		h.transmit(hop.Pair, d)
	}
	return ok
}

// resend sends what was lately sent once more.
func (h *host) resend(a Resend) {
	h.ring.Unconfirmed(a, h.since(), func(p Kept) {
		h.seal(a.Session, a.Hop, p.Buf)
	})
	h.ring.Sent(h.since(), h.ring.Pushed())
}

func (h *host) touch() {
	if h.c.Marks.Touch() {
		h.perform(h.c.HandleWake(h.w.now, nil))
	}
}

// deliver takes a datagram from the network.
func (h *host) deliver(f *flight) {
	h.w.t.Helper()
	h.drops[h.receive(locator.Pair{Local: f.dst.Addr(), Remote: f.src}, f.datagram)]++
}

func (h *host) receive(p locator.Pair, datagram []byte) Drop {
	hd, err := wire.ParseHeader(datagram)
	if err != nil {
		return DropMalformed
	}
	switch hd.Type {
	case wire.Open1, wire.Open2:
		return h.receiveOpen(p, datagram)
	case wire.Transport:
		s := h.tags[hd.Tag]
		if s == nil {
			return DropUnknownTag
		}
		return h.receiveTransport(p, s, datagram)
	}
	return DropMalformed
}

func (h *host) receiveOpen(p locator.Pair, datagram []byte) Drop {
	o, err := wire.ParseOpen(datagram)
	if err != nil {
		return DropMalformed
	}
	if o.Type == wire.Open2 {
		if _, ok := h.tags[o.Tag]; !ok {
			return DropUnknownTag
		}
		acts, d := h.c.HandleOpen2(h.w.now, p, datagram, o, nil)
		h.perform(acts)
		return d
	}
	in, err := ReadOpen1(h.id, h.w.random, datagram, o)
	if err != nil {
		return DropForged
	}
	if in.Peer != h.cfg.Peer {
		return DropUnknownPeer
	}
	acts, d := h.c.HandleOpen1(h.w.now, p, in, nil)
	h.perform(acts)
	return d
}

func (h *host) receiveTransport(p locator.Pair, s *Session, datagram []byte) Drop {
	buf := make([]byte, Headroom+len(datagram))
	copy(buf[Headroom:], datagram)
	o, d := s.OpenDatagram(h.since(), buf, Headroom, len(buf))
	if d != DropNone {
		return d
	}
	came := h.came.Came(h.since(), p)
	if h.path != nil && h.path.Pair == p {
		h.c.Marks.Heard(h.since())
	}
	if o.Kind == wire.KindControl {
		acts, d := h.c.HandleControl(h.w.now, p, s, came, buf[o.From:o.To], nil)
		h.perform(acts)
		return d
	}
	if !s.Used() {
		h.perform(h.c.HandleUsed(h.w.now, s, nil))
	}
	if at := (arrival{s, p}); !h.seen[at] {
		h.seen[at] = true
		h.perform(h.c.HandleMove(h.w.now, p, s, len(datagram), nil))
	}
	pkt := bytes.Clone(buf[o.From:o.To])
	var term *Term
	if h.path != nil {
		term = h.path.Term
	}
	term.Received(h.since(), &h.c.Marks, pkt)
	h.touch()
	h.got = append(h.got, pkt)
	return DropNone
}

// next returns when something happens next, zero for never.
func (w *world) next() time.Time {
	n := earliest(w.a.c.Deadline(), w.b.c.Deadline())
	for _, f := range w.flights {
		n = earliest(n, f.at)
	}
	return n
}

// step does what is due next, if that is until limit. It reports false if not.
func (w *world) step(limit time.Time) bool {
	w.t.Helper()
	n := w.next()
	if n.IsZero() || n.After(limit) {
		return false
	}
	if n.After(w.now) {
		w.now = n
	}
	// Datagrams first: what has arrived is read before silence is judged.
	at := -1
	for i, f := range w.flights {
		if !f.at.After(w.now) && (at < 0 || f.at.Before(w.flights[at].at)) {
			at = i
		}
	}
	if at >= 0 {
		f := w.flights[at]
		w.flights = slices.Delete(w.flights, at, at+1)
		if w.nat.lets(f) {
			f.to.deliver(f)
		}
		return true
	}
	for _, h := range []*host{w.a, w.b} {
		if due(h.c.Deadline(), w.now) {
			h.timeout()
		}
	}
	return true
}

// timeout calls HandleTimeout and complains if that leads nowhere.
func (h *host) timeout() {
	h.w.t.Helper()
	if h.timeoutAt != h.w.now {
		h.timeoutAt, h.timeouts = h.w.now, 0
	}
	if h.timeouts++; h.timeouts > 20 {
		h.w.t.Fatalf("%s: the deadline stays at %v: a busy loop", h.name, h.c.Deadline().Sub(start))
	}
	h.perform(h.c.HandleTimeout(h.w.now, nil))
}

// run lets d pass.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	limit := w.now.Add(d)
	for w.step(limit) {
	}
	w.now = limit
}

// until runs until ok holds, and reports false if it does not within d.
func (w *world) until(d time.Duration, ok func() bool) bool {
	w.t.Helper()
	limit := w.now.Add(d)
	for !ok() {
		if !w.step(limit) {
			w.now = limit
			return ok()
		}
	}
	return true
}

// idle: nothing is on its way.
func (w *world) idle() bool { return len(w.flights) == 0 }

// open has A send a packet and lets the context open.
func (w *world) open() {
	w.t.Helper()
	w.a.send(w.a.udp("open"))
	if !w.until(5*time.Second, func() bool { return w.a.path != nil && w.b.path != nil && len(w.b.got) == 1 && w.idle() }) {
		w.t.Fatalf("the context does not open: %v", w)
	}
	w.a.got, w.b.got, w.a.sent, w.b.sent = nil, nil, nil, nil
	w.a.events, w.b.events = nil, nil
}

// chat has both ends send a small packet every interval for d.
func (w *world) chat(d, interval time.Duration) {
	w.t.Helper()
	for range int(d / interval) {
		w.a.send(w.a.udp("chat"))
		w.b.send(w.b.udp("chat"))
		w.run(interval)
	}
}

// talk chats until both ends have heard what the other said from now on, and
// reports false if they do not within d.
func (w *world) talk(d time.Duration) bool {
	w.t.Helper()
	mark := fmt.Sprint("talk ", w.now.UnixNano())
	heard := func(h *host) bool {
		return slices.ContainsFunc(h.got, func(p []byte) bool { return bytes.HasSuffix(p, []byte(mark)) })
	}
	for range int(d / (50 * time.Millisecond)) {
		w.a.send(w.a.udp(mark))
		w.b.send(w.b.udp(mark))
		w.run(50 * time.Millisecond)
		if heard(w.a) && heard(w.b) {
			return true
		}
	}
	return false
}

// String tells where both ends are.
func (w *world) String() string {
	s := fmt.Sprintf("at %v:", w.now.Sub(start))
	for _, h := range []*host{w.a, w.b} {
		st := h.c.Status(w.now)
		s += fmt.Sprintf("\n %s: %v, primary %v, %d sessions, %d sent, %d got, %d waiting; drops", h.name, st.State, st.Primary, len(h.c.sessions.all), len(h.sent), len(h.got), h.ring.Waiting())
		for d, n := range h.drops {
			if n > 0 && Drop(d) != DropNone {
				s += fmt.Sprintf(" %v %d", Drop(d), n)
			}
		}
	}
	return s
}

// only makes a fate that lets datagrams through on a directed pair of each
// direction only.
func only(w *world, ab, ba locator.Pair) func(*flight) []time.Duration {
	return func(f *flight) []time.Duration {
		p := ab
		if f.from == w.b {
			p = ba
		}
		if !f.between(p.Local, p.Remote.Addr()) {
			return nil
		}
		return []time.Duration{oneWay}
	}
}

func (h *host) count(k EventKind) (n int) {
	for _, e := range h.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// lastSent returns the newest datagram of type t.
func (h *host) lastSent(t wire.Type) *flight {
	h.w.t.Helper()
	for i := len(h.sent) - 1; i >= 0; i-- {
		if h.sent[i].kind() == t {
			return h.sent[i]
		}
	}
	h.w.t.Fatalf("%s has sent no %v", h.name, t)
	return nil
}

// frames seals control frames as h would, and has the other end take them in.
func (h *host) tell(frames []byte) Drop {
	h.w.t.Helper()
	b, ok := h.c.sessions.current.SealControl(frames)
	if !ok {
		h.w.t.Fatal("cannot seal")
	}
	o := h.other()
	return o.receive(locator.Pair{Local: h.path.Pair.Remote.Addr(), Remote: netip.AddrPortFrom(h.path.Pair.Local, locator.DefaultPort)}, b)
}

// Inner packets.

func ipv6(next byte, src, dst netip.Addr, payload []byte) []byte {
	p := make([]byte, 40, 40+len(payload))
	p[0], p[1], p[2], p[3] = 0x6a, 0xb1, 0x23, 0x45
	binary.BigEndian.PutUint16(p[4:], uint16(len(payload)))
	p[6], p[7] = next, 63
	s, d := src.As16(), dst.As16()
	copy(p[8:], s[:])
	copy(p[24:], d[:])
	return append(p, payload...)
}

// ipv4 makes a packet with options words of options.
func ipv4(proto byte, fragment uint16, options int, payload []byte) []byte {
	n := 20 + 4*options
	p := make([]byte, n, n+len(payload))
	p[0] = 0x40 | byte(n/4)
	binary.BigEndian.PutUint16(p[2:], uint16(n+len(payload)))
	binary.BigEndian.PutUint16(p[6:], fragment)
	p[8], p[9] = 64, proto
	copy(p[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	return append(p, payload...)
}

func udpBytes(payload string) []byte {
	b := []byte{0x10, 0, 0x20, 0, byte((8 + len(payload)) >> 8), byte(8 + len(payload)), 0, 0}
	return append(b, payload...)
}

// udp is a UDP packet from h to its peer.
func (h *host) udp(payload string) []byte {
	return ipv6(17, h.id.Public.Identifier(), h.cfg.Peer.Identifier(), udpBytes(payload))
}

// A tcp is a TCP segment.
type tcp struct {
	sport, dport uint16
	seq, ack     uint32
	flags        byte
	options      []byte
	length       int
}

const (
	fin = 1 << 0
	syn = 1 << 1
	ack = 1 << 4
)

func (s tcp) bytes() []byte {
	if s.sport == 0 {
		s.sport, s.dport = 1000, 2000
	}
	b := make([]byte, 20, 20+len(s.options)+s.length)
	binary.BigEndian.PutUint16(b, s.sport)
	binary.BigEndian.PutUint16(b[2:], s.dport)
	binary.BigEndian.PutUint32(b[4:], s.seq)
	binary.BigEndian.PutUint32(b[8:], s.ack)
	b[12], b[13] = byte(20+len(s.options))/4<<4, s.flags
	b = append(b, s.options...)
	return append(b, make([]byte, s.length)...)
}

// back is the segment's answer: ports swapped.
func (s tcp) back() tcp {
	if s.sport == 0 {
		s.sport, s.dport = 1000, 2000
	}
	return tcp{sport: s.dport, dport: s.sport, flags: ack}
}

// tcp is a TCP packet from h to its peer.
func (h *host) tcp(s tcp) []byte {
	return ipv6(protocolTCP, h.id.Public.Identifier(), h.cfg.Peer.Identifier(), s.bytes())
}

// distinct counts the packets that came, each once.
func (h *host) distinct() int {
	seen := map[string]bool{}
	for _, p := range h.got {
		seen[string(p)] = true
	}
	return len(seen)
}

// wireReport is the peer's Report that largest came of what s sealed.
func wireReport(s *Session, largest uint64) []byte {
	return wire.Report{Tag: s.remote, Largest: largest, Received: 1}.AppendTo(nil)
}
