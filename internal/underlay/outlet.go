package underlay

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// What the sockets that only send are bound to: the exits to nowhere, the outlets to
// the others, as two sockets of one address and port would be in each other's way.
// No datagram is for them: the kernel drops what is sent to a group of scope 0,
// which RFC 4291 §2.7 reserves (erratum 3480), and nobody joins the base address of
// IPv4's groups, which RFC 5771 §4 reserves.
var (
	nowhere  = netip.MustParseAddr("ff00::")
	nowhere6 = netip.MustParseAddr("ff00::1")
	nowhere4 = netip.MustParseAddr("224.0.0.0")
	// nowhereExit4 is one of those that no router forwards, and nobody is assigned.
	nowhereExit4 = netip.MustParseAddr("224.0.0.255")
)

// outlet opens the socket that datagrams of wild's family leave by, if not by an
// exit. It shares wild's port, and the source is from IPV6_PKTINFO or IP_PKTINFO.
//
// Where the kernel queues ICMP errors, it also has the next call on that socket
// fail, whatever that call is about; a Send could not tell whether its datagram was
// meant. It also calls a datagram refused that the interface's queue had no room
// for (udp_send_skb). So nothing is sent by the sockets that hear of errors.
func outlet(wild *socket) (*socket, error) {
	domain, at := unix.AF_INET, nowhere4
	if wild.is6 {
		domain, at = unix.AF_INET6, nowhere6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := errors.Join(prepare(fd, wild.is6), wild.sharePort(fd, at)); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return newSocket(fd, wild.is6, 0)
}

// sharePort binds fd to an address and the port of s. The kernel looks at SO_REUSEADDR
// only then, and wants it of both; afterwards it is taken back, since any user's
// program could bind the port too.
func (s *socket) sharePort(fd int, at netip.Addr) error {
	port, err := s.port()
	if err != nil {
		return err
	}
	var to unix.Sockaddr = &unix.SockaddrInet6{Port: port, Addr: at.As16()}
	if at.Is4() {
		to = &unix.SockaddrInet4{Port: port, Addr: at.As4()}
	}
	cerr := s.control(func(shared int) {
		err = errors.Join(reuse(shared, 1), reuse(fd, 1))
		if err == nil {
			err = os.NewSyscallError("bind", unix.Bind(fd, to))
		}
		err = errors.Join(err, reuse(shared, 0), reuse(fd, 0))
	})
	return errors.Join(cerr, err)
}

func reuse(fd, on int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, on))
}

// port returns the one that s is bound to.
func (s *socket) port() (port int, err error) {
	cerr := s.control(func(fd int) {
		var a unix.Sockaddr
		a, err = unix.Getsockname(fd)
		switch a := a.(type) {
		case *unix.SockaddrInet6:
			port = a.Port
		case *unix.SockaddrInet4:
			port = a.Port
		}
	})
	return port, errors.Join(cerr, os.NewSyscallError("getsockname", err))
}

// control calls f with the descriptor of s, while others read and write. It returns
// net.ErrClosed after Close.
func (s *socket) control(f func(fd int)) error {
	if s.file.Control(func(fd uintptr) { f(int(fd)) }) != nil {
		return net.ErrClosed
	}
	return nil
}
