package tun

import (
	"bytes"
	"os"
	"sync"
	"sync/atomic"

	"github.com/multi6/multi6/inner"
)

// memoryQueue is how many packets wait on either side of a Memory: the txqueuelen that
// Linux gives a TUN device.
const memoryQueue = 500

// A Memory is a TUN device without a kernel: what an application injects, the node
// reads; what the node writes, the application receives. It drops what does not fit its
// queues. Applications receive single packets with whole checksums: super-packets are cut
// for them. All methods may be called from any goroutine.
type Memory struct {
	in     chan inner.Packet
	out    chan []byte
	closed chan struct{}

	// mu keeps Close from closing a channel under a sender. It is never held
	// across anything that blocks.
	mu       sync.RWMutex
	isClosed bool

	inDrops, outDrops atomic.Uint64
}

var _ Device = (*Memory)(nil)

// NewMemory returns an open device with empty queues.
func NewMemory() *Memory {
	return &Memory{
		in:     make(chan inner.Packet, memoryQueue),
		out:    make(chan []byte, memoryQueue),
		closed: make(chan struct{}),
	}
}

// Inject puts a copy of the IP packet pkt in the queue that Read empties, as an
// application's send does. It reports false if the packet was dropped because the queue
// is full, the device closed, or the packet longer than MaxPacket.
func (m *Memory) Inject(pkt []byte) bool { return m.InjectPacket(inner.Packet{Buf: pkt}) }

// InjectPacket is Inject for what the kernel hands over with its offloads: also
// super-packets, and packets with a partial checksum. Those that inner.Packet.Check
// refuses are dropped too.
func (m *Memory) InjectPacket(p inner.Packet) bool {
	if len(p.Buf) <= MaxPacket && (plain(&p) || p.Check() == nil) {
		p.Buf = bytes.Clone(p.Buf)
		if enqueue(m, m.in, p) {
			return true
		}
	}
	m.inDrops.Add(1)
	return false
}

// Packets returns the packets that the node wrote, oldest first. The receiver
// owns them. The channel is closed by Close.
func (m *Memory) Packets() <-chan []byte { return m.out }

// Drops returns how many packets were dropped on the way to the node and on the
// way to the application.
func (m *Memory) Drops() (inject, write uint64) {
	return m.inDrops.Load(), m.outDrops.Load()
}

// Read implements Device.
func (m *Memory) Read(buf []byte, pkts []inner.Packet, headroom, tailroom int) (int, error) {
	place, err := placing(buf, pkts, headroom, tailroom)
	if err != nil {
		return 0, err
	}
	p, err := m.wait()
	if err != nil {
		return 0, err
	}
	for ok := true; ok; p, ok = m.poll(place.room()) {
		p.Buf = place.space()[:copy(place.space(), p.Buf)]
		place.add(p)
	}
	return place.n, nil
}

// wait blocks for the next injected packet.
func (m *Memory) wait() (inner.Packet, error) {
	select {
	case <-m.closed: // even if packets are waiting
		return inner.Packet{}, os.ErrClosed
	default:
	}
	select {
	case <-m.closed:
		return inner.Packet{}, os.ErrClosed
	case p := <-m.in:
		return p, nil
	}
}

// poll returns the next injected packet if there is one and the caller has
// room.
func (m *Memory) poll(room bool) (inner.Packet, bool) {
	if !room {
		return inner.Packet{}, false
	}
	select {
	case p := <-m.in:
		return p, true
	default:
		return inner.Packet{}, false
	}
}

// Write implements Device: the application gets copies. A packet that is neither
// IPv4 nor IPv6 gives EINVAL, as from the kernel. One that finds the queue full is dropped
// without an error.
func (m *Memory) Write(pkts []inner.Packet) (int, error) {
	select {
	case <-m.closed:
		return 0, os.ErrClosed
	default:
	}
	n := 0
	var first error
	for i := range pkts {
		err := m.write(&pkts[i])
		switch {
		case err == nil:
			n++
		case first == nil:
			first = err
		}
	}
	return n, first
}

// write hands over p as the single packets that it stands for.
func (m *Memory) write(p *inner.Packet) error {
	if err := writable(p); err != nil {
		return err
	}
	if plain(p) {
		m.deliver(bytes.Clone(p.Buf))
		return nil
	}
	var s splitter
	if err := s.begin(p); err != nil {
		return err
	}
	for s.more() {
		one := inner.Packet{Buf: make([]byte, s.size()), Transport: p.Transport, Partial: true}
		s.put(one.Buf)
		if err := one.CompleteChecksum(); err != nil {
			return err
		}
		m.deliver(one.Buf)
	}
	return nil
}

// deliver hands pkt to the application, or drops it.
func (m *Memory) deliver(pkt []byte) {
	if !enqueue(m, m.out, pkt) {
		m.outDrops.Add(1)
	}
}

// Close ends Read, and what is still waiting for it is lost. It may be called
// again.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isClosed {
		m.isClosed = true
		close(m.closed)
		close(m.out)
	}
	return nil
}

// enqueue puts v on q, or reports that it cannot.
func enqueue[T any](m *Memory, q chan<- T, v T) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.isClosed {
		return false
	}
	select {
	case q <- v:
		return true
	default:
		return false
	}
}
