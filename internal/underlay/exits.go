package underlay

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// retryAfter is how long an interface that no socket could be bound to goes
// without one: not for every datagram should it be tried.
const retryAfter = 10 * time.Second

// exits are the sockets that IPv6 datagrams leave by, one for each interface
// that a Message has named.
//
// To the kernel IPV6_PKTINFO's interface is a wish, once there is a source
// address: the best route wins, wherever it leads (ip6_route_output_flags). Of
// two default routes with different metrics, as network managers and router
// advertisements make them, the second would be of no use. For a socket that is
// bound to a device, only that device's routes count. Inbound datagrams would go
// to such a socket before the unbound one, so each is also bound to an address
// that none can have; the source is from IPV6_PKTINFO all the same. That needs
// no privilege (Linux 5.7), no route, and no one to read from it. Rules and
// tables are looked at as ever.
//
// For IPv4 the interface of IP_PKTINFO is an order, and there are no exits.
type exits struct {
	// space is where sockets are opened, whatever thread needs one.
	space netns.NsHandle
	// wild is the socket of no interface, whose port the others share.
	wild *socket
	// bind opens the socket of an interface; a test may put something else here.
	bind func(index uint32) (*socket, error)

	// open is never changed, but replaced by who holds mu: Send only looks.
	open   atomic.Pointer[map[uint32]exit]
	mu     sync.Mutex
	closed bool
}

// An exit is the socket to use for one interface.
type exit struct {
	socket *socket
	// retry, if not zero, is when to try again to bind a socket: this is the wild
	// one.
	retry time.Time
}

// newExits opens none yet. wild is for IPv6; the calling thread is in its
// network namespace.
func newExits(wild *socket) (*exits, error) {
	space, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("underlay: cannot tell the network namespace, see that /proc is mounted: %w", err)
	}
	x := &exits{space: space, wild: wild}
	x.bind = x.bindIn
	x.open.Store(&map[uint32]exit{})
	return x, nil
}

// by returns the socket for interface index. It is the wild one if none can be
// bound, and if there is no such interface, which it will say of itself.
func (x *exits) by(index uint32) *socket {
	if e, ok := (*x.open.Load())[index]; ok && e.good() {
		return e.socket
	}
	return x.add(index)
}

// good reports whether e need not be tried again.
func (e exit) good() bool { return e.retry.IsZero() || time.Now().Before(e.retry) }

// add opens the socket for interface index. It forgets those whose interface
// has gone: who dials up a hundred times has had a hundred interfaces.
func (x *exits) add(index uint32) *socket {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return x.wild
	}
	now := maps.Clone(*x.open.Load())
	if e, ok := now[index]; ok && e.good() {
		return e.socket // Another Send was here first.
	}
	for i, e := range now {
		if !e.good() || e.socket != x.wild && e.socket.deviceGone() {
			x.drop(now, i)
		}
	}
	s, err := x.bind(index)
	switch {
	case err == nil:
		now[index] = exit{socket: s}
	case errors.Is(err, unix.ENODEV):
		s = x.wild
	default:
		s = x.wild
		now[index] = exit{socket: s, retry: time.Now().Add(retryAfter)}
	}
	x.open.Store(&now)
	return s
}

// forget closes s, whose interface has gone.
func (x *exits) forget(s *socket) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := maps.Clone(*x.open.Load())
	if now[s.device].socket == s {
		x.drop(now, s.device)
		x.open.Store(&now)
	}
}

// drop takes interface index out of all and closes its socket.
func (x *exits) drop(all map[uint32]exit, index uint32) {
	if s := all[index].socket; s != x.wild {
		s.file.Close()
	}
	delete(all, index)
}

// close closes all but the wild socket; there will be no others.
func (x *exits) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil
	}
	x.closed = true
	var errs []error
	for _, e := range *x.open.Load() {
		if e.socket != x.wild {
			errs = append(errs, e.socket.file.Close())
		}
	}
	x.open.Store(&map[uint32]exit{})
	return errors.Join(append(errs, x.space.Close())...)
}

// bindIn is bindHere in the right namespace.
func (x *exits) bindIn(index uint32) (s *socket, err error) {
	err = inSpace(x.space, func() (err error) {
		s, err = x.bindHere(index)
		return err
	})
	return s, err
}

// bindHere opens a socket that is bound to interface index, in the namespace of
// the calling thread. The error is ENODEV if there is none.
func (x *exits) bindHere(index uint32) (*socket, error) {
	domain, at := unix.AF_INET, nowhereExit4
	if x.wild.is6 {
		domain, at = unix.AF_INET6, nowhere
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = prepare(fd, x.wild.is6)
	if err == nil {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, int(index)))
	}
	if err == nil {
		err = x.wild.sharePort(fd, at)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	s, err := newSocket(fd, x.wild.is6, index)
	if err == nil {
		s.home = x.wild
	}
	return s, err
}

// deviceGone reports whether the interface that s is bound to is no longer there.
func (s *socket) deviceGone() bool {
	gone := false
	err := s.control(func(fd int) {
		_, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
		gone = errors.Is(err, unix.ENODEV)
	})
	return gone || err != nil // It may be closed.
}
