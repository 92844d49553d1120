package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
)

// A talk is two UDP sockets on inner addresses of A and B.
type talk struct{ near, far *net.UDPConn }

// newTalk opens them. A's is connected to B's.
func newTalk(t *testing.T, d *duo, a, b netip.Addr) talk {
	t.Helper()
	far := openUDP(t, d.hostB, netip.AddrPortFrom(b, 0), netip.AddrPort{})
	to := far.LocalAddr().(*net.UDPAddr).AddrPort()
	return talk{openUDP(t, d.hostA, netip.AddrPortFrom(a, 0), to), far}
}

func openUDP(t *testing.T, h *lab.Host, at, to netip.AddrPort) (c *net.UDPConn) {
	t.Helper()
	must(t, h.Do(func() (err error) {
		if to.IsValid() {
			c, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(at), net.UDPAddrFromAddrPort(to))
		} else {
			c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		}
		return err
	}))
	t.Cleanup(func() { c.Close() })
	return c
}

// fragments sets whether the near socket's packets may be fragmented: if not, it fails to
// send what is longer than the path MTU that the kernel knows (ip(7), ipv6(7)).
func (k talk) fragments(t *testing.T, may bool) {
	t.Helper()
	raw, err := k.near.SyscallConn()
	must(t, err)
	mode := unix.IP_PMTUDISC_DO
	if may {
		mode = unix.IP_PMTUDISC_DONT
	}
	must(t, raw.Control(func(fd uintptr) {
		if k.near.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, mode)
			return
		}
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, mode),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1),
		)
	}))
	must(t, err)
}

// arrives sends a datagram whose packet is size bytes long until it has arrived.
func (k talk) arrives(t *testing.T, size int) {
	t.Helper()
	payload := make([]byte, size-k.headers())
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	got := make([]byte, 65536)
	eventually(t, patience, fmt.Sprintf("datagram of %d bytes", size), func() bool {
		// What the kernel has been told of earlier ones may be the answer to this one.
		if _, err := k.near.Write(payload); err != nil && !errors.Is(err, syscall.EMSGSIZE) {
			t.Fatal(err)
		}
		must(t, k.far.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		n, err := k.far.Read(got)
		return err == nil && bytes.Equal(got[:n], payload)
	})
}

// runArrives sends so many datagrams whose packets are size bytes long in one call
// (UDP_SEGMENT), until as many have arrived.
func (k talk) runArrives(t *testing.T, size, count int) {
	t.Helper()
	n := size - k.headers()
	raw, err := k.near.SyscallConn()
	must(t, err)
	segment := func(size int) {
		must(t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size) }))
		must(t, err)
	}
	segment(n)
	defer segment(0)
	payload := make([]byte, count*n)
	for i := range payload {
		payload[i] = byte(i*11 + i/n)
	}
	got := make([]byte, 65536)
	eventually(t, patience, fmt.Sprintf("%d datagrams of %d bytes", count, size), func() bool {
		if _, err := k.near.Write(payload); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < count; {
			must(t, k.far.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
			m, err := k.far.Read(got)
			switch {
			case err != nil:
				return false
			case bytes.Equal(got[:m], payload[i*n:(i+1)*n]):
				i++
			}
		}
		return true
	})
}

// refused sends datagrams whose packets are size bytes long until the kernel will not.
func (k talk) refused(t *testing.T, size int) {
	t.Helper()
	tries := 0
	eventually(t, patience, fmt.Sprintf("EMSGSIZE for %d bytes", size), func() bool {
		tries++
		_, err := k.near.Write(make([]byte, size-k.headers()))
		if err != nil && !errors.Is(err, syscall.EMSGSIZE) {
			t.Fatal(err)
		}
		return err != nil
	})
	if tries == 1 {
		t.Error("the kernel knew before anything was sent: nothing was tested")
	}
}

func (k talk) headers() int {
	if k.near.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
		return 20 + 8
	}
	return 40 + 8
}

// babble sends short datagrams until stop is called.
func (k talk) babble(t *testing.T) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if _, err := k.near.Write([]byte("babble")); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	return func() { close(done); <-ended }
}
