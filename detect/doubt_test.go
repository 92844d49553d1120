package detect

import (
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
)

// Each end can send over one pair only, not the same. An end whose primary pair works does not leave
// it for what the other answers over a pair that is dead in its direction.
func TestOneDirectionEach(t *testing.T) {
	for name, timers := range map[string]Timers{"fast": Fast, "balanced": Balanced} {
		for _, talking := range [][2]bool{{true, false}, {true, true}} {
			for _, delay := range []time.Duration{2, 5, 10, 20, 40} {
				for phase := range 5 {
					w := newWorld(t, timers, []string{"A1→B1", "A2→B2"}, []string{"B1→A1", "B2→A2"})
					w.delay, w.talking = delay*ms, talking
					w.connect(0)
					w.run(time.Second + time.Duration(phase)*ms)
					w.wantSettled()
					b := w.nodes[1].m
					w.only("A2→B2", "B1→A1")
					at := w.now
					for w.now.Sub(at) < 3*time.Second && b.Stats().Outages == 0 && b.Primary() == pairOf("B1→A1") {
						w.run(ms)
					}
					if w.now.Sub(at) < 3*time.Second {
						left := w.now.Sub(at)
						for !w.settled(1) && w.now.Sub(at) < 3*time.Second {
							w.run(ms)
						}
						t.Errorf("%s, talking %v, delay %dms, phase %d: B left a pair that works after %v, has it again after %v", name, talking, delay, phase, left, w.now.Sub(at))
					}
				}
			}
		}
	}
}

// The peer's Poll over the primary in doubt is answered over the pair that is known to work, too.
func TestAnswerGoesWhereItWorks(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	h.until("Send test A2→B2").ignore().answered(h.test("A2→B2"))
	h.ignore().after(50*ms).hear("A1→B1", true)
	for _, a := range h.pending {
		if p, ok := a.(SendPoll); ok && p.Pair == pairOf("A2→B2") {
			return
		}
	}
	t.Error("no answer goes over A2→B2, which is known to work")
}

// A round trip of less than a millisecond: the pair of the peer's Poll has answered before the
// primary is polled. Packets stay on it.
func TestVerifiedBeforeThePrimaryIsPolled(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.hear("A2→B2", true)
	h.ignore().after(ms / 2).answered(h.test("A2→B2"))
	h.ignore()
	if h.m.explore.verified != pairOf("A2→B2") || h.m.second != pairOf("A2→B2") {
		t.Fatal("setup", nameOf(h.m.explore.verified), nameOf(h.m.second))
	}
	at := h.now
	for h.m.State() == TestingPrimary {
		if h.m.second != pairOf("A2→B2") {
			t.Errorf("after %v packets go over %s, though A2→B2 has answered", h.now.Sub(at), nameOf(h.m.second))
			return
		}
		if polls := h.ofWitness(); len(polls) > 0 {
			h.ignore().answered(polls...)
			continue
		}
		h.ignore().fire()
	}
}

// A pair that dies within the last part of the hold time is not tested again and again.
func TestClimbThatDiesLate(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	h.busy(11*time.Second, all)
	at := h.now
	n := map[string]int{}
	h.busy(10*time.Second, func(p SendPoll) bool {
		n[nameOf(p.Pair)]++
		if p.Pair == pairOf("A2→B2") {
			h.after(rttOfTests)
			return true
		}
		return false
	})
	if n["A1→B1"] > 8 {
		t.Errorf("%v Polls in %v", n, h.now.Sub(at))
	}
}

// The wanted pair does not answer, and one Poll of the primary, which works, is lost.
func TestWishAndOneLoss(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.want("A2→B2")
	h.ignore().until("Send test A1→B1").ignore()
	at := h.now
	for range 4 { // that Poll was lost; all later ones would be answered
		h.fire()
		if h.m.State() == NoPrimary {
			t.Errorf("no primary after one lost Poll of it, after %v", h.now.Sub(at))
			return
		}
		for _, a := range h.pending {
			if p, ok := a.(SendPoll); ok && p.Pair == pairOf("A1→B1") {
				h.ignore().answered(p)
				return
			}
		}
		h.ignore()
	}
}

// Both are idle, the primary pair has died meanwhile, and A's user switches to one that works: the
// peer has to look for another one as well.
func TestWishOverDeadPrimary(t *testing.T) {
	w := newWorld(t, Balanced, []string{"A1→B1", "A2→B2"}, []string{"B1→A1", "B2→A2"})
	w.connect(0)
	w.run(time.Second)
	w.wantSettled()
	// A and B have tested their primary an hour ago.
	w.run(time.Hour)
	w.only("A2→B2", "B2→A2")
	at := w.now
	w.event(0, func(m *Machine) []Action { return m.Want(w.now, pairOf("A2→B2"), nil) })
	w.nodes[0].marks.Waiting = true
	for !w.settled(0) {
		w.run(ms)
		if w.now.Sub(at) > 5*time.Second {
			t.Fatalf("after %v: A %v (round %d, cause %v) B %v on %s\n%s", w.now.Sub(at), w.nodes[0].m.State(), w.nodes[0].m.explore.round,
				w.nodes[0].m.explore.cause, w.nodes[1].m.State(), nameOf(w.nodes[1].m.Primary()), w.tail())
		}
	}
	t.Logf("A on %s after %v", nameOf(w.nodes[0].m.Primary()), w.now.Sub(at))
}

// A wish that fails, and the primary with it, makes Polls ask the peer to move.
func TestWishBecomesNeed(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.want("A2→B2")
	at := h.now
	h.ignore()
	for range 40 {
		h.demand().fire()
		for _, a := range h.pending {
			if p, ok := a.(SendPoll); ok {
				if p.Move {
					return
				}
			}
		}
		h.ignore()
	}
	t.Errorf("never a Poll that asks the peer to move, in %v", h.now.Sub(at))
}

// What was planned for a primary that works waits for an exploration, and is no late wake after.
func TestPlansWaitForExplorations(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.event(func(acts []Action) []Action { return h.m.HandleMissing(h.now, 0.5, acts) })
	h.ignore().after(240 * ms).hint("A1→B1")
	end := h.now.Add(70 * ms)
	for h.m.Deadline().Before(end) {
		h.ignore().fire()
	}
	h.now = end
	before := h.m.Stats().LateWakes
	h.ignore().answered(h.test("A1→B1"))
	h.ignore().wantState(PrimaryOperational, "A1→B1", "none")
	h.wake()
	if n := h.m.Stats().LateWakes - before; n > 0 {
		t.Errorf("%d late wakes by an owner that is never late; nothing is judged for %v", n, h.m.notBefore.Sub(h.now))
	}
}

// A pair that comes while the primary is in doubt, and no other is under test, is tested at once.
func TestPairComesInDoubt(t *testing.T) {
	h := testingOn(t, "A1→B1")
	for h.m.Testing().IsValid() {
		h.ignore().fire()
	}
	at := h.now
	h.ignore().candidates("A1→B1", "A2→B2")
	for h.m.Testing() != pairOf("A2→B2") {
		h.ignore().fire()
	}
	if d := h.now.Sub(at); d > 2*ms {
		t.Errorf("tested only after %v", d)
	}
}

// The primary goes while a wanted pair is under test: the peer is asked to move at once.
func TestPrimaryGoesInWish(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.want("A2→B2")
	h.ignore().candidates("A2→B2")
	at := h.now
	for range 20 {
		for _, a := range h.pending {
			if p, ok := a.(SendPoll); ok && p.Move {
				if d := h.now.Sub(at); d > rttOfTests {
					t.Errorf("the peer is asked to move only after %v", d)
				}
				return
			}
		}
		h.ignore().fire()
	}
}

// In an outage a late answer counts, though the peer's Poll began a new exploration.
func TestLateAnswerInOutage(t *testing.T) {
	h := noPrimaryOf(t, "A1→B1", "A2→B2", "A3→B3")
	answer := h.test("A3→B3")
	h.after(ms).hear("A2→B2", true)
	h.ignore().wantState(TestingPrimary, "none", "A2→B2")
	h.after(ms).answered(answer)
	if h.m.explore.verified != pairOf("A3→B3") {
		t.Errorf("%v, A3→B3 has answered for nothing", h.m.State())
	}
	h.until("use A3→B3")
}

// The peer's Poll over a primary that has failed does not end the turn of the pair under test.
func TestCondemnedIsNotTested(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2", "A3→B3")
	for h.m.explore.doubt {
		h.ignore().fire()
	}
	testing := h.m.Testing()
	h.ignore()
	h.after(30*ms).hear("A1→B1", true)
	if h.m.second == pairOf("A1→B1") {
		t.Errorf("packets go over %s as primary and %s as second; %s is under test no longer", nameOf(h.m.Primary()), nameOf(h.m.second), nameOf(testing))
	}
}

// In an exploration that the peer began packets go with the tests once the primary has failed.
func TestOverdueAfterVerdict(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.feedback(0) // lately confirmed
	h.ignore().hear("A1→B1", true)
	h.ignore()
	for h.m.explore.doubt {
		h.fire()
		h.ignore()
	}
	if h.m.State() != TestingPrimary {
		t.Fatal(h.m.State())
	}
	h.send()
	at := h.now
	for h.now.Sub(at) < 200*ms {
		h.ignore().after(5 * ms)
		h.wake()
		if h.m.State() != TestingPrimary {
			break
		}
		if h.m.second.IsValid() {
			return
		}
	}
	t.Errorf("for %v packets went over the condemned %s alone: %v", h.now.Sub(at), nameOf(h.m.Primary()), h.m.State())
}

// A pair that has answered cannot be sent over any more: another one is tested.
func TestSendErrorOnVerified(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.until("Send test A2→B2").ignore().answered(h.test("A2→B2"))
	h.ignore()
	at := h.now
	for h.m.State() == TestingPrimary && h.m.Primary() == pairOf("A1→B1") {
		h.ignore().fire()
		for _, a := range h.pending {
			switch a := a.(type) {
			case SendPoll:
				switch a.Pair {
				case pairOf("A3→B3"):
					return
				case pairOf("A2→B2"):
					h.ignore()
					h.event(func(acts []Action) []Action { return h.m.HandleSendError(h.now, a.Pair, acts) })
				}
			case SetPrimary:
				t.Errorf("after %v: %s", h.now.Sub(at), describe(a))
			}
		}
	}
}

// An OK list names two Polls of the primary: the newer one counts.
func TestNewestOKCounts(t *testing.T) {
	h := testingOn(t, "A1→B1")
	first := h.last
	h.ignore()
	for h.last.ID == first.ID {
		h.ignore().fire()
	}
	second, at := h.last, h.now
	h.ignore().after(5*ms).answered(second, first)
	for _, a := range h.pending {
		if r, ok := a.(ResetTimer); ok && !r.Before.Equal(at) {
			t.Errorf("what was sent %v before the newer Poll, and later, stays unconfirmed", at.Sub(r.Before))
		}
	}
}

// As TestOneDirectionEach, the second pair being slower.
func TestOneDirectionEachSlower(t *testing.T) {
	for _, talking := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		for _, slow := range []time.Duration{10, 15, 20} {
			w := newWorld(t, Balanced, []string{"A1→B1", "A2→B2"}, []string{"B1→A1", "B2→A2"})
			w.delayOf = func(p locator.Pair) time.Duration {
				if p.Local == addresses["A2"] || p.Local == addresses["B2"] {
					return slow * ms
				}
				return 10 * ms
			}
			w.talking = talking
			w.connect(0)
			w.run(time.Second)
			w.wantSettled()
			b := w.nodes[1].m
			w.only("A2→B2", "B1→A1")
			at, out := w.now, time.Duration(0)
			for w.now.Sub(at) < 3*time.Second {
				w.run(ms)
				if b.Primary() != pairOf("B1→A1") {
					if out == 0 {
						t.Errorf("talking %v, pair 2 %dms: B left its working primary after %v", talking, slow, w.now.Sub(at))
					}
					out += ms
				}
			}
			if out > 0 {
				t.Logf("... for %v", out)
			}
		}
	}
}

// An exploration that the peer began goes on as quickly as our own when our packets are overdue.
func TestOwnDoubtHastens(t *testing.T) {
	for name, timers := range map[string]Timers{"fast": Fast, "balanced": Balanced} {
		for _, delay := range []time.Duration{10, 20, 40, 100} {
			w := newWorld(t, timers, []string{"A1→B1", "A2→B2"}, []string{"B1→A1", "B2→A2"})
			w.delay, w.talking = delay*ms, [2]bool{true, true}
			w.connect(0)
			w.run(time.Second)
			w.only("A2→B2", "B1→A1")
			at, a := w.now, w.nodes[0].m
			var began, carried, tested time.Duration
			for w.now.Sub(at) < 3*time.Second && tested == 0 {
				w.run(ms / 2)
				d := w.now.Sub(at)
				if a.State() == TestingPrimary && began == 0 {
					began = d
				}
				if a.explore.carries && carried == 0 {
					carried = d
				}
				if a.Testing() == pairOf("A2→B2") {
					tested = d
				}
			}
			lead := timers.lead(a.primaryRTT())
			t.Logf("%s, %v: %v began %v, own doubt %v, other pair tested %v (lead %v)", name, w.delay, a.explore.cause, began, carried, tested, lead)
			if tested > carried+lead+ms {
				t.Errorf("%s, %v: the other pair is tested %v after there is doubt of our own, not %v", name, w.delay, tested-carried, lead)
			}
		}
	}
}
