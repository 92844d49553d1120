package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ErrClosed is returned by what is done to a Lab or Host after Close.
var ErrClosed = errors.New("lab: closed")

// A Host is one network namespace. Its methods may be called at the same time.
type Host struct {
	name  string // "a", "b", "r1", "r2" in a Lab
	free  bool   // made by NewSpace: the plan says nothing of it
	ns    netns.NsHandle
	nl    *netlink.Handle // bound to the namespace, whichever thread uses it
	calls chan func()     // to the host's own thread, which starts children
	// congestion is TCP's congestion control; "" is the kernel's own.
	congestion string

	mu     sync.RWMutex // held for reading while ns is in use
	closed bool
	gone   chan struct{} // closed when the host's own thread is about to end
}

// newHost makes a namespace with lo up and the system settings of s.
func newHost(name string, s []sysctl) (*Host, error) {
	h := &Host{name: name, calls: make(chan func()), gone: make(chan struct{})}
	ready := make(chan error)
	onThread(func() {
		defer close(h.gone)
		err := h.enterNew(s)
		ready <- err
		if err != nil {
			return
		}
		for call := range h.calls {
			call()
		}
	})
	if err := <-ready; err != nil {
		return nil, err
	}
	return h, nil
}

// enterNew moves the calling thread into a new namespace and sets it up.
func (h *Host) enterNew(s []sysctl) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("lab: making network namespaces needs root: %w", err)
		}
		return fmt.Errorf("lab: making a network namespace: %w", err)
	}
	ns, err := netns.Get()
	if err != nil {
		return fmt.Errorf("lab: %s: namespace: %w", h.name, err)
	}
	h.ns = ns
	if h.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return errors.Join(fmt.Errorf("lab: %s: netlink: %w", h.name, err), ns.Close())
	}
	if err := errors.Join(h.setUp("lo"), writeSysctls(s)); err != nil {
		h.nl.Close()
		return errors.Join(fmt.Errorf("lab: %s: %w", h.name, err), ns.Close())
	}
	return nil
}

// Name returns the host's name in lower case.
func (h *Host) Name() string { return h.name }

// Do runs fn on a thread inside the namespace and returns its error. Sockets, files
// and netlink handles that fn makes belong to the namespace for good;
// goroutines that it starts run outside. The thread ends with fn: start
// processes with [Host.Start].
func (h *Host) Do(fn func() error) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return ErrClosed
	}
	done := make(chan error)
	onThread(func() {
		if err := netns.Set(h.ns); err != nil {
			done <- fmt.Errorf("lab: entering %s: %w", h.name, err)
			return
		}
		done <- fn()
	})
	return <-done
}

// Start starts cmd inside the namespace. The kernel kills it with SIGKILL when
// the Host is closed or this process ends, however it ends. The caller must
// Wait for it.
func (h *Host) Start(cmd *exec.Cmd) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return ErrClosed
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	done := make(chan error)
	// prctl(2): the signal comes when the *thread* that forked ends, so this
	// thread lives as long as the host.
	h.calls <- func() { done <- cmd.Start() }
	return <-done
}

// Dial connects from inside the namespace, as [net.Dialer.DialContext] does.
// The address must be numeric: a name would be looked up outside.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return h.DialFrom(ctx, network, netip.Addr{}, address)
}

// DialFrom is Dial from the given local address; the zero address leaves the
// choice to the kernel. TCP and UDP only.
func (h *Host) DialFrom(ctx context.Context, network string, local netip.Addr, address string) (c net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("lab: dial from %s: %w", h.name, err)
	}
	d := net.Dialer{Control: WithCongestion(h.congestion)}
	d.SetMultipathTCP(false)
	if local.IsValid() {
		switch ap := netip.AddrPortFrom(local, 0); network {
		case "tcp", "tcp4", "tcp6":
			d.LocalAddr = net.TCPAddrFromAddrPort(ap)
		case "udp", "udp4", "udp6":
			d.LocalAddr = net.UDPAddrFromAddrPort(ap)
		default:
			return nil, fmt.Errorf("lab: dial from %s: network %q", local, network)
		}
	}
	err = h.Do(func() error {
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Listen listens for plain TCP inside the namespace, on a numeric address.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	lc := net.ListenConfig{Control: WithCongestion(h.congestion)}
	// Go listens for Multipath TCP by default, which would hide faults.
	lc.SetMultipathTCP(false)
	err = h.Do(func() error {
		l, err = lc.Listen(context.Background(), network, address)
		return err
	})
	return l, err
}

// ListenPacket opens a datagram socket inside the namespace, on a numeric
// address.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = h.Do(func() error {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// Addr6 returns the IPv6 address of the host's uplink 0 or 1; the zero Addr for a
// router.
func (h *Host) Addr6(uplink int) netip.Addr {
	if !h.hasUplink(uplink) {
		return netip.Addr{}
	}
	return hostPort(h.name, uplink).v6.Addr()
}

// Addr4 returns the IPv4 address of the host's uplink 0 or 1; the zero Addr for a
// router.
func (h *Host) Addr4(uplink int) netip.Addr {
	if !h.hasUplink(uplink) {
		return netip.Addr{}
	}
	return hostPort(h.name, uplink).v4.Addr()
}

// Gateway6 returns the IPv6 address of the router at the other end of the host's
// uplink 0 or 1; the zero Addr for a router.
func (h *Host) Gateway6(uplink int) netip.Addr {
	if !h.hasUplink(uplink) {
		return netip.Addr{}
	}
	return routerPort(h.name, uplink).v6.Addr()
}

// Interface returns the name of the host's uplink 0 or 1; "" for a router.
func (h *Host) Interface(uplink int) string {
	if !h.hasUplink(uplink) {
		return ""
	}
	return hostPort(h.name, uplink).name
}

func (h *Host) hasUplink(i int) bool {
	return !h.free && (h.name == "a" || h.name == "b") && i >= 0 && i < uplinks
}

// close lets go of the namespace, which kills the children started in it. It
// waits for the calls under way.
func (h *Host) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	close(h.calls)
	<-h.gone
	h.nl.Close()
	return h.ns.Close()
}
