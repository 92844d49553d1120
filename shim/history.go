package shim

import (
	"slices"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
)

// The history of a peer is what its pair selection machine has been through, for
// people who ask why. It is built from the machine's actions alone, in the loop.

const (
	// maxHistory is how many Records a Context keeps, and maxPolls how many Polls a
	// Record does: the first and the last ones.
	maxHistory = 32
	maxPolls   = 64
	// maxResentPairs is for how many pairs a Record counts what is sent again.
	maxResentPairs = 8
	// resentCounts is for how long after an exploration packets that are sent again
	// are still on its account: they are spaced.
	resentCounts = 5 * time.Second
)

// A history is the Records of a Context, oldest first, and what the next one needs.
type history struct {
	records []Record
	count   uint64
	primary locator.Pair
	// polled is when the last Poll on the primary was answered, were it at once, and
	// reported when a Report last confirmed a packet.
	polled, reported time.Time
	// follows says that the last Record lacks First.
	follows bool
}

// History returns what the Context has been through lately, oldest first.
func (c *Context) History() []Record {
	all := slices.Clone(c.history.records)
	for i := range all {
		all[i].Polls, all[i].Resent = slices.Clone(all[i].Polls), slices.Clone(all[i].Resent)
	}
	return all
}

// last returns the newest Record, nil if there is none.
func (h *history) last() *Record {
	if len(h.records) == 0 {
		return nil
	}
	return &h.records[len(h.records)-1]
}

// open returns the Record of the exploration that goes on, nil if none does.
func (h *history) open() *Record {
	if r := h.last(); r != nil && r.Ended.IsZero() {
		return r
	}
	return nil
}

// record takes down what the machine does, before it is performed.
func (c *Context) record(a detect.Action) {
	h := &c.history
	switch a := a.(type) {
	case detect.SendPoll:
		if a.Size > 0 {
			return // it is not for the exploration
		}
		h.poll(PollRecord{Pair: a.Pair, ID: a.ID, Sent: c.now, Reply: !a.Answer})
	case detect.Answered:
		h.answered(c.now, a)
	case detect.TestFailed:
		h.failed(c.now, a)
	case detect.SetPrimary:
		if a.Reason.Cause == detect.DeletePair && h.open() == nil {
			c.beginRecord(detect.DeletePair)
		}
		h.use(c.now, a)
	case detect.Transition:
		if a.To == detect.TestingPrimary && h.open() == nil {
			c.beginRecord(a.Event)
		}
		h.transition(c.now, a)
	}
}

// beginRecord begins a Record, with what is known of the primary pair so far.
func (c *Context) beginRecord(cause detect.Event) {
	h := &c.history
	h.count++
	r := Record{Number: h.count, Cause: cause, Prompt: c.prompt, Old: h.primary, Suspected: c.now}
	if t := c.term; t != nil && r.Old.IsValid() {
		r.Last = c.lastConfirmation(t)
		seg, other := c.unconfirmed()
		r.Unconfirmed = earliest(seg, other)
		r.Patience = c.machine.Patience(false)
		if seg.IsZero() || c.now.Sub(seg) < r.Patience {
			r.Patience = c.machine.Patience(true)
			if cause == detect.Timer {
				r.Unconfirmed = other // the other packets still have time
			}
		}
	}
	if len(h.records) >= maxHistory {
		h.records = slices.Delete(h.records, 0, 1)
	}
	h.records = append(h.records, r)
	h.follows = false
}

// lastConfirmation returns the last one on the primary pair, whose term is t.
func (c *Context) lastConfirmation(t *Term) Confirmation {
	last := Confirmation{c.history.polled, SignPoll}
	if at := c.instant(t.confirmed.Load()); at.After(last.At) {
		last = c.confirmation(at)
	}
	if last.At.IsZero() {
		return Confirmation{}
	}
	return last
}

// confirmation returns the one that the term has noted at that time.
func (c *Context) confirmation(at time.Time) Confirmation {
	if at.Equal(c.history.reported) {
		return Confirmation{at, SignReport}
	}
	return Confirmation{at, SignTCP}
}

func (h *history) poll(p PollRecord) {
	r := h.open()
	if r == nil {
		return
	}
	if len(r.Polls) >= maxPolls {
		r.Polls = slices.Delete(r.Polls, maxPolls/2, maxPolls/2+1)
		r.Omitted++
	}
	r.Polls = append(r.Polls, p)
}

// opened notes that an Open stood for the Poll that was sent last.
func (h *history) opened() {
	if r := h.open(); r != nil && len(r.Polls) > 0 {
		r.Polls[len(r.Polls)-1].Open = true
	}
}

func (h *history) answered(now time.Time, a detect.Answered) {
	if at := a.Sent.Add(a.RTT); a.Pair == h.primary && at.After(h.polled) {
		h.polled = at
	}
	r := h.last()
	if r == nil {
		return
	}
	if i := slices.IndexFunc(r.Polls, func(p PollRecord) bool { return p.ID == a.ID }); i >= 0 {
		r.Polls[i].Answered, r.Polls[i].RTT = now, a.RTT
	}
	if a.Pair == r.New {
		h.confirmed(Confirmation{now, SignPoll})
	}
}

// failed notes that a Poll, or all on a pair, went unanswered.
func (h *history) failed(now time.Time, a detect.TestFailed) {
	r := h.open()
	if r == nil {
		return
	}
	for i := range r.Polls {
		p := &r.Polls[i]
		if (p.ID == a.ID || a.ID == 0 && p.Pair == a.Pair) && p.Answered.IsZero() && p.Failed.IsZero() {
			p.Failed = now
		}
	}
}

// use notes another primary pair.
func (h *history) use(now time.Time, a detect.SetPrimary) {
	h.primary, h.polled = a.To, time.Time{}
	r := h.open()
	switch {
	case r == nil:
	case a.To.IsValid():
		r.New = a.To
		for _, p := range r.Polls {
			if p.Pair == a.To && p.Answered.After(h.polled) {
				h.polled = p.Answered
			}
		}
	case a.Reason.Evidence == detect.DeletePair && a.From == r.Old:
		r.Gone = now
	}
}

func (h *history) transition(now time.Time, a detect.Transition) {
	r := h.open()
	if r == nil {
		return
	}
	decide := func(o Outcome) {
		if r.Outcome == Undecided {
			r.Outcome, r.Decided, r.Evidence = o, now, a.Event
		}
	}
	switch a.To {
	case detect.TestingPrimary:
		if a.Event == detect.Retry {
			r.Rounds++
		}
	case detect.NoPrimary:
		decide(NoPair)
		if a.Event == detect.Disconnect {
			r.Ended = now
		}
	case detect.PrimaryOperational:
		if r.New.IsValid() && r.New != r.Old {
			decide(Switched)
		}
		decide(Stayed)
		r.Ended = now
		h.follows = r.New.IsValid()
	}
}

// confirmed notes a confirmation on the primary pair.
func (h *history) confirmed(c Confirmation) {
	if h.follows && h.last().Ended.Before(c.At) {
		h.last().First, h.follows = c, false
	}
}

// took returns how long the exploration has lasted that goes on, zero if none does.
func (h *history) took(now time.Time) time.Duration {
	if r := h.open(); r != nil {
		return now.Sub(r.Suspected)
	}
	return 0
}

// Resent takes in that packets were sent again over a pair, waited of which had
// found none before.
func (c *Context) Resent(now time.Time, p locator.Pair, packets, waited, bytes int) {
	r := c.history.last()
	if r == nil || packets == 0 || !r.Ended.IsZero() && now.Sub(r.Ended) > resentCounts {
		return
	}
	i := slices.IndexFunc(r.Resent, func(x Resent) bool { return x.Pair == p })
	if i < 0 {
		if len(r.Resent) >= maxResentPairs {
			return
		}
		i = len(r.Resent)
		r.Resent = append(r.Resent, Resent{Pair: p, At: now})
	}
	r.Resent[i].Packets += packets
	r.Resent[i].Waited += waited
	r.Resent[i].Bytes += bytes
}
