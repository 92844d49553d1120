package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	allA = []string{"A1→B1", "A2→B1", "A1→B2", "A2→B2"}
	allB = []string{"B1→A1", "B2→A1", "B1→A2", "B2→A2"}
)

// The example of §5.4, message by message.
func TestPollExchange(t *testing.T) {
	w := newWorld(t, Balanced, allA, allB)
	w.only("A1→B1", "B2→A1")
	w.connect(0)
	w.run(time.Second)
	want := []string{
		"A: Poll 1, A1→B1, arrives",
		"B: Poll 2, OK: 1, B1→A1, lost",
		"A: Poll 3, A2→B1, lost",
		"B: Poll 4, OK: 1, B2→A1, arrives",
		"A: Poll 5, OK: 4, A1→B1, arrives",
	}
	if !slices.Equal(w.log, want) {
		t.Errorf("Polls:\n\t%s\nwant\n\t%s", strings.Join(w.log, "\n\t"), strings.Join(want, "\n\t"))
	}
	for i, primary := range []string{"A1→B1", "B2→A1"} {
		n := w.nodes[i]
		if n.m.State() != PrimaryOperational || nameOf(n.m.Primary()) != primary {
			t.Errorf("%s: %v on %s, want %s", n.name, n.m.State(), nameOf(n.m.Primary()), primary)
		}
	}
	w.wantQuiet(time.Hour)
}

// A test whose Poll and answer both arrive at once takes three Polls: A's test,
// B's answer that is B's test, and A's answer to it.
func TestPollExchangeOverGoodPaths(t *testing.T) {
	w := newWorld(t, Balanced, allA, allB)
	w.connect(0)
	w.run(time.Second)
	want := []string{
		"A: Poll 1, A1→B1, arrives",
		"B: Poll 2, OK: 1, B1→A1, arrives",
		"A: Poll 3, OK: 2, A1→B1, arrives",
	}
	if !slices.Equal(w.log, want) {
		t.Errorf("Polls:\n\t%s\nwant\n\t%s", strings.Join(w.log, "\n\t"), strings.Join(want, "\n\t"))
	}
	w.wantSettled()
	w.wantQuiet(time.Hour)
}

// Each direction works on exactly one pair: both ends find theirs, from either
// end or from both at once, and then fall silent.
func TestOneWayWorlds(t *testing.T) {
	for _, a := range allA {
		for _, b := range allB {
			for _, who := range []string{"A", "B", "AB"} {
				t.Run(fmt.Sprintf("%s %s from %s", a, b, who), func(t *testing.T) {
					w := newWorld(t, Balanced, allA, allB)
					w.only(a, b)
					for i, n := range w.nodes {
						if strings.Contains(who, n.name) {
							w.connect(i)
						}
					}
					w.run(5 * time.Second)
					w.wantSettled()
					// Each end passes its four pairs a few times at most.
					if w.polls > 40 {
						t.Errorf("%d Polls:\n%s", w.polls, w.tail())
					}
					w.wantQuiet(time.Hour)
				})
			}
		}
	}
}

// Polls from both ends cross on the wire.
func TestSimultaneousExploration(t *testing.T) {
	w := newWorld(t, Balanced, allA, allB)
	w.connect(0)
	w.connect(1)
	w.run(time.Second)
	w.wantSettled()
	if w.polls > 6 {
		t.Errorf("%d Polls:\n%s", w.polls, w.tail())
	}
	w.wantQuiet(time.Hour)
}

// A live connection loses its paths in one direction, or in both, while data
// flows: both ends go on over what is left, and each switches only if its own
// direction failed.
func TestFailureUnderTraffic(t *testing.T) {
	tests := []struct {
		name    string
		working []string
		a, b    string // the primaries afterwards, empty for any that works
	}{
		{"both directions", []string{"A2→B2", "B2→A2"}, "A2→B2", "B2→A2"},
		{"A to B only", []string{"A2→B1", "B1→A1"}, "A2→B1", "B1→A1"},
		{"B to A only", []string{"A1→B1", "B1→A2"}, "A1→B1", "B1→A2"},
		{"crossed", []string{"A2→B1", "B2→A1"}, "A2→B1", "B2→A1"},
	}
	for _, tt := range tests {
		for talkers, talking := range map[string][2]bool{"A talks": {true, false}, "B talks": {false, true}, "both talk": {true, true}} {
			t.Run(tt.name+", "+talkers, func(t *testing.T) {
				w := newWorld(t, Balanced, allA, allB)
				w.talking = talking
				w.connect(0)
				w.run(time.Second)
				w.wantSettled()
				w.only(tt.working...)
				w.run(5 * time.Second)
				w.wantSettled()
				for i, want := range []string{tt.a, tt.b} {
					if got := nameOf(w.nodes[i].m.Primary()); got != want {
						t.Errorf("%s uses %s, want %s", w.nodes[i].name, got, want)
					}
				}
				before := w.polls
				w.run(10 * time.Second) // data goes on
				if n := w.polls - before; n > 4 {
					t.Errorf("%d Polls in 10 s of undisturbed traffic:\n%s", n, w.tail())
				}
				w.talking = [2]bool{}
				w.run(time.Second)
				w.wantQuiet(time.Hour)
			})
		}
	}
}

// A path that comes back is found without an Add pair (an extension, see the package comment).
func TestAllPathsDeadForAWhile(t *testing.T) {
	for talkers, talking := range map[string][2]bool{"nobody talks": {}, "A talks": {true, false}, "both talk": {true, true}} {
		t.Run(talkers, func(t *testing.T) {
			w := newWorld(t, Balanced, allA, allB)
			w.connect(0)
			w.run(time.Second)
			w.only()
			w.talking = [2]bool{true, true}
			w.run(10 * time.Second)
			w.talking = talking
			w.run(time.Minute)
			w.only("A2→B1", "B1→A1")
			w.run(Balanced.IdleCap*5/4 + 5*time.Second)
			w.wantSettled()
			w.talking = [2]bool{}
			w.run(time.Second)
			w.wantQuiet(time.Hour)
		})
	}
}

// A dead world is explored in sequence and ever more seldom, and without demand
// in the end no more; then the next packet connects anew.
func TestAllPathsDeadAndBack(t *testing.T) {
	w := newWorld(t, Balanced, allA, allB)
	w.connect(0)
	w.run(time.Second)
	w.only()
	w.talking = [2]bool{true, true}
	w.run(10 * time.Second)
	w.talking = [2]bool{}
	w.run(time.Minute)
	before := w.polls
	w.run(10 * time.Minute)
	// Two ends, four pairs, a round at most each 3/4 of the idle cap.
	rounds := int(10*time.Minute/(Balanced.IdleCap*3/4)) + 1
	if n := w.polls - before; n > 2*4*rounds {
		t.Errorf("%d Polls in 10 idle minutes", n)
	}
	for i, n := range w.nodes {
		if n.m.State() == PrimaryOperational || n.m.Primary().IsValid() {
			t.Errorf("%s: %v on %s over dead paths", n.name, w.nodes[i].m.State(), nameOf(n.m.Primary()))
		}
	}
	for i := range w.nodes { // nobody has had anything to send for long
		if w.nodes[i].m.Connected() {
			t.Errorf("%s still explores", w.nodes[i].name)
		}
	}
	w.wantQuiet(time.Hour)
	w.only("A2→B1", "B1→A1")
	w.connect(0)
	w.run(5 * time.Second)
	w.wantSettled()
	w.wantQuiet(time.Hour)
}

// One end asks for another pair. Each side chooses for itself, so the other end
// need not follow; but there is no quarrel.
func TestPolicyChangeSettles(t *testing.T) {
	w := newWorld(t, Balanced, allA, allB)
	w.connect(0)
	w.run(time.Second)
	w.event(0, func(m *Machine) []Action { return m.Want(w.now, pairOf("A2→B2"), nil) })
	w.run(time.Second)
	w.wantSettled()
	if got := nameOf(w.nodes[0].m.Primary()); got != "A2→B2" {
		t.Errorf("A uses %s, want A2→B2", got)
	}
	w.wantQuiet(time.Hour)
}
