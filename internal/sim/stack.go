package sim

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/multi6/multi6/tun"
)

// maxAccept is how many connections wait to be accepted on a port.
const maxAccept = 64

// ErrClosed means that the stack was closed.
var ErrClosed = errors.New("sim: TCP stack closed")

// compare orders flows, so that runs can be repeated.
func (f flow) compare(o flow) int {
	return cmp.Or(cmp.Compare(f.port, o.port), f.remote.Compare(o.remote))
}

// StackConfig says what a Stack is like.
type StackConfig struct {
	// Addr is the address of the stack: the node's identifier.
	Addr netip.Addr
	// MTU is the largest IP packet it sends, in bytes. Zero means 1280.
	MTU int
	// Seed decides initial sequence numbers.
	Seed uint64
}

// A Stack is the TCP of the applications behind one TUN device. A goroutine of
// its own runs it until Close, or until the device closes. Its methods may be
// called from any goroutine.
type Stack struct {
	dev  *tun.Memory
	addr netip.Addr
	mss  int
	kick chan struct{}
	stop chan struct{}
	done chan struct{}
	once sync.Once

	// mu guards everything below, and the connections. Nothing blocks while it
	// is held.
	mu        sync.Mutex
	rng       *rand.Rand
	conns     map[flow]*TCP
	listeners map[uint16]chan *TCP
	nextPort  uint16
	changed   chan struct{} // closed and replaced at every change
	bad       int
}

// flow names a connection of a stack.
type flow struct {
	port   uint16
	remote netip.AddrPort
}

// StartStack runs a stack on dev, whose Packets it takes for itself.
func StartStack(dev *tun.Memory, c StackConfig) *Stack {
	if c.MTU == 0 {
		c.MTU = 1280
	}
	s := &Stack{
		dev:       dev,
		addr:      c.Addr,
		mss:       c.MTU - ipv6Len - tcpLen,
		kick:      make(chan struct{}, 1),
		stop:      make(chan struct{}),
		done:      make(chan struct{}),
		rng:       rand.New(rand.NewPCG(c.Seed, 0)),
		conns:     make(map[flow]*TCP),
		listeners: make(map[uint16]chan *TCP),
		nextPort:  49152, // RFC 6335 §6: dynamic ports
		changed:   make(chan struct{}),
	}
	go s.run()
	return s
}

// Dial starts a connection from a new port and does not wait for it.
func (s *Stack) Dial(remote netip.AddrPort) *TCP {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextPort = max(s.nextPort+1, 49152)
	t := s.add(flow{s.nextPort, remote}, synSent)
	s.apply(t.conn.output(time.Now(), nil))
	return t
}

// Listen returns the connections that come in on port, as soon as their
// handshake begins. What finds 64 waiting is refused.
func (s *Stack) Listen(port uint16) <-chan *TCP {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners[port] == nil {
		s.listeners[port] = make(chan *TCP, maxAccept)
	}
	return s.listeners[port]
}

// Bad returns how many packets came that were no TCP segment for this stack
// with a right checksum.
func (s *Stack) Bad() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad
}

// Close stops the stack without a word to its peers, and returns when its
// goroutine has ended. It may be called again.
func (s *Stack) Close() {
	s.once.Do(func() { close(s.stop) })
	<-s.done
}

// run hands packets and time to the connections.
func (s *Stack) run() {
	defer close(s.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var wake <-chan time.Time
		if d := s.deadline(); !d.IsZero() {
			timer.Reset(time.Until(d))
			wake = timer.C
		}
		select {
		case <-s.stop:
			return
		case <-s.kick:
		case <-wake:
			s.handleTimeouts()
		case pkt, ok := <-s.dev.Packets():
			if !ok {
				return
			}
			s.handlePacket(pkt)
		}
	}
}

// deadline returns the first deadline of all connections.
func (s *Stack) deadline() (first time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.conns {
		first = earliest(first, t.conn.deadline())
	}
	return first
}

// handleTimeouts does what is due.
func (s *Stack) handleTimeouts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var out [][]byte
	for _, f := range slices.SortedFunc(maps.Keys(s.conns), flow.compare) {
		t := s.conns[f]
		out = t.conn.handleTimeout(now, out)
		if t.conn.state == closed {
			delete(s.conns, f)
		}
	}
	s.apply(out)
}

// handlePacket takes one packet from the device.
func (s *Stack) handlePacket(pkt []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if mtu, src, dst, ok := parseTooBig(pkt); ok {
		if t := s.conns[flow{src.Port(), dst}]; t != nil && src.Addr() == s.addr {
			s.apply(t.conn.tooBig(now, mtu, nil))
		}
		return
	}
	seg, err := parseSegment(pkt)
	if err != nil || seg.dst.Addr() != s.addr {
		s.bad++
		return
	}
	f := flow{seg.dst.Port(), seg.src}
	t := s.conns[f]
	if t == nil {
		t = s.accept(f, seg)
	}
	if t == nil {
		s.apply(refuse(seg))
		return
	}
	s.apply(t.conn.handleSegment(now, seg, nil))
	if t.conn.state == closed {
		delete(s.conns, f)
	}
}

// accept makes a connection for a SYN to a port that is listened on, or returns
// nil.
func (s *Stack) accept(f flow, seg segment) *TCP {
	l := s.listeners[f.port]
	if seg.flags&(flagSYN|flagACK|flagRST) != flagSYN || l == nil || len(l) == cap(l) {
		return nil
	}
	t := s.add(f, synReceived)
	l <- t // has room, and only accept sends
	return t
}

// add makes a connection.
func (s *Stack) add(f flow, state connState) *TCP {
	// Close below the wrap, so that each connection of some size meets it.
	iss := -uint32(1 + s.rng.IntN(200_000))
	t := &TCP{
		stack: s,
		conn:  newConn(netip.AddrPortFrom(s.addr, f.port), f.remote, state, iss, s.mss),
	}
	s.conns[f] = t
	return t
}

// refuse answers a segment for an unknown connection with a RST (RFC 9293
// §3.5.2).
func refuse(s segment) [][]byte {
	if s.flags&flagRST != 0 {
		return nil
	}
	r := segment{src: s.dst, dst: s.src, flags: flagRST, seq: s.ack}
	if s.flags&flagACK == 0 {
		r.flags |= flagACK
		r.seq, r.ack = 0, s.seq+s.length()
	}
	return [][]byte{r.appendTo(nil)}
}

// apply sends out, tells who waits, and has deadlines looked at again. What the
// device's queue has no room for is lost, and sent again in time.
func (s *Stack) apply(out [][]byte) {
	for _, pkt := range out {
		s.dev.Inject(pkt)
	}
	close(s.changed)
	s.changed = make(chan struct{})
	select {
	case s.kick <- struct{}{}:
	default:
	}
}
