package sim

import (
	"container/heap"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/multi6/multi6/internal/underlay"
)

const (
	// maxSegments is how many datagrams one message may hold (Linux:
	// UDP_MAX_SEGMENTS, 64 in all but the newest kernels).
	maxSegments = 64
	// maxWait is how long a datagram waits for a path with a Rate.
	maxWait = 100 * time.Millisecond
)

// A datagram is one UDP packet in flight or in a socket's queue. Nothing in it
// changes once it is sent, but for nic.
type datagram struct {
	from, to     netip.AddrPort
	trafficClass uint8
	payload      []byte
	nic          uint32 // index of the interface it came in by

	due    time.Time
	number uint64 // breaks ties, so that order is kept
}

func (d *datagram) path() Path { return Path{d.from.Addr(), d.to.Addr()} }

// size returns the length of the IP packet in bytes.
func (d *datagram) size() int {
	if d.to.Addr().Is4() {
		return 20 + 8 + len(d.payload)
	}
	return 40 + 8 + len(d.payload)
}

// send puts the datagrams of m on their way from s. The error is what the
// system call would return.
func (n *Network) send(now time.Time, s *Socket, m *underlay.Message) error {
	remote := netip.AddrPortFrom(m.Remote.Addr().WithZone(""), m.Remote.Port())
	nic, err := s.host.route(m.Local, m.Interface, remote.Addr())
	if err != nil {
		return err
	}
	to := n.owners[remote.Addr()]
	link := n.link(Path{m.Local, remote.Addr()}, nic, to)
	if link.NoRoute {
		return syscall.ENETUNREACH
	}
	payloads, err := split(m)
	if err != nil {
		return err
	}
	for _, p := range payloads {
		d := &datagram{
			from: netip.AddrPortFrom(m.Local, s.port), to: remote,
			trafficClass: m.TrafficClass, payload: p,
		}
		if nic.mtu != 0 && d.size() > nic.mtu {
			return syscall.EMSGSIZE
		}
		d.payload = slices.Clone(p)
		n.transmit(now, d, link)
	}
	return nil
}

// split returns the payloads that m holds, as parts of m.Buf.
func split(m *underlay.Message) ([][]byte, error) {
	if len(m.Buf) > underlay.MaxDatagram {
		return nil, syscall.EMSGSIZE
	}
	if m.Segment <= 0 || len(m.Buf) == 0 {
		return [][]byte{m.Buf}, nil
	}
	ps := slices.Collect(slices.Chunk(m.Buf, m.Segment))
	if len(ps) > maxSegments {
		return nil, syscall.EINVAL
	}
	return ps, nil
}

// transmit decides the fate of d on a path and puts what survives in flight.
func (n *Network) transmit(now time.Time, d *datagram, l Link) {
	t := n.traffic(d.path())
	// Always the same draws, so that a fault does not change later luck.
	lost, twice := t.rng.Float64() < l.Loss, t.rng.Float64() < l.Duplicate
	first, second := jitter(t.rng.Float64(), l), jitter(t.rng.Float64(), l)

	n.note(now, Sent, d)
	leaves, ok := t.queue(now, d.size(), l.Rate)
	switch {
	case l.Blocked:
		n.note(now, Blocked, d)
	case l.MTU != 0 && d.size() > l.MTU:
		n.note(now, TooBig, d)
	case !ok:
		n.note(now, Congested, d)
	case lost:
		n.note(now, Lost, d)
	default:
		n.fly(d, leaves.Add(l.Delay+first))
		if twice {
			n.note(now, Duplicated, d)
			again := *d
			n.fly(&again, leaves.Add(l.Delay+second))
		}
	}
}

// queue returns when the last of size bytes has left at rate, or false if that
// would take too long.
func (t *traffic) queue(now time.Time, size, rate int) (time.Time, bool) {
	if rate <= 0 {
		return now, true
	}
	if t.busyUntil.Before(now) {
		t.busyUntil = now
	}
	if t.busyUntil.Sub(now) > maxWait {
		return now, false
	}
	t.busyUntil = t.busyUntil.Add(time.Duration(size) * 8 * time.Second / time.Duration(rate))
	return t.busyUntil, true
}

func jitter(r float64, l Link) time.Duration { return time.Duration(r * float64(l.Jitter)) }

// fly puts d in flight until due.
func (n *Network) fly(d *datagram, due time.Time) {
	d.due, d.number = due, n.sent
	n.sent++
	heap.Push(&n.flying, d)
}

// flight is a heap of datagrams, the next due first.
type flight []*datagram

func (f flight) Len() int      { return len(f) }
func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f flight) Less(i, j int) bool {
	if f[i].due.Equal(f[j].due) {
		return f[i].number < f[j].number
	}
	return f[i].due.Before(f[j].due)
}
func (f *flight) Push(x any) { *f = append(*f, x.(*datagram)) }
func (f *flight) Pop() any {
	old := *f
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*f = old[:len(old)-1]
	return d
}
