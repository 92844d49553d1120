package node

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multi6/multi6/shim"
)

// A peer is a peer's Context and what the packet path needs of it.
type peer struct {
	Peer
	identifier netip.Addr

	// context is owned by the loop, its Marks apart.
	context *shim.Context
	// path is the snapshot to send with, nil if packets are to wait.
	path    atomic.Pointer[shim.Path]
	waiting queue
	// sendFailed says that the loop is yet to be told of a send error.
	sendFailed atomic.Bool

	// ringMu guards ring, which holds what was sent lately, and what only the one
	// who sends may touch of the path's Term.
	ringMu sync.Mutex
	ring   shim.Ring

	counters counters

	// Owned by the loop.
	deadline  time.Time
	heapIndex int
	resender  resender
	// releaseAt is when the ring's memory goes, if the peer stays quiet.
	releaseAt time.Time
}

// counters count packets and the bytes of inner packets.
type counters struct {
	outPackets, outBytes  atomic.Uint64
	inPackets, inBytes    atomic.Uint64
	outControl, inControl atomic.Uint64
	waited, resent        atomic.Uint64
}

const (
	// queuePackets and queueBytes bound what waits for a path to one peer.
	queuePackets = 256
	queueBytes   = 256 << 10
)

// A queue holds copies of inner packets that wait for a path, oldest first. When
// it is full the oldest make room: TCP's latest retransmission is worth more
// than its first.
type queue struct {
	mu      sync.Mutex
	packets [][]byte
	bytes   int
}

// push adds a copy of pkt, with room around it to be sealed in place. It returns
// how many packets had to go.
func (q *queue) push(pkt []byte) (dropped int) {
	b := sealable(pkt)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.packets = append(q.packets, b)
	q.bytes += len(b)
	for len(q.packets) > queuePackets || q.bytes > queueBytes && len(q.packets) > 1 {
		q.bytes -= len(q.packets[0])
		q.packets = append(q.packets[:0], q.packets[1:]...)
		dropped++
	}
	return dropped
}

// take empties the queue. The packet in each buffer starts at shim.Headroom.
func (q *queue) take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	ps := q.packets
	q.packets, q.bytes = nil, 0
	return ps
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.packets)
}
