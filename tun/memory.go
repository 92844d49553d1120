package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	// memoryQueue is how many packets wait on either side of a Memory: the
	// txqueuelen that Linux gives a TUN device.
	memoryQueue = 500
	// memoryBatch is how many packets one Read of a Memory can return.
	memoryBatch = 128
)

// A Memory is a TUN device without a kernel: what an application injects, the
// node reads; what the node writes, the application receives. Like the real
// device without offloads it carries single packets, and it drops what does not
// fit its queues. All methods may be called from any goroutine.
type Memory struct {
	in     chan []byte
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
		in:     make(chan []byte, memoryQueue),
		out:    make(chan []byte, memoryQueue),
		closed: make(chan struct{}),
	}
}

// Inject puts a copy of the IP packet pkt in the queue that Read empties, as an
// application's send does. It reports false if the packet was dropped because
// the queue is full or the device closed.
func (m *Memory) Inject(pkt []byte) bool {
	return m.enqueue(m.in, pkt, &m.inDrops)
}

// Packets returns the packets that the node wrote, oldest first. The receiver
// owns them. The channel is closed by Close.
func (m *Memory) Packets() <-chan []byte { return m.out }

// Drops returns how many packets were dropped on the way to the node and on the
// way to the application.
func (m *Memory) Drops() (inject, write uint64) {
	return m.inDrops.Load(), m.outDrops.Load()
}

// Read blocks until there is a packet, then copies as many as are waiting and
// fit to bufs[i][offset:], their lengths to sizes[i], and returns how many. A
// packet longer than its buffer is dropped. The error is os.ErrClosed after
// Close.
func (m *Memory) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	room := min(len(bufs), len(sizes), memoryBatch)
	if room == 0 {
		return 0, errors.New("tun: no buffer to read into")
	}
	n := 0
	for n == 0 {
		pkt, err := m.wait()
		if err != nil {
			return 0, err
		}
		for ok := true; ok; pkt, ok = m.poll(n < room) {
			n += m.store(bufs[n], &sizes[n], offset, pkt)
		}
	}
	return n, nil
}

// wait blocks for the next injected packet.
func (m *Memory) wait() ([]byte, error) {
	select {
	case <-m.closed: // even if packets are waiting
		return nil, os.ErrClosed
	default:
	}
	select {
	case <-m.closed:
		return nil, os.ErrClosed
	case pkt := <-m.in:
		return pkt, nil
	}
}

// poll returns the next injected packet if there is one and the caller has
// room.
func (m *Memory) poll(room bool) ([]byte, bool) {
	if !room {
		return nil, false
	}
	select {
	case pkt := <-m.in:
		return pkt, true
	default:
		return nil, false
	}
}

// store copies pkt to buf[offset:] and returns 1, or drops it and returns 0.
func (m *Memory) store(buf []byte, size *int, offset int, pkt []byte) int {
	if offset < 0 || len(buf)-offset < len(pkt) {
		m.inDrops.Add(1)
		return 0
	}
	*size = copy(buf[offset:], pkt)
	return 1
}

// Write hands copies of the packets bufs[i][offset:] to the application and
// returns how many were well formed. A packet that is neither IPv4 nor IPv6
// gives EINVAL, as from the kernel; the others are still written. One that finds
// the queue full is dropped without an error. An offset below WriteHeadroom is
// an error, so that code which forgets the room fails here too. After Close the
// error is os.ErrClosed.
func (m *Memory) Write(bufs [][]byte, offset int) (int, error) {
	if offset < WriteHeadroom {
		return 0, fmt.Errorf("tun: write offset %d, want at least %d", offset, WriteHeadroom)
	}
	select {
	case <-m.closed:
		return 0, os.ErrClosed
	default:
	}
	var errs []error
	n := 0
	for i, b := range bufs {
		if len(b) <= offset || b[offset]>>4 != 4 && b[offset]>>4 != 6 {
			errs = append(errs, fmt.Errorf("tun: packet %d of %d: %w", i+1, len(bufs), syscall.EINVAL))
			continue
		}
		m.enqueue(m.out, b[offset:], &m.outDrops)
		n++
	}
	return n, errors.Join(errs...)
}

// BatchSize returns how many packets one Read can return.
func (m *Memory) BatchSize() int { return memoryBatch }

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

// enqueue puts a copy of pkt on q, or counts a drop.
func (m *Memory) enqueue(q chan<- []byte, pkt []byte, drops *atomic.Uint64) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !m.isClosed {
		select {
		case q <- append([]byte(nil), pkt...):
			return true
		default:
		}
	}
	drops.Add(1)
	return false
}
