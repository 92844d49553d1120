package underlay_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/underlay"
)

// named returns a datagram from A's uplink by the interface of uplink by, to B.
func (e *ends) named(t testing.TB, is6 bool, uplink, by, number int) underlay.Message {
	t.Helper()
	return underlay.Message{
		Buf: numbered(number, 300), Local: addr(e.lab.A, is6, uplink), Interface: index(t, e.lab.A, by),
		Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), port),
	}
}

// TestNamedInterfaceWins: a datagram leaves by the interface that it names, also
// if it is not its source's and the rule for its source leads elsewhere. (Routes
// and rules of all kinds are tested in package netwatch.)
func TestNamedInterfaceWins(t *testing.T) {
	e := newEnds(t)
	for _, is6 := range []bool{true, false} {
		for uplink := range 2 {
			for by := range 2 {
				t.Run(fmt.Sprintf("IPv6=%v from uplink %d by %d", is6, uplink, by), func(t *testing.T) {
					before := e.lab.Uplinks[by].Count(lab.AtoB)
					e.send(t, e.named(t, is6, uplink, by, 1))
					for end := time.Now().Add(5 * time.Second); e.lab.Uplinks[by].Count(lab.AtoB) == before; time.Sleep(time.Millisecond) {
						if time.Now().After(end) {
							t.Fatal("did not leave by the named interface")
						}
					}
				})
			}
		}
	}
}

// TestNamedRuns: runs and single datagrams by two interfaces and by none, in one
// call, all arrive whole, from the port that the answer is to go to.
func TestNamedRuns(t *testing.T) {
	for _, segments := range []bool{true, false} {
		t.Run(fmt.Sprintf("segments=%v", segments), func(t *testing.T) {
			e := newEnds(t)
			e.send(t, e.named(t, true, 0, 0, 0), e.named(t, true, 1, 1, 1)) // opens the sockets
			e.next(t)
			e.next(t)
			if !segments {
				e.a.WithoutSegments()
			}
			var msgs []underlay.Message
			left := make(map[string]bool)
			for i := range 150 {
				m := e.named(t, i%40 < 30, i/10%2, i/10%2, i)
				if i/20%2 == 1 {
					m.Interface = 0
				}
				msgs = append(msgs, m)
				left[fmt.Sprint(i, netip.AddrPortFrom(m.Local, port))] = true
			}
			e.send(t, msgs...)
			for range msgs {
				m := e.next(t)
				i := int(m.Buf[3])
				key := fmt.Sprint(i, m.Remote)
				if !left[key] || !bytes.Equal(m.Buf, numbered(i, 300)) {
					t.Fatalf("number %d from %v was not sent, or came twice or changed", i, m.Remote)
				}
				delete(left, key)
			}
		})
	}
}

// TestNothingIsTakenAway: the sockets that send by an interface receive nothing
// that came in by it.
func TestNothingIsTakenAway(t *testing.T) {
	e := newEnds(t)
	for i := range 2 { // B gets such sockets too.
		m := underlay.Message{
			Buf: []byte("back"), Local: e.lab.B.Addr6(i), Interface: index(t, e.lab.B, i),
			Remote: netip.AddrPortFrom(e.lab.A.Addr6(i), port),
		}
		if n, err := e.b.Send([]underlay.Message{m}); n != 1 || err != nil {
			t.Fatal(err)
		}
	}
	if got := len(e.b.Exits()); got != 2 {
		t.Fatalf("%d sockets bound to interfaces, want 2", got)
	}
	for i := range 40 {
		m := e.named(t, true, i%2, i%2, i)
		m.Remote = netip.AddrPortFrom(e.lab.B.Addr6(i/2%2), port)
		e.send(t, m)
		if got := e.next(t); !bytes.Equal(got.Buf, m.Buf) {
			t.Fatalf("got %q", got.Buf)
		}
	}
}

// TestPortIsNotShared: after the sockets have been opened, no other program can
// take the port, whatever it asks for.
func TestPortIsNotShared(t *testing.T) {
	e := newEnds(t)
	e.send(t, e.named(t, true, 0, 0, 0))
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		for _, device := range []uint32{0, index(t, e.lab.A, 0)} {
			err := e.lab.A.Do(func() error {
				fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				return errors.Join(
					unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1),
					unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1),
					unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, int(device)),
					unix.Bind(fd, &unix.SockaddrInet6{Port: port}),
				)
			})
			if !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("option %d, interface %d: %v, want EADDRINUSE", option, device, err)
			}
		}
	}
}

// TestRightNamespace: sockets are of the Conn's namespace, and the threads that
// had to go there come home.
func TestRightNamespace(t *testing.T) {
	e := newEnds(t)
	here, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	e.send(t, e.named(t, true, 0, 0, 0), e.named(t, true, 1, 1, 1))
	if got := len(e.a.Exits()); got != 2 {
		t.Fatalf("%d sockets bound to interfaces, want 2", got)
	}
	const threads = 20
	var ready, all sync.WaitGroup
	ready.Add(threads)
	for range threads {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			ready.Done()
			ready.Wait() // so that each has a thread of its own
			ns, err := netns.Get()
			if err != nil || !ns.Equal(here) {
				t.Errorf("a thread is in %v: %v", ns, err)
			}
			ns.Close()
		})
	}
	all.Wait()
}

// TestInterfaceGoes: its socket is closed at the next datagram by it, or at the
// first by a new one; a new interface of the same index is as good as the old.
func TestInterfaceGoes(t *testing.T) {
	e := newEnds(t)
	const x, y = 1001, 1002
	up0 := index(t, e.lab.A, 0)
	e.addUplink(t, x)
	e.addUplink(t, y)
	to := func(i uint32) underlay.Message {
		return underlay.Message{
			Buf: []byte("x"), Local: ownOn(i), Interface: i, Remote: netip.AddrPortFrom(ownOn(i).Next(), port),
		}
	}
	e.send(t, to(x), to(y))
	e.wantExits(t, x, y)

	e.removeUplink(t, x)
	msgs := []underlay.Message{to(x), to(y), to(x), to(x)}
	if n, err := e.out.Send(msgs); n != 1 || !errors.Is(err, syscall.ENODEV) || msgs[1].Err != nil || !errors.Is(msgs[3].Err, syscall.ENODEV) {
		t.Errorf("sent %d, %v, %v; want one and ENODEV", n, err, msgs[3].Err)
	}
	e.wantExits(t, y)

	e.addUplink(t, x)
	e.send(t, to(x))
	e.wantExits(t, x, y)

	e.removeUplink(t, y) // Nobody sends by it any more.
	e.send(t, e.named(t, true, 0, 0, 0))
	e.wantExits(t, up0, x)

	// The same index anew, while the socket of the old is open.
	e.removeUplink(t, x)
	e.addUplink(t, x)
	e.send(t, to(x))
	e.wantExits(t, up0, x)
}

func (e *ends) wantExits(t *testing.T, want ...uint32) {
	t.Helper()
	got := e.a.Exits()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("sockets bound to interfaces %v, want %v", got, want)
	}
}

// ownOn returns A's address on the interface of index i that addUplink made.
func ownOn(i uint32) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::1", i)) }

// addUplink gives A an interface of index i that leads nowhere.
func (e *ends) addUplink(t *testing.T, i uint32) {
	t.Helper()
	err := e.lab.A.Do(func() error {
		link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprint("x", i), Index: int(i)}, PeerName: fmt.Sprint("peer", i)}
		if err := errors.Join(netlink.LinkAdd(link), netlink.LinkSetUp(link)); err != nil {
			return err
		}
		a := &netlink.Addr{IPNet: &net.IPNet{IP: ownOn(i).AsSlice(), Mask: net.CIDRMask(64, 128)}, Flags: unix.IFA_F_NODAD}
		return netlink.AddrAdd(link, a)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (e *ends) removeUplink(t *testing.T, i uint32) {
	t.Helper()
	err := e.lab.A.Do(func() error {
		link, err := netlink.LinkByIndex(int(i))
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCannotBind: then the socket for all sends, and not every datagram is an
// attempt, whatever else is sent by.
func TestCannotBind(t *testing.T) {
	e := newEnds(t)
	tried := 0
	e.a.FailExits(syscall.EPERM, &tried)
	exchange := func() {
		t.Helper()
		for i := range 10 {
			for by := range 2 {
				e.send(t, e.named(t, true, by, by, i))
				e.next(t)
			}
		}
	}
	exchange()
	if tried != 2 {
		t.Errorf("tried %d times for two interfaces", tried)
	}
	e.a.FailExits(nil, &tried)
	exchange()
	if tried != 2 {
		t.Error("tried again at once")
	}
	e.a.RetryExits()
	e.send(t, e.named(t, true, 1, 1, 0)) // as the last one
	e.next(t)
	if tried != 3 {
		t.Error("not tried again when it was time")
	}
	exchange()
	if tried != 4 {
		t.Errorf("tried %d times for two interfaces, twice each", tried)
	}
	e.wantExits(t, index(t, e.lab.A, 0), index(t, e.lab.A, 1))
}

// TestOneSocketEach: who sends first opens it, the others use it.
func TestOneSocketEach(t *testing.T) {
	e := newEnds(t)
	opened := 0
	e.a.FailExits(nil, &opened)
	by := [2]underlay.Message{e.named(t, true, 0, 0, 0), e.named(t, true, 1, 1, 1)}
	const senders, each = 8, 20
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for range each {
				if _, err := e.a.Send([]underlay.Message{by[s%2]}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if opened != 2 {
		t.Errorf("%d sockets for two interfaces", opened)
	}
	for range senders * each {
		e.next(t)
	}
}

// TestCloseExits: with the Conn all its files are closed, while others send.
func TestCloseExits(t *testing.T) {
	before := openFiles(t)
	for range 3 {
		c, err := underlay.Listen(0)
		if err != nil {
			t.Fatal(err)
		}
		m := underlay.Message{Buf: []byte("x"), Local: netip.IPv6Loopback(), Interface: loopback, Remote: netip.MustParseAddrPort("[::1]:9")}
		if _, err := c.Send([]underlay.Message{m}); err != nil {
			t.Fatal(err)
		}
		if len(c.Exits()) != 1 {
			t.Fatal("no socket is bound to an interface")
		}
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				for {
					if _, err := c.Send([]underlay.Message{m}); errors.Is(err, net.ErrClosed) {
						return
					}
				}
			})
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		senders.Wait()
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files open, %d before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
