package demo

import (
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/rig"
	"github.com/multi6/multi6/shim"
)

const (
	// target is what a stall should stay under.
	target = time.Second
	// limit is what a stall must stay under for its connection to count as
	// having survived.
	limit = 10 * time.Second
)

// An observation is what was seen of one fault.
type observation struct {
	fault lab.Fault
	// brokenAt is when Break was called, healedAt when what heals it had
	// returned, until when all was steady again; all since the start of the run.
	brokenAt, healedAt, until time.Duration
	// primary is each node's primary pair at brokenAt.
	primary rig.Pairs
	// events are those of the whole run, in any order.
	events []rig.Event
	// bulk and rr are those of the whole run.
	bulk, rr []rig.Arrival
}

// measures are the results of one fault. Moments count from the failure.
type measures struct {
	// Suspicion is when a node first left "primary operational".
	Suspicion *Moment `json:"suspicion,omitempty"`
	// Test is when a node first tested a pair that was not its primary.
	Test *Moment `json:"test,omitempty"`
	// Switches are when each node first took another pair, in order of time.
	Switches []Moment `json:"switches"`
	// FirstByte is when the bulk stream's longest gap up to the last switch ended;
	// where no node switched, its stall.
	FirstByte *rig.Millis `json:"first_byte_ms,omitempty"`
	Bulk      Stall       `json:"bulk"`
	RR        Stall       `json:"rr"`
	// Survived: the stalls of both streams, also after the return, ended within
	// the limit. OnTarget: within 1 s.
	Survived bool `json:"survived"`
	OnTarget bool `json:"on_target"`
}

// A Moment is when a node did something.
type Moment struct {
	After rig.Millis `json:"after_ms"`
	Node  string     `json:"node"`
	Pair  *node.Pair `json:"pair,omitempty"`
	Cause string     `json:"cause,omitempty"`
}

// A Stall is a stream's longest gap during a fault; see the package comment.
type Stall struct {
	// From is when it began, after the failure.
	From   rig.Millis `json:"from_ms"`
	Length rig.Millis `json:"ms"`
	// Ended is false if nothing had arrived by the end of the observation.
	Ended bool `json:"ended"`
	// AfterReturn is the longest gap that began between the return of the path
	// and the end of the observation.
	AfterReturn rig.Millis `json:"after_return_ms"`
	// Before is the longest gap shortly before the failure: what the machine and
	// TCP do by themselves.
	Before rig.Millis `json:"before_ms"`
}

// measure joins what the nodes told with what arrived.
func (o observation) measure() measures {
	m := measures{
		Suspicion: o.suspicion(), Test: o.test(), Switches: o.switches(),
		Bulk: o.stall(o.bulk), RR: o.stall(o.rr),
	}
	if g := o.failover(m.Switches); !g.Open {
		first := rig.Millis(g.End - o.brokenAt)
		m.FirstByte = &first
	}
	within := func(most time.Duration) bool {
		return m.Bulk.within(most) && m.RR.within(most)
	}
	m.Survived, m.OnTarget = within(limit), within(target)
	return m
}

func (s Stall) within(most time.Duration) bool {
	return s.Ended && max(s.Length, s.AfterReturn) < rig.Millis(most)
}

// end is when what the nodes do has to do with the fault no more.
func (o observation) end() time.Duration {
	if o.fault == lab.AllDead {
		return o.until
	}
	return o.healedAt
}

// first returns the earliest event during the fault of which is says so, nil if
// there is none.
func (o observation) first(is func(rig.Event) bool) *Moment {
	var best *rig.Event
	for i := range o.events {
		e := &o.events[i]
		at := time.Duration(e.At)
		if at >= o.brokenAt && at < o.end() && is(*e) && (best == nil || e.At < best.At) {
			best = e
		}
	}
	if best == nil {
		return nil
	}
	return &Moment{After: best.At - rig.Millis(o.brokenAt), Node: best.Node, Pair: best.What.Pair, Cause: best.What.Cause}
}

func (o observation) suspicion() *Moment {
	operational := detect.PrimaryOperational.String()
	return o.first(func(e rig.Event) bool {
		return e.What.Kind == shim.EventState.String() && e.What.From == operational && e.What.State != operational &&
			e.What.Cause != detect.PolicyChange.String()
	})
}

func (o observation) test() *Moment {
	return o.first(func(e rig.Event) bool {
		return e.What.Kind == shim.EventTest.String() && e.What.Pair != nil && *e.What.Pair != o.primary[e.Node]
	})
}

func (o observation) switches() []Moment {
	all := []Moment{}
	for _, name := range rig.Names {
		s := o.first(func(e rig.Event) bool {
			return e.Node == name && e.What.Kind == shim.EventSwitch.String() && e.What.Pair != nil
		})
		if s != nil {
			all = append(all, *s)
		}
	}
	if len(all) == 2 && all[1].After < all[0].After {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

// failover returns the bulk stream's gap that FirstByte ends.
func (o observation) failover(switches []Moment) rig.Gap {
	switch {
	case o.fault == lab.AllDead:
		return rig.GapFrom(o.bulk, o.healedAt, o.until)
	case len(switches) == 0:
		return rig.LongestGap(o.bulk, o.brokenAt, o.healedAt, o.until)
	}
	last := o.brokenAt + time.Duration(switches[len(switches)-1].After)
	return rig.LongestGap(o.bulk, o.brokenAt, last, o.until)
}

func (o observation) stall(as []rig.Arrival) Stall {
	g := rig.LongestGap(as, o.brokenAt, o.healedAt, o.until)
	if o.fault == lab.AllDead {
		g = rig.GapFrom(as, o.healedAt, o.until)
	}
	s := Stall{From: rig.Millis(g.Start - o.brokenAt), Length: rig.Millis(g.Length()), Ended: !g.Open}
	s.Before = rig.Millis(o.before(as[:rig.After(as, o.brokenAt)]).Length())
	if i := rig.After(as, o.healedAt); i < len(as) {
		s.AfterReturn = rig.Millis(rig.LongestGap(as, as[i].At+1, o.until, o.until).Length())
	}
	return s
}

// before returns the longest gap of a stream shortly before the failure, of what had arrived
// until then. Before the first arrival there was no stream.
func (o observation) before(as []rig.Arrival) rig.Gap {
	from := o.brokenAt - steadyFor
	if len(as) > 0 {
		from = max(from, as[0].At+1)
	}
	return rig.LongestGap(as, from, o.brokenAt, o.brokenAt)
}
