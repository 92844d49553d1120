package sim_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/internal/underlay"
)

func TestDelivery(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		sa, sb := w.listen(w.a), w.listen(w.b)
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Delay = 10 * time.Millisecond })
		w.Edit(sim.Path{From: a2}, func(l *sim.Link) { l.Delay = 5 * time.Millisecond })
		w.a.EditInterface(sim.Uplink(2), func(out, _ *sim.Link) { out.Delay = time.Millisecond })
		w.b.EditInterface(sim.Uplink(1), func(_, in *sim.Link) { in.Delay = time.Second })
		start := time.Now()
		m := message("hello", a2, b1)
		m.TrafficClass = 0xb9
		if n, err := sa.Send([]underlay.Message{m}); n != 1 || err != nil {
			t.Fatalf("Send = %d, %v", n, err)
		}
		clear(m.Buf) // the buffer is ours again
		got := w.receive(sb)
		if string(got.Buf) != "hello" || got.Segment != 0 || got.Local != b1 || got.Interface != 2 ||
			got.Remote != netip.AddrPortFrom(a2, port) || got.TrafficClass != 0xb9 {
			t.Errorf("received %+v", got)
		}
		if d := time.Since(start); d != 1016*time.Millisecond {
			t.Errorf("took %v, want the sum of all links, 1.016s", d)
		}
	})
}

func TestSendErrors(t *testing.T) {
	v4 := netip.MustParseAddr("192.0.2.1")
	tests := []struct {
		name   string
		change func(w *world)
		msg    func(m *underlay.Message)
		want   error
	}{
		{"foreign source", nil, func(m *underlay.Message) { m.Local = b2 }, syscall.EADDRNOTAVAIL},
		{"no source", nil, func(m *underlay.Message) { m.Local = netip.Addr{} }, syscall.EADDRNOTAVAIL},
		{"address removed", func(w *world) { w.a.RemoveAddr(a1) }, nil, syscall.EADDRNOTAVAIL},
		{"interface down", func(w *world) { w.a.SetUp(sim.Uplink(1), false) }, nil, syscall.ENETUNREACH},
		{"no route", func(w *world) { w.Edit(sim.Path{To: b1}, func(l *sim.Link) { l.NoRoute = true }) }, nil, syscall.ENETUNREACH},
		{"other family", nil, func(m *underlay.Message) { m.Remote = netip.AddrPortFrom(v4, port) }, syscall.EAFNOSUPPORT},
		{"no destination", nil, func(m *underlay.Message) { m.Remote = netip.AddrPort{} }, syscall.EINVAL},
		{"no such interface", nil, func(m *underlay.Message) { m.Interface = 9 }, syscall.ENODEV},
		{"other interface down", func(w *world) { w.a.SetUp(sim.Uplink(2), false) }, func(m *underlay.Message) { m.Interface = 3 }, syscall.ENETUNREACH},
		{"above MTU", func(w *world) { w.a.SetMTU(sim.Uplink(1), 1280) }, func(m *underlay.Message) { m.Buf = make([]byte, 1233) }, syscall.EMSGSIZE},
		{"too long", nil, func(m *underlay.Message) { m.Buf = make([]byte, underlay.MaxDatagram+1) }, syscall.EMSGSIZE},
		{"too many segments", nil, func(m *underlay.Message) { m.Buf, m.Segment = make([]byte, 65), 1 }, syscall.EINVAL},
		{"fine", nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, w *world) {
				s := w.listen(w.a)
				if tt.change != nil {
					tt.change(w)
				}
				msgs := []underlay.Message{message("x", a1, b1), message("other", a2, b2)}
				if tt.msg != nil {
					tt.msg(&msgs[0])
				}
				n, err := s.Send(msgs)
				if !errors.Is(err, tt.want) || !errors.Is(msgs[0].Err, tt.want) {
					t.Errorf("Send: %v and message: %v, want %v", err, msgs[0].Err, tt.want)
				}
				want := 2
				for _, m := range msgs {
					if m.Err != nil {
						want--
					}
				}
				if n != want || tt.name == "above MTU" && msgs[1].Err != nil {
					t.Errorf("%d sent, want %d; the other message: %v", n, want, msgs[1].Err)
				}
			})
		})
	}
}

func TestFates(t *testing.T) {
	edit := func(p sim.Path, f func(*sim.Link)) func(*world) { return func(w *world) { w.Edit(p, f) } }
	pair := sim.Path{From: a1, To: b1}
	tests := []struct {
		want   sim.Fate
		change func(w *world)
	}{
		{sim.Delivered, edit(sim.Path{From: b1, To: a1}, func(l *sim.Link) { l.Blocked = true })},
		{sim.Delivered, func(w *world) { w.a.EditInterface(sim.Uplink(1), func(_, in *sim.Link) { in.Blocked = true }) }},
		{sim.Delivered, edit(pair, func(l *sim.Link) { l.MTU = 1048 })},
		{sim.Blocked, edit(pair, func(l *sim.Link) { l.Blocked = true })},
		{sim.Blocked, edit(sim.Path{From: a1}, func(l *sim.Link) { l.Blocked = true })},
		{sim.Blocked, edit(sim.Path{To: b1}, func(l *sim.Link) { l.Blocked = true })},
		{sim.Blocked, edit(sim.Path{}, func(l *sim.Link) { l.Blocked = true })},
		{sim.Blocked, func(w *world) { w.b.EditInterface(sim.Uplink(1), func(_, in *sim.Link) { in.Blocked = true }) }},
		{sim.Lost, edit(pair, func(l *sim.Link) { l.Loss = 1 })},
		{sim.TooBig, edit(pair, func(l *sim.Link) { l.MTU = 1047 })},
		{sim.NoHost, func(w *world) { w.b.RemoveAddr(b1) }},
		{sim.NoHost, func(w *world) { w.b.SetUp(sim.Uplink(1), false) }},
		{sim.NoPort, func(w *world) { w.listen(w.b).Close() }},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i, tt.want), func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, w *world) {
				s := w.listen(w.a)
				tt.change(w)
				if tt.want != sim.NoPort {
					w.listen(w.b)
				}
				w.send(s, strings.Repeat("x", 1000), a1, b1)
				c := w.Counters(pair)
				if c[sim.Sent] != 1 || c[tt.want] != 1 || c[sim.Delivered]+c.Dropped() != 1 {
					t.Errorf("counters %v, want one %v", c, tt.want)
				}
			})
		})
	}
}

func TestInterfaceDownInFlight(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		s := w.listen(w.a)
		w.listen(w.b)
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Delay = time.Second })
		w.send(s, "x", a1, b1)
		w.b.SetUp(sim.Uplink(1), false)
		time.Sleep(2 * time.Second)
		if c := w.Counters(sim.Path{}); c[sim.NoHost] != 1 {
			t.Errorf("counters %v, want one lost at the destination", c)
		}
	})
}

// sendMany sends the numbers from 0 to n-1 and returns those that came, in
// order.
func sendMany(w *world, n int) []string {
	sa, sb := w.listen(w.a), w.listen(w.b)
	for i := range n {
		w.send(sa, fmt.Sprintf("%04d", i), a1, b1)
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Minute)
	var got []string
	for uint64(len(got)) < w.Counters(sim.Path{})[sim.Delivered] {
		msgs, err := sb.Receive()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range msgs {
			got = append(got, string(m.Buf))
		}
	}
	return got
}

func TestOrder(t *testing.T) {
	for _, jitter := range []time.Duration{0, 20 * time.Millisecond} {
		bubble(t, 1, func(t *testing.T, w *world) {
			w.Edit(sim.Path{}, func(l *sim.Link) { l.Delay, l.Jitter = 30*time.Millisecond, jitter })
			got := sendMany(w, 500)
			if len(got) != 500 {
				t.Errorf("jitter %v: %d of 500 came", jitter, len(got))
			}
			if sorted := slices.IsSorted(got); sorted != (jitter == 0) {
				t.Errorf("jitter %v: in order is %v", jitter, sorted)
			}
		})
	}
}

func TestLossAndDuplicates(t *testing.T) {
	run := func(seed uint64) (got []string) {
		bubble(t, seed, func(t *testing.T, w *world) {
			w.Edit(sim.Path{}, func(l *sim.Link) { l.Loss, l.Duplicate = 0.2, 0.1 })
			got = sendMany(w, 2000)
			c := w.Counters(sim.Path{From: a1})
			if c[sim.Lost] < 300 || c[sim.Lost] > 500 {
				t.Errorf("seed %d: %d of 2000 lost, want about 400", seed, c[sim.Lost])
			}
			if c[sim.Duplicated] < 100 || c[sim.Duplicated] > 220 {
				t.Errorf("seed %d: %d of 2000 duplicated, want about 160", seed, c[sim.Duplicated])
			}
			if c[sim.Sent]-c[sim.Lost]+c[sim.Duplicated] != c[sim.Delivered] {
				t.Errorf("seed %d: counters %v do not add up", seed, c)
			}
		})
		return got
	}
	one := run(1)
	if !slices.Equal(one, run(1)) {
		t.Error("equal seeds gave different luck")
	}
	if slices.Equal(one, run(2)) {
		t.Error("different seeds gave equal luck")
	}
}

func TestRate(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		s, r := w.listen(w.a), w.listen(w.b)
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Rate = 8_000_000 }) // 1000 bytes per ms
		start := time.Now()
		for range 150 {
			w.send(s, strings.Repeat("x", 952), a1, b1)
		}
		w.receive(r)
		if d := time.Since(start); d != time.Millisecond {
			t.Errorf("first datagram took %v, want 1ms", d)
		}
		time.Sleep(time.Second)
		if c := w.Counters(sim.Path{}); c[sim.Delivered] != 101 || c[sim.Congested] != 49 {
			t.Errorf("counters %v, want the 101 of the first 100 ms delivered", c)
		}
	})
}

func TestOverflow(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		s := w.listen(w.a)
		w.listen(w.b)
		for range 3000 {
			w.send(s, "x", a1, b1)
		}
		if c := w.Counters(sim.Path{}); c[sim.Overflow] != 200 {
			t.Errorf("counters %v, want 200 beyond the queue", c)
		}
	})
}

func TestSegments(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		s, r := w.listen(w.a), w.listen(w.b)
		run := message("aaabbbcc", a1, b1)
		run.Segment = 3
		empty := message("", a2, b1)
		if n, err := s.Send([]underlay.Message{run, message("dd", a2, b1), empty}); n != 3 || err != nil {
			t.Fatalf("Send = %d, %v", n, err)
		}
		msgs, err := r.Receive()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range msgs {
			got = append(got, fmt.Sprintf("%s/%d", m.Buf, m.Segment))
		}
		if want := []string{"aaa/0", "bbb/0", "cc/0", "dd/0", "/0"}; !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
	})
}

// TestReceivedBytesAreTheCallers: what is received may be written to, with the
// room before it, though the network delivers it again.
func TestReceivedBytesAreTheCallers(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		s, r := w.listen(w.a), w.listen(w.b)
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Duplicate = 1 })
		w.send(s, "abc", a1, b1)
		synctest.Wait()
		msgs, err := r.Receive()
		if len(msgs) != 2 || err != nil {
			t.Fatalf("Receive = %d, %v; want the datagram twice", len(msgs), err)
		}
		for _, m := range msgs {
			if string(m.Buf) != "abc" || len(m.Full) != underlay.Headroom+3 || &m.Full[underlay.Headroom] != &m.Buf[0] {
				t.Fatalf("%q within %d bytes", m.Buf, len(m.Full))
			}
			for i := range m.Full {
				m.Full[i] = 'x'
			}
		}
	})
}

func TestSocketClose(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		s := w.listen(w.a)
		if _, err := w.a.Listen(port); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("second Listen: %v, want EADDRINUSE", err)
		}
		done := make(chan error)
		for range 2 {
			go func() {
				_, err := s.Receive()
				done <- err
			}()
		}
		synctest.Wait()
		s.Close()
		s.Close()
		for range 2 {
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Receive: %v, want net.ErrClosed", err)
			}
		}
		msgs := []underlay.Message{message("x", a1, b1)}
		if n, err := s.Send(msgs); n != 0 || !errors.Is(err, net.ErrClosed) || !errors.Is(msgs[0].Err, net.ErrClosed) {
			t.Errorf("Send = %d, %v; want net.ErrClosed", n, err)
		}
		w.listen(w.a) // the port is free
		o, err := w.a.Listen(0)
		if err != nil || o.Port() == 0 || o.Port() == port {
			t.Errorf("Listen(0): port %d, %v", o.Port(), err)
		}
		w.Network.Close()
		if _, err := o.Receive(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive on a closed network: %v", err)
		}
		if _, err := w.a.Listen(1); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Listen on a closed network: %v", err)
		}
	})
}

func TestTwoReceivers(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		s, r := w.listen(w.a), w.listen(w.b)
		got := make(chan string, 2)
		for range 2 {
			go func() {
				if m, err := r.Receive(); err == nil {
					got <- string(m[0].Buf)
				}
			}()
		}
		synctest.Wait()
		w.send(s, "x", a1, b1)
		synctest.Wait() // or the first takes both
		w.send(s, "y", a1, b1)
		if p, q := <-got, <-got; p == q {
			t.Errorf("both received %q", p)
		}
	})
}

func TestTrace(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		s := w.listen(w.a)
		w.listen(w.b)
		w.Edit(sim.Path{}, func(l *sim.Link) { l.Delay, l.Duplicate = time.Second, 1 })
		start := time.Now()
		var got []string
		w.Trace(func(e sim.Event) {
			got = append(got, fmt.Sprintf("%v %v %v %s", e.At.Sub(start), e.Fate, e.Path, e.Payload))
		})
		w.send(s, "x", a1, b2)
		time.Sleep(2 * time.Second)
		w.Trace(nil)
		w.send(s, "y", a1, b2)
		p := sim.Path{From: a1, To: b2}
		want := []string{
			fmt.Sprintf("0s sent %v x", p), fmt.Sprintf("0s duplicated %v x", p),
			fmt.Sprintf("1s delivered %v x", p), fmt.Sprintf("1s delivered %v x", p),
		}
		if !slices.Equal(got, want) {
			t.Errorf("traced %q, want %q", got, want)
		}
	})
}

func TestFateStrings(t *testing.T) {
	seen := make(map[string]bool)
	for f := sim.Sent; f <= sim.Overflow; f++ {
		if s := f.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("fate %d is called %q", int(f), s)
		} else {
			seen[s] = true
		}
	}
	if s := sim.Fate(0).String(); s != "unknown" {
		t.Errorf("fate 0 is called %q", s)
	}
}
