package shim

import (
	"fmt"
	"testing"
	"time"

	"github.com/multi6/multi6/wire"
)

// settled fails unless both ends seal with the same session.
func (w *world) settled(what string) {
	w.t.Helper()
	a, b := w.a.c.sessions.current, w.b.c.sessions.current
	if a == nil || b == nil {
		w.t.Errorf("%s: no session at one end: %v", what, w)
		return
	}
	if a.remote != b.local || a.local != b.remote {
		w.t.Errorf("%s: two sessions in use: %v", what, w)
	}
	if a.initiated == b.initiated {
		w.t.Errorf("%s: who opened the session?", what)
	}
}

// Both open at once. Whichever single message is late or lost, they settle on one
// session.
func TestSimultaneousOpen(t *testing.T) {
	for _, swap := range []bool{false, true} {
		for victim := -1; victim < 12; victim++ {
			for _, delays := range [][]time.Duration{nil, {0}, {45 * time.Millisecond}, {400 * time.Millisecond}, {0, 100 * time.Millisecond}} {
				w := newWorld(t, setup{swapIdentities: swap})
				n := -1
				w.fate = func(*flight) []time.Duration {
					if n++; n == victim {
						return delays
					}
					return []time.Duration{oneWay}
				}
				w.a.send(w.a.udp("x"))
				w.b.send(w.b.udp("x"))
				what := fmt.Sprintf("swapped %v, message %d delayed by %v", swap, victim, delays)
				if !w.until(5*time.Second, func() bool { return w.a.path != nil && w.b.path != nil }) {
					t.Errorf("%s: does not open: %v", what, w)
					continue
				}
				w.chat(2*time.Second, 50*time.Millisecond)
				w.settled(what)
				if len(w.a.got) < 20 || len(w.b.got) < 20 {
					t.Errorf("%s: data does not flow: %v", what, w)
				}
			}
		}
	}
}

// Both open at once, and the messages arrive in every order.
func TestSimultaneousOpenInterleavings(t *testing.T) {
	for order := range 256 {
		w := newWorld(t, setup{})
		n := 0
		w.fate = func(*flight) []time.Duration {
			d := oneWay
			if n < 8 && order>>n&1 != 0 {
				d = 37 * time.Millisecond
			}
			n++
			return []time.Duration{d}
		}
		w.a.send(w.a.udp("x"))
		w.run(time.Duration(order%3) * 5 * time.Millisecond)
		w.b.send(w.b.udp("x"))
		w.run(time.Second)
		w.chat(time.Second, 50*time.Millisecond)
		w.settled(fmt.Sprintf("order %08b", order))
	}
}

// The session that both settle on may be older than the term. Reports about it
// must count none the less: one-way UDP raises no suspicion.
func TestReportsCountAfterSimultaneousOpen(t *testing.T) {
	for _, swap := range []bool{false, true} {
		for _, fromA := range []bool{false, true} {
			w := newWorld(t, setup{swapIdentities: swap})
			w.a.send(w.a.udp("x"))
			w.run(2 * time.Millisecond)
			w.b.send(w.b.udp("x"))
			w.run(time.Second)
			from := w.b
			if fromA {
				from = w.a
			}
			before := from.c.Status(w.now).Stats.Suspicions
			for range 100 {
				from.send(from.udp("one way"))
				w.run(30 * time.Millisecond)
			}
			if n := from.c.Status(w.now).Stats.Suspicions - before; n > 0 {
				t.Errorf("swapped %v, from %s: %d suspicions on a good path", swap, from.name, n)
			}
		}
	}
}

// A peer that lost its state, and opens anew soon after the first Open, is
// believed: its old session is not preferred for being simultaneous.
func TestRestartSoonAfterOpen(t *testing.T) {
	for _, swap := range []bool{false, true} {
		for _, again := range []string{"a", "b"} {
			w := newWorld(t, setup{swapIdentities: swap})
			w.open()
			h := w.a
			if again == "b" {
				h = w.b
			}
			w.run(100 * time.Millisecond)
			h.restart()
			h.send(h.udp("I am back"))
			h.other().got = nil
			if !w.until(3*time.Second, func() bool { return len(h.other().got) > 0 }) {
				t.Errorf("swapped %v: %s is not heard: %v", swap, again, w)
			}
			// What the other end sends now is to be understood.
			got := len(h.got)
			h.other().send(h.other().udp("welcome"))
			w.run(oneWay)
			if len(h.got) == got {
				t.Errorf("swapped %v: %s does not understand the answer: %v", swap, again, w)
			}
		}
	}
}

// Opens of a peer that come to nothing do not pile up.
func TestUnusedSessionsAreBounded(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.fate = func(f *flight) []time.Duration {
		if f.from == w.b {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.a.restart()
	w.a.send(w.a.udp("x"))
	w.run(20 * time.Second)
	if n := w.b.drops[DropNone]; n < 8 {
		t.Fatalf("only %d datagrams were taken", n)
	}
	if n := len(w.b.tags); n > maxUnused+1+maxInitiations {
		t.Errorf("%d tags in use", n)
	}
	if n := len(w.a.tags); n > maxInitiations {
		t.Errorf("A waits for %d answers", n)
	}
	if len(w.b.tags) != len(w.b.c.sessions.all)+len(w.b.c.initiations) {
		t.Errorf("%d tags for %d sessions and %d initiations", len(w.b.tags), len(w.b.c.sessions.all), len(w.b.c.initiations))
	}
}

// A session that had to make room is gone: what still comes of it does not bring
// it back into use without its tag.
func TestEvictedSessionStaysGone(t *testing.T) {
	w, f := firstOpen(t, setup{})
	w.arrive(f)
	s := w.b.c.sessions.all[0]
	w.fate = func(*flight) []time.Duration { return nil }
	w.flights = nil
	for range 2 * maxUnused {
		w.a.restart()
		w.now = w.now.Add(time.Second)
		w.a.sent = nil
		w.a.send(w.a.udp("x"))
		w.arrive(w.a.lastSent(wire.Open1))
	}
	if _, ok := w.b.tags[s.local]; ok {
		t.Fatal("the session is still there")
	}
	w.b.perform(w.b.c.HandleUsed(w.now, s, nil))
	if w.b.c.sessions.current == s {
		t.Error("a session whose tag is not registered is in use")
	}
}
