package tun_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/tun"
)

// A joint joins two devices, each in a network namespace of its own:
//
//	namespace of near           the test          namespace of far
//	self6, self4  shim0  <-->  near - far  <-->  shim0  peer6, peer4
type joint struct {
	near, far *tun.Kernel
	shuttles  sync.WaitGroup
	// What near yields.
	supers, most, longest atomic.Int64
}

// join makes the devices, calls there in the namespace of far and then here in that
// of near, with packets being carried to and fro until the test ends. The kernel refuses far
// the first sets of offloads.
func join(t *testing.T, refused int, there, here func(t *testing.T)) *joint {
	t.Helper()
	j := new(joint)
	t.Cleanup(func() { j.shuttles.Wait() }) // after the devices were closed
	swapped := config("shim0")
	swapped.Addresses = []netip.Prefix{netip.MustParsePrefix(peer6 + "/128"), netip.MustParsePrefix(peer4 + "/24")}
	swapped.Routes = []netip.Prefix{netip.MustParsePrefix(self6 + "/128"), netip.MustParsePrefix("10.99.0.0/24")}
	inOtherSpace(t, func() {
		j.far = opened(t, swapped, refused)
		there(t)
	})
	inOtherSpace(t, func() {
		j.near = open(t, config("shim0"))
		j.shuttles.Go(func() { j.shuttle(t, j.near, j.far, j.count) })
		j.shuttles.Go(func() { j.shuttle(t, j.far, j.near, func(*inner.Packet) {}) })
		here(t)
	})
	return j
}

func (j *joint) count(p *inner.Packet) {
	if p.Segment > 0 {
		j.supers.Add(1)
		j.most.Store(max(j.most.Load(), int64(p.Segments())))
	}
	j.longest.Store(max(j.longest.Load(), int64(len(p.Buf))))
}

// shuttle carries packets between devices until one is closed.
func (j *joint) shuttle(t *testing.T, from, to *tun.Kernel, see func(p *inner.Packet)) {
	r := newReading(64)
	for {
		n, err := from.Read(r.buf, r.pkts, headroom, tailroom)
		if err != nil {
			return
		}
		for i := range n {
			see(&r.pkts[i])
		}
		if _, err := to.Write(r.pkts[:n]); errors.Is(err, os.ErrClosed) {
			return
		} else if err != nil {
			t.Errorf("Write: %v", err)
		}
	}
}

// sets are the offloads that a kernel may grant.
var sets = []string{
	"checksum tso4 tso6 uso, not ", "checksum tso4 tso6, not uso", "checksum tso4 tso6, not uso",
	"checksum, not tso4 tso6 uso", ", not checksum tso4 tso6 uso",
}

// offloadsOf says which offloads k has.
func offloadsOf(k *tun.Kernel) string {
	used, missing := k.Offloads()
	return strings.Join(used, " ") + ", not " + strings.Join(missing, " ")
}

// TestKernelTCP sends 4 MiB through a TCP connection between two devices. The kernel
// hands over super-packets, which the other one takes with any offloads, or none.
func TestKernelTCP(t *testing.T) {
	for refused, set := range sets {
		for _, c := range []struct{ network, peer string }{{"tcp6", peer6}, {"tcp4", peer4}} {
			t.Run(fmt.Sprintf("%s/%d %s", c.network, refused, set), func(t *testing.T) {
				j := transfer(t, refused, c.network, c.peer, func(uintptr) error { return nil })
				if got := offloadsOf(j.near); got != sets[0] {
					t.Errorf("offloads %q, want %q", got, sets[0])
				}
				if got := offloadsOf(j.far); got != set {
					t.Errorf("offloads %q, want %q", got, set)
				}
				if j.supers.Load() == 0 || j.most.Load() > 64 {
					t.Errorf("%d super-packets of up to %d segments; want some, with 64 at most", j.supers.Load(), j.most.Load())
				}
				// In one send with UDP_SEGMENT, 24 bytes longer each.
				if sealed := j.longest.Load() + 24*j.most.Load(); sealed > 65487 {
					t.Errorf("a super-packet is %d bytes sealed", sealed)
				}
				t.Logf("%d super-packets, up to %d segments, %d bytes", j.supers.Load(), j.most.Load(), j.longest.Load())
			})
		}
	}
}

// destinationOptions is a header that pads (RFC 8200 §4.6): next header (8), length (8),
// PadN of 6 bytes.
const destinationOptions = "\x00\x00\x01\x04\x00\x00\x00\x00"

// TestKernelTCPWithExtensions has the kernel put destination options in every segment.
func TestKernelTCPWithExtensions(t *testing.T) {
	j := transfer(t, 0, "tcp6", peer6, func(fd uintptr) error {
		return unix.SetsockoptString(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DSTOPTS, destinationOptions)
	})
	if j.supers.Load() != 0 {
		t.Errorf("%d super-packets with extensions", j.supers.Load())
	}
	if n := j.longest.Load(); n <= 1300 || n > 1400 {
		t.Errorf("packets of up to %d bytes, want nearly the MTU of 1400", n)
	}
}

// transfer sends 4 MiB over TCP from near to far. dialed gets the sender's socket.
func transfer(t *testing.T, refused int, network, peer string, dialed func(fd uintptr) error) *joint {
	var l net.Listener
	var conn net.Conn
	j := join(t, refused, func(t *testing.T) {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		var err error
		if l, err = lc.Listen(t.Context(), network, net.JoinHostPort(peer, "80")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}, func(t *testing.T) {
		d := net.Dialer{Timeout: 5 * time.Second, Control: func(_, _ string, c syscall.RawConn) (err error) {
			if e := c.Control(func(fd uintptr) { err = dialed(fd) }); e != nil {
				return e
			}
			return err
		}}
		d.SetMultipathTCP(false)
		var err error
		if conn, err = d.Dial(network, net.JoinHostPort(peer, "80")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	})
	want := noise(4 << 20)
	got := make(chan []byte, 1)
	go func() {
		var b []byte
		if server, err := l.Accept(); err == nil {
			b, _ = io.ReadAll(server)
			server.Close()
		}
		got <- b
	}()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(want); err != nil {
		t.Error(err)
	}
	conn.Close()
	select {
	case b := <-got:
		if !bytes.Equal(b, want) {
			t.Errorf("%d bytes came, or others than the %d sent", len(b), len(want))
		}
	case <-time.After(20 * time.Second):
		t.Error("not all came within 20 s")
	}
	if n := j.near.Malformed() + j.far.Malformed(); n != 0 {
		t.Errorf("%d malformed", n)
	}
	return j
}

// TestKernelUDPSegments sends 40 datagrams at once with UDP_SEGMENT, which is one
// super-packet, whatever the other device's kernel makes of it.
func TestKernelUDPSegments(t *testing.T) {
	const count, size, last = 40, 1200, 700
	for refused, set := range sets {
		for _, c := range []struct{ network, peer string }{{"udp6", peer6}, {"udp4", peer4}} {
			t.Run(fmt.Sprintf("%s/%d %s", c.network, refused, set), func(t *testing.T) {
				var server, conn net.Conn
				j := join(t, refused, func(t *testing.T) {
					addr, err := net.ResolveUDPAddr(c.network, net.JoinHostPort(c.peer, "9"))
					if err != nil {
						t.Fatal(err)
					}
					udp, err := net.ListenUDP(c.network, addr)
					if err != nil {
						t.Fatal(err)
					}
					server = udp
					t.Cleanup(func() { server.Close() })
				}, func(t *testing.T) {
					var err error
					if conn, err = net.Dial(c.network, net.JoinHostPort(c.peer, "9")); err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { conn.Close() })
				})
				raw, err := conn.(syscall.Conn).SyscallConn()
				if err != nil {
					t.Fatal(err)
				}
				raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size) })
				if err != nil {
					t.Fatal(err)
				}
				want := noise((count-1)*size + last)
				if _, err := conn.Write(want); err != nil {
					t.Fatal(err)
				}
				server.SetReadDeadline(time.Now().Add(5 * time.Second))
				buf := make([]byte, 2000)
				for i := range count {
					n, err := server.Read(buf)
					if err != nil {
						t.Fatalf("datagram %d: %v", i, err)
					}
					if w := want[i*size : min((i+1)*size, len(want))]; !bytes.Equal(buf[:n], w) {
						t.Fatalf("datagram %d has %d bytes, or others than the %d sent", i, n, len(w))
					}
				}
				if j.supers.Load() != 1 || j.most.Load() != count {
					t.Errorf("%d super-packets of up to %d segments, want 1 of %d", j.supers.Load(), j.most.Load(), count)
				}
			})
		}
	}
}

// TestKernelWithoutChecksum: what the kernel did not offer to complete goes out whole.
func TestKernelWithoutChecksum(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		for refused, set := range sets {
			k := opened(t, config("shim0"), refused)
			p := single(t, "x")
			whole := udpPacket(t, 4, []byte("x"))
			if _, err := k.Write([]inner.Packet{p}); err != nil {
				t.Fatal(err)
			}
			if got := bytes.Equal(p.Buf, whole); got != strings.HasPrefix(set, ",") {
				t.Errorf("%s: the checksum was completed: %v", set, got)
			}
			k.Close()
			eventually(t, "the interface is gone", func() bool { _, err := net.InterfaceByName("shim0"); return err != nil })
		}
	})
}

// connected returns a UDP socket that is connected to peer6.
func connected(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Connect(fd, &unix.SockaddrInet6{Addr: netip.MustParseAddr(peer6).As16(), Port: 9}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestKernelNoAllocation: neither reading nor writing allocates.
func TestKernelNoAllocation(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		fd := connected(t)
		r := newReading(4)
		question := []byte("question")
		for _, p := range []inner.Packet{{Buf: udpPacket(t, 6, []byte("x"))}, superPacket(t), single(t, "x")} {
			pkts := []inner.Packet{p}
			n := testing.AllocsPerRun(100, func() {
				if _, err := k.Write(pkts); err != nil {
					t.Fatal(err)
				}
				if _, err := unix.Write(fd, question); err != nil {
					t.Fatal(err)
				}
				if _, err := k.Read(r.buf, r.pkts, headroom, tailroom); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%v allocations", n)
			}
		}
	})
}
