package lab

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// DefaultCongestion is the congestion control that Linux uses unless it is told otherwise.
// Measurements name theirs: BBR, for one, stops almost wholly for 200 ms in every 10 s to
// look for a shorter round trip, which looks like a stall.
const DefaultCongestion = "cubic"

const knownPath = "/proc/sys/net/ipv4/tcp_available_congestion_control"

// A Control prepares a new socket, for [net.Dialer] and [net.ListenConfig].
type Control = func(network, address string, c syscall.RawConn) error

// WithCongestion returns a Control that gives sockets of TCP their congestion control, by the
// name that the kernel has for it; "" leaves the kernel's own. Connections that a listener
// accepts have the listener's. A namespace's default would not do: outside the first
// namespace the kernel takes only those for it that every user may choose.
func WithCongestion(name string) Control {
	return func(network, _ string, c syscall.RawConn) (err error) {
		if name == "" || !strings.HasPrefix(network, "tcp") {
			return nil
		}
		failed := c.Control(func(fd uintptr) { err = setCongestion(int(fd), name) })
		return cmp.Or(failed, err)
	}
}

func setCongestion(fd int, name string) error {
	err := os.NewSyscallError("setsockopt TCP_CONGESTION", unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name))
	if err == nil {
		return nil
	}
	if known, _ := os.ReadFile(knownPath); len(known) > 0 && errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("lab: TCP congestion control %q: this kernel has %s", name, strings.Join(strings.Fields(string(known)), ", "))
	}
	return fmt.Errorf("lab: TCP congestion control %q: %w", name, err)
}

// useCongestion has the host's connections use it, if the kernel has it.
func (h *Host) useCongestion(name string) error {
	h.congestion = name
	if name == "" {
		return nil
	}
	return h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		defer unix.Close(fd)
		return setCongestion(fd, name)
	})
}

// Congestion returns the congestion control of the connections that the host dials and
// listens for, "" for the kernel's own. Others that are to have it need [WithCongestion].
func (h *Host) Congestion() string { return h.congestion }
