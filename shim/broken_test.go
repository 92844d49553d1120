package shim

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
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
