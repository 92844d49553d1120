package tun_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/tun"
)

// inSpace runs do on a thread in a new network namespace, which goes away with
// it. Sockets that do opens stay there.
func inSpace(t *testing.T, do func(t *testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("MULTI6_REQUIRE_ROOT") != "" {
			t.Fatal("the kernel tier needs root")
		}
		t.Skip("the kernel tier needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
	do(t)
}

const (
	self6, peer6 = "fd00::1", "fd00::2"
	self4, peer4 = "10.99.0.1", "10.99.1.7"
)

func config(name string) tun.Config {
	return tun.Config{
		Name: name, MTU: 1400,
		Addresses: []netip.Prefix{netip.MustParsePrefix(self6 + "/128"), netip.MustParsePrefix(self4 + "/24")},
		Routes:    []netip.Prefix{netip.MustParsePrefix(peer6 + "/128"), netip.MustParsePrefix("10.99.1.0/24")},
	}
}

func open(t *testing.T, c tun.Config) *tun.Kernel {
	t.Helper()
	k, err := tun.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func TestKernelConfiguration(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		link, err := netlink.LinkByName("shim0")
		if err != nil {
			t.Fatal(err)
		}
		if a := link.Attrs(); a.MTU != 1400 || a.Flags&net.FlagUp == 0 || a.Index != k.Index() {
			t.Errorf("MTU %d, flags %v, index %d; want 1400, up, %d", a.MTU, a.Flags, a.Index, k.Index())
		}
		for _, want := range []string{self6 + "/128", self4 + "/24"} {
			if got := addresses(t, link); !slices.Contains(got, want) {
				t.Errorf("addresses %v, want %s among them", got, want)
			}
		}
		for _, want := range []string{peer6 + "/128", "10.99.1.0/24"} {
			if got := routes(t); !slices.Contains(got, want) {
				t.Errorf("routes %v, want %s among them", got, want)
			}
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the interface is gone", func() bool { _, err := net.InterfaceByName("shim0"); return err != nil })
		for _, gone := range []string{peer6 + "/128", "10.99.1.0/24"} {
			if slices.Contains(routes(t), gone) {
				t.Errorf("route %s is left behind", gone)
			}
		}
		if err := k.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

// addresses returns those of an interface, without link-local ones.
func addresses(t *testing.T, link netlink.Link) (list []string) {
	t.Helper()
	as, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range as {
		if a.Flags&unix.IFA_F_TENTATIVE != 0 {
			t.Errorf("%s is tentative", a.IPNet)
		}
		list = append(list, a.IPNet.String())
	}
	return list
}

func routes(t *testing.T) (list []string) {
	t.Helper()
	rs, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if r.Dst != nil {
			list = append(list, r.Dst.String())
		}
	}
	return list
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}

// TestKernelOpenFails: what cannot be done is said, and nothing is left behind.
func TestKernelOpenFails(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		open(t, config("taken"))
		for _, c := range []struct {
			name string
			edit func(c *tun.Config)
			want string
		}{
			{"name exists", func(c *tun.Config) { c.Name = "taken" }, "interface taken exists already"},
			{"name too long", func(c *tun.Config) { c.Name = "a-name-of-seventeen" }, "a-name-of-seventeen"},
			{"MTU", func(c *tun.Config) { c.MTU = 10 }, "MTU 10 of shim1"},
			{"no address", func(c *tun.Config) { c.Addresses = []netip.Prefix{{}} }, "address"},
			{"route exists", func(c *tun.Config) {
				c.Routes = append(c.Routes, c.Routes[0])
			}, "there is such a route already"},
		} {
			cfg := config("shim1")
			c.edit(&cfg)
			k, err := tun.Open(cfg)
			if err == nil {
				k.Close()
				t.Fatalf("%s: Open did not fail", c.name)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %q, want %q in it", c.name, err, c.want)
			}
			eventually(t, "shim1 is gone", func() bool { _, err := net.InterfaceByName("shim1"); return err != nil })
		}
	})
}

// read returns the next packet for which ok, or fails.
func read(t *testing.T, k *tun.Kernel, ok func(pkt []byte) bool) []byte {
	t.Helper()
	const offset = 40
	bufs, sizes := buffers(k.BatchSize(), offset+2000)
	for {
		n, err := k.Read(bufs, sizes, offset)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if pkt := bufs[i][offset : offset+sizes[i]]; ok(pkt) {
				return bytes.Clone(pkt)
			}
		}
	}
}

// TestKernelPackets has an application send a datagram, which the device reads,
// and answers it by writing.
func TestKernelPackets(t *testing.T) {
	for _, c := range []struct {
		network, self, peer string
		header              int
		protocol            int // where its number stands
		from, to            int // where the addresses are, and their length
		length              int
	}{
		{"udp6", self6, peer6, 40, 6, 8, 24, 16},
		{"udp4", self4, peer4, 20, 9, 12, 16, 4},
	} {
		t.Run(c.network, func(t *testing.T) {
			inSpace(t, func(t *testing.T) {
				k := open(t, config("shim0"))
				conn, err := net.Dial(c.network, net.JoinHostPort(c.peer, "9"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write([]byte("question")); err != nil {
					t.Fatal(err)
				}
				pkt := read(t, k, func(p []byte) bool { return len(p) > c.header && p[c.protocol] == syscall.IPPROTO_UDP })
				if body := pkt[c.header+8:]; string(body) != "question" {
					t.Fatalf("the packet holds %q", body)
				}
				swap(pkt[c.from:], pkt[c.to:], c.length)
				swap(pkt[c.header:], pkt[c.header+2:], 2) // the ports
				// Swapping changes no checksum.
				out := append(make([]byte, tun.WriteHeadroom), pkt...)
				if _, err := k.Write([][]byte{out}, tun.WriteHeadroom); err != nil {
					t.Fatal(err)
				}
				conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				got := make([]byte, 100)
				if n, err := conn.Read(got); err != nil || string(got[:n]) != "question" {
					t.Errorf("the application got %q, %v", got[:n], err)
				}
			})
		})
	}
}

func swap(a, b []byte, n int) {
	for i := range n {
		a[i], b[i] = b[i], a[i]
	}
}

// TestKernelTCP sends 1 MiB through a TCP connection between two devices, with
// packets shuttled between them. The kernel hands over super-packets, which come
// as segments of at most the MTU.
func TestKernelTCP(t *testing.T) {
	for _, c := range []struct{ network, self, peer string }{{"tcp6", self6, peer6}, {"tcp4", self4, peer4}} {
		t.Run(c.network, func(t *testing.T) { testKernelTCP(t, c.network, c.self, c.peer) })
	}
}

func testKernelTCP(t *testing.T, network, self, peer string) {
	var near, far *tun.Kernel
	var l net.Listener
	var conn net.Conn
	defer func() {
		for _, k := range []*tun.Kernel{near, far} {
			if k != nil {
				k.Close()
			}
		}
	}()
	swapped := config("shim0")
	swapped.Addresses = []netip.Prefix{netip.MustParsePrefix(peer6 + "/128"), netip.MustParsePrefix(peer4 + "/24")}
	swapped.Routes = []netip.Prefix{netip.MustParsePrefix(self6 + "/128"), netip.MustParsePrefix("10.99.0.0/24")}
	var most, batches atomic.Int64
	var shuttles sync.WaitGroup
	inOtherSpace(t, func() {
		far = open(t, swapped)
		var err error
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		if l, err = lc.Listen(t.Context(), network, net.JoinHostPort(peer, "80")); err != nil {
			t.Fatal(err)
		}
	})
	defer l.Close()
	inSpace(t, func(t *testing.T) {
		near = open(t, config("shim0"))
		shuttles.Go(func() { shuttle(near, far, &most, &batches) })
		shuttles.Go(func() { shuttle(far, near, &most, &batches) })
		var d net.Dialer
		d.SetMultipathTCP(false)
		d.Timeout = 5 * time.Second
		var err error
		if conn, err = d.Dial(network, net.JoinHostPort(peer, "80")); err != nil {
			t.Fatal(err)
		}
	})
	defer conn.Close()
	want := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(want)
	got := make(chan []byte, 1)
	go func() {
		server, err := l.Accept()
		if err != nil {
			got <- nil
			return
		}
		defer server.Close()
		b, _ := io.ReadAll(server)
		got <- b
	}()
	if _, err := conn.Write(want); err != nil {
		t.Fatal(err)
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
	near.Close()
	far.Close()
	shuttles.Wait()
	if most.Load() > 1400 {
		t.Errorf("a packet of %d bytes was read, want at most the MTU of 1400", most.Load())
	}
	if batches.Load() == 0 {
		t.Error("no read gave more than one packet: the device has no offload")
	}
}

// inOtherSpace is inSpace on another thread, and waits for it.
func inOtherSpace(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		inSpace(t, func(*testing.T) { do() })
	}()
	<-done
	if t.Failed() {
		t.FailNow()
	}
}

// shuttle carries packets between devices until one is closed.
func shuttle(from, to *tun.Kernel, most, batches *atomic.Int64) {
	const offset = 40
	bufs, sizes := buffers(from.BatchSize(), offset+1500)
	for {
		n, err := from.Read(bufs, sizes, offset)
		if err != nil {
			return
		}
		if n > 1 {
			batches.Add(1)
		}
		out := make([][]byte, n)
		for i := range n {
			most.Store(max(most.Load(), int64(sizes[i])))
			out[i] = bufs[i][:offset+sizes[i]]
		}
		if _, err := to.Write(out, offset); errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

func TestKernelCloseEndsRead(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, tun.Config{Name: "shim0", MTU: 1400})
		ended := make(chan error, 1)
		go func() {
			bufs, sizes := buffers(k.BatchSize(), 2000)
			for {
				// The kernel may send router solicitations at first.
				if _, err := k.Read(bufs, sizes, 0); err != nil {
					ended <- err
					return
				}
			}
		}()
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("Read: %v, want os.ErrClosed", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("Read goes on after Close")
		}
		bufs, sizes := buffers(k.BatchSize(), 2000)
		if _, err := k.Read(bufs, sizes, 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read after Close: %v, want os.ErrClosed", err)
		}
		if _, err := k.Write([][]byte{append(make([]byte, 16), packet(40, 7)...)}, 16); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write after Close: %v, want os.ErrClosed", err)
		}
	})
}

// TestKernelWriteBad: a packet that is none is refused, the others are taken.
func TestKernelWriteBad(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		for _, bad := range [][]byte{{}, {0x60}, {0x50, 1, 2, 3}, bytes.Repeat([]byte{0xff}, 60)} {
			_, err := k.Write([][]byte{append(make([]byte, tun.WriteHeadroom, 100), bad...)}, tun.WriteHeadroom)
			if err == nil {
				t.Logf("the kernel takes % x", bad)
			}
			if errors.Is(err, os.ErrClosed) {
				t.Errorf("% x: %v", bad, err)
			}
		}
	})
}
