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
	"github.com/multi6/multi6/internal/node"
)

// jumbo is the MTU of all links of a wide star, and jumboInner what the nodes'
// interfaces get to carry as much.
const (
	jumbo      = 9000
	jumboInner = jumbo - 38
)

// newWideStar is newStar with jumbo frames on all links.
func newWideStar(t *testing.T) *star {
	t.Helper()
	s := newStar(t)
	for _, u := range []*uplink{s.a1, s.a2, s.b1, s.b2} {
		must(t, s.core.SetMTU(u.name, jumbo))
		must(t, u.host.SetMTU(u.name, jumbo))
	}
	return s
}

func wideInner(c *node.Config) { c.MTU = jumboInner }

// pathMTU returns the path MTU of n's primary pair once its search is over, zero before.
func pathMTU(n *node.Node) int {
	s, _ := n.Status()
	for _, p := range s.Peers[0].Pairs {
		if p.Primary && p.PathMTUState == "search complete" {
			return p.PathMTU
		}
	}
	return 0
}

// awaitMTU waits until the path MTU that n has found is about mtu.
func awaitMTU(t *testing.T, n *node.Node, mtu int) (got int) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("path MTU of %d", mtu), func() bool {
		got = pathMTU(n)
		return mtu-8 < got && got <= mtu
	})
	return got
}

// kernelMTU returns how long packets from a host to an address may be, as its kernel
// believes.
func kernelMTU(t *testing.T, from *lab.Host, to netip.Addr) (mtu int) {
	t.Helper()
	must(t, from.Do(func() error {
		c, err := net.DialUDP("udp6", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
		if err != nil {
			return err
		}
		defer c.Close()
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		cerr := raw.Control(func(fd uintptr) { mtu, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU) })
		return errors.Join(cerr, err)
	}))
	return mtu
}

// A shrinking is a way in which A's path to B by a1 comes to carry less.
type shrinking struct {
	name string
	do   func(s *star, mtu int) error
}

var shrinkings = []shrinking{
	{"told by a router", func(s *star, mtu int) error { return s.core.SetMTU(s.b1.name, mtu) }},
	{"told by nobody", func(s *star, mtu int) error { return s.a1.link.SetBoth(narrowed(mtu)) }},
	{"at the own interface", func(s *star, mtu int) error { return s.a.SetMTU(s.a1.name, mtu) }},
}

// TestPathShrinksInMidFlow: under a TCP stream the path comes to carry less and less.
func TestPathShrinksInMidFlow(t *testing.T) {
	for _, f := range []family{v6, v4} {
		for _, c := range shrinkings {
			for _, offloads := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v %s, offloads %v", f, c.name, offloads), func(t *testing.T) { shrink(t, f, c, offloads) })
			}
		}
	}
}

func shrink(t *testing.T, f family, c shrinking, offloads bool) {
	s := newWideStar(t)
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, f)}, []netip.Addr{s.b1.plug(t, f)}, wideInner)
	if !offloads {
		for _, u := range []*uplink{s.a1, s.b1} {
			must(t, u.host.DisableOffloads(u.name))
			must(t, u.host.DisableOffloads("shim0"))
		}
	}
	tcp := d.aCallsB(t)
	defer tcp.finish(t)
	tcp.goesOn(t, "before")
	for _, mtu := range []int{jumbo, 1500, 1280} {
		if mtu < jumbo {
			must(t, c.do(s, mtu))
			tcp.goesOn(t, fmt.Sprintf("%d", mtu))
		}
		found := awaitMTU(t, d.a, mtu)
		tcp.goesOn(t, "found")
		want := max(found-38, 1280)
		if f == v4 {
			want = min(max(found-18, 1280), jumboInner)
		}
		eventually(t, patience, fmt.Sprintf("MTU of %d in the kernel", want), func() bool { return kernelMTU(t, s.a, d.idB) == want })
	}
}

func narrowed(mtu int) lab.Impairment {
	i := access
	i.MTU = mtu
	return i
}

// TestSwitchToNarrowPair: the primary pair fails in mid-flow, and the other one carries
// much less than it did. The other end's does, too, and nobody tells.
func TestSwitchToNarrowPair(t *testing.T) {
	s := newWideStar(t)
	must(t, s.a2.link.SetBoth(narrowed(1280)))
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, v6), s.a2.plug(t, v6)}, []netip.Addr{s.b1.plug(t, v6)}, wideInner)
	tcp := d.aCallsB(t)
	defer tcp.finish(t)
	tcp.goesOn(t, "before")
	if local, _ := awaitPrimary(t, d.a); s.carrying(local) != s.a1 {
		res, err := d.a.Switch(t.Context(), node.SwitchRequest{Peer: "b", Local: "a1"})
		must(t, err)
		if !res.Switched {
			t.Fatal("no switch to the wide pair")
		}
	}
	awaitMTU(t, d.a, jumbo)
	tcp.goesOn(t, "wide")
	dead := access
	dead.Blackhole = true
	must(t, s.a1.link.SetBoth(dead))
	tcp.goesOn(t, "switched")
	awaitMTU(t, d.a, 1280)
	tcp.goesOn(t, "narrow")
}

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

// TestOversizedDatagram: datagrams that may not be fragmented and are too long for the
// path are refused, as soon as the host has been told; those that may be, or that IPv6
// says every link carries, arrive even over a path that is too narrow for them.
func TestOversizedDatagram(t *testing.T) {
	a4, b4 := netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("10.99.0.2")
	s := newWideStar(t)
	must(t, s.a1.link.SetBoth(narrowed(1280)))
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, v6)}, []netip.Addr{s.b1.plug(t, v6)}, wideInner, func(c *node.Config) {
		own, others := a4, b4
		if c.Peers[0].Name == "a" {
			own, others = b4, a4
		}
		c.Addresses = []netip.Prefix{netip.PrefixFrom(own, 32)}
		c.Peers[0].Routes = []netip.Prefix{netip.PrefixFrom(others, 32)}
	})
	k6, k4 := newTalk(t, d, d.idA, d.idB), newTalk(t, d, a4, b4)
	k6.arrives(t, 1000)
	stop := k6.babble(t) // the search goes on while there is traffic
	awaitMTU(t, d.a, 1280)
	stop()
	for _, id := range []netip.Addr{d.idB, b4} {
		// The route says nothing: as if only the packets themselves could tell.
		must(t, d.hostA.AddRoute(lab.Route{To: netip.PrefixFrom(id, id.BitLen()), Interface: "shim0"}))
	}
	t.Run("IPv6", func(t *testing.T) {
		k6.fragments(t, false)
		k6.arrives(t, 1242) // 38 bytes are added
		k6.arrives(t, 1280) // in parts
		k6.runArrives(t, 1280, 3)
		before := drops(d.a)["oversize"]
		k6.refused(t, 1281)
		if drops(d.a)["oversize"] == before {
			t.Error("not counted")
		}
	})
	t.Run("IPv4", func(t *testing.T) {
		k4.fragments(t, true)
		k4.arrives(t, 1208) // 72 bytes are added
		k4.arrives(t, 1209)
		k4.arrives(t, 8000)
		k4.fragments(t, false)
		k4.refused(t, 1209)
		k4.arrives(t, 1208)
	})
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
