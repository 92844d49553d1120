package lab_test

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/testkit"
)

// TestCongestion: both ends of a host's connections use what it was given, be it what every
// user may choose, as reno is, or not; a name that the kernel does not know is told with those
// that it does.
func TestCongestion(t *testing.T) {
	testkit.NeedRoot(t)
	for _, name := range []string{"reno", lab.DefaultCongestion} {
		h, err := lab.NewSpace("a", lab.SpaceOptions{Congestion: name})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		l, err := h.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		near, err := h.Dial(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer near.Close()
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer far.Close()
		if a, b := congestionOf(t, near), congestionOf(t, far); a != name || b != name {
			t.Errorf("who dials has %s and who listens %s, want %s", a, b, name)
		}
	}
	if _, err := lab.NewSpace("a", lab.SpaceOptions{Congestion: "none"}); err == nil || !strings.Contains(err.Error(), "this kernel has ") {
		t.Errorf("unknown congestion control: %v", err)
	}
	if l, err := lab.New(lab.Config{Congestion: "none"}); err == nil {
		l.Close()
		t.Error("a lab takes an unknown congestion control")
	}
}

func congestionOf(t *testing.T, c net.Conn) (name string) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { name, failed = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION) })
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return strings.TrimRight(name, "\x00")
}
