package detect

import (
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
)

// classesOf returns candidates of which each is of its own class, best first.
func classesOf(names ...string) []locator.Candidate {
	cs := candidatesOf(names...)
	for i := range cs {
		cs[i].Class = i
	}
	return cs
}

// fallen is a machine that was on the first pair of classesOf(names), which failed,
// and is now operational on the second, an application having something to send.
func fallen(t tb, names ...string) *harness {
	t.Helper()
	h := newHarness(t, Balanced)
	h.set(classesOf(names...))
	h.connect(names[0])
	h.ignore().after(rttOfTests).answered(h.last)
	h.ignore().after(time.Hour).demand()
	h.hint(names[0])
	h.ignore().until("Send test " + names[1])
	answer := h.test(names[1])
	h.ignore().answered(answer)
	h.until("use " + names[1]).ignore()
	h.wantState(PrimaryOperational, names[1], "none")
	return h
}

// busy lets an application send all the time for d, everything being confirmed.
// answers says whether the Polls on a pair are answered. It returns the Polls.
func (h *harness) busy(d time.Duration, answers func(SendPoll) bool) (polls []SendPoll) {
	h.t.Helper()
	for end := h.now.Add(d); ; {
		at := h.now.Add(50 * ms)
		if w := h.m.Deadline(); !w.IsZero() && w.Before(at) {
			at = w
		}
		if at.After(end) {
			h.now = end
			return polls
		}
		if at.After(h.now) {
			h.now = at
		}
		h.marks.Active = true
		h.wake()
		acts := h.pending
		h.ignore()
		for _, a := range acts {
			if p, ok := a.(SendPoll); ok && p.Answer {
				polls = append(polls, p)
				if answers(p) {
					h.answered(p)
				}
			}
		}
		h.ignore()
	}
}

func all(SendPoll) bool  { return true }
func none(SendPoll) bool { return false }

func TestFailback(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2", "A3→B3")
	began := h.now
	var moved time.Duration
	for moved == 0 && h.now.Sub(began) < time.Minute {
		for _, p := range h.busy(50*ms, all) {
			if nameOf(p.Pair) != "A1→B1" {
				t.Fatalf("%v: Poll on %s, which is liked no better", h.now.Sub(began), nameOf(p.Pair))
			}
			if p.Move {
				t.Error("the peer is asked to look for another pair")
			}
		}
		if h.m.Primary() == pairOf("A1→B1") {
			moved = h.now.Sub(began)
		}
	}
	// The first Poll comes a quarter of the hold time after the failure.
	if want := DefaultHold * 5 / 4; moved < want || moved > want+DefaultHold/4 {
		t.Errorf("back after %v, want about %v", moved, want)
	}
	if polls := h.busy(time.Minute, all); len(polls) != 0 {
		t.Errorf("%d Polls on the best pair", len(polls))
	}
}

// Traffic moves when the pair is tested once more, not before.
func TestFailbackTestsFirst(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	h.busy(11*time.Second, all)
	for h.m.State() == PrimaryOperational {
		h.demand().fire()
		if h.m.State() == PrimaryOperational {
			h.ignore()
		}
	}
	h.expect("primary operational, policy change: testing primary", "Send test A1→B1")
	h.wantState(TestingPrimary, "A2→B2", "A1→B1")
	h.feedback(0) // the primary works, as was known
	h.expect()
	h.answered(h.test("A1→B1"))
	h.expect("use A1→B1 for A2→B2: policy change, then test ok", "testing primary, test ok: primary operational", "Reset timer")
}

// That the primary works is known: an answer that says so, be it with one to the
// test, does not end it.
func TestWantedPairOverAnswersOfThePrimary(t *testing.T) {
	h := answeredOn(t, "A1→B1", "A2→B2")
	h.hear("A1→B1", true)
	h.expect("Answer A1→B1")
	answer := h.last
	h.want("A2→B2")
	h.ignore().answered(answer)
	h.expect()
	h.hear("A1→B1", true)
	h.ignore()
	h.answered(h.last, h.test("A2→B2"))
	h.expect("use A2→B2 for A1→B1: policy change, then test ok", "testing primary, test ok: primary operational", "Reset timer")
}

// If the last test goes unanswered, the primary is tested and stays.
func TestFailbackThatFails(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2", "A3→B3")
	h.busy(11*time.Second, all)
	h.demand().until("primary operational, policy change").ignore()
	h.until("Send test")
	h.expect("failed A1→B1", "Send test A2→B2")
	h.answered(h.test("A2→B2"))
	h.expect("testing primary, test ok: primary operational", "Reset timer")
	h.wantState(PrimaryOperational, "A2→B2", "none")
}

func TestFailbackOneLostAnswerStartsAnew(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	n := 0
	h.busy(19*time.Second, func(p SendPoll) bool { n++; return n != 4 })
	if h.m.Primary() != pairOf("A2→B2") {
		t.Error("back although an answer was lost")
	}
	h.busy(DefaultHold, all)
	if h.m.Primary() != pairOf("A1→B1") {
		t.Error("never back")
	}
}

func TestFailbackToSilentPair(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	polls := h.busy(time.Hour, none)
	if n := len(polls); n < 55 || n > 75 {
		t.Errorf("%d Polls in an hour, want about one a minute", n)
	}
	h.wantState(PrimaryOperational, "A2→B2", "none")
}

// Of many better pairs the best is looked at more often than others, and all together
// not more than once a second.
func TestFailbackManyPairs(t *testing.T) {
	h := fallen(t, everyPair[0], everyPair[1])
	cs := classesOf(append(everyPair[2:], everyPair[0], everyPair[1])...)
	for _, c := range cs {
		h.m.remember(c.Pair)
	}
	h.set(cs)
	h.ignore()
	if n := len(h.busy(20*time.Second, none)); n < 10 || n > 25 {
		t.Errorf("%d Polls in 20 s, want about one a second", n)
	}
	answers := func(p SendPoll) bool { return p.Pair == cs[2].Pair }
	h.busy(4*DefaultHold, answers)
	if h.m.Primary() != cs[2].Pair {
		t.Errorf("primary %s, want %s, which answers", nameOf(h.m.Primary()), nameOf(cs[2].Pair))
	}
}

// A silent pair that answers again is looked at as often as any.
func TestFailbackAfterSilence(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	h.busy(10*time.Minute, none)
	began := h.now
	polls := 0
	for h.m.Primary() != pairOf("A1→B1") {
		polls += len(h.busy(50*ms, all))
		if h.m.of(pairOf("A1→B1")).watch.worksSince().IsZero() {
			began = h.now
		} else if p := h.m.Pairs()[0]; !p.Primary && (p.Result != "ok" || p.WorksSince.IsZero()) {
			t.Fatalf("a pair that answers: %+v", p)
		}
	}
	if d := h.now.Sub(began); polls < watchPolls+1 || d < DefaultHold || d > DefaultHold*5/4 {
		t.Errorf("back after %d Polls in %v", polls, d)
	}
	if p := h.m.Pairs()[0]; !p.WorksSince.IsZero() {
		t.Error("the primary is watched")
	}
}

// Who has nothing to say does not look, and goes on from where it was when it has.
func TestFailbackSilentWhenIdle(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	h.busy(3*time.Second, all)
	idle := h.now
	for at := h.m.Deadline(); !at.IsZero(); at = h.m.Deadline() {
		if h.now = at; h.now.Sub(idle) > 2*DefaultHold {
			t.Fatalf("awake %v after the last packet", h.now.Sub(idle))
		}
		h.wake()
		if h.m.State() != PrimaryOperational {
			t.Fatalf("%v without demand", h.m.State())
		}
		h.ignore() // not answered
	}
	h.after(time.Hour).busy(DefaultHold*2, all)
	if h.m.Primary() != pairOf("A1→B1") {
		t.Error("never back")
	}
}

func TestFailbackOff(t *testing.T) {
	timers := Balanced
	timers.Hold = 0
	h := newHarness(t, timers)
	h.set(classesOf("A1→B1", "A2→B2"))
	h.connect("A2→B2")
	h.ignore().after(rttOfTests).answered(h.last)
	if polls := h.ignore().busy(time.Hour, all); len(polls) != 0 {
		t.Errorf("%d Polls", len(polls))
	}
}

// A pair that fails soon after traffic has come back has to work for longer and
// longer; one that lasts is trusted again.
func TestFlapDamping(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	back := func() time.Duration {
		began := h.now
		for h.m.Primary() != pairOf("A1→B1") {
			if h.busy(50*ms, all); h.now.Sub(began) > time.Hour {
				t.Fatal("never back")
			}
		}
		return h.now.Sub(began)
	}
	fail := func() {
		h.after(time.Second).demand().hint("A1→B1")
		h.ignore().until("Send test A2→B2").ignore()
		h.answered(h.test("A2→B2"))
		h.until("use A2→B2").ignore()
	}
	last := back()
	for i := range 4 {
		fail()
		now := back()
		if now < last*3/2 {
			t.Errorf("flap %d: back after %v, %v the time before", i, now, last)
		}
		last = now
	}
	for range 6 {
		fail()
		last = back()
	}
	if last > holdCap+holdCap/2 {
		t.Errorf("back after %v, the cap is %v", last, holdCap)
	}
	h.busy(steadyFor*DefaultHold+time.Second, all)
	fail()
	if now := back(); now > 2*DefaultHold {
		t.Errorf("back after %v, although it had been steady", now)
	}
}

// The memory of flaps survives that the pair goes and comes again.
func TestFlapsOfPairThatGoes(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	h.busy(2*DefaultHold, all)
	h.wantState(PrimaryOperational, "A1→B1", "none")
	h.candidates("A2→B2")
	h.ignore().answered(h.last)
	h.ignore().set(classesOf("A1→B1", "A2→B2"))
	h.ignore().busy(DefaultHold*3/2, all)
	h.wantState(PrimaryOperational, "A2→B2", "none")
	h.busy(DefaultHold*3/2, all)
	h.wantState(PrimaryOperational, "A1→B1", "none")
}

// What the peer asks because it was asked is no second alarm; what comes later is.
func TestOneDoubtIsOneAlarm(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2").after(2 * rttOfTests)
	h.feedback(rttOfTests)
	for _, again := range []struct {
		after time.Duration
		want  bool
	}{{rttOfTests / 2, false}, {10 * rttOfTests, true}} {
		h.ignore().after(again.after).hear("A1→B1", true)
		if h.m.State() != TestingPrimary {
			t.Fatalf("%v when the peer asks", h.m.State())
		}
		h.ignore().after(rttOfTests / 2).feedback(rttOfTests)
		if got := h.m.AlarmsProveFalse(h.now); got != again.want {
			t.Errorf("%v after the doubt: alarms prove false: %v", again.after, got)
		}
	}
}

// A primary whose alarms prove false is given more chances, unless it answers too few
// Polls.
func TestPatienceWithFalseAlarms(t *testing.T) {
	tries := func(h *harness) (n int) {
		h.t.Helper()
		h.after(time.Second).demand().hint("A1→B1")
		for h.m.State() == TestingPrimary && h.m.Primary() == pairOf("A1→B1") {
			for _, a := range h.pending {
				if p, ok := a.(SendPoll); ok && p.Pair == pairOf("A1→B1") {
					n++
				}
			}
			h.ignore()
			if p, ok := h.tests[pairOf("A2→B2")]; ok {
				h.answered(p)
			}
			if h.m.State() == TestingPrimary {
				h.ignore().fire()
			}
		}
		return n
	}
	alarm := func(h *harness) {
		h.after(time.Second).demand().hint("A1→B1")
		h.ignore().after(5 * ms).answered(h.test("A1→B1"))
		h.ignore()
	}
	steady := operationalOn(t, "A1→B1", "A2→B2")
	if n := tries(steady); n != Balanced.Tries {
		t.Errorf("%d tries on a path without alarms, want %d", n, Balanced.Tries)
	}
	nervous := operationalOn(t, "A1→B1", "A2→B2")
	for range 20 {
		alarm(nervous)
	}
	if n := tries(nervous); n != Balanced.Tries+maxExtra {
		t.Errorf("%d tries on a path with many false alarms, want %d", n, Balanced.Tries+maxExtra)
	}
	bad := operationalOn(t, "A1→B1", "A2→B2")
	for range 20 {
		alarm(bad)
	}
	for range 8 {
		bad.m.of(pairOf("A1→B1")).polled(false)
	}
	if n := tries(bad); n != Balanced.Tries {
		t.Errorf("%d tries on a path that answers little, want %d", n, Balanced.Tries)
	}
}

func (h *harness) switchTo(pair string) {
	h.t.Helper()
	h.event(func(acts []Action) []Action { return h.m.Switch(h.now, pairOf(pair), acts) })
}

// What a user wants is asked of the peer, too, and stays until it fails.
func TestSwitch(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.set(classesOf("A1→B1", "A2→B2"))
	h.ignore().switchTo("A2→B2")
	h.expect("primary operational, policy change: testing primary", "Wish for A2→B2")
	h.answered(h.last)
	h.expect("use A2→B2 for A1→B1: policy change, then test ok", "testing primary, test ok: primary operational", "Reset timer")
	if polls := h.busy(time.Hour, all); len(polls) != 0 || h.m.Pinned() != pairOf("A2→B2") {
		t.Fatalf("%d Polls, pinned %s", len(polls), nameOf(h.m.Pinned()))
	}
	h.m.Auto()
	h.busy(2*DefaultHold, all)
	h.wantState(PrimaryOperational, "A1→B1", "none")
}

func TestSwitchToThePrimaryPins(t *testing.T) {
	h := operationalOn(t, "A2→B2")
	h.set(classesOf("A1→B1", "A2→B2"))
	h.ignore().switchTo("A2→B2")
	h.expect()
	h.busy(time.Minute, all)
	h.wantState(PrimaryOperational, "A2→B2", "none")
}

func TestSwitchThatFails(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.switchTo("A2→B2")
	h.ignore().until("Send test")
	h.expect("failed A2→B2", "Send test A1→B1")
	h.answered(h.last)
	h.expect("testing primary, test ok: primary operational", "Reset timer")
	if h.m.Pinned().IsValid() {
		t.Error("pinned")
	}
	for _, pair := range []string{"A3→B1", "none"} { // not known
		h.switchTo(pair)
		h.expect()
	}
}

func TestPinEndsWithFailure(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.set(classesOf("A1→B1", "A2→B2"))
	h.ignore().switchTo("A2→B2")
	h.ignore().answered(h.last)
	h.ignore().after(time.Second).demand().hint("A2→B2")
	h.ignore().until("Send test A1→B1").ignore()
	h.answered(h.test("A1→B1"))
	h.until("use A1→B1").ignore()
	if h.m.Pinned().IsValid() {
		t.Errorf("%s is still pinned", nameOf(h.m.Pinned()))
	}
}

func (h *harness) wish(pair string) {
	h.t.Helper()
	h.peerIDs += 2
	h.event(func(acts []Action) []Action {
		return h.m.HandlePoll(h.now, pairOf(pair), Poll{ID: h.peerIDs, Answer: true, Wish: true}, acts)
	})
}

// What the peer's user wants is tested, and done.
func TestPeersWish(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.set(classesOf("A1→B1", "A2→B2"))
	h.ignore().wish("A2→B2")
	h.expect("primary operational, policy change: testing primary", "Send test A2→B2")
	if len(h.last.OK) != 1 {
		t.Error("the test does not answer the peer's")
	}
	h.answered(h.last)
	h.ignore().busy(time.Minute, all)
	h.wantState(PrimaryOperational, "A2→B2", "none")
	h.wish("A2→B2")
	h.expect("Answer A2→B2")
	h.wish("A3→B3") // not known
	h.expect("Answer A2→B2")
	h.m.WishOver()
	h.busy(time.Minute, all)
	h.wantState(PrimaryOperational, "A1→B1", "none")
	h.switchTo("A1→B1")
	h.expect()
	if h.m.WishOver(); !h.m.Pinned().IsValid() || !h.m.Wishes() {
		t.Error("what the user here wants ends with the peer's")
	}
}

func deprecate(cs []locator.Candidate, names ...string) []locator.Candidate {
	for i := range cs {
		for _, n := range names {
			if nameOf(cs[i].Pair) == n {
				cs[i].Deprecated = true
			}
		}
	}
	return cs
}

// Draft §3.5: communications move away from deprecated addresses, at once and
// without a gap.
func TestDeprecatedPrimaryIsLeft(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.set(deprecate(classesOf("A2→B2", "A3→B3", "A1→B1"), "A1→B1"))
	h.expect("primary operational, policy change: testing primary", "Send test A2→B2")
	h.wantState(TestingPrimary, "A1→B1", "A2→B2")
	h.feedback(0)
	h.expect()
	h.until("Send test") // the first does not answer
	h.expect("failed A2→B2", "Send test A3→B3")
	h.answered(h.last)
	h.expect("use A3→B3 for A1→B1: policy change, then test ok", "testing primary, test ok: primary operational", "Reset timer")
}

func TestDeprecatedPrimaryStaysIfNothingElseAnswers(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.set(deprecate(classesOf("A2→B2", "A1→B1"), "A1→B1"))
	h.ignore().until("Send test")
	h.expect("failed A2→B2", "Send test A1→B1")
	h.feedback(0)
	h.expect("testing primary, ulp feedback: primary operational", "Reset timer")
	h.set(deprecate(classesOf("A2→B2", "A1→B1"), "A1→B1"))
	h.expect() // no news
}

func TestDeprecatedWithoutAlternative(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.set(deprecate(candidatesOf("A1→B1", "A2→B2"), "A1→B1", "A2→B2"))
	h.expect()
}

func meter(cs []locator.Candidate, names ...string) []locator.Candidate {
	for i := range cs {
		for _, n := range names {
			cs[i].Metered = cs[i].Metered || nameOf(cs[i].Pair) == n
		}
	}
	return cs
}

// When the budget is spent, metered pairs are tested only when all else has failed.
func TestSpentBudget(t *testing.T) {
	for _, spent := range []bool{false, true} {
		h := operationalOn(t, "A1→B1", "A2→B2")
		h.set(meter(candidatesOf("A1→B1", "A2→B2"), "A2→B2"))
		h.m.SetSpent(spent)
		began := h.now
		h.ignore().hint("A1→B1")
		h.ignore().until("Send test A2→B2").ignore()
		if early := h.m.explore.doubt; early == spent {
			t.Errorf("spent %v: tested after %v, the primary being in doubt: %v", spent, h.now.Sub(began), early)
		}
		h.answered(h.test("A2→B2"))
		h.until("use A2→B2").ignore()
	}
	h := operationalOn(t, "A2→B2")
	h.set(meter(classesOf("A1→B1", "A2→B2"), "A1→B1"))
	h.m.SetSpent(true)
	if polls := h.ignore().busy(time.Minute, all); len(polls) != 0 {
		t.Errorf("%d Polls of a metered pair", len(polls))
	}
}

// Reports over a metered pair are rarer.
func TestReportsOverMeteredPair(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	for _, metered := range []bool{false, true} {
		cs := candidatesOf("A1→B1")
		cs[0].Metered = metered
		h.set(cs)
		h.ignore()
		h.marks.Owed, h.marks.Active = h.now, true
		began := h.now
		h.wake()
		h.until("Report").ignore()
		want := Balanced.ReportDelay
		if metered {
			want = meteredReport
		}
		if got := h.now.Sub(began); got != want || h.m.ReportDelay() != want {
			t.Errorf("metered %v: after %v, want %v", metered, got, want)
		}
	}
}

// The peer's packets come from elsewhere: that is tested, while the primary has its
// chance.
func TestMove(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A1→B2", "A2→B1")
	move := func(pair string) {
		h.event(func(acts []Action) []Action { return h.m.HandleMove(h.now, pairOf(pair), acts) })
	}
	move("A1→B1") // is the primary
	h.expect()
	move("A3→B3") // not known
	h.expect()
	move("A1→B2")
	h.expect("primary operational, peer poll: testing primary", "Send test A1→B2", "Duplicate on A1→B2")
	h.answered(h.last)
	h.until("use A1→B2").ignore()
	h.wantState(PrimaryOperational, "A1→B2", "none")
}

// Without demand there is one round over the pairs, and that is all.
func TestConnectQuietly(t *testing.T) {
	h := startOf(t, "A1→B1", "A2→B2")
	h.event(func(acts []Action) []Action { return h.m.ConnectQuietly(h.now, pairOf("A2→B2"), acts) })
	h.expect("no primary, connect: testing primary", "Send test A2→B2")
	h.until("Send test A1→B1").ignore()
	for at := h.m.Deadline(); !at.IsZero(); at = h.m.Deadline() {
		h.ignore().fire()
	}
	h.expect("failed A1→B1", "testing primary, test fail: no primary")
	if h.m.Connected() {
		t.Error("still connected")
	}
	h.event(func(acts []Action) []Action { return h.m.ConnectQuietly(h.now, pairOf("A2→B2"), acts) })
	h.ignore().answered(h.last)
	h.ignore().wantState(PrimaryOperational, "A2→B2", "none")
	h.event(func(acts []Action) []Action { return h.m.ConnectQuietly(h.now, pairOf("A1→B1"), acts) })
	h.expect()
}

// TestWatchAwaitsAnswer: while a watched pair's last Poll is under way, nothing is due, even
// if Polls go a little late, as on any real clock.
func TestWatchAwaitsAnswer(t *testing.T) {
	h := fallen(t, "A1→B1", "A2→B2")
	polls := 0
	for end := h.now.Add(time.Minute); h.now.Before(end); {
		at := h.now.Add(50 * ms)
		if d := h.m.Deadline(); !d.IsZero() && d.Before(at) {
			at = d.Add(ms)
		}
		h.now, h.marks.Active = at, true
		h.m.Observe(h.now, h.marks)
		for range 3 { // of what is due at once a call does one
			h.perform(h.m.HandleTimeout(h.now, nil))
			h.m.Observe(h.now, h.marks)
		}
		if d := h.m.Deadline(); !d.IsZero() && !d.After(h.now) {
			t.Fatalf("at %v the deadline is %v ago, and nothing is done", h.now.Sub(epoch), h.now.Sub(d))
		}
		acts := h.pending
		h.ignore()
		for _, a := range acts {
			if p, ok := a.(SendPoll); ok && p.Answer {
				if polls++; polls <= 3 {
					h.answered(p)
				}
			}
		}
	}
	if polls < 4 {
		t.Errorf("%d Polls, want some that are not answered", polls)
	}
}
