package detect

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// loses lets windows of 100 packets pass, one each two seconds, of which that share
// is lost.
func (h *harness) loses(share float64, windows int) {
	h.t.Helper()
	for range windows {
		h.event(func(acts []Action) []Action { return h.m.HandleLoss(h.now, 100, uint64(share*100), acts) })
		if h.m.trial.pair.IsValid() {
			return
		}
		h.after(2 * time.Second).demand()
	}
}

// fruitless lets an hour pass in which the primary loses much, and no other pair answers.
func (h *harness) fruitless() {
	h.t.Helper()
	for began := h.now; h.now.Sub(began) < time.Hour; {
		h.loses(0.3, 1000)
		h.train(never)
	}
}

// train lets the train that is under way go on to its end. It answers every Poll of
// which answers says so.
func (h *harness) train(answers func(n int) bool) (polls []SendPoll) {
	h.t.Helper()
	for n := 0; ; {
		for _, a := range h.pending {
			if p, ok := a.(SendPoll); ok && p.Answer && h.m.State() == PrimaryOperational {
				polls = append(polls, p)
				h.ignore()
				if answers(n) {
					h.after(5 * ms).answered(p)
					h.ignore()
				}
				n++
			}
		}
		if !h.m.trial.pair.IsValid() || h.m.State() != PrimaryOperational || len(polls) > 3*trainLength {
			return polls
		}
		h.ignore().fire()
	}
}

func always(int) bool { return true }
func never(int) bool  { return false }

// A primary that loses a third is left for a pair that loses nothing, which is shown
// first.
func TestDegradedPrimaryIsLeft(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A1→B2", "A2→B2")
	h.loses(0.3, 3)
	polls := h.train(always)
	if len(polls) != trainLength || nameOf(polls[0].Pair) != "A2→B2" {
		t.Fatalf("%d Polls, the first on %s", len(polls), nameOf(polls[0].Pair))
	}
	h.expect("primary operational, degraded: testing primary",
		"use A2→B2 for A1→B1: degraded, then test ok", "testing primary, test ok: primary operational", "Reset timer")
}

// One lossy window proves nothing, be it all lost; nor do few packets, nor a little loss.
func TestNotDegraded(t *testing.T) {
	for name, windows := range map[string]func(h *harness){
		"one window": func(h *harness) { h.loses(0.3, 1) },
		"not in a row": func(h *harness) {
			for range 50 {
				h.loses(0.3, 1)
				h.loses(0.01, 1)
			}
		},
		"little loss": func(h *harness) { h.loses(0.14, 500) },
		"one burst": func(h *harness) {
			for range 50 {
				h.loses(1, 1)
				h.loses(0, 1)
			}
		},
		"few packets": func(h *harness) {
			h.event(func(acts []Action) []Action { return h.m.HandleLoss(h.now, 15, 5, acts) })
			h.event(func(acts []Action) []Action { return h.m.HandleLoss(h.now, 15, 5, acts) })
		},
		"pinned": func(h *harness) {
			h.switchTo("A1→B1")
			h.loses(0.3, 50)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := operationalOn(t, "A1→B1", "A2→B2")
			windows(h)
			h.expect()
			h.wantState(PrimaryOperational, "A1→B1", "none")
		})
	}
}

// The primary stays if others are not clearly better; they are tried ever more
// seldom.
func TestDegradedWithoutBetterPair(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	for i, answers := range []func(int) bool{never, func(n int) bool { return n%8 < 6 }} {
		h.loses(0.3, 1000)
		if polls := h.train(answers); len(polls) > 3*trainLength/2 || polls[0].Pair == polls[len(polls)-1].Pair {
			t.Errorf("trial %d: %d Polls, want two trains that end early", i, len(polls))
		}
		h.wantState(PrimaryOperational, "A1→B1", "none")
	}
	began, trials := h.now, 0
	for h.now.Sub(began) < time.Hour {
		h.loses(0.3, 1000)
		h.train(never)
		trials++
	}
	if trials < 5 || trials > 12 {
		t.Errorf("%d trials in an hour", trials)
	}
}

// Of pairs that lose as much as the primary few do better by chance; one that loses a
// sixth of it is nearly always seen to.
func TestChanceOfTrains(t *testing.T) {
	const trials = 200
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		primary, other float64
		least, most    int
	}{{0.2, 0.2, 0, trials / 50}, {0.3, 0.3, 0, trials / 100}, {0.6, 0.6, 0, trials / 100}, {0.3, 0.05, trials * 9 / 10, trials}} {
		t.Run(fmt.Sprint(c.primary, c.other), func(t *testing.T) {
			moves := 0
			for range trials {
				h := operationalOn(t, "A1→B1", "A2→B2")
				h.loses(c.primary, 3)
				h.train(func(int) bool { return random.Float64() >= c.other })
				if h.ignore(); h.m.Primary() != pairOf("A1→B1") {
					moves++
				}
			}
			if moves < c.least || moves > c.most {
				t.Errorf("%d of %d trials favour the other pair, want %d to %d", moves, trials, c.least, c.most)
			}
		})
	}
}

// A primary that loses little again stays.
func TestRecoveryEndsTrain(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.loses(0.3, 3)
	h.ignore().event(func(acts []Action) []Action { return h.m.HandleLoss(h.now, 100, 0, acts) })
	if h.m.trial.pair.IsValid() {
		t.Error("the train goes on")
	}
}

// A train waits while the primary is in doubt, and goes on when the doubt proved false,
// as often as that may happen.
func TestTrainOutlivesFalseAlarms(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.loses(0.3, 3)
	for alarms := 0; h.m.Primary() == pairOf("A1→B1"); alarms++ {
		if alarms > trainLength {
			t.Fatal("the train comes to no end")
		}
		h.ignore().answered(h.tests[pairOf("A2→B2")])
		if h.ignore(); h.m.State() != PrimaryOperational {
			t.Fatalf("alarm %d: %v", alarms, h.m.State())
		}
		h.after(50 * ms).complain()
		h.expect("primary operational, complaint: testing primary", "Send test A1→B1")
		h.answered(h.tests[pairOf("A1→B1")])
		h.ignore().fire() // the next of the train
		if h.m.trial.sent != alarms+2 && h.m.Primary() == pairOf("A1→B1") {
			t.Fatalf("alarm %d: %d of the train were sent", alarms, h.m.trial.sent)
		}
	}
	h.ignore().wantState(PrimaryOperational, "A2→B2", "none")
}

// A primary that fails while another pair is on trial is left for it by the usual way,
// and that ends the train.
func TestSwitchEndsTrain(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.loses(0.3, 3)
	h.ignore().after(time.Second).complain()
	for h.m.Primary() == pairOf("A1→B1") {
		h.ignore().fire()
		if p, ok := h.tests[pairOf("A2→B2")]; ok && h.m.State() == TestingPrimary {
			h.ignore().answered(p)
		}
	}
	h.ignore().wantState(PrimaryOperational, "A2→B2", "none")
	if h.m.trial.pair.IsValid() || h.m.trial.evidence != 0 {
		t.Errorf("%+v goes on", h.m.trial)
	}
}

// That no pair was better than the primary is forgotten when that fails.
func TestSwitchAllowsTrial(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.fruitless()
	h.ignore().after(time.Second).complain()
	for h.m.Primary() == pairOf("A1→B1") {
		h.ignore().fire()
		if p, ok := h.tests[pairOf("A2→B2")]; ok && h.m.State() == TestingPrimary {
			h.ignore().answered(p)
		}
	}
	h.ignore().loses(0.4, 3)
	if h.m.trial.pair.IsValid() {
		t.Error("another trial begins at once: who comes and goes all the time would have no end of them")
	}
	h.ignore().loses(0.4, int(trialFirst/(2*time.Second))+3)
	h.train(func(int) bool { return h.last.Pair == pairOf("A3→B3") })
	h.ignore().wantState(PrimaryOperational, "A3→B3", "none")
}

// So it is when traffic moves back to another.
func TestFailbackAllowsTrial(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	h.fruitless()
	h.ignore().busy(4*DefaultHold, all)
	h.ignore().wantState(PrimaryOperational, "A1→B1", "none")
	h.loses(0.4, int(trialFirst/(2*time.Second))+3)
	h.train(func(int) bool { return h.last.Pair == pairOf("A2→B2") })
	h.ignore().wantState(PrimaryOperational, "A2→B2", "none")
}

// Trials without a better pair are forgotten when the primary has been well for long.
func TestRecoveryAllowsTrial(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.fruitless()
	h.loses(0, int(3*trialLast/(2*time.Second)))
	h.loses(0.3, 5)
	h.train(never) // by bad luck
	h.loses(0.3, int(trialFirst/(2*time.Second))+3)
	h.train(always)
	h.ignore().wantState(PrimaryOperational, "A2→B2", "none")
}

// What the primary loses is measured when much is missing, until it is known.
func TestMissingIsMeasured(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	missing := func(share float64) {
		h.event(func(acts []Action) []Action { return h.m.HandleMissing(h.now, share, acts) })
	}
	lost := func(sent, lost uint64) {
		h.event(func(acts []Action) []Action { return h.m.HandleLoss(h.now, sent, lost, acts) })
	}
	h.answered(h.last)
	h.ignore()
	missing(0.1)
	h.expect("Send test A1→B1")
	missing(0.1) // once more: it is being measured
	h.fire()
	h.expect("Send test A1→B1")
	lost(100, 3)
	missing(0.1)
	h.expect() // not again so soon, unless there is more of it
	missing(0.2)
	h.expect("Send test A1→B1")
	lost(100, 3)
	h.after(measureRest)
	missing(0.1)
	h.expect("Send test A1→B1")
	lost(100, 30)
	for began := h.now; h.m.trial.measureAt.Sub(began) <= measureFor; { // no word any more
		h.fire()
		h.expect("Send test A1→B1")
	}
	h.fire()
	h.expect()
	if !h.m.trial.measureAt.IsZero() {
		t.Error("the measurement has no end")
	}
}

// A pair that goes while it is on trial.
func TestPairOnTrialGoes(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.loses(0.3, 3)
	if nameOf(h.m.trial.pair) != "A2→B2" {
		t.Fatalf("%s is on trial", nameOf(h.m.trial.pair))
	}
	h.ignore().candidates("A1→B1", "A3→B3")
	h.fire()
	h.expect("Send test A3→B3")
	h.train(always)
	h.ignore().answered(h.last)
	h.ignore().wantState(PrimaryOperational, "A3→B3", "none")
}

// A pair that comes is tried soon, however long the others have been no better.
func TestNewPairIsTriedSoon(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.fruitless()
	h.candidates("A1→B1", "A2→B2", "A3→B3")
	h.ignore().loses(0.3, 3)
	if h.m.trial.pair.IsValid() {
		t.Error("another trial begins at once: who comes and goes all the time would have no end of them")
	}
	h.ignore().loses(0.3, int(trialFirst/(2*time.Second))+3)
	h.train(func(n int) bool { return nameOf(h.last.Pair) == "A3→B3" })
	h.ignore().wantState(PrimaryOperational, "A3→B3", "none")
}

// A better-liked pair that was left for its losses has to work for longer.
func TestDegradedPairIsDamped(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.set(classesOf("A1→B1", "A2→B2"))
	h.m.remember(pairOf("A2→B2"))
	h.loses(0.3, 3)
	h.train(always)
	h.ignore().answered(h.last)
	h.ignore().busy(DefaultHold*3/2, all)
	h.wantState(PrimaryOperational, "A2→B2", "none")
	h.busy(DefaultHold*3/2, all)
	h.wantState(PrimaryOperational, "A1→B1", "none")
}
