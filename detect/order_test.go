package detect

import (
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
)

// order returns the order in which the machine tries its pairs, from the test
// that is now under way, none being answered.
func (h *harness) order() []string {
	h.t.Helper()
	out := []string{nameOf(h.m.Testing())}
	for h.m.State() == TestingPrimary {
		h.fire()
		for _, a := range h.pending {
			if p, ok := a.(SendPoll); ok && p.Answer && !slices.Contains(out, nameOf(p.Pair)) {
				out = append(out, nameOf(p.Pair))
			}
		}
		h.ignore()
	}
	return out
}

func (h *harness) wantOrder(want ...string) {
	h.t.Helper()
	if got := h.order(); !slices.Equal(got, want) {
		h.t.Errorf("tried %v, want %v", got, want)
	}
}

// Without any evidence the rank decides.
func TestOrderByRank(t *testing.T) {
	connecting(t, "A2→B1", "A1→B2", "A1→B1").wantOrder("A2→B1", "A1→B2", "A1→B1")
}

// A wanted pair goes first if it is known.
func TestOrderBeginsWithWanted(t *testing.T) {
	h := startOf(t, "A1→B1", "A2→B2", "A3→B3")
	h.connect("A3→B3")
	h.ignore().wantOrder("A3→B3", "A1→B1", "A2→B2")

	h = startOf(t, "A1→B1", "A2→B2")
	h.connect("A3→B3")
	h.ignore().wantOrder("A1→B1", "A2→B2")
}

// The failed primary is tested first; of the rest those go first that share
// nothing with it, whatever their rank.
func TestOrderAfterFailure(t *testing.T) {
	testingOn(t, "A1→B1", "A1→B2", "A2→B1", "A2→B2", "A3→B3").
		wantOrder("A1→B1", "A2→B2", "A3→B3", "A1→B2", "A2→B1")
}

// Another address of the interface of the failed pair may have failed with it.
func TestOrderAvoidsInterface(t *testing.T) {
	h := newHarness(t, Balanced)
	cs := candidatesOf("A1→B1", "A2→B2", "A3→B3")
	cs[1].Interface = cs[0].Interface
	h.set(cs)
	h.connect("none")
	h.ignore().answered(h.last)
	h.ignore().after(time.Hour).hint("A1→B1")
	h.ignore().wantOrder("A1→B1", "A3→B3", "A2→B2")
}

// The same of the peer's interfaces.
func TestOrderAvoidsLink(t *testing.T) {
	h := newHarness(t, Balanced)
	cs := candidatesOf("A1→B1", "A2→B2", "A3→B3")
	cs[0].Link, cs[1].Link, cs[2].Link = 7, 7, 8
	h.set(cs)
	h.connect("none")
	h.ignore().answered(h.last)
	h.ignore().after(time.Hour).hint("A1→B1")
	h.ignore().wantOrder("A1→B1", "A3→B3", "A2→B2")
}

// The more ends a pair shares with the failed one, be it by locator or by
// interface, the later its turn; a pair is no worse for sharing both ways.
func TestOrderBySharedEnds(t *testing.T) {
	h := newHarness(t, Balanced)
	cs := candidatesOf("A1→B1", "A2→B2", "A1→B3", "A3→B1", "A3→B3")
	for i, c := range []struct {
		iface uint32
		link  uint8
	}{{1, 1}, {1, 1}, {1, 3}, {3, 1}, {3, 3}} {
		cs[i].Interface, cs[i].Link = c.iface, c.link
	}
	h.set(cs)
	h.connect("none")
	h.ignore().answered(h.last)
	h.ignore().after(time.Hour).hint("A1→B1")
	h.ignore().wantOrder(
		"A1→B1",
		"A3→B3", // no end
		"A1→B3", // one, by locator and interface
		"A3→B1", // one, by locator and link
		"A2→B2", // two, by interface and link
	)
}

// What a pair shares with the failed one goes before its score, which is older
// than the failure.
func TestOrderSharedEndsBeforeScore(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A1→B2", "A2→B2", "A3→B3")
	h.m.of(pairOf("A1→B2")).tested(h.now.Add(-time.Second), true)
	h.m.of(pairOf("A2→B2")).tested(h.now.Add(-time.Second), false)
	h.hint("A1→B1")
	h.ignore().wantOrder("A1→B1", "A3→B3", "A2→B2", "A1→B2")
}

// Link 0 is not told: two pairs without one have none in common.
func TestOrderLinkUnknown(t *testing.T) {
	h := newHarness(t, Balanced)
	cs := candidatesOf("A1→B1", "A2→B2", "A3→B3")
	cs[2].Link = 1
	h.set(cs)
	h.connect("none")
	h.ignore().answered(h.last)
	h.ignore().after(time.Hour).hint("A1→B1")
	h.ignore().wantOrder("A1→B1", "A2→B2", "A3→B3")
}

// Interface 0 is none: two pairs without one have none in common.
func TestOrderInterfaceUnknown(t *testing.T) {
	h := newHarness(t, Balanced)
	cs := candidatesOf("A1→B1", "A2→B2", "A3→B3")
	cs[0].Interface, cs[1].Interface = 0, 0
	h.set(cs)
	h.connect("none")
	h.ignore().answered(h.last)
	h.ignore().after(time.Hour).hint("A1→B1")
	h.ignore().wantOrder("A1→B1", "A2→B2", "A3→B3")
}

// A deleted primary is what the search gets away from, too.
func TestOrderAfterDelete(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A1→B2", "A2→B1", "A2→B2")
	h.candidates("A1→B2", "A2→B1", "A2→B2")
	h.ignore().wantOrder("A2→B2", "A1→B2", "A2→B1")
}

// The class goes before all evidence: what is not wanted is the last resort.
func TestOrderByClassFirst(t *testing.T) {
	h := newHarness(t, Balanced)
	cs := candidatesOf("A1→B1", "A1→B2", "A2→B2", "A3→B3")
	cs[2].Class, cs[3].Class = 1, 2
	h.set(cs)
	h.connect("A1→B1")
	h.ignore().answered(h.last)
	h.ignore().want("A3→B3") // the worst class is shown to work
	h.ignore().answered(h.last)
	h.ignore().want("A1→B1")
	h.ignore().answered(h.last)
	h.ignore().after(time.Second).hint("A1→B1")
	h.ignore().wantOrder("A1→B1", "A1→B2", "A2→B2", "A3→B3")
}

// Within a class the score goes first: result times freshness (§5.3).
func TestOrderByScore(t *testing.T) {
	h := newHarness(t, Balanced)
	at := func(ago time.Duration) time.Time { return h.now.Add(-ago) }
	h.candidates("A1→B1", "A2→B2", "A3→B3", "A1→B2", "A2→B1", "A3→B1")
	for name, p := range map[string]struct {
		ok  bool
		ago time.Duration
	}{
		"A1→B1": {false, time.Second}, "A2→B2": {false, time.Minute}, "A1→B2": {true, time.Minute},
		"A2→B1": {true, time.Second},
	} {
		h.m.of(pairOf(name)).tested(at(p.ago), p.ok)
	}
	h.m.of(pairOf("A3→B1")).inboundAt = at(time.Second)
	h.connect("none")
	h.ignore().wantOrder(
		"A2→B1", // worked a second ago
		"A3→B1", // the peer was heard there a second ago
		"A1→B2", // worked a minute ago
		"A3→B3", // never tested
		"A2→B2", // failed a minute ago
		"A1→B1", // failed a second ago
	)
}

// The score against what §5.3 says in words.
func TestScore(t *testing.T) {
	now := epoch.Add(time.Hour)
	if got := new(pair).score(now); got != 0 {
		t.Errorf("untested: %v", got)
	}
	previous := 2.0
	for _, age := range []time.Duration{0, time.Second, freshFor, 5 * time.Minute} {
		p := pair{ok: true, testedAt: now.Add(-age)}
		if got := p.score(now); got >= previous || got <= 0 {
			t.Errorf("ok %v ago: %v, want less than %v", age, got, previous)
		} else {
			previous = got
		}
		p.ok = false
		if got := p.score(now); got != -previous {
			t.Errorf("failed %v ago: %v, want %v", age, got, -previous)
		}
	}
	half := pair{ok: true, testedAt: now.Add(-freshFor)}
	if got := half.score(now); got != 0.5 {
		t.Errorf("after %v: %v, want a half", freshFor, got)
	}
	future := pair{ok: true, testedAt: now.Add(time.Hour)}
	if got := future.score(now); got != 1 {
		t.Errorf("a result from the future: %v, want 1", got)
	}
}

// That the peer is heard is a hint what to try first, but "alone ... an
// insufficient reason to switch" (§5.3).
func TestInboundHint(t *testing.T) {
	h := testingOn(t, "A1→B1", "A2→B2", "A3→B3")
	h.after(ms).hear("A3→B3", false)
	h.expect()
	h.wantState(TestingPrimary, "A1→B1", "A1→B1")
	h.wantOrder("A1→B1", "A3→B3", "A2→B2")
	if got := h.m.Primary(); got != (locator.Pair{}) {
		t.Errorf("switched to %s without an answer", nameOf(got))
	}
}

// A new order of the candidates keeps what is known of them.
func TestCandidatesKeepKnowledge(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.candidates("A2→B2", "A3→B3", "A1→B1")
	h.expect()
	ps := h.m.Pairs()
	var names, results []string
	for _, p := range ps {
		names, results = append(names, nameOf(p.Pair)), append(results, p.Result)
	}
	if !slices.Equal(names, []string{"A2→B2", "A3→B3", "A1→B1"}) || !slices.Equal(results, []string{"untested", "untested", "ok"}) {
		t.Errorf("pairs %v, results %v", names, results)
	}
	if !ps[2].Primary || ps[0].Primary || ps[2].RTT != rttOfTests || ps[2].Variation != rttOfTests/2 || ps[2].At.IsZero() {
		t.Errorf("status %+v", ps[2])
	}
	h.hint("A1→B1")
	h.until("failed A1→B1").ignore()
	if got := h.m.Pairs()[2].Result; got != "failed" {
		t.Errorf("result %q, want failed", got)
	}
}
