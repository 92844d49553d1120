package detect

import (
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
)

// A witness whose round trip takes more than a second has the dead primary left, too.
func TestVerdictWitnessSlowerThanPollCeiling(t *testing.T) {
	for _, rtt := range []time.Duration{900 * ms, 1100 * ms, 1500 * ms} {
		w := newWorld(t, Balanced, []string{"A1→B1", "A2→B2"}, []string{"B1→A1", "B2→A2"})
		failed := false
		dead := func(p locator.Pair) bool { return p == pairOf("A1→B1") || p == pairOf("B1→A1") }
		w.delayOf = func(p locator.Pair) time.Duration {
			if dead(p) {
				return 10 * ms
			}
			return rtt / 2
		}
		w.arrives = func(p locator.Pair) bool { return !failed || !dead(p) }
		w.connect(0)
		w.talking = [2]bool{true, true}
		w.run(3 * time.Second)
		failed = true
		w.run(30 * time.Second)
		m := w.nodes[0].m
		if !w.settled(0) || !w.settled(1) {
			t.Errorf("rtt %v: after 30 s: %v on %s; %d outages, %d Polls", rtt, m.State(), nameOf(m.Primary()), m.Stats().Outages, w.polls)
		}
	}
}

// The margin that the primary's answer is given more is bounded.
func TestVerdictMarginOfREAP(t *testing.T) {
	h := newHarness(t, REAP)
	h.candidates("A1→B1", "A2→B2")
	h.connect("A1→B1")
	h.ignore().after(rttOfTests).answered(h.last)
	h.ignore().after(time.Minute).demand()
	h.hint("A1→B1")
	h.until("Send test A2→B2").ignore()
	h.after(rttOfTests).answered(h.test("A2→B2"))
	// Everything is silent until the verdict waits for the witness with some patience.
	for h.m.explore.witnessBy.IsZero() {
		h.ignore().fire()
	}
	h.ignore().after(rttOfTests).answered(h.test("A2→B2"))
	began := h.now
	for h.m.Primary() == pairOf("A1→B1") {
		h.ignore().fire()
	}
	if d := h.now.Sub(began); d > time.Second {
		t.Errorf("the witness has answered, and the dead primary is left %v later", d)
	}
}

// A primary that is back from an outage is not tested beside itself when the witness is lost.
func TestRestoredIsNotSecond(t *testing.T) {
	for _, how := range []string{"send error", "gone"} {
		h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
		h.hint("A1→B1")
		h.until("use none").ignore()
		h.until("Send test A2→B2").ignore()
		h.answered(h.test("A2→B2"))
		h.ignore().wantState(TestingPrimary, "A1→B1", "none")
		check := func() {
			if p := h.m.Primary(); p.IsValid() && h.m.second == p {
				t.Errorf("%s: the primary %s is the second pair, too", how, nameOf(p))
			}
		}
		switch how {
		case "send error":
			h.event(func(acts []Action) []Action { return h.m.HandleSendError(h.now, pairOf("A2→B2"), acts) })
		case "gone":
			h.candidates("A1→B1", "A3→B3")
		}
		check()
		for range 30 {
			if h.m.State() == NoPrimary || t.Failed() {
				break
			}
			h.ignore().fire()
			check()
		}
		h.ignore()
	}
}

// Nor when it falls silent.
func TestRestoredIsNotSecondSilent(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.hint("A1→B1")
	h.until("use none").ignore()
	h.until("Send test A2→B2").ignore()
	h.answered(h.test("A2→B2"))
	h.ignore().wantState(TestingPrimary, "A1→B1", "none")
	for range 60 {
		if h.m.State() == NoPrimary {
			return
		}
		h.ignore().fire()
		if p := h.m.Primary(); p.IsValid() && h.m.second == p {
			t.Fatalf("after %v the primary %s is the second pair, too", h.now.Sub(epoch), nameOf(p))
		}
	}
}

// firstTests is testingOn with three pairs until the third is under test; it returns the first Poll
// on the second, and when it was sent.
func firstTests(t *testing.T) (h *harness, first SendPoll, at time.Time) {
	h = testingOn(t, "A1→B1", "A2→B2", "A3→B3")
	for nameOf(h.m.Testing()) != "A3→B3" {
		h.now = h.m.Deadline()
		h.ignore().wake()
		if p, ok := h.tests[pairOf("A2→B2")]; ok && at.IsZero() {
			first, at = p, h.now
		}
	}
	h.ignore()
	return h, first, at
}

// One OK list names a Poll on a third pair first, then the witness's, which counts.
func TestVerdictWitnessAnswersBesideThird(t *testing.T) {
	h, first, _ := firstTests(t)
	third := h.test("A3→B3")
	h.after(ms).answered(first) // late: it is polled again, beside the primary
	x := &h.m.explore
	for h.ignore(); x.witnessBy.IsZero(); {
		h.ignore().fire()
	}
	asked := x.askedAt
	h.ignore().answered(third, h.test("A2→B2")) // the witness has answered
	h.ignore()
	if x.askedAt != asked {
		t.Errorf("the witness has answered, and both are polled again; witnessBy (stale) in %v, condemnAt in %v", x.witnessBy.Sub(h.now), x.condemnAt.Sub(h.now))
	}
}

// The word of a witness that is gone does not count for the next one.
func TestVerdictWordOfTheLost(t *testing.T) {
	h, first, at := firstTests(t)
	h.after(ms).answered(h.test("A3→B3"))
	h.ignore()
	x := &h.m.explore
	if x.verified != pairOf("A3→B3") || x.verifiedAt.Before(x.askedAt) {
		t.Fatal(nameOf(x.verified))
	}
	h.event(func(acts []Action) []Action { return h.m.HandleSendError(h.now, pairOf("A3→B3"), acts) })
	h.ignore().after(ms).answered(first)
	h.ignore()
	if x.verified != pairOf("A2→B2") {
		t.Fatal(nameOf(x.verified))
	}
	asked := x.askedAt
	for h.m.State() == TestingPrimary && h.m.Primary() == pairOf("A1→B1") && h.now.Before(epoch.Add(2*time.Hour)) {
		if x.askedAt.After(asked) {
			h.ignore()
			return // it is polled again, as it should be
		}
		h.ignore().fire()
	}
	if h.ignore(); h.m.Primary() == pairOf("A2→B2") {
		t.Errorf("A2→B2 becomes primary by the answer to a Poll sent %v before the primary's last", asked.Sub(at))
	}
}

// A primary that is back from an outage has not failed for as long as that.
func TestRestoredFailsSoon(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.hint("A1→B1")
	h.until("use none").ignore()
	began := h.now
	for h.now.Sub(began) < 30*time.Second {
		h.demand()
		h.ignore().fire()
	}
	h.until("Send test A2→B2").ignore()
	h.answered(h.test("A2→B2"))
	h.until("failed A1→B1")
	for _, a := range h.pending {
		if f, ok := a.(TestFailed); ok && f.After > 5*time.Second {
			t.Errorf("%s failed after %v, though it was polled for some ms", nameOf(f.Pair), f.After)
		}
	}
	h.ignore()
}

// The witness has answered once and is dead, like the primary; the pair that was tried before it
// may be the only one that works, and is soon polled again.
func TestVerdictThirdPairWaits(t *testing.T) {
	for name, timers := range map[string]Timers{"balanced": Balanced, "gentle": Gentle, "REAP": REAP} {
		h := newHarness(t, timers)
		h.candidates("A1→B1", "A2→B2", "A3→B3")
		h.connect("A1→B1")
		h.ignore().after(rttOfTests).answered(h.last)
		h.ignore().after(time.Hour).demand()
		h.hint("A1→B1")
		var first SendPoll
		for h.ignore(); nameOf(h.m.Testing()) != "A3→B3"; {
			h.ignore().fire()
			if p, ok := h.tests[pairOf("A2→B2")]; ok && first.ID == 0 {
				first = p
			}
		}
		h.ignore().after(ms).answered(first)
		began, old := h.now, h.test("A3→B3").ID
		for h.ignore(); h.test("A3→B3").ID == old; {
			h.demand()
			h.ignore().fire()
		}
		h.ignore()
		if d := h.now.Sub(began); d > 10*timers.pollTimer(rtt{smoothed: rttOfTests}, rtt{}) {
			t.Errorf("%s: A3→B3 is polled again only after %v", name, d)
		}
	}
}

// An outage of all pairs is no false alarm, though the last primary is the second to answer after it.
func TestOutageIsNoFalseAlarm(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.hint("A1→B1")
	h.until("use none").ignore()
	h.until("Send test A2→B2").ignore()
	h.answered(h.test("A2→B2"))
	h.ignore().wantState(TestingPrimary, "A1→B1", "none")
	h.answered(h.test("A1→B1"))
	h.ignore().wantState(PrimaryOperational, "A1→B1", "none")
	if n := h.m.Stats().FalseAlarms; n != 0 {
		t.Errorf("%d false alarms after an outage", n)
	}
}

// An end that had no time answers over one pair after the other. The primary's answer comes
// later than the witness's, but not by more than that was late: it has not failed.
func TestVerdictAfterLateWitness(t *testing.T) {
	for _, frozen := range []time.Duration{200 * ms, 300 * ms, 400 * ms} {
		w := newWorld(t, Balanced, []string{"A1→B1", "A2→B2"}, []string{"B1→A1", "B2→A2"})
		first := func(p locator.Pair) bool { return p == pairOf("A1→B1") || p == pairOf("B1→A1") }
		until := [2]time.Time{}
		w.delayOf = func(p locator.Pair) time.Duration {
			free := until[1]
			if first(p) {
				free = until[0]
			}
			return max(10*ms, free.Sub(w.now))
		}
		w.connect(0)
		w.talking = [2]bool{true, true}
		w.run(3 * time.Second)
		m := w.nodes[0].m
		w.arrives = func(p locator.Pair) bool { return !first(p) }
		for range 100 { // until the other pair has been polled
			if m.of(pairOf("A2→B2")).pollRTT.known() {
				break
			}
			w.run(ms)
		}
		w.arrives = func(locator.Pair) bool { return true }
		w.run(5 * time.Second)
		if m.Primary() != pairOf("A1→B1") || !m.of(pairOf("A2→B2")).pollRTT.known() {
			t.Fatalf("%v on %s", m.State(), nameOf(m.Primary()))
		}
		until = [2]time.Time{w.now.Add(frozen + frozen/3), w.now.Add(frozen)}
		w.run(5 * time.Second)
		for _, n := range w.nodes {
			if s := n.m.Stats().Switches; s > 0 {
				t.Errorf("frozen for %v: %s switches %d times", frozen, n.name, s)
			}
		}
	}
}
