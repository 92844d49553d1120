package generator

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience is for how long a read or write blocks before it looks whether it is to
// end.
const patience = 50 * time.Millisecond

// A socket blocks in reads and writes. With Go's poller, each wait would take a second
// thread and more system calls, which are no part of what is to be measured.
type socket struct {
	file *os.File
	fd   int
}

// fileConn is what net's connections have.
type fileConn interface {
	net.Conn
	File() (*os.File, error)
}

// newSocket takes over a connection, and closes it.
func newSocket(c fileConn) (*socket, error) {
	defer c.Close() // File has made a copy
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	s := &socket{f, int(f.Fd())} // Fd makes it block
	t := unix.NsecToTimeval(int64(patience))
	err = errors.Join(
		unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &t),
		unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &t),
	)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// read returns 0 bytes at the end of a stream, and also when it has waited for long
// enough, which it tells.
func (s *socket) read(b []byte) (n int, waited bool, err error) {
	n, err = unix.Read(s.fd, b)
	if err == unix.EAGAIN || err == unix.EINTR {
		return 0, true, nil
	}
	return n, false, err
}

// write may write less than all, or nothing when it has waited for long enough.
func (s *socket) write(b []byte) (n int, err error) {
	n, err = unix.Write(s.fd, b)
	if err == unix.EAGAIN || err == unix.EINTR {
		return 0, nil
	}
	return n, err
}

func (s *socket) close() error { return s.file.Close() }

// dialUDP connects a socket for datagrams.
func dialUDP(to netip.AddrPort) (*net.UDPConn, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, fmt.Errorf("generator: connecting to %s: %w", to, err)
	}
	return c, nil
}

// listenUDP opens a socket for datagrams.
func listenUDP(at netip.AddrPort) (*net.UDPConn, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("generator: listening on %s: %w", at, err)
	}
	return c, nil
}

func localAddress(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }
