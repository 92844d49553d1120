package underlay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/testkit"
	"github.com/multi6/multi6/internal/underlay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const port = 6110

// loopback is the index of the loopback interface in every namespace.
const loopback = 1

// ends are two hosts with two uplinks each (package lab), a Conn on both, and
// what has come to B.
type ends struct {
	lab  *lab.Lab
	a, b *underlay.Conn
	// out sends from A, for the test's goroutine.
	out *underlay.Sender
	// at are the datagrams that came to B, by address family.
	at chan underlay.Message
}

func newEnds(t testing.TB) *ends {
	t.Helper()
	testkit.NeedRoot(t)
	l, err := lab.New(lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e := &ends{lab: l, a: listen(t, l.A), b: listen(t, l.B), at: make(chan underlay.Message, 10000)}
	e.out = e.a.NewSender()
	var readers sync.WaitGroup
	for _, r := range e.b.Receivers() {
		readers.Go(func() { e.collect(t, r) })
	}
	t.Cleanup(func() {
		e.a.Close()
		e.b.Close()
		readers.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	e.warmUp(t)
	return e
}

// warmUp has every neighbour resolved: a kernel keeps only a few packets that
// wait for that.
func (e *ends) warmUp(t testing.TB) {
	t.Helper()
	for i := range 8 {
		is6, local, remote := i&1 == 0, i>>1&1, i>>2
		e.send(t, underlay.Message{
			Buf: []byte("warm"), Local: addr(e.lab.A, is6, local), Remote: netip.AddrPortFrom(addr(e.lab.B, is6, remote), port),
		})
		e.next(t)
	}
}

func listen(t testing.TB, h *lab.Host) (c *underlay.Conn) {
	t.Helper()
	err := h.Do(func() (err error) {
		c, err = underlay.Listen(port)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// collect hands on the datagrams that r receives until it is closed.
func (e *ends) collect(t testing.TB, r *underlay.Receiver) {
	for {
		msgs, err := r.Receive()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("Receive: %v", err)
			}
			return
		}
		for _, m := range msgs {
			for datagram := range m.Datagrams() {
				one := m
				one.Buf, one.Full, one.Segment = bytes.Clone(datagram), nil, 0
				e.at <- one
			}
		}
	}
}

// next returns the next datagram that came to B.
func (e *ends) next(t testing.TB) underlay.Message {
	t.Helper()
	select {
	case m := <-e.at:
		return m
	case <-time.After(5 * time.Second):
		t.Fatal("nothing came within 5 s")
		return underlay.Message{}
	}
}

// send sends from A and fails the test if not all were sent.
func (e *ends) send(t testing.TB, msgs ...underlay.Message) {
	t.Helper()
	if n, err := e.out.Send(msgs); n != len(msgs) || err != nil {
		t.Fatalf("sent %d of %d: %v", n, len(msgs), err)
	}
}

// index returns the index of an uplink's interface at h.
func index(t testing.TB, h *lab.Host, uplink int) (i uint32) {
	t.Helper()
	err := h.Do(func() error {
		x, err := net.InterfaceByName(h.Interface(uplink))
		if err == nil {
			i = uint32(x.Index)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// addr returns the address of an uplink.
func addr(h *lab.Host, is6 bool, uplink int) netip.Addr {
	if is6 {
		return h.Addr6(uplink)
	}
	return h.Addr4(uplink)
}

// TestChosenSource sends over each pair of locators: it leaves by the source's
// uplink and the receiver tells where it came to.
func TestChosenSource(t *testing.T) {
	e := newEnds(t)
	for _, is6 := range []bool{true, false} {
		for local := range 2 {
			for remote := range 2 {
				for _, named := range []bool{false, true} {
					t.Run(fmt.Sprintf("IPv6=%v uplink %d to %d named=%v", is6, local, remote, named), func(t *testing.T) {
						from, to := addr(e.lab.A, is6, local), addr(e.lab.B, is6, remote)
						m := underlay.Message{Buf: []byte("hello"), Local: from, Remote: netip.AddrPortFrom(to, port)}
						if named {
							m.Interface = index(t, e.lab.A, local)
						}
						before := e.lab.Uplinks[local].Count(lab.AtoB)
						e.send(t, m)
						got := e.next(t)
						if got.Remote != netip.AddrPortFrom(from, port) || got.Local != to || string(got.Buf) != "hello" {
							t.Errorf("%q from %v to %v, want from %v to %v", got.Buf, got.Remote, got.Local, from, to)
						}
						if want := index(t, e.lab.B, remote); got.Interface != want {
							t.Errorf("came by interface %d, want %d", got.Interface, want)
						}
						if e.lab.Uplinks[local].Count(lab.AtoB) == before {
							t.Error("did not leave by the source's uplink")
						}
					})
				}
			}
		}
	}
}

// numbered returns a datagram of n bytes with its number.
func numbered(number, n int) []byte {
	b := bytes.Repeat([]byte{byte(number)}, n)
	binary.BigEndian.PutUint32(b, uint32(number))
	return b
}

// TestRuns sends 200 datagrams of mixed lengths at once, which leave as a few
// runs: each arrives whole, alone and in order. The kernel need not help.
func TestRuns(t *testing.T) {
	for _, segments := range []bool{true, false} {
		for _, is6 := range []bool{true, false} {
			t.Run(fmt.Sprintf("segments=%v IPv6=%v", segments, is6), func(t *testing.T) {
				e := newEnds(t)
				if !segments {
					e.a.WithoutSegments()
				} else if !e.a.Segments() {
					t.Log("this kernel has no UDP_SEGMENT")
				}
				var msgs []underlay.Message
				for i := range 200 {
					size := 1400
					switch {
					case i >= 190:
						size = 4 + i // each longer than the one before
					case i%17 == 0:
						size = 100
					case i/30%2 == 1:
						size = 1200
					}
					msgs = append(msgs, underlay.Message{
						Buf: numbered(i, size), Local: addr(e.lab.A, is6, 0), Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), port),
					})
				}
				e.send(t, msgs...)
				for i, want := range msgs {
					if got := e.next(t); !bytes.Equal(got.Buf, want.Buf) || got.Remote.Addr() != want.Local {
						t.Fatalf("datagram %d: number %d of %d bytes from %v, want %d bytes", i,
							binary.BigEndian.Uint32(got.Buf), len(got.Buf), got.Remote, len(want.Buf))
					}
				}
			})
		}
	}
}

// TestMixedPairs sends to and from different locators of both families in one
// call.
func TestMixedPairs(t *testing.T) {
	e := newEnds(t)
	want := make(map[string]int)
	var msgs []underlay.Message
	for i := range 150 {
		is6 := i/3%2 == 0
		from, to := addr(e.lab.A, is6, i%2), addr(e.lab.B, is6, i/2%2)
		msgs = append(msgs, underlay.Message{Buf: numbered(i, 200), Local: from, Remote: netip.AddrPortFrom(to, port)})
		want[fmt.Sprint(i, from, to)]++
	}
	e.send(t, msgs...)
	for range msgs {
		m := e.next(t)
		key := fmt.Sprint(binary.BigEndian.Uint32(m.Buf), m.Remote.Addr(), m.Local)
		if want[key] != 1 {
			t.Fatalf("%s came %d times too often", key, 1-want[key])
		}
		delete(want, key)
	}
}

// TestSendErrors: a datagram that the kernel refuses is marked, and holds up no
// other.
func TestSendErrors(t *testing.T) {
	e := newEnds(t)
	for _, c := range []struct {
		name string
		bad  func(m *underlay.Message)
		want []error
	}{
		{"too long for the link", func(m *underlay.Message) { m.Buf = make([]byte, 5000) }, []error{syscall.EMSGSIZE}},
		{"too long for UDP", func(m *underlay.Message) { m.Buf = make([]byte, 70000) }, []error{syscall.EMSGSIZE}},
		{
			"IPv6 source of another host", func(m *underlay.Message) { m.Local = netip.MustParseAddr("2001:db8::bad") },
			[]error{syscall.EADDRNOTAVAIL, syscall.EINVAL},
		},
		{
			"IPv4 source of another host", func(m *underlay.Message) {
				m.Local, m.Remote = netip.MustParseAddr("192.0.2.99"), netip.AddrPortFrom(e.lab.B.Addr4(0), port)
			}, []error{syscall.EADDRNOTAVAIL, syscall.EINVAL, syscall.ENETUNREACH}, // no rule routes it
		},
		{"no such interface", func(m *underlay.Message) { m.Interface = 99999 }, []error{syscall.ENODEV, syscall.EADDRNOTAVAIL, syscall.EINVAL}},
		{
			"an IPv4 source for an IPv6 destination", func(m *underlay.Message) { m.Local = e.lab.A.Addr4(0) },
			[]error{syscall.EAFNOSUPPORT},
		},
		{
			"an IPv6 source for an IPv4 destination", func(m *underlay.Message) { m.Remote = netip.AddrPortFrom(e.lab.B.Addr4(0), port) },
			[]error{syscall.EAFNOSUPPORT},
		},
		{"no destination", func(m *underlay.Message) { m.Remote = netip.AddrPort{} }, []error{syscall.EAFNOSUPPORT}},
		{
			"an IPv4-mapped destination", func(m *underlay.Message) {
				mapped := netip.AddrFrom16(e.lab.B.Addr4(0).As16())
				m.Local, m.Remote = netip.Addr{}, netip.AddrPortFrom(mapped, port)
			}, []error{syscall.EAFNOSUPPORT},
		},
	} {
		for _, segments := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s segments=%v", c.name, segments), func(t *testing.T) {
				if !segments {
					e.a.WithoutSegments()
				}
				var msgs []underlay.Message
				for i := range 9 {
					m := underlay.Message{Buf: numbered(i, 300), Local: e.lab.A.Addr6(0), Remote: netip.AddrPortFrom(e.lab.B.Addr6(0), port)}
					if i == 4 {
						c.bad(&m)
					}
					msgs = append(msgs, m)
				}
				sent, err := e.out.Send(msgs)
				if sent != 8 || err == nil {
					t.Fatalf("sent %d, %v; want 8 and an error", sent, err)
				}
				for i := range msgs {
					if i != 4 && msgs[i].Err != nil {
						t.Errorf("message %d: %v", i, msgs[i].Err)
					}
				}
				if bad := msgs[4].Err; !isOne(bad, c.want) || !isOne(err, c.want) {
					t.Errorf("the message's error %v, Send's %v; want one of %v", bad, err, c.want)
				}
				for i := range 9 {
					if i == 4 {
						continue
					}
					if got := e.next(t); !bytes.Equal(got.Buf, msgs[i].Buf) {
						t.Fatalf("number %d came, want %d", binary.BigEndian.Uint32(got.Buf), i)
					}
				}
			})
		}
	}
}

func isOne(err error, want []error) bool {
	for _, w := range want {
		if errors.Is(err, w) {
			return true
		}
	}
	return false
}

// TestNoFamily: a message that no socket can send is marked, wherever it stands,
// and Send comes to its end.
func TestNoFamily(t *testing.T) {
	c, err := underlay.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	to4, to6 := netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("[::1]:9")
	mapped := netip.AddrFrom16(to4.Addr().As16())
	bad := []underlay.Message{
		{},
		{Local: to4.Addr()},
		{Local: to6.Addr()},
		{Remote: to4, Local: to6.Addr()},
		{Remote: to6, Local: to4.Addr()},
		{Remote: netip.AddrPortFrom(mapped, 9)},
		{Remote: netip.AddrPortFrom(mapped, 9), Local: to4.Addr()},
		{Remote: to4, Local: mapped},
		{Remote: to6, Local: mapped},
	}
	for i := range bad {
		bad[i].Buf = []byte("x")
	}
	type result struct {
		sent int
		err  error
	}
	done := make(chan result, 1)
	go func() {
		sent, err := c.Send(bad)
		done <- result{sent, err}
	}()
	select {
	case r := <-done:
		if r.sent != 0 || !errors.Is(r.err, syscall.EAFNOSUPPORT) {
			t.Errorf("sent %d, %v; want none and EAFNOSUPPORT", r.sent, r.err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Send goes on for ever")
	}
	for i := range bad {
		if !errors.Is(bad[i].Err, syscall.EAFNOSUPPORT) {
			t.Errorf("message %d, %v to %v: %v, want EAFNOSUPPORT", i, bad[i].Local, bad[i].Remote, bad[i].Err)
		}
	}
}

// TestOldErrIsCleared: Err tells of this Send alone, in a run or alone.
func TestOldErrIsCleared(t *testing.T) {
	e := newEnds(t)
	for _, segments := range []bool{true, false} {
		if !segments {
			e.a.WithoutSegments()
		}
		var msgs []underlay.Message
		for i := range 6 {
			is6 := i < 4
			msgs = append(msgs, underlay.Message{
				Buf: numbered(i, 300), Local: addr(e.lab.A, is6, 0), Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), port), Err: syscall.EIO,
			})
		}
		e.send(t, msgs...)
		for i := range msgs {
			if msgs[i].Err != nil {
				t.Errorf("segments=%v: message %d: %v", segments, i, msgs[i].Err)
			}
			e.next(t)
		}
	}
}

// TestSegmentsGivenUp: the first run that a device cannot cut is the last; any
// other error says nothing of the device.
func TestSegmentsGivenUp(t *testing.T) {
	c, err := underlay.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !c.Segments() {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	for _, err := range []error{syscall.EINVAL, syscall.EMSGSIZE, syscall.ENETUNREACH} {
		if c.CannotSegment(err) || !c.Segments() {
			t.Errorf("given up after %v", err)
		}
	}
	if !c.CannotSegment(os.NewSyscallError("sendmmsg", syscall.EIO)) || c.Segments() {
		t.Error("not given up after EIO")
	}
}

// TestTrafficClass: it arrives, DSCP and ECN, over both families, alone and of a
// run; a class is of its own datagrams alone.
func TestTrafficClass(t *testing.T) {
	e := newEnds(t)
	for _, is6 := range []bool{true, false} {
		var msgs []underlay.Message
		for i, class := range []uint8{0, 0xba, 0xba, 0x03, 0, 0, 0xff} {
			msgs = append(msgs, underlay.Message{
				Buf: numbered(i, 100), Local: addr(e.lab.A, is6, 0), Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), port), TrafficClass: class,
			})
		}
		e.send(t, msgs...)
		for i, want := range msgs {
			if got := e.next(t); !bytes.Equal(got.Buf, want.Buf) || got.TrafficClass != want.TrafficClass {
				t.Errorf("IPv6=%v: number %d came with class %#x, want %d with %#x", is6, got.Buf[3], got.TrafficClass, i, want.TrafficClass)
			}
		}
	}
}

// TestClose: Receive and Send end with net.ErrClosed.
func TestClose(t *testing.T) {
	c, err := underlay.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	rs := c.Receivers()
	ended := make(chan error, len(rs))
	for _, r := range rs {
		go func() {
			_, err := r.Receive()
			ended <- err
		}()
	}
	c.Close()
	for range rs {
		select {
		case err := <-ended:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("Receive: %v, want net.ErrClosed", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("Receive goes on after Close")
		}
	}
	if _, err := rs[0].Receive(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive after Close: %v, want net.ErrClosed", err)
	}
	msgs := []underlay.Message{{Buf: []byte("x"), Remote: netip.MustParseAddrPort("127.0.0.1:9")}}
	if n, err := c.Send(msgs); n != 0 || !errors.Is(err, net.ErrClosed) || !errors.Is(msgs[0].Err, net.ErrClosed) {
		t.Errorf("Send after Close = %d, %v; want net.ErrClosed", n, err)
	}
}

// TestPortInUse: the error says what to do, whichever family it is.
func TestPortInUse(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		other, err := net.ListenPacket(network, ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		taken := other.LocalAddr().(*net.UDPAddr).Port
		c, err := underlay.Listen(uint16(taken))
		if err == nil {
			c.Close()
			t.Fatalf("%s: the port was taken twice", network)
		}
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), fmt.Sprintf("UDP port %d is in use", taken)) {
			t.Errorf("%s: %v", network, err)
		}
	}
}

// TestConcurrentSend: several goroutines send, over both families; nothing is
// lost or mixed up. Use it with -race.
func TestConcurrentSend(t *testing.T) {
	e := newEnds(t)
	const senders, calls, batch = 4, 20, 10
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			is6 := s%2 == 0
			for k := range calls {
				var msgs []underlay.Message
				for i := range batch {
					n := (s*calls+k)*batch + i
					msgs = append(msgs, underlay.Message{
						Buf: numbered(n, 100+n%7), Local: addr(e.lab.A, is6, s/2), Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), port),
					})
				}
				if n, err := e.a.Send(msgs); n != batch || err != nil {
					t.Errorf("sent %d: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[uint32]bool)
	for range senders * calls * batch {
		m := e.next(t)
		n := binary.BigEndian.Uint32(m.Buf)
		if seen[n] || !bytes.Equal(m.Buf, numbered(int(n), 100+int(n)%7)) {
			t.Fatalf("number %d came twice or changed", n)
		}
		seen[n] = true
	}
}
