package underlay

import (
	"errors"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Port returns the port that c is bound to, which may be one for each family.
func (c *Conn) Port(is6 bool) uint16 {
	s := c.v4
	if is6 {
		s = c.v6
	}
	port, err := s.port()
	if err != nil {
		panic(err)
	}
	return uint16(port)
}

// WithoutSegments has c send as on a kernel that lacks UDP_SEGMENT.
func (c *Conn) WithoutSegments() {
	for _, s := range []*socket{c.v6, c.v4} {
		if s != nil {
			s.segment.Store(false)
			s.out.segment.Store(false)
		}
	}
	for _, e := range *c.v6.exits.open.Load() {
		e.socket.segment.Store(false)
	}
}

// Exits returns the interfaces that c has sockets bound to.
func (c *Conn) Exits() (indexes []uint32) {
	for i, e := range *c.v6.exits.open.Load() {
		if e.socket != c.v6 {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// FailExits has c meet err whenever it opens a socket bound to an interface, and
// count it; nil has it succeed again.
func (c *Conn) FailExits(err error, count *int) {
	c.v6.exits.bind = func(index uint32) (*socket, error) {
		*count++
		if err != nil {
			return nil, err
		}
		return c.v6.exits.bindIn(index)
	}
}

// RetryExits has the time come at which c tries again.
func (c *Conn) RetryExits() {
	now := *c.v6.exits.open.Load() // the same map: time passes without a change
	for i, e := range now {
		if !e.retry.IsZero() {
			e.retry = time.Now()
			now[i] = e
		}
	}
}

// Segments reports whether c uses UDP_SEGMENT.
func (c *Conn) Segments() bool { return c.v6 != nil && c.v6.out.segment.Load() }

// CannotSegment has c meet err when it sends a run.
func (c *Conn) CannotSegment(err error) bool { return c.v6 != nil && c.v6.out.cannotSegment(err) }

// FailRuns has s meet err wherever it sends a run, and count it.
func (s *Sender) FailRuns(err unix.Errno, count *int) {
	s.call.system = func(fd uintptr, hs []mmsghdr) (int, unix.Errno) {
		switch first := slices.IndexFunc(hs, isRun); {
		case first == 0:
			*count++
			return 0, err
		case first > 0:
			hs = hs[:first] // as the kernel does, which then is asked for the rest
		}
		return sendmmsg(fd, hs)
	}
}

// isRun reports whether the control messages of h tell a segment size.
func isRun(h mmsghdr) bool {
	if h.Controllen == 0 {
		return false
	}
	ms, err := unix.ParseSocketControlMessage(unsafe.Slice(h.Control, h.Controllen))
	return err == nil && slices.ContainsFunc(ms, func(m unix.SocketControlMessage) bool {
		return m.Header.Level == unix.IPPROTO_UDP && m.Header.Type == unix.UDP_SEGMENT
	})
}

// CountWaits has s count how often a socket's queue is full.
func (s *Sender) CountWaits(count *int) {
	s.call.system = func(fd uintptr, hs []mmsghdr) (int, unix.Errno) {
		n, errno := sendmmsg(fd, hs)
		if errno == unix.EAGAIN {
			*count++
		}
		return n, errno
	}
}

// QueueLen bounds what the sockets that c sends by keep in their queues.
func (c *Conn) QueueLen(bytes int) (err error) {
	for _, s := range []*socket{c.v6, c.v4} {
		cerr := s.out.control(func(fd int) {
			err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes))
		})
		err = errors.Join(err, cerr)
	}
	return err
}
