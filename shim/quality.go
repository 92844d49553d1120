package shim

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// How much a pair loses is told by Polls: each end counts what it sends over a pair, and
// what comes over it, and the OK for a Poll says how much had come with it. Between
// two Polls that were answered, the one count shows what was lost of the other, whatever
// goes over other pairs, and however a NAT shows them.
//
// Polls are sent for that only if much is missing: the packet numbers, which run over
// all pairs, show that to the receiver, and it says so in a Report. Where little is lost,
// nothing is said.

const (
	// windowLeast and windowFor are how many packets, and what time, a window of the
	// packet numbers has at least.
	windowLeast = 50
	windowFor   = 500 * time.Millisecond
	// missingShare is the share of them that is worth a look at the pair.
	missingShare = 0.08
	// lossLeast and lossFor are the same for what is lost on a pair.
	lossLeast = 25
	lossFor   = 500 * time.Millisecond
	// maxSamples is how many Polls may be unanswered before the oldest is forgotten.
	maxSamples = 64
)

// A window of packet numbers.
type window struct {
	largest, received uint64
	at                time.Time
}

// missing returns the share that has not come since the window began, zero if that is
// little. It begins a new one when it is long enough to tell.
func (w *window) missing(now time.Time, largest, received uint64) float64 {
	sent, came := largest-w.largest, received-w.received
	if !w.at.IsZero() && (sent < windowLeast || now.Sub(w.at) < windowFor) {
		return 0
	}
	first := w.at.IsZero()
	*w = window{largest, received, now}
	share := float64(sent-min(came, sent)) / float64(sent)
	if first || share < missingShare {
		return 0
	}
	return share
}

// reportLoss sends a Report if much of what the peer sends is missing. A metered pair is
// spared.
func (c *Context) reportLoss() {
	s, p := c.sessions.current, c.machine.Primary()
	if !s.usable(c.now) || !p.IsValid() || c.machine.Metered(p) {
		return
	}
	share := s.gaps.missing(c.now, s.largest.Load(), s.received.Load())
	if r, ok := s.report(c.since(c.now)); ok && share > 0 {
		r.Missing = uint8(min(share*256, 255))
		c.sendFrames(p, s, r.AppendTo(nil))
	}
}

// A tally is what goes out over a pair.
type tally struct {
	pair locator.Pair
	// sent counts datagrams. The packet path adds to it, too.
	sent atomic.Uint64
	// from is where the window begins of which the losses are counted, zero if there
	// was no answer yet.
	from sample
}

// A sample is a Poll, and how many datagrams had been sent over its pair and, as the
// peer says, come.
type sample struct {
	id    uint64
	tally *tally
	at    time.Time
	sent  uint64
	came  uint32
}

// tallyOf returns the tally of a pair.
func (c *Context) tallyOf(p locator.Pair) *tally {
	i := slices.IndexFunc(c.tallies, func(t *tally) bool { return t.pair == p })
	if i < 0 {
		i = len(c.tallies)
		c.tallies = append(c.tallies, &tally{pair: p})
	}
	return c.tallies[i]
}

// keepTallies forgets those of pairs that are gone.
func (c *Context) keepTallies() {
	c.tallies = slices.DeleteFunc(c.tallies, func(t *tally) bool {
		_, ok := c.machine.Interface(t.pair)
		return !ok && t.pair != c.machine.Primary()
	})
}

// forgetLosses gives back what is known of losses so far, but for the count that the packet
// path has.
func (c *Context) forgetLosses() {
	c.samples = nil
	c.tallies = slices.Clip(slices.DeleteFunc(c.tallies, func(t *tally) bool { return t.pair != c.machine.Primary() }))
}

// mark notes how much had been sent before the Poll named id.
func (c *Context) mark(p locator.Pair, id uint64) {
	if len(c.samples) >= maxSamples {
		c.samples = slices.Delete(c.samples, 0, 1)
	}
	t := c.tallyOf(p)
	c.samples = append(c.samples, sample{id: id, tally: t, at: c.now, sent: t.sent.Load()})
}

// measure takes in with how many datagrams a Poll came. When enough was sent since another
// one came, the machine is told what was lost on its primary pair.
func (c *Context) measure(ok wire.OK) {
	i := slices.IndexFunc(c.samples, func(x sample) bool { return x.id == ok.ID })
	if i < 0 {
		return
	}
	x := c.samples[i]
	x.came = ok.Came
	c.samples = slices.Delete(c.samples, i, i+1)
	t, from := x.tally, x.tally.from
	if from.tally != nil && x.sent < from.sent+lossLeast || x.at.Sub(from.at) < lossFor {
		return // wait for more, or a late answer
	}
	t.from = x
	sent, came := x.sent-from.sent, uint64(x.came-from.came)
	if from.tally == nil || came > sent || t.pair != c.machine.Primary() {
		return // the peer has begun to count anew, if it is not the first
	}
	c.perform(c.machine.HandleLoss(c.now, sent, sent-came, nil))
}
