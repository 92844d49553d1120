package node

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// A peer is a peer's Context and what the packet path needs of it.
type peer struct {
	Peer
	identifier netip.Addr

	// context is owned by the loop, its Marks apart.
	context *shim.Context
	// path is the snapshot to send with, nil if packets are to wait.
	path atomic.Pointer[shim.Path]
	// sendFailed is the pair of the last send error that the loop is yet to be told of.
	sendFailed atomic.Pointer[locator.Pair]
	// tooLong is the pair of the last datagram that was too long for its interface, which
	// it is yet to be told of.
	tooLong atomic.Pointer[locator.Pair]
	// waking says that the peer is in Node.wakes.
	waking atomic.Bool
	// routed says that the routes to it have the path MTU.
	routed atomic.Bool
	// told says that the host was told of packets that are too long since its routes were
	// last set.
	told atomic.Bool

	// Owned by the loop. The order of what is small keeps a peer within 576 bytes, the
	// allocator's 8 for pointers included.
	heapIndex int32
	deadline  time.Time
	// namesAt is when its names may be asked for again, resolved what they have come
	// to.
	namesAt  time.Time
	resolved map[string][]netip.Addr
	// restAt is when the peer gives back memory, if it stays quiet.
	restAt time.Time
	// routedRoom is the room on the pair that the routes' MTUs are for, lowerAt when they
	// are to follow one that has less.
	lowerAt    time.Time
	routedRoom int32
	// down says that no pair has worked since that was logged, dual that there have been
	// pairs of IPv4 and of IPv6.
	down, dual bool

	// ringMu guards ring, which holds what was sent lately or waits for a path, what only
	// the one who sends may touch of the path's Term, and changes of path.
	ringMu   sync.Mutex
	ring     shim.Ring
	resender *resender // nil if nothing is to be sent again; only the loop sets it

	// arrivals are guarded by Node.inbound.
	arrivals shim.Arrivals

	counters counters
}

// counters count packets and the bytes of inner packets.
type counters struct {
	outPackets, outBytes  atomic.Uint64
	inPackets, inBytes    atomic.Uint64
	outControl, inControl atomic.Uint64
	waited, resent        atomic.Uint64
	marked                atomic.Uint64
}
