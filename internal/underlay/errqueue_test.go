package underlay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/underlay"
)

// closed is a port that nothing listens on.
const closed = 9

// hearing has A read ICMP errors, and what comes to it. Its hosts and routers send
// as many errors as are due.
func hearing(t *testing.T, e *ends) (heard chan underlay.ICMPError, atA *atomic.Int64) {
	t.Helper()
	for _, h := range []*lab.Host{e.lab.A, e.lab.B, e.lab.R1, e.lab.R2} {
		for _, path := range []string{"ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"} {
			if err := h.SetSysctl(path, "0"); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := e.a.Errors()
	if err != nil {
		t.Fatal(err)
	}
	heard, atA = make(chan underlay.ICMPError, 100_000), new(atomic.Int64)
	var readers sync.WaitGroup
	readers.Go(func() {
		errs := make([]underlay.ICMPError, 3)
		for {
			n, err := r.Receive(errs)
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Receive of errors: %v", err)
				}
				return
			}
			for _, x := range errs[:n] {
				x.Quote = bytes.Clone(x.Quote)
				heard <- x
			}
		}
	})
	for _, r := range e.a.Receivers() {
		readers.Go(func() {
			for {
				msgs, err := r.Receive()
				if err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("Receive: %v", err)
					}
					return
				}
				atA.Add(int64(len(msgs)))
			}
		})
	}
	t.Cleanup(func() {
		e.a.Close()
		readers.Wait()
	})
	return heard, atA
}

// nextError returns the next error that A was told.
func nextError(t *testing.T, heard <-chan underlay.ICMPError) underlay.ICMPError {
	t.Helper()
	select {
	case x := <-heard:
		return x
	case <-time.After(5 * time.Second):
		t.Fatal("no ICMP error within 5 s")
		return underlay.ICMPError{}
	}
}

// refuse has the first router answer what is for an address, until the test ends.
func refuse(t *testing.T, e *ends, to netip.Addr, how lab.Refusal) {
	t.Helper()
	undo, err := e.lab.R1.Refuse(netip.PrefixFrom(to, to.BitLen()), how)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := undo(); err != nil {
			t.Error(err)
		}
	})
}

// TestErrorsTellThePair: the error names the pair and quotes the datagram, for both
// families, whichever socket it left by, alone or in a run.
func TestErrorsTellThePair(t *testing.T) {
	for _, segments := range []bool{true, false} {
		// A new lab: a router answers at most five datagrams of one host at once that
		// it has no IPv4 route for (Linux ip_error).
		e := newEnds(t)
		heard, _ := hearing(t, e)
		count := 3
		if !segments {
			e.a.WithoutSegments()
			count = 1
		}
		for _, c := range []struct {
			name         string
			how          lab.Refusal // zero: B's closed port
			code4, code6 uint8
			errno4       syscall.Errno
			errno6       syscall.Errno
		}{
			{"unreachable", lab.Unreachable, 1, 0, syscall.EHOSTUNREACH, syscall.ENETUNREACH},
			{"prohibited", lab.Prohibited, 13, 1, syscall.EHOSTUNREACH, syscall.EACCES},
			{"closed port", 0, 3, 4, syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		} {
			for _, is6 := range []bool{true, false} {
				for _, named := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s segments=%v IPv6=%v named=%v", c.name, segments, is6, named), func(t *testing.T) {
						local, to := addr(e.lab.A, is6, 0), netip.AddrPortFrom(addr(e.lab.B, is6, 0), port)
						if c.how != 0 {
							refuse(t, e, to.Addr(), c.how)
						} else {
							to = netip.AddrPortFrom(to.Addr(), closed)
						}
						var by uint32
						if named {
							by = index(t, e.lab.A, 0)
						}
						var msgs []underlay.Message
						for i := range count {
							msgs = append(msgs, underlay.Message{Buf: numbered(i, 200), Local: local, Interface: by, Remote: to})
						}
						e.send(t, msgs...)
						got := nextError(t, heard)
						if got.Local != local || got.Remote != to {
							t.Errorf("of %v to %v, want %v to %v", got.Local, got.Remote, local, to)
						}
						if !bytes.Equal(got.Quote, numbered(0, 200)[:len(got.Quote)]) || len(got.Quote) < 8 {
							t.Errorf("quotes %x, want the first datagram", got.Quote)
						}
						wantType, wantCode, errno := uint8(3), c.code4, c.errno4
						if is6 {
							wantType, wantCode, errno = 1, c.code6, c.errno6
						}
						if got.Type != wantType || got.Code != wantCode || got.Errno != errno {
							t.Errorf("type %d code %d, %v; want %d, %d, %v", got.Type, got.Code, got.Errno, wantType, wantCode, errno)
						}
						if !got.Undelivered() || got.TooBig() || !got.Offender.IsValid() || got.Offender == local {
							t.Errorf("%+v: want one of another host that says what may hold for others", got)
						}
					})
				}
			}
		}
	}
}

// TestErrorsLoseNothing: while every tenth datagram is answered with an ICMP error,
// all others arrive, and A goes on hearing what comes to it.
func TestErrorsLoseNothing(t *testing.T) {
	for _, is6 := range []bool{true, false} {
		for _, named := range []bool{true, false} {
			t.Run(fmt.Sprintf("IPv6=%v named=%v", is6, named), func(t *testing.T) {
				e := newEnds(t)
				heard, atA := hearing(t, e)
				local := addr(e.lab.A, is6, 0)
				var by uint32
				if named {
					by = index(t, e.lab.A, 0)
				}
				const rounds, good = 300, 9
				for i := range rounds {
					msgs := []underlay.Message{{Buf: numbered(0, 100), Local: local, Interface: by, Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), closed)}}
					for k := range good {
						msgs = append(msgs, underlay.Message{
							Buf: numbered(i*good+k, 100+k%3), Local: local, Interface: by, Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), port),
						})
					}
					e.send(t, msgs...)
				}
				for i := range rounds * good {
					if n := binary.BigEndian.Uint32(e.next(t).Buf); n != uint32(i) {
						t.Fatalf("number %d came, want %d", n, i)
					}
				}
				nextError(t, heard)
				t.Logf("%d errors were heard", 1+len(heard))
				back := []underlay.Message{{Buf: []byte("back"), Local: addr(e.lab.B, is6, 0), Remote: netip.AddrPortFrom(local, port)}}
				if _, err := e.b.Send(back); err != nil {
					t.Fatal(err)
				}
				for deadline := time.Now().Add(5 * time.Second); atA.Load() == 0; time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatal("A has heard nothing")
					}
				}
			})
		}
	}
}

// TestOwnRefusalIsNoICMP: what this kernel would not send is Send's to tell alone.
func TestOwnRefusalIsNoICMP(t *testing.T) {
	e := newEnds(t)
	heard, _ := hearing(t, e)
	for _, is6 := range []bool{true, false} {
		local, to := addr(e.lab.A, is6, 0), addr(e.lab.B, is6, 0)
		long := []underlay.Message{{Buf: make([]byte, 5000), Local: local, Remote: netip.AddrPortFrom(to, port)}}
		if _, err := e.a.Send(long); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("IPv6=%v: %v, want EMSGSIZE", is6, err)
		}
		e.send(t, underlay.Message{Buf: []byte("x"), Local: local, Remote: netip.AddrPortFrom(to, closed)})
		if got := nextError(t, heard); got.Remote.Port() != closed {
			t.Errorf("IPv6=%v: %+v is told, want what came after it", is6, got)
		}
	}
}

// TestTooBigTellsTheMTU: a router that cannot pass a datagram on for its length says what
// it can, again and again: the kernel takes no notice of what it was told before.
func TestTooBigTellsTheMTU(t *testing.T) {
	const mtu = 1300
	for _, is6 := range []bool{true, false} {
		e := newEnds(t) // a router answers the same host seldom
		heard, _ := hearing(t, e)
		if err := e.lab.R1.SetMTU("b1", mtu); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			e.send(t, underlay.Message{Buf: make([]byte, 1400), Local: addr(e.lab.A, is6, 0), Remote: netip.AddrPortFrom(addr(e.lab.B, is6, 0), port)})
			if got := nextError(t, heard); !got.TooBig() || got.MTU != mtu || got.Undelivered() {
				t.Errorf("IPv6=%v: %+v, want an MTU of %d", is6, got, mtu)
			}
		}
	}
}

// TestErrorsEnd: Receive ends with net.ErrClosed.
func TestErrorsEnd(t *testing.T) {
	c, err := underlay.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Errors()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.Receive(make([]underlay.ICMPError, 1))
		ended <- err
	}()
	c.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive: %v, want net.ErrClosed", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Receive goes on after Close")
	}
	if _, err := r.Receive(make([]underlay.ICMPError, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive after Close: %v, want net.ErrClosed", err)
	}
}
