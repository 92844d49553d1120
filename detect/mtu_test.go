package detect

import (
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
	"pgregory.net/rapid"
)

// withMTU returns candidates whose interfaces all carry mtu.
func withMTU(mtu int, names ...string) []locator.Candidate {
	cs := candidatesOf(names...)
	for i := range cs {
		cs[i].MTU = mtu
	}
	return cs
}

// probed returns the sizes of the padded Polls among the actions, and forgets all.
func (h *harness) probed() (polls []SendPoll) {
	for _, a := range h.pending {
		if p, ok := a.(SendPoll); ok && p.Size > 0 {
			polls = append(polls, p)
		}
	}
	h.pending = nil
	return polls
}

// search lets the search go on until it is over, on a path that carries mtu, and returns
// what was sent.
func (h *harness) search(mtu int) (polls []SendPoll) {
	h.t.Helper()
	for range 200 {
		for _, p := range h.probed() {
			polls = append(polls, p)
			if p.Size <= mtu {
				h.after(5 * ms).answered(p)
			}
		}
		if s := h.m.of(h.m.primary).search; s.state == MTUComplete && !s.confirms {
			return polls
		}
		h.demand().ignore().fire()
	}
	h.t.Fatalf("the search has no end: %+v", h.m.of(h.m.primary).search)
	return nil
}

// wideOn is operationalOn, the interfaces carrying 1500 bytes and so do the paths.
func wideOn(t tb, names ...string) *harness {
	t.Helper()
	h := operationalOn(t, names...)
	h.set(withMTU(1500, names...))
	h.search(1500)
	return h.ignore()
}

// While there is traffic the primary's path MTU is searched for, and only that one's.
func TestPrimaryIsSearched(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.set(withMTU(9000, "A1→B1", "A2→B2"))
	h.ignore()
	for _, p := range h.search(1500) {
		if nameOf(p.Pair) != "A1→B1" || !p.Answer || p.Move {
			t.Errorf("padded Poll %+v", p)
		}
	}
	if a, b := h.m.MTU(pairOf("A1→B1")), h.m.MTU(pairOf("A2→B2")); a != 1500 || b != 1280 {
		t.Errorf("path MTU %d and %d", a, b)
	}
	if s := h.m.Pairs()[0]; s.MTU != 1500 || s.MTUState != MTUComplete {
		t.Errorf("status %d, %v", s.MTU, s.MTUState)
	}
}

// An idle peer costs nothing: the search pauses, and goes on with the traffic.
func TestSearchPausesInSilence(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.set(withMTU(9000, "A1→B1"))
	h.ignore().fire()
	if n := len(h.probed()); n != 1 {
		t.Fatalf("%d padded Polls", n)
	}
	for end := h.now.Add(searchHold); !h.m.Deadline().IsZero(); {
		h.fire()
		if len(h.probed()) > 0 && h.now.After(end) {
			t.Fatal("a padded Poll in silence")
		}
	}
	h.ignore().after(time.Hour)
	h.wantDeadline(0)
	h.demand().fire()
	if n := len(h.probed()); n != 1 {
		t.Errorf("%d padded Polls when there is traffic again", n)
	}
}

// Padded Polls that go unanswered say nothing of the pair.
func TestLostProbesAreNoEvidence(t *testing.T) {
	h := operationalOn(t, "A1→B1", "A2→B2")
	h.set(withMTU(9000, "A1→B1", "A2→B2"))
	h.ignore()
	before := h.m.Pairs()[0]
	for range 200 {
		if h.demand(); h.m.Deadline().IsZero() {
			h.after(errorFirst) // it backs off
			continue
		}
		h.fire()
		for _, a := range h.pending {
			if p, ok := a.(SendPoll); !ok || p.Size == 0 {
				if _, ok := a.(SetMTU); !ok {
					t.Fatalf("%s", describe(a))
				}
			}
		}
		h.ignore()
	}
	h.wantState(PrimaryOperational, "A1→B1", "none")
	if s := h.m.Pairs()[0]; s.Result != before.Result || s.MTUState != MTUError || h.m.Stats() != (Stats{}) || h.m.of(pairOf("A1→B1")).unanswered != 0 {
		t.Errorf("%+v, %+v", s, h.m.Stats())
	}
}

// A padded Poll that is under way stands in for no test when the peer looks for a new
// primary.
func TestProbeIsNoTest(t *testing.T) {
	h := wideOn(t, "A1→B1", "A2→B2")
	h.after(time.Hour).demand()
	h.event(func(acts []Action) []Action { return h.m.HandleTooLong(h.now, pairOf("A1→B1"), 0, acts) })
	h.fire()
	if n := len(h.probed()); n != 1 {
		t.Fatalf("%d padded Polls", n)
	}
	h.hear("A2→B2", true)
	h.ignore().hear("A1→B1", true)
	h.expect("Send test A1→B1")
}

// The primary carries Polls but no longer what is long: it stays, with a smaller MTU.
func TestBlackHoleIsFound(t *testing.T) {
	h := wideOn(t, "A1→B1", "A2→B2")
	h.send()
	h.wake()
	h.until("primary operational, timer: testing primary")
	h.ignore().after(ms).answered(h.last)
	h.ignore()
	h.wantState(PrimaryOperational, "A1→B1", "none")
	from := h.now
	var found []SetMTU
	for len(found) == 0 {
		h.demand().fire()
		for _, a := range h.pending {
			if m, ok := a.(SetMTU); ok {
				found = append(found, m)
			}
		}
		h.ignore()
	}
	if want := (SetMTU{pairOf("A1→B1"), 1500, 1280}); found[0] != want || h.now.Sub(from) > 100*ms {
		t.Errorf("%+v after %v, want %+v", found[0], h.now.Sub(from), want)
	}
	h.wantState(PrimaryOperational, "A1→B1", "none")
	h.search(1400)
	if got := h.m.MTU(pairOf("A1→B1")); got > 1400 || got <= 1400-mtuGrain {
		t.Errorf("path MTU %d", got)
	}
}

// What an ICMP error says is tested, and one of a link that may not be is refused.
func TestTooBigIsTested(t *testing.T) {
	h := wideOn(t, "A1→B1")
	ok := true
	h.event(func(acts []Action) []Action {
		acts, ok = h.m.HandleTooBig(h.now, pairOf("A1→B1"), 1279, acts)
		return acts
	})
	if ok {
		t.Error("an MTU of 1279 was taken in")
	}
	h.expect()
	h.event(func(acts []Action) []Action {
		acts, ok = h.m.HandleTooBig(h.now, pairOf("A1→B1"), 1400, acts)
		return acts
	})
	if !ok || h.m.MTU(pairOf("A1→B1")) != 1500 {
		t.Errorf("%t, path MTU %d: it was believed", ok, h.m.MTU(pairOf("A1→B1")))
	}
	if polls := h.ignore().search(1400); len(polls) != 1+1+1+3 || polls[0].Size != 1500 || h.m.MTU(pairOf("A1→B1")) != 1400 {
		t.Errorf("%d padded Polls, path MTU %d", len(polls), h.m.MTU(pairOf("A1→B1")))
	}
}

// What the host itself refuses is not tried three times.
func TestRefusedProbe(t *testing.T) {
	h := operationalOn(t, "A1→B1")
	h.set(withMTU(9000, "A1→B1"))
	h.ignore()
	tooLong := func(size int) {
		h.event(func(acts []Action) []Action { return h.m.HandleTooLong(h.now, pairOf("A1→B1"), size, acts) })
	}
	h.fire()
	h.after(ms).answered(h.probed()[0])
	h.ignore().fire()
	if polls := h.probed(); len(polls) != 1 || polls[0].Size != 9000 {
		t.Fatalf("%+v", polls)
	}
	tooLong(9000)
	h.ignore().fire()
	if polls := h.probed(); len(polls) != 1 || polls[0].Size != 1500 {
		t.Errorf("%+v after a refusal", polls)
	}
	h.after(ms).answered(h.last)
	h.search(1500)
	tooLong(0)
	h.ignore().fire()
	if polls := h.probed(); len(polls) != 1 || polls[0].Size != 1500 {
		t.Errorf("%+v after another packet was refused", polls)
	}
}

// What is known of a pair is tested anew when it becomes primary after some time.
func TestMTUOfOldIsRevisited(t *testing.T) {
	h := wideOn(t, "A1→B1", "A2→B2")
	h.want("A2→B2")
	h.ignore().after(ms).answered(h.last)
	h.ignore().search(1500)
	h.ignore().after(revisitAfter + time.Second).demand()
	h.want("A1→B1")
	h.ignore().after(ms).answered(h.last)
	h.wantState(PrimaryOperational, "A1→B1", "none")
	if got := h.m.MTU(pairOf("A1→B1")); got != 1500 {
		t.Errorf("path MTU %d, want what was found", got)
	}
	if polls := h.ignore().search(1500); len(polls) != 1 || polls[0].Size != 1500 {
		t.Errorf("%+v", polls)
	}
}

// Two machines talk over a path of any MTU that loses up to a tenth: each finds it, and
// takes nothing that is lost for being long for a failure.
func TestMTUWorldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, Balanced, allA, allB)
		w.mtu = rapid.IntRange(1280, 9000).Draw(t, "path")
		w.interval = 20 * ms
		w.talking = [2]bool{true, true}
		padded, every := 0, rapid.IntRange(10, 30).Draw(t, "one lost of")
		w.losesPadded = func() bool { padded++; return padded%every == 0 }
		for i, names := range [][]string{allA, allB} {
			w.event(i, func(m *Machine) []Action { return m.SetCandidates(w.now, withMTU(9000, names...), nil) })
		}
		w.connect(0)
		w.run(15 * time.Second)
		w.wantSettled()
		for _, n := range w.nodes {
			s := n.m.of(n.m.primary).search
			if s.state != MTUComplete || s.size > w.mtu || s.size <= w.mtu-mtuGrain {
				t.Errorf("%s: %d of %d, %v", n.name, s.size, w.mtu, s.state)
			}
			if st := n.m.Stats(); st.Suspicions > 0 || st.Outages > 0 || st.Switches > 0 {
				t.Errorf("%s: %+v", n.name, st)
			}
		}
		w.talking = [2]bool{}
		w.run(5 * time.Second)
		w.wantQuiet(time.Hour)
	})
}
