package lab_test

import (
	"context"
	"io"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
)

// TestDisableOffloads sends what the kernel may pass as super-packets over a pair of
// interfaces with offloads and over one without.
func TestDisableOffloads(t *testing.T) {
	const frame = 1514 // the longest, bytes
	for _, off := range []bool{false, true} {
		a, b := newSpace(t, "a", lab.SpaceOptions{}), newSpace(t, "b", lab.SpaceOptions{})
		from, to := prefixes("2001:db8::1/64"), prefixes("2001:db8::2/64")
		must(t, lab.Join("wire", lab.End{Host: a, Addrs: from}, lab.End{Host: b, Addrs: to}))
		if off {
			must(t, a.DisableOffloads("wire"))
			must(t, b.DisableOffloads("wire"))
		}
		for _, protocol := range []string{"tcp", "udp"} {
			before, err := b.Traffic("wire")
			must(t, err)
			if protocol == "tcp" {
				sendStream(t, a, b, netip.AddrPortFrom(to[0].Addr(), 9), 8<<20)
			} else {
				sendSegments(t, a, b, netip.AddrPortFrom(to[0].Addr(), 9))
			}
			after, err := b.Traffic("wire")
			must(t, err)
			mean := (after.InBytes - before.InBytes) / (after.InPackets - before.InPackets)
			if whole := mean > frame; whole == off {
				t.Errorf("%s, offloads off %t: packets are of %d bytes", protocol, off, mean)
			}
		}
	}
}

// sendStream sends n bytes over TCP, and waits until they are there.
func sendStream(t *testing.T, a, b *lab.Host, to netip.AddrPort, n int64) {
	t.Helper()
	l, err := b.Listen("tcp6", to.String())
	must(t, err)
	defer l.Close()
	near, err := a.Dial(context.Background(), "tcp6", to.String())
	must(t, err)
	go func() {
		_, _ = io.CopyN(near, zeros{}, n)
		near.Close()
	}()
	far, err := l.Accept()
	must(t, err)
	defer far.Close()
	if got, err := io.Copy(io.Discard, far); got != n || err != nil {
		t.Fatalf("%d of %d bytes: %v", got, n, err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// sendSegments sends 40 datagrams of 1200 bytes as one (UDP_SEGMENT, udp(7)), and
// waits until they are there.
func sendSegments(t *testing.T, a, b *lab.Host, to netip.AddrPort) {
	t.Helper()
	const size, count = 1200, 40
	far, err := b.ListenPacket("udp6", to.String())
	must(t, err)
	defer far.Close()
	near, err := a.Dial(context.Background(), "udp6", to.String())
	must(t, err)
	defer near.Close()
	raw, err := near.(syscall.Conn).SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size)
	}))
	must(t, err)
	_, err = near.Write(make([]byte, size*count))
	must(t, err)
	buffer := make([]byte, 2*size)
	for range count {
		if n, _, err := far.ReadFrom(buffer); n != size || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
}
