package detect

import (
	"testing"
	"time"
)

// An OK for an old Poll on the primary, which says nothing of now, stands in one
// list with an OK for the test that just succeeded on another pair.
func TestOldAnswerDoesNotHideNewOne(t *testing.T) {
	h := answeredOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.hear("A1→B1", true)
	h.expect("Answer A1→B1")
	old := h.last
	h.after(3 * time.Second).hint("A1→B1")
	h.until("failed A1→B1").ignore()
	h.after(time.Millisecond).answered(h.test("A3→B3"), old)
	witness := h.test("A3→B3")
	h.expect("Send test A3→B3", "Send test A1→B1")
	h.after(rttOfTests).answered(witness)
	h.expect()
	h.fire()
	h.expect("failed A1→B1", "use A3→B3 for A1→B1: icmp, then test ok", "testing primary, test ok: primary operational", "Reset timer")
}

// The answer to a Poll that was sent before the doubt proves nothing about now.
func TestOldAnswerAloneDoesNotEndDoubt(t *testing.T) {
	h := answeredOn(t, "A1→B1", "A2→B2")
	h.hear("A1→B1", true)
	h.expect("Answer A1→B1")
	old := h.last
	h.ignore().after(time.Second).hint("A1→B1")
	h.ignore().answered(old)
	h.expect()
	h.wantState(TestingPrimary, "A1→B1", "A1→B1")
}

// Nor does it vouch for the primary when the peer looks for a new one: the answer
// would go over a pair that may be dead.
func TestOldAnswerDoesNotVouchForPrimary(t *testing.T) {
	h := answeredOn(t, "A1→B1", "A2→B2")
	h.hear("A1→B1", true)
	h.expect("Answer A1→B1")
	old := h.last
	h.ignore().after(3 * time.Second).answered(old)
	h.ignore().hear("A2→B2", true)
	h.expect("primary operational, peer poll: testing primary", "Send test A2→B2", "Duplicate on A2→B2")
}

// A late answer to an earlier Poll of the same search counts, but
// not for ever, and only once.
func TestLateAnswer(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	first := h.last
	h.fire()
	h.ignore().answered(first)
	h.wantState(PrimaryOperational, "A1→B1", "none")
	h.ignore().after(time.Second).hint("A1→B1")
	h.ignore().answered(first)
	h.expect()

	h = noPrimaryOf(t, "A1→B1")
	h.after(sentFor + time.Second).answered(h.last)
	h.expect()
	h.wantState(NoPrimary, "none", "none")
}

// If several pairs are shown to work at once, the primary is kept.
func TestPrimaryIsLeftLeastGladly(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	first := h.last
	h.fire()
	h.ignore().answered(h.test("A2→B2"), first)
	h.expect("Duplicate on none", "testing primary, test ok: primary operational", "Reset timer")
	h.wantState(PrimaryOperational, "A1→B1", "none")
}

// The OK list names what came lately, newest first, eight at most.
func TestOKList(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.feedback(0)
	h.ignore()
	var ids []uint64
	for range maxHeard + 3 {
		h.after(time.Millisecond).hear("A1→B1", false)
		ids = append(ids, h.peerIDs)
	}
	h.after(time.Millisecond).hint("A1→B1")
	h.ignore()
	ok := h.last.OK
	if len(ok) != maxHeard {
		t.Fatalf("%d entries, want %d", len(ok), maxHeard)
	}
	for i, e := range ok {
		if e.ID != ids[len(ids)-1-i] || e.Held != time.Duration(i+1)*time.Millisecond {
			t.Errorf("entry %d is %+v, want %d held for %d ms", i, e, ids[len(ids)-1-i], i+1)
		}
	}
	h.until("testing primary, test fail: no primary").ignore()
	h.now = h.m.Deadline().Add(heardFor)
	h.wake()
	h.expect("no primary, retry: testing primary", "Send test A1→B1")
	if len(h.last.OK) != 0 {
		t.Errorf("%d entries after %v, want none", len(h.last.OK), heardFor)
	}
}

// What the peer held an answer back is no part of the round-trip time.
func TestHeldTimeIsTakenOut(t *testing.T) {
	h := connecting(t, "A1→B1")
	h.after(90 * time.Millisecond)
	p := Poll{ID: 1, OK: []Heard{{ID: h.last.ID, Held: 50 * time.Millisecond}}}
	h.event(func(acts []Action) []Action { return h.m.HandlePoll(h.now, pairOf("A1→B1"), p, acts) })
	h.ignore()
	if got := h.m.Pairs()[0].RTT; got != 40*time.Millisecond {
		t.Errorf("round-trip time %v, want 40ms", got)
	}
}

// Upper layers see a longer round trip, for their acknowledgements may be late:
// the wait for a Poll's answer goes by what Polls took, on this pair and others.
func TestPollTimerIgnoresFeedback(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	own, other := h.m.pollTimer(pairOf("A1→B1")), h.m.pollTimer(pairOf("A2→B2"))
	for range 50 {
		h.feedback(10 * rttOfTests)
		h.ignore()
	}
	if a, b := h.m.pollTimer(pairOf("A1→B1")), h.m.pollTimer(pairOf("A2→B2")); a != own || b != other {
		t.Errorf("wait for %v and %v, want %v and %v as before", a, b, own, other)
	}
	if got := h.m.SendTimer(); got < 10*rttOfTests {
		t.Errorf("send timer %v, less than upper layers' round-trip time", got)
	}
	// Nor do Polls make upper layers look quick.
	before := h.m.SendTimer()
	h.hint("A1→B1")
	h.ignore().after(time.Millisecond).answered(h.last)
	h.ignore()
	if got := h.m.SendTimer(); got != before {
		t.Errorf("send timer %v after a quick answer, want %v", got, before)
	}
}

// Every answer is told, however late, with its round-trip time.
func TestAnswered(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	h.until("Send test A2→B2").ignore()
	poll := h.test("A2→B2")
	h.after(7 * time.Millisecond).answered(poll)
	want := Answered{Pair: pairOf("A2→B2"), ID: poll.ID, Sent: h.now.Add(-7 * time.Millisecond), RTT: 7 * time.Millisecond}
	if len(h.pending) != 1 || h.pending[0] != Action(want) {
		t.Errorf("%+v, want %+v", h.pending, want)
	}
	h.ignore()
}

// An Open can stand for a Poll: its answer comes without an OK list.
func TestHandleAnswer(t *testing.T) {
	h := connecting(t, "A1→B1")
	h.event(func(acts []Action) []Action { return h.m.HandleAnswer(h.now, h.last.ID, acts) })
	h.expect("use A1→B1 for none: connect, then test ok", "testing primary, test ok: primary operational", "Reset timer")
}

// A Poll over a pair that is not known is answered on the primary, if there is
// one (it is used only after it was tested).
func TestPollOverUnknownPair(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.feedback(0)
	h.ignore().after(time.Millisecond).hear("A3→B3", true)
	h.expect("Answer A1→B1")
	h = noPrimaryOf(t, "A1→B1")
	h.hear("A3→B3", true)
	h.expect()
}

// A peer that Polls faster than a test takes gets answers, not a test each.
func TestFloodOfPeerPolls(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	tests := 0
	for range 1000 {
		h.after(100*time.Microsecond).hear("A1→B1", true)
		for _, a := range h.pending {
			if p, ok := a.(SendPoll); ok && p.Answer {
				tests++
			}
		}
		h.ignore()
		if d := h.m.Deadline(); due(d, h.now) {
			h.wake()
			h.ignore()
		}
	}
	if tests > 8+2*(mostPolls-1) { // 100 ms, a test takes 60 ms, and another pair's Poll is repeated
		t.Errorf("%d tests in 100 ms", tests)
	}
}

// Unanswered Polls are remembered up to a limit.
func TestSentPollsAreBounded(t *testing.T) {
	var p polls
	lost := 0
	count := func(sentPoll) { lost++ }
	for i := range uint64(3 * maxSent) {
		p.send(sentPoll{id: i, pair: pairOf("A1→B1"), at: epoch}, count)
	}
	if lost != 2*maxSent {
		t.Errorf("%d lost, want %d", lost, 2*maxSent)
	}
	if len(p.sent) != maxSent {
		t.Errorf("%d remembered, want %d", len(p.sent), maxSent)
	}
	if _, ok := p.take(epoch, 2*maxSent-1); ok {
		t.Error("the oldest was kept")
	}
	if _, ok := p.take(epoch, 3*maxSent-1); !ok {
		t.Error("the newest was forgotten")
	}
	p.send(sentPoll{id: 1, at: epoch.Add(sentFor + time.Second)}, count)
	if len(p.sent) != 1 {
		t.Errorf("%d remembered after %v, want 1", len(p.sent), sentFor)
	}
}

// The answer to a Poll sent on a pair that is gone means nothing.
func TestAnswerForDeletedPair(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	first := h.last
	h.candidates("A2→B2")
	h.ignore().answered(first)
	h.expect()
	h.candidates("A1→B1", "A2→B2") // even if it comes back
	h.ignore().answered(first)
	h.expect()
}

// Who hears that the peer is in doubt, and has sent something that is not confirmed, does
// not wait for its primary alone.
func TestPeersDoubtWithSomethingUnderWay(t *testing.T) {
	for _, c := range []struct {
		name     string
		underWay bool
		within   time.Duration
	}{{"nothing", false, rttOfTests + Balanced.Margin}, {"something", true, rttOfTests / 4}} {
		t.Run(c.name, func(t *testing.T) {
			h := operationalOn(t, "A1→B1", "A2→B2")
			if c.underWay {
				h.send()
			}
			h.hear("A1→B1", true)
			h.expect("primary operational, peer poll: testing primary", "Send test A1→B1")
			began := h.now
			h.until("Send test A2→B2")
			if d := h.now.Sub(began); d > c.within || d < c.within/2 {
				t.Errorf("another pair is tested after %v, want %v", d, c.within)
			}
		})
	}
}

// Who knows that its own packets arrive lately does not send them twice because the peer is
// in doubt, but then half the margin is enough for a doubt of its own.
func TestPeersDoubtHalvesTheMargin(t *testing.T) {
	for _, c := range []struct {
		name   string
		before time.Duration // that doubt of our own
		want   []string
	}{
		{"before", time.Millisecond, nil},
		{"after", -time.Millisecond, []string{"Duplicate on A2→B2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := operationalOn(t, "A1→B1", "A2→B2")
			h.feedback(rttOfTests)
			h.ignore().send()
			h.wake()
			doubt := h.now.Add(h.m.SendTimer() - Balanced.Margin/2)
			h.after(doubt.Sub(h.now) - c.before)
			h.hear("A2→B2", true)
			h.expect(append([]string{"primary operational, peer poll: testing primary", "Send test A2→B2"}, c.want...)...)
			if c.want == nil {
				h.until("Duplicate on A2→B2")
				if !h.now.Equal(doubt) {
					t.Errorf("doubt of our own %v late", h.now.Sub(doubt))
				}
			}
		})
	}
}

// Where neither the primary nor the pair that is to take its place has answered of late, it
// may be the peer that has no time: the primary is not left for that.
func TestSlowPeerIsNoFaultOfThePrimary(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.hint("A1→B1")
	h.until("Send test A2→B2").ignore()
	h.answered(h.test("A2→B2"))
	for h.m.explore.repeats < 2 {
		h.ignore().fire()
		if h.m.State() != TestingPrimary {
			t.Fatalf("left %v before the verdict was put off", h.m.State())
		}
	}
	h.ignore().answered(h.test("A1→B1"))
	h.expect("Duplicate on none", "testing primary, test ok: primary operational", "Reset timer")
	h.wantState(PrimaryOperational, "A1→B1", "none")
}

// Where the other pair goes on answering, the primary is left as soon as it has failed. Where
// it does not, no verdict is spoken until both must be taken for dead.
func TestVerdictNeedsLivingWitness(t *testing.T) {
	left := func(answers bool) (time.Duration, int) {
		h := operationalOn(t, "A1→B1", "A2→B2")
		began, repeats := h.now, 0
		h.hint("A1→B1")
		h.until("Send test A2→B2").ignore()
		h.answered(h.test("A2→B2"))
		for last := h.test("A2→B2").ID; h.m.Primary() == pairOf("A1→B1"); {
			h.ignore().fire()
			repeats = max(repeats, h.m.explore.repeats)
			if p := h.test("A2→B2"); answers && p.ID != last {
				last = p.ID
				h.ignore().answered(p)
			}
		}
		if answers {
			h.ignore().wantState(PrimaryOperational, "A2→B2", "none")
		} else {
			h.ignore().wantState(NoPrimary, "none", "none")
		}
		return h.now.Sub(began), repeats
	}
	if after, repeats := left(true); repeats != 0 || after > 10*rttOfTests {
		t.Errorf("left after %v, the verdict put off %d times", after, repeats)
	}
	if after, repeats := left(false); repeats != mostRepeats+1 || after < time.Second || after > 3*time.Second {
		t.Errorf("given up after %v, the verdict put off %d times", after, repeats)
	}
}

// Where there is a third pair, it has its turn soon.
func TestWitnessThatDies(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	began := h.now
	h.hint("A1→B1")
	h.until("Send test A2→B2").ignore()
	h.answered(h.test("A2→B2"))
	for h.m.Testing() != pairOf("A3→B3") {
		h.ignore().fire()
	}
	if d := h.now.Sub(began); d > 10*rttOfTests {
		t.Errorf("A3→B3 is tried after %v only", d)
	}
	h.ignore().answered(h.test("A3→B3"))
	h.until("use A3→B3")
}
