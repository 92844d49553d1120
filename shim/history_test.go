package shim

import (
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
)

// cut loses everything between the two ends of a pair of A.
func cut(w *world, pairs ...locator.Pair) {
	w.fate = func(f *flight) []time.Duration {
		for _, p := range pairs {
			if f.between(p.Local, p.Remote.Addr()) || f.between(p.Remote.Addr(), p.Local) {
				return nil
			}
		}
		return []time.Duration{oneWay}
	}
}

// speak has h alone send a small packet every 5 ms for d.
func (h *host) speak(d time.Duration) {
	h.w.t.Helper()
	for range int(d / (5 * time.Millisecond)) {
		h.send(h.udp("chat"))
		h.w.run(5 * time.Millisecond)
	}
}

// newest returns h's last record, after a look at what holds for all.
func (h *host) newest() Record {
	h.w.t.Helper()
	all := h.c.History()
	if len(all) == 0 {
		h.w.t.Fatalf("%s has no record", h.name)
	}
	for _, r := range all {
		h.checkRecord(r)
	}
	return all[len(all)-1]
}

// checkRecord finds times of r that are out of order.
func (h *host) checkRecord(r Record) {
	h.w.t.Helper()
	order := []struct {
		what string
		at   time.Time
	}{
		{"last confirmation", r.Last.At}, {"suspicion", r.Suspected}, {"decision", r.Decided},
		{"end", r.Ended}, {"first confirmation", r.First.At},
	}
	var before time.Time
	for _, x := range order {
		if x.at.IsZero() {
			continue
		}
		if x.at.Before(before) || x.at.After(h.w.now) {
			h.w.t.Errorf("%s, record %d: %s is out of order: %+v", h.name, r.Number, x.what, r)
		}
		before = x.at
	}
	if !r.Unconfirmed.IsZero() && r.Unconfirmed.After(r.Suspected) {
		h.w.t.Errorf("%s, record %d: unconfirmed %v after suspicion", h.name, r.Number, r.Unconfirmed.Sub(r.Suspected))
	}
	if (r.Outcome == Undecided) != r.Decided.IsZero() {
		h.w.t.Errorf("%s, record %d: %v, decided at %v", h.name, r.Number, r.Outcome, r.Decided)
	}
	if r.Suspected.IsZero() || r.Cause == 0 || len(r.Polls) > maxPolls {
		h.w.t.Errorf("%s, record %d has gaps: %+v", h.name, r.Number, r)
	}
	last := r.Suspected
	for _, p := range r.Polls {
		ended := p.Answered
		if ended.IsZero() {
			ended = p.Failed
		}
		if p.Sent.Before(last) || !ended.IsZero() && ended.Before(p.Sent) || !p.Pair.IsValid() {
			h.w.t.Errorf("%s, record %d: Poll out of order: %+v", h.name, r.Number, p)
		}
		last = p.Sent
	}
}

// fates counts the Polls of r over p that were to be answered, and those that were.
func fates(r Record, p locator.Pair) (sent, answered, failed int) {
	for _, x := range r.Polls {
		if x.Pair != p || x.Reply {
			continue
		}
		sent++
		if !x.Answered.IsZero() {
			answered++
		} else if !x.Failed.IsZero() {
			failed++
		}
	}
	return sent, answered, failed
}

// settled has both ends talk for a while over a context that is open.
func settled(t *testing.T, s setup) *world {
	t.Helper()
	w := newWorld(t, s)
	w.open()
	w.chat(time.Second, 5*time.Millisecond)
	return w
}

func TestHistoryOfConnecting(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	r := w.a.newest()
	if r.Cause != detect.Connect || r.Outcome != Switched || r.Evidence != detect.TestOK || r.Old.IsValid() || r.New != w.a.path.Pair {
		t.Errorf("%+v", r)
	}
	if len(r.Polls) == 0 || !r.Polls[0].Open || r.Polls[0].Answered.IsZero() || r.Last.By != "" || !r.Unconfirmed.IsZero() {
		t.Errorf("%+v", r)
	}
}

// A failover: what raised suspicion, who answered and who did not, and when the new
// pair first proved its worth.
func TestHistoryOfFailover(t *testing.T) {
	w := settled(t, setup{})
	old := w.a.path.Pair
	before := w.a.newest().Number
	w.a.speak(200 * time.Millisecond) // who alone sends finds out first
	cut(w, old)
	failed := w.now
	w.a.speak(500 * time.Millisecond)
	r := w.a.newest()
	if r.Number != before+1 || r.Cause != detect.Timer || r.Outcome != Switched || r.Evidence != detect.TestOK {
		t.Fatalf("%+v", r)
	}
	if r.Old != old || r.New != w.a.path.Pair || r.New == old {
		t.Errorf("from %v to %v; the primary is %v", r.Old, r.New, w.a.path.Pair)
	}
	if r.Last.By != SignReport || r.Last.At.Before(failed.Add(-100*time.Millisecond)) || r.Last.At.After(failed.Add(2*oneWay)) {
		t.Errorf("last confirmation %+v, the failure was at %v", r.Last, failed)
	}
	if silent := r.Suspected.Sub(r.Unconfirmed); silent < r.Patience || silent > r.Patience+10*time.Millisecond {
		t.Errorf("suspicion after %v of silence, with patience for %v", silent, r.Patience)
	}
	if sent, answered, failed := fates(r, old); sent != detect.Balanced.Tries || answered != 0 || failed != sent {
		t.Errorf("old pair: %d Polls, %d answered, %d failed", sent, answered, failed)
	}
	// It is polled again beside the last ones of the old pair.
	if sent, answered, failed := fates(r, r.New); sent < 1 || sent > detect.Balanced.Tries || answered == 0 || failed != 0 {
		t.Errorf("new pair: %d Polls, %d answered", sent, answered)
	}
	if !r.First.At.After(r.Decided) || r.First.By == "" || !r.Ended.Equal(r.Decided) {
		t.Errorf("decided %v, ended %v, first confirmation %+v", r.Decided, r.Ended, r.First)
	}
	i := slices.IndexFunc(w.a.events, func(e Event) bool { return e.Kind == EventSwitch && e.Old == old })
	if i < 0 || w.a.events[i].Took != r.Decided.Sub(r.Suspected) {
		t.Errorf("the event of the switch does not agree with the record: %+v", w.a.events)
	}
}

// A false alarm: the primary answers, and that is in the record.
func TestHistoryOfFalseAlarm(t *testing.T) {
	w := settled(t, setup{})
	lost := w.now.Add(80 * time.Millisecond)
	w.fate = func(*flight) []time.Duration {
		if w.now.Before(lost) {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.chat(time.Second, 5*time.Millisecond)
	for _, h := range []*host{w.a, w.b} {
		r := h.newest()
		if h.c.Status(w.now).Stats.FalseAlarms == 0 {
			continue
		}
		if r.Outcome != Stayed || r.Old != h.path.Pair || r.New.IsValid() || r.First.By != "" {
			t.Errorf("%s: %+v", h.name, r)
		}
		if _, answered, _ := fates(r, r.Old); r.Evidence == detect.TestOK && answered == 0 {
			t.Errorf("%s: nothing answered: %+v", h.name, r)
		}
		return
	}
	t.Fatal("no false alarm at either end")
}

// An outage is one record from the suspicion to the pair that works again, however
// many rounds it takes, and does not grow without bound.
func TestHistoryOfOutage(t *testing.T) {
	w := settled(t, setup{})
	old := w.a.path.Pair
	before := w.a.newest().Number
	w.fate = func(*flight) []time.Duration { return nil }
	w.chat(20*time.Second, 20*time.Millisecond)
	r := w.a.newest()
	if r.Number != before+1 || r.Outcome != NoPair || r.Evidence != detect.TestFail || !r.Ended.IsZero() || r.New.IsValid() || r.Old != old {
		t.Fatalf("during the outage: %+v", r)
	}
	if len(r.Polls) != maxPolls || r.Omitted == 0 || r.Rounds < 10 {
		t.Errorf("%d Polls, %d omitted in %d rounds", len(r.Polls), r.Omitted, r.Rounds)
	}
	decided := r.Decided
	w.fate = nil
	w.chat(2*time.Second, 20*time.Millisecond)
	r = w.a.newest()
	if r.Number != before+1 || r.Outcome != NoPair || !r.Decided.Equal(decided) || r.New != w.a.path.Pair || r.Ended.IsZero() || r.First.By == "" {
		t.Errorf("after the outage: %+v", r)
	}
}

// The loss of a local locator is a failover without suspicion.
func TestHistoryOfLostLocator(t *testing.T) {
	w := settled(t, setup{})
	old := w.a.path.Pair
	locals := slices.DeleteFunc(slices.Clone(w.a.locals), func(l locator.Local) bool { return l.Addr == old.Local })
	w.a.perform(w.a.c.SetLocals(w.now, locals, nil))
	w.chat(time.Second, 5*time.Millisecond)
	r := w.a.newest()
	if r.Cause != detect.DeletePair || r.Outcome != Switched || r.Old != old || !r.Gone.Equal(r.Suspected) || r.Last.By != SignReport || r.New.Local == old.Local {
		t.Errorf("%+v", r)
	}
}

// Who asked for a switch is in the records of both ends.
func TestHistoryOfSwitch(t *testing.T) {
	w := settled(t, setup{})
	to := w.a.pair(1, 1)
	w.a.perform(w.a.c.Switch(w.now, to, nil))
	w.chat(time.Second, 5*time.Millisecond)
	if r := w.a.newest(); r.Cause != detect.PolicyChange || r.Prompt != PromptUser || r.Outcome != Switched || r.New != to {
		t.Errorf("a: %+v", r)
	}
	if r := w.b.newest(); r.Cause != detect.PolicyChange || r.Prompt != PromptPeer || r.Outcome != Switched || r.New != w.b.pair(1, 1) {
		t.Errorf("b: %+v", r)
	}
}

// Resent packets are on the account of the exploration they belong to.
func TestHistoryOfResent(t *testing.T) {
	w := settled(t, setup{})
	old, other := w.a.pair(0, 0), w.a.pair(1, 1)
	before := w.a.newest().Resent
	w.run(resentCounts + time.Second)
	w.a.c.Resent(w.now, old, 3, 0, 300)
	if got := w.a.newest().Resent; !slices.Equal(got, before) {
		t.Errorf("long after an exploration: %+v", got)
	}
	w.a.perform(w.a.c.Switch(w.now, other, nil))
	at := w.now
	w.a.c.Resent(w.now, other, 2, 1, 200)
	w.run(time.Millisecond)
	w.a.c.Resent(w.now, other, 1, 0, 50)
	w.a.c.Resent(w.now, old, 0, 0, 0)
	if got, want := w.a.newest().Resent, []Resent{{other, at, 3, 1, 250}}; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A complaint tests the primary, which stays; an idle context connects.
func TestSuspect(t *testing.T) {
	w := newWorld(t, setup{})
	w.a.perform(w.a.c.Suspect(w.now, nil))
	if !w.until(time.Second, func() bool { return w.a.path != nil }) {
		t.Fatalf("an idle context does not connect: %v", w)
	}
	if r := w.a.newest(); r.Cause != detect.Connect || r.Prompt != PromptUser {
		t.Errorf("idle: %+v", r)
	}
	w.run(10 * time.Second)
	primary := w.a.path.Pair
	w.a.perform(w.a.c.Suspect(w.now, nil))
	w.run(time.Second)
	r := w.a.newest()
	if r.Cause != detect.Complaint || r.Outcome != Stayed || r.Old != primary || w.a.path.Pair != primary {
		t.Errorf("%+v", r)
	}
	if sent, answered, _ := fates(r, primary); sent == 0 || answered == 0 {
		t.Errorf("%d Polls on the primary, %d answered", sent, answered)
	}
}

// The history is bounded, keeps the newest, and is the caller's.
func TestHistoryIsBounded(t *testing.T) {
	w := settled(t, setup{})
	first := w.a.newest().Number
	for range 2 * maxHistory {
		w.a.perform(w.a.c.Suspect(w.now, nil))
		w.run(200 * time.Millisecond)
	}
	all := w.a.c.History()
	if len(all) != maxHistory || all[maxHistory-1].Number < first+2*maxHistory || all[0].Number != all[maxHistory-1].Number-maxHistory+1 {
		t.Errorf("%d records, from %d to %d", len(all), all[0].Number, all[len(all)-1].Number)
	}
	all[0].Polls[0] = PollRecord{}
	if w.a.c.History()[0].Polls[0].Sent.IsZero() {
		t.Error("History gives away what it keeps")
	}
}
