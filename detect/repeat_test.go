package detect

import (
	"testing"
	"time"
)

// underTest loses the primary pair, so that A2→B2 is under test, and returns the tests of it
// within its turn, with the times since the first.
func (h *harness) underTest() (tests []SendPoll, at []time.Duration) {
	h.t.Helper()
	start := h.now
	h.candidates("A2→B2", "A3→B3")
	for {
		for _, a := range h.pending {
			p, ok := a.(SendPoll)
			switch {
			case !ok:
			case p.Pair != pairOf("A2→B2"):
				h.ignore()
				return tests, at
			default:
				tests, at = append(tests, p), append(at, h.now.Sub(start))
			}
		}
		h.ignore()
		h.now = h.m.Deadline()
		h.wake()
	}
}

// TestPollIsRepeated: a pair that packets go over is polled several times within its turn,
// since the packets may be what makes a Poll get lost. Any of them may be answered.
func TestPollIsRepeated(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2", "A3→B3")
	tests, at := h.underTest()
	if len(tests) < 2 || len(tests) > mostPolls {
		t.Fatalf("%d tests, at %v; want 2 to %d", len(tests), at, mostPolls)
	}
	for i, d := range at {
		if want := time.Duration(i) * h.m.repeatAfter(pairOf("A2→B2")); d != want {
			t.Errorf("test %d after %v, want %v", i, d, want)
		}
	}
	h.answered(tests[1])
	h.ignore()
	h.wantState(PrimaryOperational, "A2→B2", "none")
	if d := h.m.explore.repeatAt; !d.IsZero() {
		t.Errorf("a Poll is left for %v", d)
	}
}

// TestPollIsRepeatedInOneRound: an outage that lasts is not worth more signalling; each pair gets
// a Poll a round.
func TestPollIsRepeatedInOneRound(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.candidates("A2→B2")
	for rounds := 0; rounds < 3; {
		h.now = h.m.Deadline()
		h.ignore()
		h.wake()
		switch {
		case h.m.State() == NoPrimary:
			rounds++
		case rounds > 0 && h.m.explore.polled > 1:
			t.Fatalf("%d Polls in round %d", h.m.explore.polled, rounds)
		}
	}
}
