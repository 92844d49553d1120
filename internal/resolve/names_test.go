package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fake answers lookups in virtual time, and counts them.
type fake struct {
	takes time.Duration

	mu      sync.Mutex
	answers map[string]Answer // tests change it while no lookup runs
	lookups map[string]int
	running int
	most    int // lookups at a time
}

func (f *fake) lookup(ctx context.Context, host string) Answer {
	f.mu.Lock()
	f.lookups[host]++
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	if ctx.Err() != nil {
		return Answer{Err: ctx.Err()}
	}
	return f.answers[host]
}

// start runs Names over f in a bubble, and returns what ends them.
func start(t *testing.T, f *fake) (n *Names, stop func()) {
	t.Helper()
	f.lookups = make(map[string]int)
	n = NewNames(f.lookup)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- n.Run(ctx) }()
	return n, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func found(ttl time.Duration, addrs ...string) Answer {
	a := Answer{TTL: ttl}
	for _, s := range addrs {
		a.Addrs = append(a.Addrs, netip.MustParseAddr(s))
	}
	return a
}

func failed(retry time.Duration) Answer { return Answer{TTL: retry, Err: errors.New("no such host")} }

// expect waits until all is quiet and then holds the next answer against want, "" for
// none.
func expect(t *testing.T, n *Names, want string) {
	t.Helper()
	synctest.Wait()
	got := ""
	select {
	case a := <-n.Answers():
		got = fmt.Sprintf("%s %s %v", a.Host, a.Addrs, a.Err != nil)
	default:
	}
	if got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestWant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string]Answer{"b": found(time.Minute, "2001:db8::1")}}
		n, stop := start(t, f)
		defer stop()
		count := func(want int) {
			t.Helper()
			synctest.Wait()
			if f.lookups["b"] != want {
				t.Errorf("%d lookups, want %d", f.lookups["b"], want)
			}
		}
		time.Sleep(24 * time.Hour)
		count(0) // Not wanted: silence.
		n.Want("b")
		n.Want("b")
		count(1)
		expect(t, n, "b [2001:db8::1] false")
		expect(t, n, "")
		time.Sleep(time.Minute - 1)
		n.Want("b")
		count(1)
		time.Sleep(time.Nanosecond)
		count(1) // Run out, but not wanted.
		n.Want("b")
		count(2)
		expect(t, n, "") // The same addresses.

		f.answers["b"] = found(time.Minute, "2001:db8::2")
		time.Sleep(time.Minute)
		n.Want("b")
		count(3)
		expect(t, n, "b [2001:db8::2] false")
	})
}

func TestWantNoMoreThanEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string]Answer{"b": found(0, "2001:db8::1")}}
		n, stop := start(t, f)
		defer stop()
		for range 60 {
			n.Want("b")
			synctest.Wait()
			time.Sleep(time.Second)
		}
		if f.lookups["b"] != 12 {
			t.Errorf("%d lookups in a minute, want 12", f.lookups["b"])
		}
	})
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string]Answer{"b": found(time.Hour, "2001:db8::1")}, takes: 2 * time.Second}
		n, stop := start(t, f)
		defer stop()
		n.Refresh("b") // As good as Want where there is no answer.
		for range 21 {
			time.Sleep(time.Second)
			n.Refresh("b")
			synctest.Wait()
		}
		// From 0, 7 and 14 s on: 2 s of lookup, and 5 s of age. At 21 s the next begins.
		if f.lookups["b"] != 4 {
			t.Errorf("%d lookups, want 4", f.lookups["b"])
		}
	})
}

// TestFailures are told when the state changes, and their TTL is when to try again.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string]Answer{"b": failed(10 * time.Second)}}
		n, stop := start(t, f)
		defer stop()
		n.Want("b")
		expect(t, n, "b [] true")
		time.Sleep(10*time.Second - 1)
		n.Want("b")
		synctest.Wait()
		if f.lookups["b"] != 1 {
			t.Errorf("%d lookups before it was time to try again", f.lookups["b"])
		}
		time.Sleep(time.Nanosecond)
		n.Want("b")
		expect(t, n, "") // Still none.
		if f.lookups["b"] != 2 {
			t.Errorf("%d lookups, want 2", f.lookups["b"])
		}
		for _, step := range []struct {
			answer Answer
			want   string
		}{
			{found(time.Minute, "2001:db8::1"), "b [2001:db8::1] false"},
			{failed(time.Minute), "b [] true"},
			{failed(time.Minute), ""},
			{found(time.Minute, "2001:db8::1"), "b [2001:db8::1] false"},
		} {
			f.answers["b"] = step.answer
			time.Sleep(minAge)
			n.Refresh("b")
			time.Sleep(time.Millisecond)
			expect(t, n, step.want)
		}
	})
}

// TestSlowReceiver gets the last answer of each name, in the order of the first news.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string]Answer{"b": found(0, "2001:db8::1"), "c": found(0, "192.0.2.1")}}
		n, stop := start(t, f)
		defer stop()
		n.Want("b")
		synctest.Wait()
		n.Want("c")
		synctest.Wait()
		f.answers["b"] = found(0, "2001:db8::2")
		time.Sleep(minAge)
		n.Want("b")
		expect(t, n, "b [2001:db8::2] false")
		expect(t, n, "c [192.0.2.1] false")
		expect(t, n, "")

		// There and back again before anyone looked.
		for _, addr := range []string{"192.0.2.2", "192.0.2.1"} {
			f.answers["c"] = found(0, addr)
			time.Sleep(minAge)
			n.Want("c")
			synctest.Wait()
		}
		expect(t, n, "")
	})
}

// TestChangeWhileTelling: an answer that comes while the one before is handed over is
// told next.
func TestChangeWhileTelling(t *testing.T) {
	n := NewNames(nil)
	answer := func(addr string) {
		n.Want("b")
		for _, m := range n.take() {
			n.answered(t.Context(), m, found(0, addr))
			m.at = time.Time{} // so that it may be asked for again
		}
	}
	answer("2001:db8::1")
	m, first, _ := n.tell()
	answer("2001:db8::2")
	n.wasTold(m, first)
	if _, next, out := n.tell(); out == nil || join(first.Addrs) != "2001:db8::1" || join(next.Addrs) != "2001:db8::2" {
		t.Errorf("told %v, then %v", first, next)
	}
}

func TestLookupsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: make(map[string]Answer), takes: time.Second}
		n, stop := start(t, f)
		defer stop()
		const hosts = 18
		for i := range hosts {
			n.Want(fmt.Sprint(i))
		}
		for range hosts {
			<-n.Answers()
		}
		if f.most != maxLookups || len(f.lookups) != hosts {
			t.Errorf("%d lookups at a time, of %d names", f.most, len(f.lookups))
		}
	})
}

// TestEnd ends in the middle of lookups, with more waiting and none received.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string]Answer{"0": found(0, "::2")}, takes: time.Second}
		n, stop := start(t, f)
		n.Want("0")
		time.Sleep(2 * time.Second)
		for i := range 2 * maxLookups {
			n.Want(fmt.Sprint("x", i))
		}
		synctest.Wait()
		stop()
		if f.running != 0 || len(f.lookups) != 1+maxLookups {
			t.Errorf("%d lookups run on, %d were begun", f.running, len(f.lookups))
		}
		n.Want("later") // Must not wait for anyone.
		n.Refresh("later")
	})
}

// TestNamesOverDNS joins both halves.
func TestNamesOverDNS(t *testing.T) {
	s := serve(t, zone(record{b, 300, aaaa("2001:db8::1")}))
	n := NewNames(New(Options{Server: s.addr}).Lookup)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- n.Run(ctx) }()
	n.Want(b)
	got := <-n.Answers()
	if got.Err != nil || got.Host != b || join(got.Addrs) != "2001:db8::1" || got.TTL != 300*time.Second {
		t.Errorf("%+v", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
