package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/multi6/multi6/locator"
)

// tb is what the harness needs of testing.T, and of rapid.T.
type tb interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// epoch is when every test begins.
var epoch = time.Date(2005, time.January, 1, 0, 0, 0, 0, time.UTC)

// addresses are the locators of the tests, by name: A's and B's.
var addresses = map[string]netip.Addr{
	"A1": netip.MustParseAddr("2001:db8:a1::1"), "B1": netip.MustParseAddr("2001:db8:b1::1"),
	"A2": netip.MustParseAddr("2001:db8:a2::1"), "B2": netip.MustParseAddr("2001:db8:b2::1"),
	"A3": netip.MustParseAddr("2001:db8:a3::1"), "B3": netip.MustParseAddr("2001:db8:b3::1"),
}

// pairOf returns the pair that is written like "A1→B2", the zero Pair for "none".
func pairOf(s string) locator.Pair {
	if s == "none" {
		return locator.Pair{}
	}
	local, remote, _ := strings.Cut(s, "→")
	return locator.Pair{
		Local:  addresses[local],
		Remote: netip.AddrPortFrom(addresses[remote], locator.DefaultPort),
	}
}

func nameOf(p locator.Pair) string {
	if !p.IsValid() {
		return "none"
	}
	return addressName(p.Local) + "→" + addressName(p.Remote.Addr())
}

func addressName(a netip.Addr) string {
	for name, b := range addresses {
		if a == b {
			return name
		}
	}
	return a.String()
}

// candidatesOf returns candidates of one class, best first, each local locator
// on its own interface.
func candidatesOf(names ...string) []locator.Candidate {
	cs := make([]locator.Candidate, 0, len(names))
	for _, n := range names {
		cs = append(cs, locator.Candidate{Pair: pairOf(n), Interface: uint32(n[1] - '0')})
	}
	return cs
}

// describe writes an action as the specification does.
func describe(a Action) string {
	switch a := a.(type) {
	case SendPoll:
		switch {
		case a.Answer && a.Wish:
			return "Wish for " + nameOf(a.Pair)
		case a.Answer:
			return "Send test " + nameOf(a.Pair)
		case !a.Answer && !a.Move:
			return "Answer " + nameOf(a.Pair)
		}
		return fmt.Sprintf("Poll %s answer=%t move=%t", nameOf(a.Pair), a.Answer, a.Move)
	case SendReport:
		return "Report " + nameOf(a.Pair)
	case SetPrimary:
		return fmt.Sprintf("use %s for %s: %v", nameOf(a.To), nameOf(a.From), a.Reason)
	case Transition:
		return fmt.Sprintf("%v, %v: %v", a.From, a.Event, a.To)
	case ResetTimer:
		return "Reset timer"
	case Duplicate:
		return "Duplicate on " + nameOf(a.To)
	case TestFailed:
		return "failed " + nameOf(a.Pair)
	}
	return fmt.Sprintf("%T", a)
}

// A harness drives one Machine as its owner does: the marks of the packet path
// are shown to it before each event, and Reset timer clears them. What an event
// makes it do has to be expected before the next event.
type harness struct {
	t       tb
	m       *Machine
	now     time.Time
	pending []Action
	// marks is what the packet path has left behind.
	marks Evidence
	// ids counts the identifiers and the draws for jitter. It is even; the
	// peer's identifiers, in peerIDs, are odd.
	ids, peerIDs uint64
	// tests holds the last test Poll on each pair.
	tests map[locator.Pair]SendPoll
	last  SendPoll
}

func newHarness(t tb, timers Timers) *harness {
	h := &harness{t: t, now: epoch, peerIDs: 1, tests: make(map[locator.Pair]SendPoll)}
	h.m = New(&timers, func() uint64 { h.ids += 2; return h.ids })
	return h
}

// event runs f after a look at the marks.
func (h *harness) event(f func(acts []Action) []Action) {
	h.t.Helper()
	h.expect()
	h.m.Observe(h.now, h.marks)
	h.marks.Active = false
	h.perform(f(nil))
}

func (h *harness) perform(acts []Action) {
	for _, a := range acts {
		switch a := a.(type) {
		case SendPoll:
			h.last = a
			if a.Answer {
				h.tests[a.Pair] = a
			}
		case ResetTimer:
			h.clear(a.Before)
		case SetPrimary:
			h.marks.Unconfirmed, h.marks.Unreported = time.Time{}, time.Time{}
		case SendReport:
			h.marks.Owed, h.marks.OwedTCP = time.Time{}, time.Time{}
		}
	}
	h.pending = append(h.pending, acts...)
}

func (h *harness) clear(before time.Time) {
	for _, t := range []*time.Time{&h.marks.Unconfirmed, &h.marks.Unreported} {
		if !t.After(before) {
			*t = time.Time{}
		}
	}
}

// expect fails unless exactly these actions were taken since the last call.
// Answered is left out, being for people; TestAnswered is for it.
func (h *harness) expect(want ...string) {
	h.t.Helper()
	got := make([]string, 0, len(h.pending))
	for _, a := range h.pending {
		if _, ok := a.(Answered); !ok {
			got = append(got, describe(a))
		}
	}
	h.pending = nil
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		h.t.Fatalf("after %v: actions\n\t%s\nwant\n\t%s", h.now.Sub(epoch), strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// ignore forgets the actions taken.
func (h *harness) ignore() *harness { h.pending = nil; return h }

func (h *harness) wantState(s State, primary, testing string) {
	h.t.Helper()
	if h.m.State() != s || nameOf(h.m.Primary()) != primary || nameOf(h.m.Testing()) != testing {
		h.t.Fatalf("after %v: %v, primary %s, testing %s; want %v, %s, %s", h.now.Sub(epoch),
			h.m.State(), nameOf(h.m.Primary()), nameOf(h.m.Testing()), s, primary, testing)
	}
}

// wantDeadline fails unless the next deadline is d from now, none if d is 0.
func (h *harness) wantDeadline(d time.Duration) {
	h.t.Helper()
	at := h.m.Deadline()
	switch {
	case at.IsZero() && d != 0:
		h.t.Fatalf("after %v: no deadline, want one in %v", h.now.Sub(epoch), d)
	case !at.IsZero() && at.Sub(h.now) != d:
		h.t.Fatalf("after %v: deadline in %v, want %v", h.now.Sub(epoch), at.Sub(h.now), d)
	}
}

func (h *harness) candidates(names ...string) { h.t.Helper(); h.set(candidatesOf(names...)) }

func (h *harness) set(cs []locator.Candidate) {
	h.t.Helper()
	h.event(func(acts []Action) []Action { return h.m.SetCandidates(h.now, cs, acts) })
}

func (h *harness) connect(want string) {
	h.t.Helper()
	h.event(func(acts []Action) []Action { return h.m.Connect(h.now, pairOf(want), acts) })
}

func (h *harness) disconnect() {
	h.t.Helper()
	h.event(func(acts []Action) []Action { return h.m.Disconnect(h.now, acts) })
}

// answered lets the peer say that it has got these Polls. What it says comes over
// no pair known here, so that only the OK list counts.
func (h *harness) answered(polls ...SendPoll) {
	h.t.Helper()
	h.hear("none", false, polls...)
}

// hear lets a Poll come over the reverse of pair, a test if move is set.
func (h *harness) hear(pair string, move bool, oks ...SendPoll) {
	h.t.Helper()
	h.peerIDs += 2
	p := Poll{ID: h.peerIDs, Answer: move, Move: move}
	for _, o := range oks {
		p.OK = append(p.OK, Heard{ID: o.ID})
	}
	h.event(func(acts []Action) []Action { return h.m.HandlePoll(h.now, pairOf(pair), p, acts) })
}

// feedback lets upper layers confirm all that was sent: the packet path sees that
// first, and clears its marks.
func (h *harness) feedback(sample time.Duration) {
	h.t.Helper()
	h.marks.Unconfirmed, h.marks.Unreported = time.Time{}, time.Time{}
	h.event(func(acts []Action) []Action { return h.m.HandleFeedback(h.now, h.now, sample, acts) })
}

func (h *harness) hint(pair string) {
	h.t.Helper()
	h.event(func(acts []Action) []Action { return h.m.HandleHint(h.now, pairOf(pair), acts) })
}

func (h *harness) complain() {
	h.t.Helper()
	h.event(func(acts []Action) []Action { return h.m.Complain(h.now, acts) })
}

func (h *harness) want(pair string) {
	h.t.Helper()
	h.event(func(acts []Action) []Action { return h.m.Want(h.now, pairOf(pair), acts) })
}

// wake calls HandleTimeout now.
func (h *harness) wake() {
	h.t.Helper()
	h.event(func(acts []Action) []Action {
		for range 4 { // of what is due at once a call does one
			acts = h.m.HandleTimeout(h.now, acts)
			if d := h.m.Deadline(); d.IsZero() || d.After(h.now) {
				break
			}
		}
		return acts
	})
	if d := h.m.Deadline(); !d.IsZero() && !d.After(h.now) {
		h.t.Fatalf("after HandleTimeout at %v the deadline is %v: a busy loop", h.now.Sub(epoch), d.Sub(epoch))
	}
}

// fire goes to the deadline and wakes.
func (h *harness) fire() {
	h.t.Helper()
	if h.m.Deadline().IsZero() {
		h.t.Fatalf("after %v: no deadline", h.now.Sub(epoch))
	}
	h.now = h.m.Deadline()
	h.wake()
}

// until fires until an action is taken whose description begins with what, and
// forgets the actions of all earlier wakes. A pair that has answered goes on answering.
func (h *harness) until(what string) *harness {
	h.t.Helper()
	for range 100 {
		if slices.ContainsFunc(h.pending, func(a Action) bool { return strings.HasPrefix(describe(a), what) }) {
			return h
		}
		if polls := h.ofWitness(); len(polls) > 0 {
			h.ignore().answered(polls...)
			continue
		}
		h.ignore().fire()
	}
	h.t.Fatalf("after %v: %q did not come", h.now.Sub(epoch), what)
	return h
}

// ofWitness returns the Polls among the last actions that ask the pair that has answered
// while the primary is in doubt.
func (h *harness) ofWitness() (polls []SendPoll) {
	for _, a := range h.pending {
		if p, ok := a.(SendPoll); ok && p.Answer && p.Pair == h.m.explore.verified {
			polls = append(polls, p)
		}
	}
	return polls
}

// test returns the last test Poll on a pair.
func (h *harness) test(pair string) SendPoll {
	h.t.Helper()
	p, ok := h.tests[pairOf(pair)]
	if !ok {
		h.t.Fatalf("%s was never tested", pair)
	}
	return p
}

// after lets d pass without a wake.
func (h *harness) after(d time.Duration) *harness { h.now = h.now.Add(d); return h }

// send lets the application send a packet that TCP will confirm.
func (h *harness) send() {
	h.marks.Active = true
	if h.marks.Unconfirmed.IsZero() {
		h.marks.Unconfirmed = h.now
	}
}

// rttOfTests is the round-trip time of the answers in operationalOn.
const rttOfTests = 20 * time.Millisecond

// demand lets an application want to send something now.
func (h *harness) demand() *harness {
	h.m.Observe(h.now, Evidence{Waiting: true})
	return h
}

// operationalOn brings the machine to PRIMARY OPERATIONAL on the first pair
// named. That was an hour ago; now there is something to send again.
func operationalOn(t tb, pairs ...string) *harness {
	t.Helper()
	h := newHarness(t, Balanced)
	h.candidates(pairs...)
	h.connect(pairs[0])
	h.expect("no primary, connect: testing primary", "Send test "+pairs[0])
	h.after(rttOfTests)
	h.answered(h.last)
	h.ignore()
	h.wantState(PrimaryOperational, pairs[0], "none")
	return h.after(time.Hour).demand()
}

// answeredOn is operationalOn, a Poll on the first pair having been answered a
// millisecond ago.
func answeredOn(t tb, pairs ...string) *harness {
	t.Helper()
	h := operationalOn(t, pairs...)
	h.hint(pairs[0])
	h.ignore().after(rttOfTests).answered(h.last)
	h.ignore()
	h.wantState(PrimaryOperational, pairs[0], "none")
	return h.after(time.Millisecond)
}

// testingOn is operationalOn, the first pair being in doubt and under test.
func testingOn(t tb, pairs ...string) *harness {
	t.Helper()
	h := operationalOn(t, pairs...)
	h.hint(pairs[0])
	h.ignore()
	h.wantState(TestingPrimary, pairs[0], pairs[0])
	return h
}

// noPrimaryOf is testingOn, no pair having answered.
func noPrimaryOf(t tb, pairs ...string) *harness {
	t.Helper()
	h := testingOn(t, pairs...)
	h.until("testing primary, test fail: no primary").ignore()
	h.wantState(NoPrimary, "none", "none")
	return h
}
