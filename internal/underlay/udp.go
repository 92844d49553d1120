package underlay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/fdwait"
)

// socketBuffer is the size asked for a socket's queues, so that a burst does not
// overflow them while the other core is busy.
const socketBuffer = 4 << 20

// A Conn sends and receives datagrams on one port, over IPv6 and IPv4.
type Conn struct {
	v6, v4 *socket // nil where the host lacks the family
	// errors ends an ErrorReader, if there is one.
	errors io.Closer
	// senders are those that Send uses.
	senders sync.Pool
	// news rings when Offloads has changed.
	news chan struct{}
}

type socket struct {
	file *fdwait.File
	is6  bool
	// device is the index of the interface that the socket is bound to, zero if
	// to none.
	device uint32
	// segment says that the kernel and the devices take UDP_SEGMENT.
	segment atomic.Bool
	// glue says that the kernel hands over runs (UDP_GRO).
	glue bool
	// stuck says that it had no room when it was last waited for.
	stuck atomic.Bool
	// hears says that the kernel queues ICMP errors here, and has calls fail.
	hears atomic.Bool
	// out is what to send by instead, where that is no matter of the interface, and exits
	// where it is.
	out   *socket
	exits *exits
	// home is the one whose exit this is.
	home *socket
}

// Listen binds port on all addresses of both families in the network namespace
// of the calling thread. A family that the host lacks is left out.
func Listen(port uint16) (*Conn, error) {
	v6, err6 := listen(true, port)
	v4, err4 := listen(false, port)
	c := &Conn{v6: v6, v4: v4, news: make(chan struct{}, 1)}
	c.senders.New = func() any { return c.NewSender() }
	for _, err := range []error{err6, err4} {
		if err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) {
			c.Close()
			return nil, err
		}
	}
	if v6 == nil && v4 == nil {
		return nil, errors.Join(err6, err4)
	}
	for _, s := range []*socket{v6, v4} {
		if s == nil {
			continue
		}
		var err error
		if s.out, err = outlet(s); err != nil {
			c.Close()
			return nil, fmt.Errorf("underlay: %w", err)
		}
		if s.exits, err = newExits(s); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

func listen(is6 bool, port uint16) (*socket, error) {
	domain, any := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(port)})
	if is6 {
		domain, any = unix.AF_INET6, &unix.SockaddrInet6{Port: int(port)}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("underlay: %w", os.NewSyscallError("socket", err))
	}
	if err = prepare(fd, is6); err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, any))
	}
	switch {
	case err == nil:
		return newSocket(fd, is6, 0)
	case errors.Is(err, syscall.EADDRINUSE):
		err = fmt.Errorf("UDP port %d is in use: end the other program, or choose another port in the configuration: %w", port, err)
	default:
		err = fmt.Errorf("underlay: %w", err)
	}
	return nil, errors.Join(err, unix.Close(fd))
}

// newSocket takes over fd, which is of one family and may be bound to a device.
func newSocket(fd int, is6 bool, device uint32) (*socket, error) {
	f, err := fdwait.New(fd)
	if err != nil {
		return nil, fmt.Errorf("underlay: %w", err)
	}
	s := &socket{file: f, is6: is6, device: device}
	s.offload()
	return s, nil
}

// prepare sets the options without which the socket is of no use.
func prepare(fd int, is6 bool) error {
	set := func(level, option, value int) error {
		return unix.SetsockoptInt(fd, level, option, value)
	}
	// Beyond the limit of net.core.rmem_max, which root may pass.
	_ = set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer)
	_ = set(unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
	if is6 {
		return errors.Join(
			set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1),
			set(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1),
			set(unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1),
			// The outer packet is never fragmented; the tunnel's MTU sees to it.
			set(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE),
		)
	}
	return errors.Join(
		set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1),
		set(unix.IPPROTO_IP, unix.IP_RECVTOS, 1),
		set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE),
	)
}

// Close makes all calls return; they fail with net.ErrClosed from then on.
func (c *Conn) Close() error {
	var errs []error
	if c.errors != nil {
		errs = append(errs, c.errors.Close())
	}
	for _, s := range []*socket{c.v6, c.v4} {
		if s != nil {
			if s.exits != nil {
				errs = append(errs, s.exits.close())
			}
			errs = append(errs, s.file.Close())
			if s.out != nil {
				errs = append(errs, s.out.file.Close())
			}
		}
	}
	return errors.Join(errs...)
}

// Receivers returns one Receiver for each address family.
func (c *Conn) Receivers() []*Receiver {
	var rs []*Receiver
	for _, s := range []*socket{c.v6, c.v4} {
		if s != nil {
			rs = append(rs, newReceiver(s))
		}
	}
	return rs
}

// wild returns the socket of p's family, nil if there is none.
func (c *Conn) wild(p *pair) *socket {
	for _, s := range []*socket{c.v6, c.v4} {
		if s != nil && s.takes(p) {
			return s
		}
	}
	return nil
}

// sender returns the socket that can send over p, which s takes.
func (s *socket) sender(p *pair) *socket {
	if p.by != 0 {
		if exit := s.exits.by(p.by); exit != s {
			return exit
		}
	}
	return s.out
}

// takes reports whether both ends of p are of the socket's family.
func (s *socket) takes(p *pair) bool {
	remote, local := p.remote.Addr(), p.local
	if s.is6 {
		return remote.Is6() && !remote.Is4In6() && (!local.IsValid() || local.Is6() && !local.Is4In6())
	}
	return remote.Is4() && (!local.IsValid() || local.Is4())
}
