package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// An ErrorReader reads what the network says of the datagrams of a Conn (ICMP). It
// is for one goroutine.
//
// With IP_RECVERR and IPV6_RECVERR (ip(7), ipv6(7), RFC 3542 §11.2) the kernel
// queues ICMP errors at the socket that the quoted addresses and ports lead to.
// Those that send are bound to addresses that no datagram comes from, so that it is
// always one that receives, whatever the datagram left by.
//
// The kernel has the next call on that socket fail, too, once. That is no way to
// wait for the queue, which a Receiver may find empty or still full then: it is
// waited for by itself, with an epoll instance that no datagram wakes.
type ErrorReader struct {
	sockets []*socket
	// at is the socket to read next, len(sockets) if all were empty.
	at   int
	poll *os.File
	wait syscall.RawConn
	// quote and control are what an entry is read into.
	quote, control []byte
}

// quoteLen is how much of a datagram's payload is of interest: its header.
const quoteLen = 64

// Errors has the kernel keep ICMP errors, and returns who reads them. They must be
// read from then on, as they fill the sockets' queues. It is to be called once,
// before anything is sent.
func (c *Conn) Errors() (*ErrorReader, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("underlay: %w", os.NewSyscallError("epoll_create1", err))
	}
	_ = unix.SetNonblock(fd, true) // so that NewFile hands it to Go's own epoll
	r := &ErrorReader{
		poll:  os.NewFile(uintptr(fd), "underlay errors"),
		quote: make([]byte, quoteLen), control: make([]byte, 2*controlLen),
	}
	for _, s := range []*socket{c.v6, c.v4} {
		if s != nil {
			r.sockets = append(r.sockets, s)
			err = errors.Join(err, r.watch(fd, s))
		}
	}
	if err == nil {
		r.wait, err = r.poll.SyscallConn()
	}
	if err != nil {
		return nil, fmt.Errorf("underlay: cannot have ICMP errors queued: %w", errors.Join(err, r.poll.Close()))
	}
	c.errors = r.poll
	return r, nil
}

// watch turns the error queue of s on and has the epoll instance wait for it:
// EPOLLERR needs not be asked for (epoll_ctl(2)).
func (r *ErrorReader) watch(epoll int, s *socket) error {
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if s.is6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	var err error
	cerr := s.control(func(fd int) {
		event := unix.EpollEvent{Events: unix.EPOLLET & 0xffffffff, Fd: int32(fd)}
		err = errors.Join(
			os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, 1)),
			os.NewSyscallError("epoll_ctl", unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event)),
		)
	})
	s.hears.Store(err == nil)
	return errors.Join(cerr, err)
}

// Receive waits for at least one error and fills errs; the space of Quote is used
// again. It returns net.ErrClosed after Close.
func (r *ErrorReader) Receive(errs []ICMPError) (n int, err error) {
	for {
		for r.at < len(r.sockets) && n < len(errs) {
			got, err := r.next(r.sockets[r.at], &errs[n])
			switch {
			case errors.Is(err, net.ErrClosed):
				return n, net.ErrClosed
			case err != nil:
				r.at++ // Empty. What cannot be read must not be tried for ever.
			case got:
				n++
			}
		}
		if n > 0 || len(errs) == 0 {
			return n, nil
		}
		if err := r.sleep(); err != nil {
			return 0, err
		}
		r.at = 0
	}
}

// sleep waits until an error is queued anew.
func (r *ErrorReader) sleep() error {
	err := r.wait.Read(func(fd uintptr) bool {
		var events [2]unix.EpollEvent
		n, err := unix.EpollWait(int(fd), events[:], 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
	if err != nil {
		return net.ErrClosed // Nothing else ends it.
	}
	return nil
}

// next reads one entry of the queue of s. It reports false if that is none of ICMP.
func (r *ErrorReader) next(s *socket, e *ICMPError) (ok bool, err error) {
	var n, controls int
	var to unix.Sockaddr
	cerr := s.control(func(fd int) {
		for {
			n, controls, _, to, err = unix.Recvmsg(fd, r.quote, r.control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != unix.EINTR {
				return
			}
		}
	})
	if err := errors.Join(cerr, err); err != nil {
		return false, err
	}
	space := e.Quote[:0]
	*e = ICMPError{Quote: append(space, r.quote[:n]...)}
	switch a := to.(type) {
	case *unix.SockaddrInet6:
		e.Remote = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet4:
		e.Remote = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	default:
		return false, nil
	}
	// The packet info is of the ICMP packet.
	var info Message
	parseControl(r.control[:controls], &info)
	e.Local = info.Local
	return e.parse(r.control[:controls]), nil
}

// isICMP reports whether err is one that an ICMP error can have a later call fail
// with (Linux icmp_err_convert, icmpv6_err_convert).
func isICMP(err error) bool {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EACCES, unix.EPROTO, unix.EMSGSIZE,
		unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EHOSTDOWN, unix.ENONET:
		return true
	}
	return false
}
