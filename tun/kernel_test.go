package tun_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/testkit"
	"github.com/multi6/multi6/tun"
)

// inSpace runs do on a thread in a new network namespace, which goes away with
// it. Sockets that do opens stay there.
func inSpace(t *testing.T, do func(t *testing.T)) {
	t.Helper()
	testkit.NeedRoot(t)
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
	return opened(t, c, 0)
}

// opened opens a device whose kernel refuses the first sets of offloads, and waits until
// the kernel takes packets for its addresses, which it arranges a little later.
func opened(t *testing.T, c tun.Config, refused int) *tun.Kernel {
	t.Helper()
	k, err := tun.OpenLike(c, refused)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	for _, a := range c.Addresses {
		eventually(t, a.String()+" is local", func() bool {
			rs, err := netlink.RouteGet(a.Addr().AsSlice())
			return err == nil && len(rs) == 1 && rs[0].Type == unix.RTN_LOCAL
		})
	}
	return k
}

func TestKernelConfiguration(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		link, err := netlink.LinkByName("shim0")
		if err != nil {
			t.Fatal(err)
		}
		if a := link.Attrs(); a.GSOMaxSegs != 64 || a.GSOMaxSize != 60680 || a.GSOIPv4MaxSize != 60680 {
			used, missing := k.Offloads()
			t.Errorf("super-packets of %d segments, %d bytes, %d for IPv4; offloads %v, not %v", a.GSOMaxSegs, a.GSOMaxSize, a.GSOIPv4MaxSize, used, missing)
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

// TestRouteMTU: the routes to the peers say how long packets may be, from the start and
// when that changes; what TCP tells the other end stays.
func TestRouteMTU(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		c := config("shim0")
		c.RouteMTU = 1280
		k := open(t, c)
		check := func(to netip.Prefix, mtu, mss int) {
			t.Helper()
			rs, err := netlink.RouteGet(to.Addr().AsSlice())
			if err != nil || len(rs) != 1 || rs[0].MTU != mtu || rs[0].AdvMSS != mss {
				t.Errorf("route to %s: %+v, %v; want MTU %d, MSS %d", to, rs, err, mtu, mss)
			}
		}
		check(c.Routes[0], 1280, 1400-60)
		check(c.Routes[1], 1280, 1400-40)
		if err := k.SetRouteMTU(c.Routes[:1], 1362); err != nil {
			t.Fatal(err)
		}
		check(c.Routes[0], 1362, 1400-60)
		check(c.Routes[1], 1280, 1400-40)
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		if err := k.SetRouteMTU(c.Routes, 1400); !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestRouteMTUForgetsICMP: what ICMP errors have told the kernel is forgotten when a route is
// set, though it be to what it was.
func TestRouteMTUForgetsICMP(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		conn, err := net.Dial("udp4", net.JoinHostPort(peer4, "9"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(make([]byte, 1300)); err != nil {
			t.Fatal(err)
		}
		sent := read(t, k, func(p []byte) bool { return p[0]>>4 == 4 && len(p) > 1300 })
		ip := layers.IPv4{
			Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: net.ParseIP(peer4), DstIP: net.ParseIP(self4),
		}
		tooBig := layers.ICMPv4{
			TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeFragmentationNeeded), Seq: 1208,
		}
		pkt := assemble(t, &ip, &tooBig, gopacket.Payload(sent[:28]))
		if n, err := k.Write([]inner.Packet{{Buf: pkt}}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		mtu := func() int {
			rs, err := netlink.RouteGet(net.ParseIP(peer4))
			if err != nil || len(rs) != 1 {
				t.Fatal(rs, err)
			}
			return rs[0].MTU
		}
		eventually(t, "the kernel believes the error", func() bool { return mtu() == 1208 })
		if err := k.SetRouteMTU(config("shim0").Routes, 1400); err != nil {
			t.Fatal(err)
		}
		if got := mtu(); got != 1400 {
			t.Errorf("MTU %d after the route was set, want 1400", got)
		}
	})
}

// TestSourceOfRoute: packets to a peer come from the address that the configuration says,
// however much another is like the peer's.
func TestSourceOfRoute(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		c := config("shim0")
		self := netip.MustParseAddr("fdff::1")
		c.Addresses = append(c.Addresses, netip.PrefixFrom(self, 128))
		c.Sources = map[netip.Prefix]netip.Addr{c.Routes[0]: self}
		k := open(t, c)
		for _, mtu := range []int{1400, 1300} {
			rs, err := netlink.RouteGet(c.Routes[0].Addr().AsSlice())
			if err != nil || len(rs) != 1 || !rs[0].Src.Equal(self.AsSlice()) || rs[0].MTU != mtu {
				t.Errorf("%+v, %v; want source %s, MTU %d", rs, err, self, mtu)
			}
			if err := k.SetRouteMTU(c.Routes, 1300); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestKernelWithoutIPv6: that IPv6 is off on a host is no matter for the device.
func TestKernelWithoutIPv6(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		for _, of := range []string{"all", "default"} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+of+"/disable_ipv6", []byte("1"), 0); err != nil {
				t.Fatal(err)
			}
		}
		open(t, config("shim0"))
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

// read returns the next packet for which ok, whole, or fails.
func read(t *testing.T, k *tun.Kernel, ok func(pkt []byte) bool) []byte {
	t.Helper()
	r := newReading(16)
	for {
		got, err := r.from(t, k)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range got {
			if !ok(p.Buf) {
				continue
			}
			if err := p.CompleteChecksum(); err != nil {
				t.Fatal(err)
			}
			return bytes.Clone(p.Buf)
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
				if body := payload(t, pkt); string(body) != "question" {
					t.Fatalf("the packet holds %q", body)
				}
				swap(pkt[c.from:], pkt[c.to:], c.length)
				swap(pkt[c.header:], pkt[c.header+2:], 2) // the ports
				// Swapping changes no checksum.
				if n, err := k.Write([]inner.Packet{{Buf: pkt}}); n != 1 || err != nil {
					t.Fatal(n, err)
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

func TestKernelCloseEndsRead(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, tun.Config{Name: "shim0", MTU: 1400})
		ended := readUntilError(t, k)
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v, want os.ErrClosed", err)
		}
		if _, err := newReading(1).from(t, k); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read after Close: %v, want os.ErrClosed", err)
		}
		if _, err := k.Write([]inner.Packet{{Buf: packet(40, 7)}}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write after Close: %v, want os.ErrClosed", err)
		}
	})
}

// readUntilError reads from k, and returns the error that ends it.
func readUntilError(t *testing.T, k *tun.Kernel) <-chan error {
	ended := make(chan error, 1)
	go func() {
		r := newReading(1)
		for {
			// The kernel may send router solicitations at first.
			if _, err := k.Read(r.buf, r.pkts, 0, 0); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

// TestKernelRemoved: somebody removes the interface under the node.
func TestKernelRemoved(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		ended := readUntilError(t, k)
		link, err := netlink.LinkByName("shim0")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkDel(link); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, unix.EBADFD) {
			t.Errorf("Read: %v, want EBADFD", err)
		}
		if _, err := newReading(1).from(t, k); !errors.Is(err, unix.EBADFD) {
			t.Errorf("Read again: %v, want EBADFD", err)
		}
		if n, err := k.Write([]inner.Packet{{Buf: packet(40, 7)}}); n != 0 || !errors.Is(err, unix.EBADFD) {
			t.Errorf("Write = %d, %v, want EBADFD", n, err)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestKernelDown: somebody sets the interface down. Up again, it works as before.
func TestKernelDown(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		ended := readUntilError(t, k)
		link, err := netlink.LinkByName("shim0")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetDown(link); err != nil {
			t.Fatal(err)
		}
		pkts := []inner.Packet{{Buf: udpPacket(t, 6, []byte("x"))}, superPacket(t)}
		if n, err := k.Write(pkts); n != 0 || !errors.Is(err, unix.EIO) {
			t.Errorf("Write = %d, %v, want EIO", n, err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			t.Fatal(err)
		}
		if n, err := k.Write(pkts); n != 2 || err != nil {
			t.Errorf("Write = %d, %v, want 2 packets taken", n, err)
		}
		k.Close()
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v, want os.ErrClosed", err)
		}
	})
}

// TestKernelWriteManySegments: of UDP the kernel takes so many segments at once and no more.
func TestKernelWriteManySegments(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		for _, version := range []int{4, 6} {
			for _, segments := range []int{inner.MaxUDPSegments, inner.MaxUDPSegments + 1, 500} {
				p := partially(t, udpPacket(t, version, noise(100*segments)), 100)
				if n, err := k.Write([]inner.Packet{p}); n != 1 || err != nil {
					t.Errorf("IPv%d, %d segments: %d taken, %v", version, segments, n, err)
				}
			}
		}
	})
}

// TestKernelWriteBad: a packet that is none is refused, the others are taken.
func TestKernelWriteBad(t *testing.T) {
	inSpace(t, func(t *testing.T) {
		k := open(t, config("shim0"))
		good := inner.Packet{Buf: udpPacket(t, 6, []byte("x"))}
		for name, bad := range map[string]inner.Packet{
			"empty": {}, "version 5": {Buf: []byte{0x50, 1, 2, 3}}, "noise": {Buf: bytes.Repeat([]byte{0xff}, 60)},
			"too long":            {Buf: packet(tun.MaxPacket+1, 0)},
			"transport elsewhere": {Buf: good.Buf, Transport: 30, Partial: true},
			"not partial":         {Buf: good.Buf, Transport: 40, Segment: 3},
		} {
			if n, err := k.Write([]inner.Packet{bad, good, bad, good}); n != 2 || err == nil {
				t.Errorf("%s: %d taken, %v; want 2 and an error", name, n, err)
			}
		}
		if n, err := k.Write(nil); n != 0 || err != nil {
			t.Errorf("nothing: %d, %v", n, err)
		}
	})
}
