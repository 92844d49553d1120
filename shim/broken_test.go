package shim

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// without returns the locators of h but a.
func (h *host) without(a netip.Addr) []locator.Local {
	return slices.DeleteFunc(slices.Clone(h.locals), func(l locator.Local) bool { return l.Addr == a })
}

// doubted has the primary pair of A fail silently while A streams, and returns what A is asked to
// send again first.
func doubted(t *testing.T, w *world) Resend {
	t.Helper()
	dead := w.a.path.Pair
	w.fate = func(f *flight) []time.Duration {
		if f.between(dead.Local, dead.Remote.Addr()) || f.between(dead.Remote.Addr(), dead.Local) {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.a.resends = nil
	for n := range 1000 {
		if len(w.a.resends) > 0 {
			return w.a.resends[0]
		}
		streamed(w, n)
		w.run(time.Millisecond)
	}
	t.Fatalf("nothing is sent again: %v", w)
	return Resend{}
}

// All that is unconfirmed goes with the test of another pair, but little where copies cost or
// the last alarms have proved false.
func TestHowMuchGoesWithATest(t *testing.T) {
	if r := doubted(t, settled(t, setup{})); r.Limit != resendAll || r.First != 0 {
		t.Errorf("%d bytes may go, since %v first; want all, oldest first", r.Limit, r.First)
	}

	w := settled(t, setup{})
	for i := range w.a.locals {
		w.a.locals[i].Metered = true
	}
	w.a.setLocals(w.a.locals...)
	w.run(time.Second)
	if r := doubted(t, w); r.Limit != resendFirst {
		t.Errorf("metered: %d bytes may go", r.Limit)
	}

	w = settled(t, setup{})
	for before := w.a.c.machine.Stats().FalseAlarms; w.a.c.machine.Stats().FalseAlarms < before+2; {
		doubted(t, w)
		w.fate = nil
		w.chat(2*time.Second, 5*time.Millisecond)
	}
	if r := doubted(t, w); r.Limit != resendFirst {
		t.Errorf("after false alarms: %d bytes may go", r.Limit)
	}
}

// What was lost at this end was sent about since the peer was last heard, and goes first. When the
// peer's end fails, what was sent a round trip before is lost, too.
func TestWhatGoesFirst(t *testing.T) {
	newest := func(w *world) Resend { return w.a.resends[len(w.a.resends)-1] }
	for name, breaks := range map[string]func(w *world, p locator.Pair){
		"locator gone": func(w *world, p locator.Pair) { w.a.setLocals(w.a.without(p.Local)...) },
		"send error": func(w *world, p locator.Pair) {
			for range 2 { // for a packet, and for the test
				w.a.perform(w.a.c.HandleSendError(w.now, p, nil))
			}
		},
	} {
		w := settled(t, setup{})
		w.a.resends = nil
		began := w.a.since()
		breaks(w, w.a.path.Pair)
		if !w.until(time.Second, func() bool { return len(w.a.resends) > 0 }) {
			t.Fatalf("%s: nothing is sent again", name)
		}
		if r := newest(w); r.First <= r.Since || r.First > began {
			t.Errorf("%s at %v: first since %v, all since %v", name, began, r.First, r.Since)
		}
		w.chat(time.Second, 5*time.Millisecond)
		if d := w.a.c.brokenSince; d != 0 {
			t.Errorf("%s: broken since %v, long after", name, d)
		}
	}

	w := settled(t, setup{})
	w.a.resends = nil
	w.b.setLocals(w.b.without(w.a.path.Pair.Remote.Addr())...)
	w.chat(time.Second, 5*time.Millisecond)
	if len(w.a.resends) == 0 {
		t.Fatal("the peer's locator is gone: nothing is sent again")
	}
	for _, r := range w.a.resends {
		if r.First != 0 {
			t.Errorf("the peer's locator is gone: first since %v", r.First)
		}
	}
}

// silentOn has nothing pass on an uplink of A.
func silentOn(w *world, local netip.Addr) {
	w.fate = func(f *flight) []time.Duration {
		if f.src.Addr() == local || f.dst.Addr() == local {
			return nil
		}
		return []time.Duration{oneWay}
	}
}

// What the peer sends over another pair is no sign that the primary worked until then.
func TestHeardOverAnotherPair(t *testing.T) {
	w := settled(t, setup{})
	p := w.a.path.Pair
	w.fate = func(f *flight) []time.Duration {
		if f.between(p.Remote.Addr(), p.Local) {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.chat(1500*time.Millisecond, 5*time.Millisecond)
	w.fate = nil
	w.chat(500*time.Millisecond, 5*time.Millisecond)
	if w.a.path.Pair != p || w.b.path.Pair.Remote.Addr() == p.Local {
		t.Fatalf("each end is to have another pair: %v", w)
	}
	w.a.resends = nil
	died := w.a.since()
	silentOn(w, p.Local)
	w.chat(30*time.Millisecond, time.Millisecond)
	w.a.setLocals(w.a.without(p.Local)...)
	if len(w.a.resends) != 1 {
		t.Fatalf("%d times packets are sent again, want once", len(w.a.resends))
	}
	if r := w.a.resends[0]; r.First > died {
		t.Errorf("the link died at %v: what was sent until %v is put off, all since %v", died, r.First, r.Since)
	}
}

// Nor are the peer's tests.
func TestHeardByTests(t *testing.T) {
	w := settled(t, setup{})
	p := w.a.path.Pair
	w.a.resends = nil
	died := w.a.since()
	silentOn(w, p.Local)
	for n := range 70 {
		w.b.send(w.b.udp("x"))
		if n < 20 {
			w.a.send(w.a.udp("y"))
		}
		w.run(time.Millisecond)
	}
	w.a.setLocals(w.a.without(p.Local)...)
	if r := w.a.resends[len(w.a.resends)-1]; r.First > died {
		t.Errorf("the link died at %v: what was sent until %v is put off, all since %v", died, r.First, r.Since)
	}
}

// The first sign of a failure tells since when, though the peer's packets go on coming.
func TestFirstSignCounts(t *testing.T) {
	w := settled(t, setup{})
	p := w.a.path.Pair
	w.a.resends = nil
	w.fate = func(f *flight) []time.Duration {
		if f.between(p.Local, p.Remote.Addr()) {
			return nil
		}
		return []time.Duration{oneWay}
	}
	began := w.a.since()
	for range 2 { // for a packet, and for the test
		w.a.perform(w.a.c.HandleSendError(w.now, p, nil))
	}
	for range 15 {
		w.a.send(w.a.udp("a"))
		w.b.send(w.b.udp("b"))
		w.run(time.Millisecond)
	}
	w.a.c.cfg.Order.Routable = func(l locator.Local, r netip.Addr) bool {
		return l.Addr != p.Local || r != p.Remote.Addr()
	}
	w.a.perform(w.a.c.HandleRoutes(w.now, nil))
	if len(w.a.resends) < 2 {
		t.Fatalf("%d times packets are sent again, want twice", len(w.a.resends))
	}
	for _, r := range w.a.resends {
		if r.First > began {
			t.Errorf("failed at %v: what was sent until %v is put off", began, r.First)
		}
	}
}

// Send errors that nothing follows from do not move it, either.
func TestIgnoredSendErrors(t *testing.T) {
	w := settled(t, setup{})
	p, other := w.a.path.Pair, w.a.pair(1, 1)
	if p == other {
		other = w.a.pair(0, 0)
	}
	broken := false
	w.fate = func(f *flight) []time.Duration {
		if broken && f.between(p.Local, p.Remote.Addr()) || f.from == w.b && f.src.Addr() == other.Remote.Addr() {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.a.resends = nil
	w.a.perform(w.a.c.Want(w.now, other, nil))
	broken = true
	began := w.a.since()
	for n := 0; n < 1000 && len(w.a.resends) == 0; n++ {
		w.a.send(w.a.udp("a"))
		w.b.send(w.b.udp("b"))
		w.a.perform(w.a.c.HandleSendError(w.now, p, nil))
		w.run(time.Millisecond)
	}
	if len(w.a.resends) == 0 {
		t.Fatal("nothing is sent again")
	}
	if r := w.a.resends[0]; r.First > began {
		t.Errorf("failed since %v: what was sent until %v is put off, all since %v", began, r.First, r.Since)
	}
}

// A send error is forgotten when the primary pair works, and when it is left for a better one.
func TestSendErrorCameToNothing(t *testing.T) {
	t.Run("answered", func(t *testing.T) {
		w := newWorld(t, setup{localsA: localsA[:1], localsB: localsB[:1]})
		w.open()
		n := 0
		for range 40 {
			streamed(w, n)
			n++
			w.run(oneWay)
			acknowledge(w)
			w.run(oneWay)
		}
		lost := time.Duration(0)
		w.fate = func(f *flight) []time.Duration {
			if f.from == w.a && f.kind() == wire.Transport && lost == 0 {
				lost = w.a.since()
				return nil
			}
			return []time.Duration{oneWay}
		}
		w.a.resends = nil
		for range 8 {
			streamed(w, n)
			n++
			w.run(5 * time.Millisecond)
			acknowledge(w)
		}
		w.a.perform(w.a.c.HandleSendError(w.now, w.a.path.Pair, nil))
		w.run(100 * time.Millisecond)
		for _, r := range w.a.resends {
			if r.First >= lost {
				t.Errorf("lost at %v, put off: %+v", lost, r)
			}
		}
		if d := w.a.c.brokenSince; d != 0 {
			t.Errorf("broken since %v", d)
		}
	})
	t.Run("left", func(t *testing.T) {
		w := settled(t, setup{})
		p, other := w.a.path.Pair, w.a.pair(1, 1)
		if p == other {
			other = w.a.pair(0, 0)
		}
		w.a.resends = nil
		w.a.perform(w.a.c.Want(w.now, other, nil))
		w.a.perform(w.a.c.HandleSendError(w.now, p, nil))
		w.chat(300*time.Millisecond, 5*time.Millisecond)
		if len(w.a.resends) == 0 {
			t.Fatal("nothing is sent again")
		}
		for _, r := range w.a.resends {
			if r.First != 0 {
				t.Errorf("a wish: first since %v, all since %v", r.First, r.Since)
			}
		}
	})
}
