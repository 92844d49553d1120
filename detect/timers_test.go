package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
)

const ms = time.Millisecond

func TestSendTimer(t *testing.T) {
	timers := Timers{Margin: 25 * ms, Floor: 40 * ms, Ceiling: 3 * time.Second}
	tests := []struct {
		name       string
		rtt        rtt
		peerReport time.Duration
		want       time.Duration
	}{
		{"four variations", rtt{100 * ms, 10 * ms}, 0, 140 * ms},
		{"the margin, where the variation is small", rtt{100 * ms, 2 * ms}, 0, 125 * ms},
		{"the peer's report delay", rtt{100 * ms, 10 * ms}, 20 * ms, 160 * ms},
		{"the floor", rtt{1 * ms, 0}, 0, 40 * ms},
		{"the ceiling", rtt{2 * time.Second, time.Second}, 0, 3 * time.Second},
		{"the ceiling, reports included", rtt{2900 * ms, 0}, time.Second, 3 * time.Second},
		{"reports later than the ceiling", rtt{100 * ms, 0}, 5 * time.Second, 5125 * ms},
	}
	for _, tt := range tests {
		if got := timers.sendTimer(tt.rtt, tt.peerReport); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPollTimer(t *testing.T) {
	timers := Timers{Margin: 25 * ms, InitialRTT: 100 * ms}
	tests := []struct {
		name      string
		rtt, best rtt
		want      time.Duration
	}{
		{"nothing known", rtt{}, rtt{}, 100 * ms},
		{"its own", rtt{20 * ms, 20 * ms}, rtt{ms, ms}, 60 * ms},
		{"its own, margin", rtt{20 * ms, ms}, rtt{}, 45 * ms},
		{"another's, half as much again", rtt{}, rtt{20 * ms, 20 * ms}, 70 * ms},
		{"another's, margin", rtt{}, rtt{20 * ms, ms}, 55 * ms},
		{"the ceiling", rtt{5 * time.Second, time.Second}, rtt{}, pollCeiling},
		{"the ceiling by another's", rtt{}, rtt{900 * ms, 0}, pollCeiling},
	}
	for _, tt := range tests {
		if got := timers.pollTimer(tt.rtt, tt.best); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := REAP.pollTimer(rtt{}, rtt{}); got != 500*ms {
		t.Errorf("REAP: %v, want its Initial Probe Timeout", got)
	}
	if got := REAP.pollTimer(rtt{20 * ms, ms}, rtt{}); got != pollCeiling {
		t.Errorf("REAP with a known round-trip time: %v, want %v", got, pollCeiling)
	}
}

// The timers of every profile make sense among themselves.
func TestProfiles(t *testing.T) {
	for name, p := range map[string]Timers{"fast": Fast, "balanced": Balanced, "gentle": Gentle, "reap": REAP} {
		if p.Margin <= 0 || p.Floor <= 0 || p.Floor > p.Ceiling || p.ReportDelay <= 0 || p.InitialRTT <= 0 {
			t.Errorf("%s: %+v", name, p)
		}
		if p.Backoff <= 0 || p.Backoff > p.BackoffCap || p.BackoffCap > p.IdleCap {
			t.Errorf("%s: back-off %v, %v, %v", name, p.Backoff, p.BackoffCap, p.IdleCap)
		}
	}
	if REAP.sendTimer(rtt{20 * ms, ms}, 0) != 15*time.Second {
		t.Error("REAP's Send Timeout is 15 s (RFC 5534 §7)")
	}
}

// The estimator against RFC 6298 §2 in floating point, but for falls, of which no more
// than an eighth of the growth of the variation counts.
func TestRTTAgainstRFC6298(t *testing.T) {
	r := rand.New(rand.NewPCG(6298, 2))
	for range 100 {
		var got rtt
		var srtt, rttvar float64
		for i := range 200 {
			sample := time.Duration(1+r.IntN(1000)) * ms
			x := float64(sample)
			if i == 0 {
				srtt, rttvar = x, x/2 // (2.2)
			} else {
				grows := math.Abs(srtt-x) - rttvar // (2.3), in this order
				if x < srtt && grows > 0 {
					grows /= 8
				}
				rttvar += grows / 4
				srtt = (1-1./8)*srtt + 1./8*x
			}
			got.sample(sample)
			if math.Abs(float64(got.smoothed)-srtt) > 100 || math.Abs(float64(got.variation)-rttvar) > 100 {
				t.Fatalf("after %d samples: %v ± %v, want %v ± %v", i+1, got.smoothed, got.variation, time.Duration(srtt), time.Duration(rttvar))
			}
		}
	}
}

// A clock that stands still or runs back counts as a microsecond.
func TestRTTOfNothing(t *testing.T) {
	for _, d := range []time.Duration{0, -time.Hour} {
		var r rtt
		if r.sample(d); !r.known() || r.smoothed != time.Microsecond {
			t.Errorf("sample of %v: %+v", d, r)
		}
	}
}

// The back-off doubles with every round, within a quarter, up to its cap.
func TestBackoff(t *testing.T) {
	timers := Timers{Backoff: 50 * ms}
	const limit = 400 * ms
	for round, want := range map[int]time.Duration{0: 50 * ms, 1: 100 * ms, 2: 200 * ms, 3: 400 * ms, 4: limit, 19: limit, 20: limit, 1 << 30: limit} {
		least, most := time.Duration(math.MaxInt64), time.Duration(0)
		for random := range uint64(4000) {
			d := timers.backoff(round, limit, random*0x9e3779b97f4a7c15)
			least, most = min(least, d), max(most, d)
		}
		if least < want*3/4 || most > want*5/4 {
			t.Errorf("round %d: from %v to %v, want %v within a quarter", round, least, most, want)
		}
		if least > want*8/10 || most < want*12/10 {
			t.Errorf("round %d: from %v to %v is hardly any jitter", round, least, most)
		}
	}
	if d := timers.backoff(3, 1, 7); d != 1 {
		t.Errorf("a cap of 1 ns gives %v", d)
	}
}

// roundTime lets the machine fail a round and returns how long it waits then.
func roundTime(h *harness) time.Duration {
	h.t.Helper()
	for h.m.State() != NoPrimary {
		h.fire()
		h.ignore()
	}
	return h.m.Deadline().Sub(h.now)
}

func wantAbout(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want*3/4 || got > want*5/4 {
		t.Errorf("%s: %v, want %v within a quarter", what, got, want)
	}
}

// While there is something to send the wait stops growing at the quick cap;
// idle, it grows to the idle cap; with something to send again it is cut short.
func TestBackoffFollowsDemand(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	for _, want := range []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 400 * ms, 400 * ms} {
		h.marks.Waiting = true
		wantAbout(t, "with demand", roundTime(h), want)
		h.fire()
		h.ignore()
	}
	h.marks.Waiting = false
	for h.now = h.now.Add(demandHold); h.m.Deadline().Sub(h.now) < Balanced.IdleCap*3/4; {
		h.fire()
		h.ignore()
	}
	for range 4 {
		h.fire()
		h.ignore()
		wantAbout(t, "idle", roundTime(h), Balanced.IdleCap)
	}
	h.marks.Waiting = true
	h.m.Observe(h.now, h.marks)
	h.wantDeadline(Balanced.BackoffCap)
}

// An outage that nobody has noticed for long is explored no more: silence is
// free. The next packet connects anew.
func TestOutageWithoutDemandIsForgotten(t *testing.T) {
	h := noPrimaryOf(t, "A1→B1", "A2→B2")
	last := h.now
	for h.m.Connected() {
		h.fire()
		h.ignore()
	}
	if d := h.now.Sub(last); d < demandForgotten || d > demandForgotten+2*Balanced.IdleCap {
		t.Errorf("given up after %v, want about %v", d, demandForgotten)
	}
	h.wantDeadline(0)
	h.demand().connect("none")
	if h.m.State() != TestingPrimary {
		t.Errorf("%v after Connect", h.m.State())
	}
}

// "New information (Add, ..., the peer's Poll, ...) resets it".
func TestNewsResetBackoff(t *testing.T) {
	news := map[string]func(h *harness){
		"add pair, no primary":  func(h *harness) { h.candidates("A1→B1", "A2→B2", "A3→B3") },
		"peer poll, no primary": func(h *harness) { h.hear("A1→B1", true) },
		"add pair, testing": func(h *harness) {
			h.fire()
			h.ignore().candidates("A1→B1", "A2→B2", "A3→B3")
		},
		"peer poll, testing": func(h *harness) {
			h.fire()
			h.ignore().after(time.Millisecond).hear("A2→B2", true)
		},
		"the peer's open, no primary": func(h *harness) {
			h.event(func(acts []Action) []Action { return h.m.HandleOpen(h.now, pairOf("A1→B1"), acts) })
		},
	}
	for name, f := range news {
		t.Run(name, func(t *testing.T) {
			h := testingOn(t, "A1→B1", "A2→B2")
			for range 8 {
				roundTime(h)
				h.fire()
				h.ignore()
			}
			h.marks.Waiting = true
			roundTime(h)
			f(h)
			h.ignore()
			wantAbout(t, "the next wait", roundTime(h), Balanced.Backoff)
		})
	}
}

// A success resets the back-off too, and Poll rounds are numbered.
func TestRoundsAreCounted(t *testing.T) {
	h := testingOn(t, "A1→B1")
	for round := range 3 {
		if h.last.Round != round {
			t.Errorf("round %d, want %d", h.last.Round, round)
		}
		roundTime(h)
		h.fire()
		h.ignore()
	}
	h.answered(h.last)
	h.ignore().after(time.Hour).demand().hint("A1→B1")
	h.ignore()
	if h.last.Round != 0 {
		t.Errorf("round %d after a success, want 0", h.last.Round)
	}
	wantAbout(t, "the wait after a success", roundTime(h), Balanced.Backoff)
}

// Suspicion comes when a packet was unconfirmed for the send timer, no earlier;
// where only a Report can confirm it, the peer's report delay later.
func TestSuspicionIsTimely(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.Unconfirmed = h.now
	h.wake()
	h.wantDeadline(h.m.SendTimer())

	h = operationalOn(t, "A1→B1")
	h.m.SetReports(30*ms, Balanced.ReportDelay)
	h.marks.Unreported = h.now
	h.wake()
	h.wantDeadline(h.m.SendTimer() + 30*ms)
	h.marks.Unconfirmed = h.now.Add(ms) // the earlier of the two counts
	h.wake()
	h.wantDeadline(h.m.SendTimer() + ms)

	h.fire()
	h.expect("primary operational, timer: testing primary", "Send test A1→B1")
}

// ULP feedback in time means that nothing happens, for as long as it comes.
func TestConfirmedTrafficIsNotTested(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	for range 1000 {
		h.send()
		h.wake()
		h.expect()
		h.after(rttOfTests).feedback(rttOfTests)
		h.expect("Reset timer")
	}
	if s := h.m.Stats(); s.Suspicions != 0 || s.LateWakes != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Packets that pass make the machine look again soon, once.
func TestActivityIsLookedAt(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.Active = true
	h.wake()
	h.wantDeadline(Balanced.ReportDelay)
	h.fire()
	h.expect()
	h.wantDeadline(0)
}

// What was received is reported after the report delay on the primary; without
// a primary it cannot be.
func TestReport(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.Owed = h.now
	h.wake()
	h.wantDeadline(Balanced.ReportDelay)
	h.fire()
	h.expect("Report A1→B1")
	h.wantDeadline(0)

	h = noPrimaryOf(t, "A1→B1")
	h.marks.Owed = h.now.Add(-time.Hour)
	h.wake()
	h.expect()
}

// What TCP will acknowledge is left to it for as long as it may delay that; the
// earlier of the two counts.
func TestReportLeavesTimeToTCP(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.OwedTCP = h.now
	h.wake()
	h.wantDeadline(Balanced.ReportDelay + delayedACK)
	h.after(ms)
	h.marks.Owed = h.now
	h.wake()
	h.wantDeadline(Balanced.ReportDelay)
	h.marks.Owed = time.Time{}
	h.wake()
	h.wantDeadline(Balanced.ReportDelay + delayedACK - ms)
	h.fire()
	h.expect("Report A1→B1")
	h.wantDeadline(0)
	if delayedACK < 40*ms {
		t.Errorf("%v is sooner than Linux may acknowledge", delayedACK)
	}
}

// The two ends agree on how soon each of them reports.
func TestReportDelayIsAgreed(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.m.SetReports(30*ms, 50*ms)
	h.marks.Owed = h.now
	h.wake()
	h.wantDeadline(50 * ms)
	h.fire()
	h.expect("Report A1→B1")
}

// Report and suspicion due at once are both seen to.
func TestReportAndSuspicionAtOnce(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.Owed, h.marks.Unconfirmed = h.now.Add(h.m.SendTimer()-Balanced.ReportDelay), h.now
	h.wake()
	h.fire()
	h.expect("Report A1→B1", "primary operational, timer: testing primary", "Send test A1→B1")
}

// A loop that wakes late has not read what came in meanwhile: silence proves
// nothing until a margin later (a starved CPU must not condemn a
// path), however often the machine is asked until then.
func TestLateWake(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.Unconfirmed = h.now
	h.wake()
	h.after(h.m.SendTimer() + 500*ms)
	h.wake()
	h.expect()
	h.wantDeadline(Balanced.Margin)
	if s := h.m.Stats(); s.LateWakes != 1 {
		t.Errorf("stats %+v", s)
	}
	h.after(Balanced.Margin)
	h.wake()
	h.expect("primary operational, timer: testing primary", "Send test A1→B1")
}

// As TestLateWake, with an unrelated event within the margin.
func TestLateWakeGraceLasts(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.Unconfirmed = h.now
	h.wake()
	h.after(h.m.SendTimer() + 500*ms)
	h.wake()
	h.expect()
	h.after(ms)
	h.wake()
	h.expect() // 1 ms is not the margin
}

// As TestLateWake, for the test of the only pair.
func TestLateWakeDoesNotFailTest(t *testing.T) {
	h := testingOn(t, "A1→B1")
	h.now = h.m.Deadline().Add(500 * ms)
	h.wake()
	if h.m.State() == NoPrimary {
		t.Error("the only pair was given up before its answer could be read")
	}
}

// A late wake finds the next Poll of the primary and the next pair's turn due:
// still Polls go out one after another (§5.3), never in a burst.
func TestLateWakeSendsOnePoll(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	h.after(20 * ms)
	h.event(func(acts []Action) []Action { return h.m.HandleTimeout(h.now, acts) })
	tests := 0
	for _, a := range h.pending {
		if p, ok := a.(SendPoll); ok && p.Answer {
			tests++
		}
	}
	if tests > 1 {
		t.Errorf("%d test Polls at one instant", tests)
	}
}

// A wake that is less late than the margin is none.
func TestSlightlyLateWake(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.Unconfirmed = h.now
	h.wake()
	h.after(h.m.SendTimer() + Balanced.Margin)
	h.wake()
	h.expect("primary operational, timer: testing primary", "Send test A1→B1")
}

// Once a doubt is over, what was sent before it counts as confirmed: no deadline
// is left behind from before, and no late wake is counted for it.
func TestResetTimerLeavesNoOldDeadline(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.marks.Unconfirmed = h.now
	h.wake()
	h.fire()
	h.expect("primary operational, timer: testing primary", "Send test A1→B1")
	h.after(4 * ms).answered(h.last)
	h.ignore()
	if d := h.m.Deadline(); !d.IsZero() && !d.After(h.now) {
		t.Errorf("deadline %v ago after Reset timer", h.now.Sub(d))
	}
	h.after(40 * ms).wake()
	h.expect()
	if s := h.m.Stats(); s.LateWakes != 0 {
		t.Errorf("stats %+v", s)
	}
}

// An alarm that a test disproves, and no upper layer does, makes the next wait
// twice as long up to the ceiling; feedback, or another primary, ends that.
func TestAlarmsDouble(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	alarm := func() time.Duration {
		t.Helper()
		h.marks.Unconfirmed = h.now
		h.wake()
		wait := h.m.Deadline().Sub(h.now)
		h.fire()
		h.expect("primary operational, timer: testing primary", "Send test A1→B1")
		h.after(rttOfTests).answered(h.last)
		h.ignore().after(time.Minute)
		return wait
	}
	for range 12 {
		before := h.m.SendTimer() << h.m.alarms
		if got, want := alarm(), min(before, Balanced.Ceiling); got != want {
			t.Errorf("alarm %d after %v, want %v", h.m.alarms, got, want)
		}
	}
	h.feedback(0)
	h.ignore()
	if got, want := alarm(), h.m.SendTimer(); got > want*5/4 {
		t.Errorf("after feedback the alarm comes after %v, want about %v", got, want)
	}
	if s := h.m.Stats(); s.FalseAlarms != 13 || s.Suspicions != 13 {
		t.Errorf("stats %+v", s)
	}
}

// The send timer follows the primary's round-trip time.
func TestSendTimerFollowsFeedback(t *testing.T) {
	h := newHarness(t, Balanced)
	if got, want := h.m.SendTimer(), Balanced.InitialRTT+Balanced.Margin; got != want {
		t.Errorf("without a primary %v, want %v", got, want)
	}
	h = operationalOn(t, "A1→B1")
	for range 200 {
		h.feedback(80 * ms)
		h.ignore()
	}
	if got, want := h.m.SendTimer(), 105*ms; got < want-ms || got > want+ms {
		t.Errorf("%v, want about %v", got, want)
	}
}

// Hints in quick succession bring one test: the next only after a send timer.
func TestHintsAreLimited(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.hint("A1→B1")
	h.ignore().answered(h.last)
	h.ignore().after(ms).hint("A1→B1")
	h.expect()
	h.after(h.m.SendTimer()).hint("A1→B1")
	h.expect("primary operational, icmp: testing primary", "Send test A1→B1")
}

func TestConnectedAndTesting(t *testing.T) {
	h := startOf(t, "A1→B1")
	if h.m.Connected() || h.m.Testing().IsValid() || h.m.Primary() != (locator.Pair{}) {
		t.Error("a new machine is connected")
	}
	h.wantDeadline(0)
	h.connect("none")
	h.ignore()
	if !h.m.Connected() {
		t.Error("not connected")
	}
	h.wantDeadline(Balanced.InitialRTT)
}

// TestOwedReportIsNotLate: without a primary nothing can be reported, and nobody is late.
func TestOwedReportIsNotLate(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.candidates("A2→B2", "A3→B3")
	h.ignore()
	h.wantState(TestingPrimary, "none", "A2→B2")
	h.marks.Owed = h.now.Add(-100 * ms)
	h.after(40 * ms).wake()
	h.ignore().after(ms)
	h.hear("none", false)
	h.wake()
	if got := h.m.Stats().LateWakes; got != 0 {
		t.Errorf("%d late wakes", got)
	}
}

// TestTimingOfReports: what Reports tell about the path has no share in how long TCP may take,
// and the other way round.
func TestTimingOfReports(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.m.HandleTiming(5*ms, 0) // before any pair was timed
	for range 100 {
		h.m.HandleTiming(20*ms, 20*ms)
		h.feedback(60 * ms)
		h.ignore()
	}
	near := func(name string, got, want time.Duration) {
		t.Helper()
		if (got - want).Abs() > ms {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	near("TCP", h.m.Patience(false), 60*ms+Balanced.Margin)
	near("what is reported", h.m.Patience(true), 20*ms+Balanced.Margin+h.m.peerReport)
	near("the pair", h.m.Pairs()[0].RTT, 60*ms)

	h = operationalOn(t, "A1→B1")
	for range 100 {
		h.m.HandleTiming(20*ms, 0)
	}
	near("the pair without TCP", h.m.Pairs()[0].RTT, 20*ms)

	noPrimaryOf(t, "A1→B1").m.HandleTiming(20*ms, 0)
}

// TestTimingOfLateReports: what waits for longer than the report delay has taken that long.
func TestTimingOfLateReports(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.m.SetReports(50*ms, 30*ms)
	for range 100 {
		h.m.HandleTiming(20*ms, 70*ms) // within the delay of the peer
	}
	if got, want := h.m.Patience(true), 20*ms+Balanced.Margin+50*ms; (got - want).Abs() > ms {
		t.Errorf("in time: %v, want %v", got, want)
	}
	for range 100 {
		h.m.HandleTiming(20*ms, 130*ms)
	}
	if got, want := h.m.Patience(true), 80*ms+Balanced.Margin+50*ms; (got - want).Abs() > ms {
		t.Errorf("late: %v, want %v", got, want)
	}
}

// TestTimingInDoubt: the answers to Polls of a pair that was suspected, though it had only
// become longer, let it be waited for longer.
func TestTimingInDoubt(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	for range 100 {
		h.m.HandleTiming(20*ms, 20*ms)
		h.feedback(20 * ms)
		h.ignore()
	}
	tcp, others := h.m.Patience(false), h.m.Patience(true)
	h.hint("A1→B1")
	poll := h.test("A1→B1")
	h.ignore().after(200 * ms).answered(poll)
	h.ignore().feedback(0)
	h.ignore().wantState(PrimaryOperational, "A1→B1", "none")
	if after := h.m.Patience(false); after < tcp+50*ms {
		t.Errorf("TCP is given %v, and %v before", after, tcp)
	}
	if after := h.m.Patience(true); after < others+50*ms {
		t.Errorf("what is reported is given %v, and %v before", after, others)
	}
}

// TestTimingOverTwoPairs: while packets go over two pairs, a Report says nothing of one.
func TestTimingOverTwoPairs(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.hear("A2→B2", true)
	h.ignore().after(ms / 2).answered(h.test("A2→B2"))
	if h.m.State() != TestingPrimary || h.m.second != pairOf("A2→B2") {
		t.Fatal("setup", h.m.State(), nameOf(h.m.second))
	}
	before := *h.m.of(pairOf("A1→B1"))
	h.m.HandleTiming(500*ms, 500*ms)
	if after := *h.m.of(pairOf("A1→B1")); after.reportRTT != before.reportRTT {
		t.Errorf("%v before and %v after", before.reportRTT, after.reportRTT)
	}
}
