package detect

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/multi6/multi6/locator"
)

// A world is two Machines, A and B, and the wire between them under virtual
// time. Every direction of every pair works or fails on its own.
type world struct {
	t     tb
	now   time.Time
	nodes [2]*node
	// delay is how long a datagram is on its way.
	delay   time.Duration
	delayOf func(locator.Pair) time.Duration
	// arrives is the fate of a datagram on a pair, seen from its sender.
	arrives func(p locator.Pair) bool
	// mtu is the path MTU of all pairs, zero for no limit; losesPadded is the fate of padded
	// Polls that it lets through.
	mtu         int
	losesPadded func() bool
	flights     []flight
	// talking are the nodes whose applications send a packet each interval, the
	// next at tick.
	talking  [2]bool
	interval time.Duration
	tick     time.Time
	// log names the Polls sent, in order; polls counts them.
	log   []string
	polls int
	ids   uint64
	// number maps identifiers to the order in which the Polls were sent.
	number map[uint64]int
}

type node struct {
	name  string
	m     *Machine
	marks Evidence
}

// A flight is a datagram on its way: a Poll, a Report or data.
type flight struct {
	at           time.Time
	to           int
	pair         locator.Pair // seen from the receiver
	poll         *Poll
	report, data bool
}

func newWorld(t tb, timers Timers, a, b []string) *world {
	w := &world{
		t: t, now: epoch, delay: 10 * time.Millisecond, interval: 5 * time.Millisecond, number: make(map[uint64]int),
		arrives: func(locator.Pair) bool { return true },
	}
	for i, name := range []string{"A", "B"} {
		w.nodes[i] = &node{name: name, m: New(&timers, func() uint64 { w.ids++; return w.ids })}
		w.nodes[i].m.SetCandidates(w.now, candidatesOf([][]string{a, b}[i]...), nil)
	}
	return w
}

// only lets datagrams arrive on these pairs alone, seen from their senders.
func (w *world) only(pairs ...string) {
	works := make(map[locator.Pair]bool)
	for _, p := range pairs {
		works[pairOf(p)] = true
	}
	w.arrives = func(p locator.Pair) bool { return works[p] }
}

func reverse(p locator.Pair) locator.Pair {
	return locator.Pair{Local: p.Remote.Addr(), Remote: netip.AddrPortFrom(p.Local, locator.DefaultPort)}
}

// event shows node i the marks and lets f happen to it.
func (w *world) event(i int, f func(m *Machine) []Action) {
	w.t.Helper()
	n := w.nodes[i]
	n.m.Observe(w.now, n.marks)
	n.marks.Active = false
	w.perform(i, f(n.m))
}

func (w *world) perform(i int, acts []Action) {
	w.t.Helper()
	n := w.nodes[i]
	for _, a := range acts {
		switch a := a.(type) {
		case SendPoll:
			w.sendPoll(i, a)
		case SendReport:
			n.marks.Owed = time.Time{}
			w.send(i, a.Pair, flight{report: true})
		case ResetTimer:
			if !n.marks.Unreported.After(a.Before) {
				n.marks.Unreported = time.Time{}
			}
		case SetPrimary:
			n.marks.Unreported = time.Time{}
		}
	}
}

// sendPoll checks what holds of every Poll and puts it on the wire.
func (w *world) sendPoll(i int, a SendPoll) {
	w.t.Helper()
	n := w.nodes[i]
	if w.number[a.ID] != 0 {
		w.t.Fatalf("identifier %d was used before", a.ID)
	}
	w.polls++
	w.number[a.ID] = w.polls
	p := &Poll{ID: a.ID, Answer: a.Answer, Move: a.Move, OK: a.OK}
	line := fmt.Sprintf("%s: Poll %d", n.name, w.polls)
	for k, ok := range a.OK {
		if k == 0 {
			line += ", OK:"
		}
		line += fmt.Sprintf(" %d", w.number[ok.ID])
	}
	fate := "arrives"
	if !w.arrives(a.Pair) {
		fate = "lost"
	}
	w.log = append(w.log, fmt.Sprintf("%s, %s, %s", line, nameOf(a.Pair), fate))
	if a.Size > 0 && (w.mtu > 0 && a.Size > w.mtu || w.losesPadded != nil && w.losesPadded()) {
		return
	}
	w.send(i, a.Pair, flight{poll: p})
}

func (w *world) send(i int, p locator.Pair, f flight) {
	if !w.arrives(p) {
		return
	}
	d := w.delay
	if w.delayOf != nil {
		d = w.delayOf(p)
	}
	f.at, f.to, f.pair = w.now.Add(d), 1-i, reverse(p)
	w.flights = append(w.flights, f)
}

func (w *world) connect(i int) {
	w.t.Helper()
	w.event(i, func(m *Machine) []Action { return m.Connect(w.now, locator.Pair{}, nil) })
}

// deliver hands a datagram to its receiver. The first Poll to a peer is an Open,
// which connects it (Figure 2).
func (w *world) deliver(f flight) {
	w.t.Helper()
	n := w.nodes[f.to]
	switch {
	case f.poll != nil:
		w.event(f.to, func(m *Machine) []Action {
			acts := m.HandlePoll(w.now, f.pair, *f.poll, nil)
			if !m.Connected() {
				acts = m.HandleOpen(w.now, f.pair, acts)
			}
			return acts
		})
	case f.report:
		n.marks.Unreported = time.Time{}
		w.event(f.to, func(m *Machine) []Action { return m.HandleFeedback(w.now, w.now, 0, nil) })
	case f.data:
		n.marks.Active = true
		if n.marks.Owed.IsZero() {
			n.marks.Owed = w.now
		}
		w.event(f.to, func(*Machine) []Action { return nil })
	}
}

// talk sends a data packet from every node that talks.
func (w *world) talk() {
	for i, n := range w.nodes {
		p := n.m.Primary()
		if !w.talking[i] || !p.IsValid() {
			continue
		}
		n.marks.Active = true
		if n.marks.Unreported.IsZero() {
			n.marks.Unreported = w.now
		}
		w.event(i, func(*Machine) []Action { return nil })
		w.send(i, p, flight{data: true})
	}
}

// next returns the instant of the next thing to happen, zero for never.
func (w *world) next() (at time.Time) {
	for _, f := range w.flights {
		at = earliest(at, f.at)
	}
	for _, n := range w.nodes {
		at = earliest(at, n.m.Deadline())
	}
	if w.talking[0] || w.talking[1] {
		at = earliest(at, w.tick)
	}
	return at
}

// run lets d pass.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	if w.tick.Before(w.now) {
		w.tick = w.now
	}
	for steps := 0; ; steps++ {
		at := w.next()
		if at.IsZero() || at.After(end) {
			w.now = end
			return
		}
		if at.After(w.now) {
			w.now, steps = at, 0
		}
		if steps > 200 {
			w.t.Fatalf("time stands still at %v:\n%v", w.now.Sub(epoch), w.log[max(0, len(w.log)-20):])
		}
		w.step()
	}
}

// step does one thing that is due: an arrival first, as a node drains its socket
// before it looks at its timers.
func (w *world) step() {
	w.t.Helper()
	for k, f := range w.flights {
		if !f.at.After(w.now) {
			w.flights = append(w.flights[:k:k], w.flights[k+1:]...)
			w.deliver(f)
			return
		}
	}
	for i, n := range w.nodes {
		if due(n.m.Deadline(), w.now) {
			w.event(i, func(m *Machine) []Action { return m.HandleTimeout(w.now, nil) })
			if due(n.m.Deadline(), w.now) {
				w.t.Fatalf("%s: a deadline at %v lies not after HandleTimeout at %v", n.name, n.m.Deadline().Sub(epoch), w.now.Sub(epoch))
			}
			return
		}
	}
	if !w.tick.After(w.now) {
		w.tick = w.now.Add(w.interval)
		w.talk()
	}
}

// settled reports whether node i is on a pair that works in its direction.
func (w *world) settled(i int) bool {
	m := w.nodes[i].m
	return m.State() == PrimaryOperational && w.arrives(m.Primary())
}

func (w *world) wantSettled() {
	w.t.Helper()
	for i, n := range w.nodes {
		if !w.settled(i) {
			w.t.Fatalf("%s after %v: %v on %s, testing %s; the last Polls:\n%s", n.name, w.now.Sub(epoch),
				n.m.State(), nameOf(n.m.Primary()), nameOf(n.m.Testing()), w.tail())
		}
	}
}

func (w *world) tail() string {
	out := ""
	for _, l := range w.log[max(0, len(w.log)-12):] {
		out += "\t" + l + "\n"
	}
	return out
}

// wantQuiet fails if a Poll goes out within d.
func (w *world) wantQuiet(d time.Duration) {
	w.t.Helper()
	before := w.polls
	w.run(d)
	if w.polls != before {
		w.t.Fatalf("%d Polls within %v, want none:\n%s", w.polls-before, d, w.tail())
	}
}
