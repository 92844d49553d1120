package detect

import (
	"testing"
	"time"
)

// condemned returns how long after a suspicion a dead primary is left for a pair that answers
// each Poll within rtt, when there were so many false alarms of late. asks says that the peer
// looks for a pair itself, and has its own Poll come over that one with each answer.
func condemned(t *testing.T, rtt time.Duration, alarms float64, asks bool) time.Duration {
	t.Helper()
	h := operationalOn(t, "A1→B1", "A2→B2")
	primary := h.m.of(pairOf("A1→B1"))
	primary.alarms, primary.alarmAt = alarms, h.now
	other := h.m.of(pairOf("A2→B2"))
	other.measured(rtt)
	other.measured(rtt)
	start := h.now
	type answer struct {
		at   time.Time
		poll SendPoll
	}
	var answers []answer
	collect := func() {
		for _, a := range h.pending {
			if p, ok := a.(SendPoll); ok && p.Answer && p.Pair == pairOf("A2→B2") {
				answers = append(answers, answer{h.now.Add(rtt), p})
			}
		}
		h.ignore()
	}
	h.hint("A1→B1")
	for collect(); h.m.Primary() == pairOf("A1→B1"); collect() {
		if h.now.Sub(start) > 5*time.Second {
			t.Fatal("the primary is not left")
		}
		if at := h.m.Deadline(); len(answers) == 0 || at.Before(answers[0].at) {
			h.now = at
			h.wake()
			continue
		}
		a := answers[0]
		answers = answers[1:]
		h.now = a.at
		h.answered(a.poll)
		if asks {
			h.hear("A2→B2", true)
		}
	}
	return h.now.Sub(start)
}

// TestSlowWitness: a pair that answers as quickly as it can puts off the verdict for no longer
// than it takes to answer twice, though it be slower than the primary.
func TestSlowWitness(t *testing.T) {
	for _, alarms := range []float64{0, 9} {
		want := condemned(t, rttOfTests, alarms, false)
		for _, rtt := range []time.Duration{2 * rttOfTests, 3 * rttOfTests, 5 * rttOfTests} {
			if got := condemned(t, rtt, alarms, false); got > want+2*rtt {
				t.Errorf("after %v false alarms, over a pair of %v: left after %v, want about %v", alarms, rtt, got, want)
			}
		}
	}
}

// TestWitnessIsNotAsked: Polls of ours that only answer the peer's are never answered, which
// says nothing against the pair that is to become primary, the quicker one.
func TestWitnessIsNotAsked(t *testing.T) {
	want := condemned(t, rttOfTests/10, 0, false)
	if got := condemned(t, rttOfTests/10, 0, true); got > want {
		t.Errorf("a peer that asks, too, has the dead primary left after %v, not %v", got, want)
	}
}

// TestPacketsGoWhereItWorks: once a pair has answered, packets go over it as well as over the
// primary in doubt, not over the pair that was tested after it.
func TestPacketsGoWhereItWorks(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2", "A3→B3")
	for _, testing := range []string{"A2→B2", "A3→B3"} {
		for nameOf(h.m.Testing()) != testing {
			h.now = h.m.Deadline()
			h.ignore().wake()
		}
	}
	if h.m.second != pairOf("A3→B3") {
		t.Fatalf("packets go over %v, too", nameOf(h.m.second))
	}
	h.ignore().answered(h.tests[pairOf("A2→B2")])
	if h.m.Primary() != pairOf("A1→B1") || h.m.second != pairOf("A2→B2") {
		t.Errorf("primary %s, and packets go over %s, too", nameOf(h.m.Primary()), nameOf(h.m.second))
	}
	if last := h.pending[len(h.pending)-1]; last != (Duplicate{To: pairOf("A2→B2"), Answered: true}) {
		t.Errorf("%+v", last)
	}
}

// TestPeerIsHeardTwice: a peer that explores polls over one pair after another. It was heard
// over the pair under test, so that the next one is no better guess.
func TestPeerIsHeardTwice(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.hear("A2→B2", true)
	h.ignore().wantState(TestingPrimary, "A1→B1", "A2→B2")
	h.after(rttOfTests/4).hear("A3→B3", true)
	h.expect("Answer A3→B3")
	h.wantState(TestingPrimary, "A1→B1", "A2→B2")

	h = testingOn(t, "A1→B1", "A2→B2", "A3→B3") // nothing is known of the one under test
	h.ignore().hear("A3→B3", true)
	h.ignore().wantState(TestingPrimary, "A1→B1", "A3→B3")
}

// TestVerifiedPairGoes: packets do not go over a pair that was taken away, and another one is
// tried for the primary in doubt.
func TestVerifiedPairGoes(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2", "A3→B3")
	for nameOf(h.m.Testing()) != "A2→B2" {
		h.now = h.m.Deadline()
		h.ignore().wake()
	}
	h.ignore().answered(h.tests[pairOf("A2→B2")])
	h.ignore().candidates("A1→B1", "A3→B3")
	h.expect("Duplicate on none", "Send test A3→B3", "Duplicate on A3→B3")
	h.wantState(TestingPrimary, "A1→B1", "A3→B3")
}

// standstill has nothing answered for some time after a suspicion: neither the primary nor the
// others. Then all that was sent is answered, the primary's Polls last.
func standstill(t *testing.T, timers Timers, d time.Duration) (left bool) {
	t.Helper()
	h := newHarness(t, timers)
	h.candidates("A1→B1", "A2→B2", "A3→B3", "A1→B2", "A2→B1", "A1→B3", "A3→B1", "A2→B3", "A3→B2")
	h.connect("A1→B1")
	h.ignore().after(20 * ms).answered(h.last)
	for range 20 {
		h.ignore().after(20 * ms).feedback(20 * ms)
	}
	h.ignore().hint("A1→B1")
	var first, last []SendPoll
	collect := func() {
		for _, a := range h.pending {
			switch p, ok := a.(SendPoll); {
			case ok && p.Answer && p.Pair == pairOf("A1→B1"):
				last = append(last, p)
			case ok && p.Answer:
				first = append(first, p)
			}
		}
		h.ignore()
	}
	collect()
	for end := h.now.Add(d); ; collect() {
		at := h.m.Deadline()
		if at.IsZero() || at.After(end) {
			h.now = end
			break
		}
		h.now = at
		h.wake()
	}
	for _, p := range append(first, last...) {
		h.answered(p)
		collect()
		h.after(ms / 10)
	}
	return h.m.Primary() != pairOf("A1→B1")
}

// TestStandstill: an end that stands still for a while, or a network, is no reason to leave
// the primary, though another pair's answer be the first that is read.
func TestStandstill(t *testing.T) {
	for name, timers := range map[string]Timers{"fast": Fast, "balanced": Balanced} {
		for d := 30 * ms; d < sentFor; d += max(7*ms, d/50) {
			if standstill(t, timers, d) {
				t.Errorf("%s: %v of silence, and the primary is left", name, d)
			}
		}
	}
}

// TestReturnFromOutage: the first pair to work again becomes primary, though it is not the one
// that was primary before the outage, which is polled beside it.
func TestReturnFromOutage(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.ignore().hint("A1→B1")
	h.until("use none").ignore()
	h.until("Send test A2→B2").ignore()
	h.answered(h.test("A2→B2"))
	h.wantState(TestingPrimary, "A1→B1", "none")
	if h.m.second != pairOf("A2→B2") {
		t.Errorf("packets go over %s, too", nameOf(h.m.second))
	}
	began := h.now
	h.until("use A2→B2")
	if d := h.now.Sub(began); d > 10*rttOfTests {
		t.Errorf("A1→B1 is left after %v", d)
	}
}
