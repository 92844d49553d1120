package netwatch

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A prober asks the kernel where an IPv6 packet from a given address by a given
// interface would go, as the underlay sends it: by a socket that is bound to the
// interface. There is no netlink question for that. With a source, RTM_GETROUTE
// takes the interface for a wish; without one, rules about the source are not
// heeded. But to connect a UDP socket means to look for its route, and sends
// nothing.
//
// One socket serves for all questions, in the namespace in which it was opened:
// to disconnect it takes its interface, address and port away again
// (__udp_disconnect), and to give it others needs no privilege.
type prober struct {
	fd int
}

// openProber opens its socket in the calling thread's namespace. It returns nil
// if the host has no IPv6.
func openProber() (*prober, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Whether the address may be used, such as during duplicate address detection,
	// is not the question.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &prober{fd}, nil
}

func (p *prober) close() { unix.Close(p.fd) }

// ask tells whether there is a route.
func (p *prober) ask(q question) (bool, error) {
	err := p.connect(q)
	if trouble := p.disconnect(); trouble != nil {
		return false, trouble
	}
	if err != nil && saysNoRoute(err) {
		return false, nil
	}
	return err == nil, err
}

func (p *prober) connect(q question) error {
	if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, q.index); err != nil {
		return fmt.Errorf("bind to interface %d: %w", q.index, err)
	}
	if err := unix.Bind(p.fd, &unix.SockaddrInet6{Addr: q.local.As16()}); err != nil {
		return fmt.Errorf("bind to %v: %w", q.local, err)
	}
	const discard = 9 // Any port will do.
	return os.NewSyscallError("connect", unix.Connect(p.fd, &unix.SockaddrInet6{Port: discard, Addr: q.remote.As16()}))
}

// disconnect makes the socket as good as new (connect(2), AF_UNSPEC).
func (p *prober) disconnect() error {
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(p.fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	if errno != 0 {
		return os.NewSyscallError("disconnect", errno)
	}
	return nil
}
