package detect

import (
	"slices"
	"testing"
	"time"
)

// The tests in this file run every transition of Figure 2 (draft §5.2), and
// walk every other cell of its table, which must do nothing.
//
//	| From                | Event         | Guard                 | Actions                        | To                  |
//	| =================== | ============= | ===================== | ============================== | =================== |
//	| (start)             | Connect       |                       | choose a pair, Send test       | TESTING PRIMARY     |
//	| NO PRIMARY          | Add pair      |                       | choose it, Send test           | TESTING PRIMARY     |
//	| TESTING PRIMARY     | Test OK       |                       | Reset timer                    | PRIMARY OPERATIONAL |
//	| TESTING PRIMARY     | ULP feedback  |                       | Reset timer                    | PRIMARY OPERATIONAL |
//	| TESTING PRIMARY     | Test fail     | not Last              | choose the next pair, Send test| TESTING PRIMARY     |
//	| TESTING PRIMARY     | Test fail     | Last                  |                                | NO PRIMARY          |
//	| TESTING PRIMARY     | Delete pair   | not Last              | choose the next pair, Send test| TESTING PRIMARY     |
//	| TESTING PRIMARY     | Delete pair   | Last                  |                                | NO PRIMARY          |
//	| PRIMARY OPERATIONAL | ULP feedback  |                       | Reset timer                    | PRIMARY OPERATIONAL |
//	| PRIMARY OPERATIONAL | ICMP          |                       | Send test                      | TESTING PRIMARY     |
//	| PRIMARY OPERATIONAL | Timer         |                       | Send test                      | TESTING PRIMARY     |
//	| PRIMARY OPERATIONAL | Policy change |                       | choose the wanted, Send test   | TESTING PRIMARY     |
//	| PRIMARY OPERATIONAL | Delete pair   | not Last              | choose the next pair, Send test| TESTING PRIMARY     |
//	| PRIMARY OPERATIONAL | Delete pair   | Last                  |                                | NO PRIMARY          |
//	| ------------------- | ------------- | --------------------- | ------------------------------ | ------------------- |
//	|                       Extensions                                                                                     |
//	| NO PRIMARY          | Retry         | the back-off is over  | choose a pair, Send test       | TESTING PRIMARY     |
//	| NO PRIMARY          | Test OK       | of the last primary   | Reset timer                    | PRIMARY OPERATIONAL |
//	| NO PRIMARY          | Test OK       | of another            | Send test to the last primary  | TESTING PRIMARY     |
//	| NO PRIMARY          | Peer Poll     |                       | Send test where it came        | TESTING PRIMARY     |
//	| TESTING PRIMARY     | Peer Poll     |                       | Send test where it came        | TESTING PRIMARY     |
//	| PRIMARY OPERATIONAL | Peer Poll     | not lately answered   | Send test                      | TESTING PRIMARY     |
//	| PRIMARY OPERATIONAL | Peer Poll     | lately answered       | answer on the primary          | PRIMARY OPERATIONAL |
//	| PRIMARY OPERATIONAL | Complaint     |                       | Send test                      | TESTING PRIMARY     |
//	| any but (start)     | Disconnect    |                       |                                | (start)             |
//
// A primary in doubt stays in use, and is polled, until it is condemned. Other
// pairs are tested meanwhile, and packets go over them too (Duplicate).
var figure2 = []struct {
	from    State
	event   Event
	guard   string
	begin   func(t tb) *harness
	fire    func(h *harness)
	actions []string
	to      State
	// primary and testing are where it ends.
	primary, testing string
}{
	{
		NoPrimary, Connect, "at the start",
		func(t tb) *harness { return startOf(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.connect("none") },
		[]string{"no primary, connect: testing primary", "Send test A1→B1"},
		TestingPrimary, "none", "A1→B1",
	},
	{
		NoPrimary, AddPair, "",
		func(t tb) *harness { return noPrimaryOf(t, "A1→B1") },
		func(h *harness) { h.candidates("A1→B1", "A2→B2") },
		[]string{"no primary, add pair: testing primary", "Send test A2→B2"},
		TestingPrimary, "none", "A2→B2",
	},
	{
		NoPrimary, AddPair, "none known before",
		func(t tb) *harness {
			h := startOf(t)
			h.connect("none")
			return h
		},
		func(h *harness) { h.candidates("A1→B1", "A2→B2") },
		[]string{"no primary, add pair: testing primary", "Send test A1→B1"},
		TestingPrimary, "none", "A1→B1",
	},
	{
		TestingPrimary, TestOK, "the first test",
		func(t tb) *harness { return connecting(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.answered(h.last) },
		[]string{"use A1→B1 for none: connect, then test ok", "testing primary, test ok: primary operational", "Reset timer"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		TestingPrimary, TestOK, "the primary after a doubt",
		func(t tb) *harness { return testingOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.answered(h.last) },
		[]string{"testing primary, test ok: primary operational", "Reset timer"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		TestingPrimary, TestOK, "another pair, the primary in doubt",
		func(t tb) *harness {
			return testingOn(t, "A1→B1", "A2→B2").until("Send test A2→B2").ignore()
		},
		func(h *harness) { h.answered(h.test("A2→B2")) },
		nil, // the primary may yet answer
		TestingPrimary, "A1→B1", "none",
	},
	{
		TestingPrimary, TestOK, "another pair, then the primary condemned",
		func(t tb) *harness {
			h := testingOn(t, "A1→B1", "A2→B2").until("Send test A2→B2").ignore()
			h.answered(h.test("A2→B2"))
			return h
		},
		func(h *harness) { h.until("failed A1→B1") },
		[]string{"failed A1→B1", "use A2→B2 for A1→B1: icmp, then test ok", "testing primary, test ok: primary operational", "Reset timer"},
		PrimaryOperational, "A2→B2", "none",
	},
	{
		TestingPrimary, TestOK, "another pair, then the primary after all",
		func(t tb) *harness {
			h := testingOn(t, "A1→B1", "A2→B2").until("Send test A2→B2").ignore()
			h.answered(h.test("A2→B2"))
			return h
		},
		func(h *harness) { h.answered(h.test("A1→B1")) },
		[]string{"Duplicate on none", "testing primary, test ok: primary operational", "Reset timer"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		TestingPrimary, TestOK, "another pair, the primary condemned",
		func(t tb) *harness {
			return testingOn(t, "A1→B1", "A2→B2", "A3→B3").until("failed A1→B1").ignore()
		},
		func(h *harness) { h.answered(h.test("A3→B3")) },
		[]string{"Send test A3→B3", "Send test A1→B1"}, // once more, now that there is a witness
		TestingPrimary, "A1→B1", "none",
	},
	{
		TestingPrimary, TestOK, "another pair, the primary condemned, then once more",
		func(t tb) *harness {
			h := testingOn(t, "A1→B1", "A2→B2", "A3→B3").until("failed A1→B1").ignore()
			h.answered(h.test("A3→B3"))
			h.ignore().after(rttOfTests).answered(h.test("A3→B3"))
			return h.ignore()
		},
		func(h *harness) { h.fire() },
		[]string{"failed A1→B1", "use A3→B3 for A1→B1: icmp, then test ok", "testing primary, test ok: primary operational", "Reset timer"},
		PrimaryOperational, "A3→B3", "none",
	},
	{
		TestingPrimary, ULPFeedback, "",
		func(t tb) *harness { return testingOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.feedback(rttOfTests) },
		[]string{"testing primary, ulp feedback: primary operational", "Reset timer"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		// There is no telling which pair the confirmed packets took.
		TestingPrimary, ULPFeedback, "packets going over two pairs",
		func(t tb) *harness {
			return testingOn(t, "A1→B1", "A2→B2").until("Send test A2→B2").ignore()
		},
		func(h *harness) { h.feedback(rttOfTests) },
		nil,
		TestingPrimary, "A1→B1", "A2→B2",
	},
	{
		// The wanted pair's test failed: there is no more reason to leave a
		// primary that works.
		TestingPrimary, ULPFeedback, "the wanted pair having failed",
		func(t tb) *harness {
			h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
			h.want("A2→B2")
			return h.ignore().until("failed A2→B2").ignore()
		},
		func(h *harness) { h.feedback(rttOfTests) },
		[]string{"testing primary, ulp feedback: primary operational", "Reset timer"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		TestingPrimary, TestFail, "not Last, the primary in doubt",
		func(t tb) *harness { return testingOn(t, "A1→B1", "A2→B2") },
		(*harness).fire,
		[]string{"Send test A2→B2", "Duplicate on A2→B2"},
		TestingPrimary, "A1→B1", "A2→B2",
	},
	{
		TestingPrimary, TestFail, "not Last, of another pair",
		func(t tb) *harness {
			return testingOn(t, "A1→B1", "A2→B2", "A3→B3").until("Send test A2→B2").ignore()
		},
		func(h *harness) { h.until("failed A2→B2") },
		[]string{"failed A2→B2", "Send test A3→B3", "Duplicate on A3→B3"},
		TestingPrimary, "A1→B1", "A3→B3",
	},
	{
		TestingPrimary, TestFail, "Last",
		func(t tb) *harness { return testingOn(t, "A1→B1") },
		func(h *harness) { h.until("failed") },
		[]string{"failed A1→B1", "use none for A1→B1: icmp, then test fail", "testing primary, test fail: no primary"},
		NoPrimary, "none", "none",
	},
	{
		TestingPrimary, TestFail, "all tried",
		func(t tb) *harness {
			return testingOn(t, "A1→B1", "A2→B2").until("failed A2→B2").ignore()
		},
		(*harness).fire,
		[]string{"failed A1→B1", "use none for A1→B1: icmp, then test fail", "testing primary, test fail: no primary"},
		NoPrimary, "none", "none",
	},
	{
		// The drawing has no such edge; else a deleted pair would stay under test.
		TestingPrimary, DeletePair, "not Last",
		func(t tb) *harness { return testingOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.candidates("A2→B2") },
		[]string{"use none for A1→B1: delete pair, then delete pair", "Send test A2→B2", "Duplicate on A2→B2"},
		TestingPrimary, "none", "A2→B2",
	},
	{
		TestingPrimary, DeletePair, "the one under test, not the primary",
		func(t tb) *harness {
			h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
			h.want("A2→B2")
			return h.ignore()
		},
		func(h *harness) { h.candidates("A1→B1", "A3→B3") },
		[]string{"Send test A1→B1"}, // it was last known to work
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		TestingPrimary, DeletePair, "the primary, another being under test",
		func(t tb) *harness {
			return testingOn(t, "A1→B1", "A2→B2").until("Send test A2→B2").ignore()
		},
		func(h *harness) { h.candidates("A2→B2") },
		[]string{"use none for A1→B1: delete pair, then delete pair", "Duplicate on A2→B2"},
		TestingPrimary, "none", "A2→B2",
	},
	{
		TestingPrimary, DeletePair, "Last",
		func(t tb) *harness { return testingOn(t, "A1→B1") },
		func(h *harness) { h.candidates() },
		[]string{"use none for A1→B1: delete pair, then delete pair", "testing primary, delete pair: no primary"},
		NoPrimary, "none", "none",
	},
	{
		PrimaryOperational, ULPFeedback, "",
		func(t tb) *harness { return operationalOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.feedback(rttOfTests) },
		[]string{"Reset timer"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		PrimaryOperational, ICMP, "",
		func(t tb) *harness { return operationalOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.hint("A1→B1") },
		[]string{"primary operational, icmp: testing primary", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		PrimaryOperational, Complaint, "",
		func(t tb) *harness { return operationalOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.complain() },
		[]string{"primary operational, complaint: testing primary", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		PrimaryOperational, Complaint, "soon after another",
		func(t tb) *harness {
			h := operationalOn(t, "A1→B1", "A2→B2")
			h.complain()
			h.ignore().after(time.Millisecond).answered(h.last)
			return h.ignore()
		},
		func(h *harness) { h.complain() },
		[]string{"primary operational, complaint: testing primary", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		PrimaryOperational, Timer, "",
		func(t tb) *harness {
			h := operationalOn(t, "A1→B1", "A2→B2")
			h.send()
			h.wake()
			return h
		},
		func(h *harness) {
			for len(h.pending) == 0 {
				h.fire()
			}
		},
		[]string{"primary operational, timer: testing primary", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		PrimaryOperational, PolicyChange, "",
		func(t tb) *harness { return operationalOn(t, "A1→B1", "A2→B2", "A3→B3") },
		func(h *harness) { h.want("A3→B3") },
		[]string{"primary operational, policy change: testing primary", "Send test A3→B3"},
		TestingPrimary, "A1→B1", "A3→B3",
	},
	{
		PrimaryOperational, DeletePair, "not Last",
		func(t tb) *harness { return operationalOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.candidates("A2→B2") },
		[]string{
			"use none for A1→B1: delete pair, then delete pair",
			"primary operational, delete pair: testing primary", "Send test A2→B2", "Duplicate on A2→B2",
		},
		TestingPrimary, "none", "A2→B2",
	},
	{
		PrimaryOperational, DeletePair, "not Last, the rest added with it",
		func(t tb) *harness { return operationalOn(t, "A1→B1") },
		func(h *harness) { h.candidates("A2→B2") },
		[]string{
			"use none for A1→B1: delete pair, then delete pair",
			"primary operational, delete pair: testing primary", "Send test A2→B2", "Duplicate on A2→B2",
		},
		TestingPrimary, "none", "A2→B2",
	},
	{
		PrimaryOperational, DeletePair, "Last",
		func(t tb) *harness { return operationalOn(t, "A1→B1") },
		func(h *harness) { h.candidates() },
		[]string{"use none for A1→B1: delete pair, then delete pair", "primary operational, delete pair: no primary"},
		NoPrimary, "none", "none",
	},
	{
		// An extension: what failed is tested again.
		NoPrimary, Retry, "the back-off is over",
		func(t tb) *harness { return noPrimaryOf(t, "A1→B1", "A2→B2") },
		(*harness).fire,
		[]string{"no primary, retry: testing primary", "Send test A2→B2"}, // A1→B1 failed last
		TestingPrimary, "none", "A2→B2",
	},
	{
		NoPrimary, TestOK, "a late answer of the last primary",
		func(t tb) *harness { return noPrimaryOf(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.answered(h.tests[pairOf("A1→B1")]) },
		[]string{"use A1→B1 for none: icmp, then test ok", "no primary, test ok: primary operational", "Reset timer"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		// All stood still, and the answer of the last primary may be the next.
		NoPrimary, TestOK, "a late answer of another pair",
		func(t tb) *harness { return noPrimaryOf(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.answered(h.tests[pairOf("A2→B2")]) },
		[]string{"use A1→B1 for none: icmp, then retry", "no primary, test ok: testing primary", "Duplicate on A2→B2", "Send test A2→B2", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "none",
	},
	{
		NoPrimary, PeerPoll, "",
		func(t tb) *harness { return noPrimaryOf(t, "A1→B1", "A2→B2").after(time.Millisecond) },
		func(h *harness) { h.hear("A1→B1", true) },
		[]string{"no primary, peer poll: testing primary", "Send test A1→B1", "Duplicate on A1→B1"},
		TestingPrimary, "none", "A1→B1",
	},
	{
		TestingPrimary, PeerPoll, "",
		func(t tb) *harness {
			return testingOn(t, "A1→B1", "A2→B2", "A3→B3").after(time.Millisecond)
		},
		func(h *harness) { h.hear("A3→B3", true) },
		[]string{"Send test A3→B3", "Duplicate on A3→B3"},
		TestingPrimary, "A1→B1", "A3→B3",
	},
	{
		PrimaryOperational, PeerPoll, "not lately answered",
		func(t tb) *harness { return operationalOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.hear("A1→B1", true) },
		[]string{"primary operational, peer poll: testing primary", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		// What upper layers confirm may have left before the failure.
		PrimaryOperational, PeerPoll, "lately confirmed by upper layers alone",
		func(t tb) *harness {
			h := operationalOn(t, "A1→B1", "A2→B2")
			h.feedback(rttOfTests)
			return h.ignore().after(time.Millisecond)
		},
		func(h *harness) { h.hear("A1→B1", true) },
		[]string{"primary operational, peer poll: testing primary", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		// Nor does a doubt that upper layers ended count as a test.
		PrimaryOperational, PeerPoll, "a doubt lately ended by upper layers",
		func(t tb) *harness {
			h := testingOn(t, "A1→B1", "A2→B2").after(2 * rttOfTests)
			h.feedback(rttOfTests)
			return h.ignore().after(rttOfTests / 2) // the Poll is too old to be answered
		},
		func(h *harness) { h.hear("A1→B1", true) },
		[]string{"primary operational, peer poll: testing primary", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		PrimaryOperational, PeerPoll, "answered too long ago",
		func(t tb) *harness {
			return answeredOn(t, "A1→B1", "A2→B2").after(pollCeiling)
		},
		func(h *harness) { h.hear("A1→B1", true) },
		[]string{"primary operational, peer poll: testing primary", "Send test A1→B1"},
		TestingPrimary, "A1→B1", "A1→B1",
	},
	{
		PrimaryOperational, PeerPoll, "lately answered",
		func(t tb) *harness { return answeredOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.hear("A1→B1", true) },
		[]string{"Answer A1→B1"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		// The answer to a Poll goes out on the answerer's own primary or, if that
		// is in doubt, in its own exploration.
		PrimaryOperational, PeerPoll, "lately answered, over another pair",
		func(t tb) *harness { return answeredOn(t, "A1→B1", "A2→B2") },
		func(h *harness) { h.hear("A2→B2", true) },
		[]string{"Answer A1→B1"},
		PrimaryOperational, "A1→B1", "none",
	},
	{
		NoPrimary, Disconnect, "",
		func(t tb) *harness { return noPrimaryOf(t, "A1→B1") },
		(*harness).disconnect,
		nil,
		NoPrimary, "none", "none",
	},
	{
		TestingPrimary, Disconnect, "",
		func(t tb) *harness { return testingOn(t, "A1→B1") },
		(*harness).disconnect,
		[]string{"use none for A1→B1: disconnect, then disconnect", "testing primary, disconnect: no primary"},
		NoPrimary, "none", "none",
	},
	{
		PrimaryOperational, Disconnect, "",
		func(t tb) *harness { return operationalOn(t, "A1→B1") },
		(*harness).disconnect,
		[]string{"use none for A1→B1: disconnect, then disconnect", "primary operational, disconnect: no primary"},
		NoPrimary, "none", "none",
	},
}

func TestFigure2(t *testing.T) {
	for _, row := range figure2 {
		name := row.from.String() + "/" + row.event.String()
		if row.guard != "" {
			name += ", " + row.guard
		}
		t.Run(name, func(t *testing.T) {
			h := row.begin(t)
			if h.m.State() != row.from {
				t.Fatalf("begins in %v, want %v", h.m.State(), row.from)
			}
			row.fire(h)
			h.expect(row.actions...)
			h.wantState(row.to, row.primary, row.testing)
		})
	}
}

// startOf returns a machine that was not connected yet.
func startOf(t tb, pairs ...string) *harness {
	t.Helper()
	h := newHarness(t, Balanced)
	h.candidates(pairs...)
	h.expect()
	return h
}

// connecting returns a machine whose first test was not answered yet.
func connecting(t tb, pairs ...string) *harness {
	t.Helper()
	h := startOf(t, pairs...)
	h.connect("none")
	return h.ignore()
}

// A situation is a state of Figure 2, "(start)" included, as the walk over all
// cells finds it.
type situation struct {
	name  string
	begin func(t tb) *harness
}

var situations = []situation{
	{"start", func(t tb) *harness { return startOf(t, "A1→B1", "A2→B2") }},
	{"start again", func(t tb) *harness {
		h := testingOn(t, "A1→B1", "A2→B2")
		h.disconnect()
		return h.ignore().after(time.Millisecond)
	}},
	{"no primary", func(t tb) *harness {
		return noPrimaryOf(t, "A1→B1", "A2→B2").after(time.Millisecond)
	}},
	{"testing the first", func(t tb) *harness {
		return connecting(t, "A1→B1", "A2→B2").after(time.Millisecond)
	}},
	{"testing primary", func(t tb) *harness {
		return testingOn(t, "A1→B1", "A2→B2").after(time.Millisecond)
	}},
	{"primary operational", func(t tb) *harness { return operationalOn(t, "A1→B1", "A2→B2") }},
}

// A cell is an event in one of its variants, and the situations in which the
// table lists it, so that it may do something.
type cell struct {
	event   Event
	variant string
	fire    func(h *harness)
	listed  []string
}

var cells = []cell{
	{Connect, "", func(h *harness) { h.connect("none") }, []string{"start", "start again"}},
	{Connect, "by the peer, no pair known", func(h *harness) {
		h.event(func(acts []Action) []Action { return h.m.HandleOpen(h.now, pairOf("A3→B3"), acts) })
	}, []string{"start", "start again", "testing primary", "primary operational"}},
	{TestOK, "of what was sent last", func(h *harness) { h.answered(h.last) },
		[]string{"no primary", "testing the first", "testing primary"}},
	{TestOK, "of what was never sent", func(h *harness) { h.answered(SendPoll{ID: 999}) }, nil},
	{TestFail, "not yet", func(h *harness) { h.wake() }, nil},
	{ULPFeedback, "", func(h *harness) { h.feedback(rttOfTests) }, []string{"testing primary", "primary operational"}},
	{ICMP, "for the primary", func(h *harness) { h.hint("A1→B1") }, []string{"primary operational"}},
	{ICMP, "for another pair", func(h *harness) { h.hint("A2→B2") }, nil},
	{ICMP, "for an unknown pair", func(h *harness) { h.hint("A3→B3") }, nil},
	{Timer, "", func(h *harness) {
		h.marks.Unconfirmed, h.marks.Unreported = h.now.Add(-time.Hour), h.now.Add(-time.Hour)
		h.wake()
	}, []string{"primary operational"}},
	{AddPair, "", func(h *harness) { h.candidates("A1→B1", "A2→B2", "A3→B3") }, []string{"no primary"}},
	{AddPair, "better than all", func(h *harness) { h.candidates("A3→B3", "A1→B1", "A2→B2") }, []string{"no primary"}},
	{AddPair, "none new", func(h *harness) { h.candidates("A2→B2", "A1→B1") }, nil},
	{DeletePair, "another", func(h *harness) { h.candidates("A1→B1") }, nil},
	{PolicyChange, "", func(h *harness) { h.want("A2→B2") }, []string{"primary operational"}},
	{PolicyChange, "for the primary", func(h *harness) { h.want("A1→B1") }, nil},
	{PolicyChange, "for an unknown pair", func(h *harness) { h.want("A3→B3") }, nil},
	{PeerPoll, "", func(h *harness) { h.hear("A2→B2", true) },
		[]string{"no primary", "testing the first", "testing primary", "primary operational"}},
	{PeerPoll, "that is an answer", func(h *harness) { h.hear("A2→B2", false) }, nil},
	{Retry, "too early", func(h *harness) { h.wake() }, nil},
	{Degraded, "one window", func(h *harness) {
		h.event(func(acts []Action) []Action { return h.m.HandleLoss(h.now, 100, 30, acts) })
	}, nil},
	{Degraded, "", func(h *harness) {
		h.event(func(acts []Action) []Action {
			return h.m.HandleLoss(h.now, 100, 30, h.m.HandleLoss(h.now, 100, 30, acts))
		})
	}, []string{"primary operational"}},
	{Complaint, "", (*harness).complain, []string{"primary operational"}},
	{Disconnect, "", (*harness).disconnect,
		[]string{"no primary", "testing the first", "testing primary", "primary operational"}},
}

func TestFigure2UnlistedDoesNothing(t *testing.T) {
	for _, s := range situations {
		for _, c := range cells {
			if slices.Contains(c.listed, s.name) {
				continue
			}
			t.Run(s.name+"/"+c.event.String()+" "+c.variant, func(t *testing.T) {
				h := s.begin(t)
				state, primary, testing := h.m.State(), nameOf(h.m.Primary()), nameOf(h.m.Testing())
				deadline, connected := h.m.Deadline(), h.m.Connected()
				c.fire(h)
				h.expect()
				h.wantState(state, primary, testing)
				if h.m.Connected() != connected {
					t.Errorf("connected: %t, was %t", h.m.Connected(), connected)
				}
				if c.event != Timer && !h.m.Deadline().Equal(deadline) {
					t.Errorf("the deadline moved from %v to %v", deadline, h.m.Deadline())
				}
			})
		}
	}
}

// Every event has its cell in the walk.
func TestFigure2WalkIsComplete(t *testing.T) {
	for e := Connect; e <= Complaint; e++ {
		if !slices.ContainsFunc(cells, func(c cell) bool { return c.event == e }) {
			t.Errorf("no cell for %v", e)
		}
	}
}

// ICMP is "only a hint to perform an explicit reachability test, but not ... a
// reason to disrupt ongoing communications" (§3.3): whoever forges two of them
// must not bring the node to NO PRIMARY.
func TestForgedICMPDoesNotDisrupt(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	for range 10 {
		h.hint("A1→B1")
		h.ignore().hint("A2→B2")
		h.ignore().after(100 * time.Microsecond)
	}
	if h.m.State() == NoPrimary || nameOf(h.m.Primary()) != "A1→B1" {
		t.Errorf("%v, primary %s after forged errors within 1 ms", h.m.State(), nameOf(h.m.Primary()))
	}
}

// A packet that could not be sent is a reason to test; a test that could not be
// sent has failed.
func TestSendError(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	fail := func(pair string) {
		t.Helper()
		h.event(func(acts []Action) []Action { return h.m.HandleSendError(h.now, pairOf(pair), acts) })
	}
	fail("A2→B2")
	h.expect()
	fail("A1→B1")
	h.expect("primary operational, icmp: testing primary", "Send test A1→B1")
	fail("A1→B1")
	h.expect("failed A1→B1", "Send test A2→B2", "Duplicate on A2→B2")
	h.wantState(TestingPrimary, "A1→B1", "A2→B2")
	fail("A1→B1") // of data, which still goes there too
	h.expect()
	fail("A2→B2")
	h.expect("failed A2→B2", "Send test A3→B3", "Duplicate on A3→B3")
	fail("A3→B3")
	h.expect("failed A3→B3", "use none for A1→B1: icmp, then test fail", "testing primary, test fail: no primary")
	wantAbout(t, "the wait then", h.m.Deadline().Sub(h.now), Balanced.Backoff)
	fail("A1→B1")
	h.expect()
}

// Make before break : the old primary carries data until the wanted
// pair is shown to work.
func TestPolicyChangeMakesBeforeItBreaks(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.want("A2→B2")
	h.expect("primary operational, policy change: testing primary", "Send test A2→B2")
	h.feedback(rttOfTests) // of the old primary: no reason to stop the test
	h.expect()
	h.wantState(TestingPrimary, "A1→B1", "A2→B2")
	h.answered(h.last)
	h.expect("use A2→B2 for A1→B1: policy change, then test ok", "testing primary, test ok: primary operational", "Reset timer")
	if s := h.m.Stats(); s.Switches != 1 || s.Outages != 0 || s.Suspicions != 0 || s.FalseAlarms != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Disconnect forgets the connection but not what is known of the pairs (§3.4).
func TestDisconnectKeepsWhatIsKnown(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.candidates("A2→B2", "A1→B1") // the other ranks first now
	h.disconnect()
	h.ignore().connect("none")
	h.expect("no primary, connect: testing primary", "Send test A1→B1")
}

// A late answer after Disconnect names a Poll of the connection that is gone.
func TestDisconnectedStaysDisconnected(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2")
	h.disconnect()
	h.ignore().answered(h.last)
	h.ignore().candidates("A2→B2")
	h.ignore().connect("none")
	h.ignore().hear("A3→B3", true) // must not find a primary that is not known
	h.ignore()
	if p := h.m.Primary(); p.IsValid() {
		t.Errorf("primary %s, want none", nameOf(p))
	}
}

// What was tried before Disconnect can be tried again: else a node with a single
// pair would never connect any more.
func TestConnectAfterDisconnect(t *testing.T) {
	h := testingOn(t, "A1→B1")
	h.disconnect()
	h.ignore().connect("none")
	h.expect("no primary, connect: testing primary", "Send test A1→B1")
}

func TestStats(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.hint("A1→B1") // a false alarm
	h.ignore().answered(h.last)
	h.ignore().after(time.Hour).hint("A1→B1") // one that ends with a switch
	h.until("Send test A2→B2").ignore()
	h.answered(h.test("A2→B2"))
	h.until("failed A1→B1")
	h.ignore().after(time.Hour).hint("A2→B2") // one that upper layers disprove
	h.ignore().feedback(0)
	h.ignore().after(time.Hour).hint("A2→B2") // and an outage
	h.until("use none").ignore()
	if got, want := h.m.Stats(), (Stats{Suspicions: 4, FalseAlarms: 2, Switches: 1, Outages: 1}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestStrings(t *testing.T) {
	for s, want := range map[State]string{NoPrimary: "no primary", TestingPrimary: "testing primary", PrimaryOperational: "primary operational", 9: "state(9)"} {
		if s.String() != want {
			t.Errorf("State %d is %q, want %q", uint8(s), s, want)
		}
	}
	for e, want := range map[Event]string{ULPFeedback: "ulp feedback", 0: "event(0)", 99: "event(99)"} {
		if e.String() != want {
			t.Errorf("Event %d is %q, want %q", uint8(e), e, want)
		}
	}
	if got := (Reason{Timer, TestOK}).String(); got != "timer, then test ok" {
		t.Errorf("Reason is %q", got)
	}
}

// Who complains has the primary tested, even if it was lately; it stays if it answers,
// and the send timer is none the longer for it.
func TestComplaint(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	before := h.m.Patience(false)
	for range 3 {
		h.complain()
		h.expect("primary operational, complaint: testing primary", "Send test A1→B1")
		h.answered(h.last)
		h.expect("testing primary, test ok: primary operational", "Reset timer")
	}
	if got := h.m.Patience(false); got != before {
		t.Errorf("alarm timer %v after complaints, want %v", got, before)
	}
	if got, want := h.m.Stats(), (Stats{Suspicions: 3, FalseAlarms: 3}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	h.complain()
	h.until("Send test A2→B2").ignore()
	h.answered(h.test("A2→B2"))
	h.until("failed A1→B1")
	h.expect("failed A1→B1", "use A2→B2 for A1→B1: complaint, then test ok", "testing primary, test ok: primary operational", "Reset timer")
}

// Who complains while no pair works has something to send.
func TestComplaintHurries(t *testing.T) {
	h := noPrimaryOf(t, "A1→B1")
	for h.m.State() != NoPrimary || h.m.Deadline().Sub(h.now) <= Balanced.BackoffCap {
		h.ignore().now = h.m.Deadline()
		h.wake()
	}
	h.ignore().complain()
	h.expect()
	wantAbout(t, "the wait then", h.m.Deadline().Sub(h.now), Balanced.BackoffCap)
}
