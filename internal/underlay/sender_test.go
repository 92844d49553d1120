package underlay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/multi6/multi6/internal/underlay"
)

// prepared returns a run from A to B that the caller has made: count numbered
// datagrams of size bytes, the last of rest bytes.
func (e *ends) prepared(is6 bool, count, size, rest int) underlay.Message {
	var run []byte
	for i := range count - 1 {
		run = append(run, numbered(i, size)...)
	}
	return underlay.Message{
		Buf: append(run, numbered(count-1, rest)...), Segment: size,
		Local: addr(e.lab.A, is6, 0), Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), port),
	}
}

// wantAll checks that the datagrams of m come to B next.
func (e *ends) wantAll(t *testing.T, m underlay.Message) {
	t.Helper()
	for want := range m.Datagrams() {
		if got := e.next(t); !bytes.Equal(got.Buf, want) {
			t.Fatalf("number %d of %d bytes came, want %d of %d", binary.BigEndian.Uint32(got.Buf), len(got.Buf),
				binary.BigEndian.Uint32(want), len(want))
		}
	}
}

// TestPrepared sends runs that the caller has made, also such as are more than the
// kernel takes at a time.
func TestPrepared(t *testing.T) {
	e := newEnds(t)
	for _, segments := range []bool{true, false} {
		if !segments {
			e.a.WithoutSegments()
		}
		for _, c := range []struct {
			name              string
			count, size, rest int
		}{
			{"short last", 21, 1000, 10},
			{"two", 2, 1000, 1000},
			{"as many as the kernel takes", 64, 900, 900},
			{"one more", 65, 900, 900},
			{"many", 700, 50, 20},
			{"long", 90, 1400, 1399},
		} {
			for _, is6 := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s segments=%v IPv6=%v", c.name, segments, is6), func(t *testing.T) {
					m := e.prepared(is6, c.count, c.size, c.rest)
					after := m
					after.Buf, after.Segment = numbered(99, 30), 30 // no more than one datagram
					e.send(t, m, after)
					e.wantAll(t, m)
					e.wantAll(t, after)
				})
			}
		}
	}
}

// TestDeviceCannotSegment: the first run that a device cannot cut is sent one
// datagram at a time, whoever made it, and so is all that follows.
func TestDeviceCannotSegment(t *testing.T) {
	e := newEnds(t)
	if !e.a.Segments() {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	wantOffloads(t, e.a, "gso gro", "")
	met := 0
	e.out.FailRuns(syscall.EIO, &met)
	m := e.prepared(true, 100, 600, 7)
	single := m
	single.Buf, single.Segment = numbered(200, 600), 0
	e.send(t, m, single, single)
	e.wantAll(t, m)
	e.wantAll(t, single)
	e.wantAll(t, single)
	if met == 0 || e.a.Segments() {
		t.Errorf("met EIO %d times, segments=%v; want once or more, and no more segments", met, e.a.Segments())
	}
	select {
	case <-e.a.OffloadNews():
	default:
		t.Error("no news of it")
	}
	wantOffloads(t, e.a, "gso gro", "gso (IPv6)")
	before := met
	e.send(t, m, single, single)
	e.wantAll(t, m)
	if met != before {
		t.Errorf("met EIO %d times more after the device was known", met-before)
	}
}

// wantOffloads checks what c says that it does, and does not, for runs at once.
func wantOffloads(t *testing.T, c *underlay.Conn, used, missing string) {
	t.Helper()
	u, m := c.Offloads()
	if strings.Join(u, " ") != used || strings.Join(m, ", ") != missing {
		t.Errorf("offloads %q, missing %q; want %q, missing %q", u, m, used, missing)
	}
}

// TestInterfaceCannotSegment: what a device lacks is no matter of the others, and is
// said with its name.
func TestInterfaceCannotSegment(t *testing.T) {
	e := newEnds(t)
	if !e.a.Segments() {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	m := e.prepared(true, 10, 600, 7)
	for i := range 2 {
		m.Local, m.Remote = addr(e.lab.A, true, i), netip.AddrPortFrom(addr(e.lab.B, true, i), port)
		m.Interface = index(t, e.lab.A, i)
		e.send(t, m)
		e.wantAll(t, m)
	}
	met := 0
	e.out.FailRuns(syscall.EIO, &met)
	e.send(t, m)
	e.wantAll(t, m)
	wantOffloads(t, e.a, "gso gro", "gso ("+e.lab.A.Interface(1)+")")
	e.a.WithoutSegments()
	wantOffloads(t, e.a, "gro", "gso")
}

// TestRunRefused: a run that the kernel refuses for what it is as a run is sent one
// datagram at a time; it says nothing of other runs.
func TestRunRefused(t *testing.T) {
	e := newEnds(t)
	if !e.a.Segments() {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.EMSGSIZE} {
		met := 0
		e.out.FailRuns(errno, &met)
		m := e.prepared(true, 10, 600, 7)
		e.send(t, m)
		e.wantAll(t, m)
		if met != 1 || !e.a.Segments() {
			t.Errorf("met %v %d times, segments=%v; want once, and segments", errno, met, e.a.Segments())
		}
	}
	met := 0
	e.out.FailRuns(syscall.ENETUNREACH, &met)
	msgs := []underlay.Message{e.prepared(true, 10, 600, 7)}
	if n, err := e.out.Send(msgs); n != 0 || !errors.Is(err, syscall.ENETUNREACH) || !errors.Is(msgs[0].Err, syscall.ENETUNREACH) {
		t.Errorf("sent %d, %v; want none and ENETUNREACH", n, err)
	}
}

// TestRunTooLong: a run of which each datagram is too long for the link is marked
// in full, and so is one of which some are.
func TestRunTooLong(t *testing.T) {
	e := newEnds(t)
	long := e.prepared(true, 1, 0, 3000)
	long.Segment = 0
	run := e.prepared(true, 100, 3000, 10)
	for _, segments := range []bool{true, false} {
		if !segments {
			e.a.WithoutSegments()
		}
		good := e.prepared(true, 3, 500, 500)
		msgs := []underlay.Message{long, long, long, run, good}
		sent, err := e.out.Send(msgs)
		if sent != 1 || !errors.Is(err, syscall.EMSGSIZE) || msgs[4].Err != nil {
			t.Errorf("segments=%v: sent %d, %v, %v; want the last and EMSGSIZE", segments, sent, err, msgs[4].Err)
		}
		for i := range msgs[:4] {
			if !errors.Is(msgs[i].Err, syscall.EMSGSIZE) {
				t.Errorf("segments=%v: message %d: %v", segments, i, msgs[i].Err)
			}
		}
		e.wantAll(t, underlay.Message{Buf: numbered(99, 10)}) // of the run
		e.wantAll(t, good)
	}
}

// TestFullQueue: Send waits where the socket's queue is full, and loses nothing.
func TestFullQueue(t *testing.T) {
	e := newEnds(t)
	by := int(index(t, e.lab.A, 0))
	err := e.lab.A.Do(func() error {
		return netlink.QdiscAdd(&netlink.Tbf{ // rate in bytes per second, limit in bytes, buffer in ticks
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: by, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			Rate:       5e6, Limit: 10e6, Buffer: netlink.Xmittime(5e6, 5000),
		})
	})
	if err != nil {
		t.Skipf("this kernel has no token bucket filter: %v", err)
	}
	if err := e.a.QueueLen(10_000); err != nil {
		t.Fatal(err)
	}
	e.a.WithoutSegments()
	waits := 0
	e.out.CountWaits(&waits)
	for _, is6 := range []bool{true, false} {
		waits = 0
		m := e.prepared(is6, 150, 1400, 10)
		e.send(t, m)
		e.wantAll(t, m)
		if waits == 0 {
			t.Errorf("IPv6=%v: the queue was never full", is6)
		}
	}
}
