package detect

import (
	"fmt"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
	"pgregory.net/rapid"
)

var everyPair = []string{"A1→B1", "A1→B2", "A1→B3", "A2→B1", "A2→B2", "A2→B3", "A3→B1", "A3→B2", "A3→B3"}

// checkInvariants fails if the machine is in a state that must not be.
func (h *harness) checkInvariants(known map[locator.Pair]bool) {
	h.t.Helper()
	m := h.m
	if p := m.Primary(); p.IsValid() && !known[p] {
		h.t.Fatalf("primary %s is not known", nameOf(p))
	}
	if p := m.Testing(); p.IsValid() && !known[p] {
		h.t.Fatalf("%s under test is not known", nameOf(p))
	}
	switch m.State() {
	case PrimaryOperational:
		if !m.Primary().IsValid() {
			h.t.Fatal("operational without a primary")
		}
	case TestingPrimary:
		if m.Deadline().IsZero() {
			h.t.Fatal("testing without a deadline: it would never end")
		}
	case NoPrimary:
		if m.Primary().IsValid() {
			h.t.Fatalf("no primary, but %s", nameOf(m.Primary()))
		}
		if m.Connected() && len(known) > 0 && m.Deadline().IsZero() {
			h.t.Fatal("connected, pairs known, and nothing will ever be tried")
		}
	}
	if !m.Connected() && m.State() != NoPrimary {
		h.t.Fatalf("not connected, but %v", m.State())
	}
	primaries := 0
	for _, p := range m.Pairs() {
		if p.Primary {
			primaries++
		}
	}
	if primaries > 1 {
		h.t.Fatalf("%d primaries", primaries)
	}
}

// checkActions fails if one event brought more than one test, or an action on a pair that is
// not known. A witness is asked beside the primary, and what measures the primary or its path's
// MTU has times of its own.
func (h *harness) checkActions(known map[locator.Pair]bool) {
	h.t.Helper()
	tests := 0
	for _, a := range h.pending {
		switch a := a.(type) {
		case SendPoll:
			if !known[a.Pair] {
				h.t.Fatalf("Poll on unknown %s", nameOf(a.Pair))
			}
			witness, measures := a.Pair == h.m.explore.verified, a.Size > 0 || a.Pair == h.m.Primary() && !a.Move
			if a.Answer && !witness && !measures {
				tests++
			}
		case SendReport:
			if !known[a.Pair] {
				h.t.Fatalf("Report on unknown %s", nameOf(a.Pair))
			}
		case Transition:
			if a.From == a.To {
				h.t.Fatalf("transition from %v to itself", a.From)
			}
		case SetPrimary:
			if a.From == a.To {
				h.t.Fatalf("primary set from %s to itself", nameOf(a.From))
			}
		}
	}
	if tests > 1 {
		h.t.Fatalf("%d test Polls at one instant: a burst", tests)
	}
	h.pending = nil
}

// checkIdle fails if a connected, operational and idle machine sends anything
// within ten minutes.
func (h *harness) checkIdle() {
	h.t.Helper()
	if h.m.State() != PrimaryOperational {
		return
	}
	h.marks = Evidence{}
	h.m.Observe(h.now, h.marks)
	// Better pairs are watched for a little longer.
	for end := h.now.Add(2 * DefaultHold); h.now.Before(end); {
		if at := h.m.Deadline(); at.IsZero() || at.After(end) {
			h.now = end
		} else if at.After(h.now) {
			h.now = at
		}
		h.wake()
		h.ignore()
	}
	if h.m.State() != PrimaryOperational {
		return
	}
	end := h.now.Add(10 * time.Minute)
	for range 1000 {
		at := h.m.Deadline()
		if at.IsZero() || at.After(end) {
			h.now = end
			return
		}
		if at.After(h.now) {
			h.now = at
		}
		h.wake()
		h.expect()
	}
	h.t.Fatal("wakes for ever without anything to do")
}

// Random events and time steps on one machine.
func TestMachineProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHarness(t, rapid.SampledFrom([]Timers{Fast, Balanced, Gentle, REAP}).Draw(t, "timers"))
		known := make(map[locator.Pair]bool)
		sent := []SendPoll{{ID: 99991}}
		pair := rapid.SampledFrom(everyPair)
		// note takes in what an event brought.
		note := func() {
			for _, a := range h.pending {
				if p, ok := a.(SendPoll); ok {
					sent = append(sent, p)
				}
			}
			h.checkActions(known)
		}
		t.Repeat(map[string]func(*rapid.T){
			"candidates": func(t *rapid.T) {
				names := rapid.SliceOfNDistinct(pair, 0, 4, rapid.ID).Draw(t, "pairs")
				cs := candidatesOf(names...)
				clear(known)
				for i := range cs {
					cs[i].Class = rapid.IntRange(0, 2).Draw(t, "class")
					cs[i].Deprecated, cs[i].Metered = rapid.Bool().Draw(t, "deprecated"), rapid.Bool().Draw(t, "metered")
					cs[i].MTU = rapid.SampledFrom([]int{0, 1280, 1500, 9000}).Draw(t, "MTU")
					known[cs[i].Pair] = true
				}
				h.set(cs)
				note()
			},
			"connect":    func(t *rapid.T) { h.connect(pair.Draw(t, "want")); note() },
			"disconnect": func(t *rapid.T) { h.disconnect(); note() },
			"open": func(t *rapid.T) {
				p := pairOf(pair.Draw(t, "pair"))
				h.event(func(acts []Action) []Action { return h.m.HandleOpen(h.now, p, acts) })
				note()
			},
			"peer's poll": func(t *rapid.T) {
				oks := rapid.SliceOfN(rapid.SampledFrom(sent), 0, 4).Draw(t, "oks")
				h.hear(pair.Draw(t, "pair"), rapid.Bool().Draw(t, "move"), oks...)
				note()
			},
			"feedback": func(t *rapid.T) {
				h.feedback(time.Duration(rapid.IntRange(0, 500).Draw(t, "ms")) * ms)
				note()
			},
			"hint":      func(t *rapid.T) { h.hint(pair.Draw(t, "pair")); note() },
			"complaint": func(*rapid.T) { h.complain(); note() },
			"send error": func(t *rapid.T) {
				p := pairOf(pair.Draw(t, "pair"))
				h.event(func(acts []Action) []Action { return h.m.HandleSendError(h.now, p, acts) })
				note()
			},
			"switch": func(t *rapid.T) { h.switchTo(pair.Draw(t, "pair")); note() },
			"auto":   func(*rapid.T) { h.m.Auto() },
			"wish":   func(t *rapid.T) { h.wish(pair.Draw(t, "pair")); note() },
			"loss": func(t *rapid.T) {
				lost := rapid.Uint64Range(0, 100).Draw(t, "lost")
				h.event(func(acts []Action) []Action { return h.m.HandleLoss(h.now, 100, lost, acts) })
				note()
			},
			"missing": func(t *rapid.T) {
				share := rapid.Float64Range(0, 1).Draw(t, "share")
				h.event(func(acts []Action) []Action { return h.m.HandleMissing(h.now, share, acts) })
				note()
			},
			"spent": func(t *rapid.T) { h.m.SetSpent(rapid.Bool().Draw(t, "spent")) },
			"move": func(t *rapid.T) {
				p := pairOf(pair.Draw(t, "pair"))
				h.event(func(acts []Action) []Action { return h.m.HandleMove(h.now, p, acts) })
				note()
			},
			"too big": func(t *rapid.T) {
				p, mtu := pairOf(pair.Draw(t, "pair")), rapid.IntRange(0, 9000).Draw(t, "MTU")
				h.event(func(acts []Action) []Action {
					acts, _ = h.m.HandleTooBig(h.now, p, mtu, acts)
					return acts
				})
				note()
			},
			"too long": func(t *rapid.T) {
				p, size := pairOf(pair.Draw(t, "pair")), rapid.SampledFrom([]int{0, 1280, 1500, 9000}).Draw(t, "size")
				h.event(func(acts []Action) []Action { return h.m.HandleTooLong(h.now, p, size, acts) })
				note()
			},
			"want":    func(t *rapid.T) { h.want(pair.Draw(t, "pair")); note() },
			"send":    func(t *rapid.T) { h.send() },
			"receive": func(t *rapid.T) { h.marks.Active, h.marks.Owed = true, h.now },
			"wait":    func(t *rapid.T) { h.marks.Waiting = rapid.Bool().Draw(t, "waiting") },
			"pass": func(t *rapid.T) {
				h.after(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * ms)
				h.wake()
				note()
			},
			"fire": func(t *rapid.T) {
				if at := h.m.Deadline(); at.After(h.now) {
					h.now = at
				}
				h.wake()
				note()
			},
			"idle": func(t *rapid.T) { h.checkIdle() },
			"":     func(t *rapid.T) { h.checkInvariants(known) },
		})
	})
}

// Random one-way failures under traffic or silence, and then some pair that works
// in each direction: both ends come to use one that works in theirs, and fall
// silent once the applications do.
func TestWorldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.SampledFrom([]Timers{Fast, Balanced}).Draw(t, "timers"), allA, allB)
		w.interval = 20 * ms
		w.delay = time.Duration(rapid.IntRange(0, 40).Draw(t, "delay")) * ms
		works := func(label string, least int) {
			a := rapid.SliceOfNDistinct(rapid.SampledFrom(allA), least, 4, rapid.ID).Draw(t, label+" A")
			b := rapid.SliceOfNDistinct(rapid.SampledFrom(allB), least, 4, rapid.ID).Draw(t, label+" B")
			w.only(append(a, b...)...)
		}
		w.connect(rapid.IntRange(0, 1).Draw(t, "who connects"))
		for i := range rapid.IntRange(0, 4).Draw(t, "failures") {
			works(fmt.Sprintf("failure %d", i), 0)
			w.talking = [2]bool{rapid.Bool().Draw(t, "A talks"), rapid.Bool().Draw(t, "B talks")}
			w.run(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * ms)
		}
		works("healed", 1)
		w.talking = [2]bool{true, true}
		w.run(5 * time.Second)
		w.wantSettled()
		before := w.polls
		w.run(5 * time.Second)
		// A false alarm now and then is no harm; a quarrel is.
		if n := w.polls - before; n > 8 {
			t.Fatalf("%d Polls in 5 s of undisturbed traffic:\n%s", n, w.tail())
		}
		w.talking = [2]bool{}
		w.run(5 * time.Second)
		w.wantSettled()
		w.wantQuiet(time.Hour)
	})
}

// Two machines explore at random moments over a wire that loses at random. When
// it stops losing they settle.
func TestLossyWorldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, Balanced, allA, allB)
		w.interval = 20 * ms
		seed := rapid.Uint64().Draw(t, "seed") | 1
		loss := rapid.Uint64Range(1, 60).Draw(t, "loss in per cent")
		w.arrives = func(locator.Pair) bool {
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			return seed%100 >= loss
		}
		w.talking = [2]bool{rapid.Bool().Draw(t, "A talks"), true}
		w.connect(0)
		w.connect(1)
		w.run(2 * time.Second)
		w.arrives = func(locator.Pair) bool { return true }
		w.run(3 * time.Second)
		w.wantSettled()
		w.talking = [2]bool{}
		w.run(5 * time.Second)
		w.wantQuiet(time.Hour)
	})
}
