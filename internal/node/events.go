package node

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// An Event tells people what happened. What does not apply is left out.
type Event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	Peer string    `json:"peer,omitempty"`
	// Pair is what it is about; Old, of a switch, the pair before.
	Pair *Pair `json:"pair,omitempty"`
	Old  *Pair `json:"old,omitempty"`
	// State is the new state of Figure 2, or of Figure 1 for a Locator.
	State   string `json:"state,omitempty"`
	From    string `json:"from,omitempty"`
	Locator string `json:"locator,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// SilentMillis is how long packets had been unconfirmed.
	SilentMillis float64 `json:"silent_ms,omitempty"`
	// TookMillis is, of a switch, how long ago its reason was found.
	TookMillis float64 `json:"took_ms,omitempty"`
}

// A Pair is a pair of locators.
type Pair struct {
	Local  string `json:"local"`
	Remote string `json:"remote"`
}

func pairOf(p locator.Pair) *Pair {
	if !p.IsValid() {
		return nil
	}
	return &Pair{Local: p.Local.String(), Remote: p.Remote.String()}
}

// subscriberQueue is how many events may wait for a subscriber before it loses
// some.
const subscriberQueue = 1024

// subscribers get every event. They are owned by the loop.
type subscribers map[chan Event]struct{}

// Subscribe returns a channel of events from now on, and what ends it. A
// subscriber that does not keep up loses events.
func (n *Node) Subscribe() (<-chan Event, func()) {
	_, events, stop := n.subscribe()
	return events, stop
}

// subscribe is Subscribe; recent are the latest events before, oldest first.
func (n *Node) subscribe() (recent []Event, events <-chan Event, stop func()) {
	ch := make(chan Event, subscriberQueue)
	n.call(func(time.Time) {
		if n.events == nil {
			n.events = make(subscribers)
		}
		n.events[ch] = struct{}{}
		recent = slices.Clone(n.recent[max(0, len(n.recent)-maxRecent):])
	})
	return recent, ch, func() { n.call(func(time.Time) { delete(n.events, ch) }) }
}

// maxRecent is how many events are kept for those who come later.
const maxRecent = 256

func (n *Node) publish(e Event) {
	if len(n.recent) >= 2*maxRecent { // not for every event
		n.recent = slices.Delete(n.recent, 0, maxRecent)
	}
	n.recent = append(n.recent, e)
	for ch := range n.events {
		select {
		case ch <- e:
		default:
		}
	}
}

// event logs and publishes what a context tells.
func (l *looper) event(p *peer, e shim.Event) {
	x := Event{
		At: e.At, Kind: e.Kind.String(), Peer: p.Name, Pair: pairOf(e.Pair), Old: pairOf(e.Old),
		Cause: e.Cause, Detail: e.Detail,
	}
	level := slog.LevelDebug
	switch e.Kind {
	case shim.EventState:
		x.State, x.From = e.To.String(), e.From.String()
		x.SilentMillis = millis(e.SilentFor)
		switch {
		case e.To == detect.PrimaryOperational:
			p.down = false
		case e.To == detect.NoPrimary && !p.down && e.Cause != detect.Disconnect.String():
			p.down, level = true, slog.LevelWarn
		}
	case shim.EventSwitch:
		level = slog.LevelInfo
		x.TookMillis = millis(e.Took)
	case shim.EventClose, shim.EventLocators:
		level = slog.LevelInfo
	}
	l.publish(x)
	l.log.Log(context.Background(), level, x.Kind, attrs(x)...)
}

func attrs(e Event) []any {
	a := []any{"peer", e.Peer}
	add := func(k, v string) {
		if v != "" {
			a = append(a, k, v)
		}
	}
	switch {
	case e.Pair != nil:
		add("pair", e.Pair.Local+" → "+e.Pair.Remote)
	case e.Kind == shim.EventSwitch.String():
		add("pair", "none")
	}
	add("state", e.State)
	add("cause", e.Cause)
	add("detail", e.Detail)
	if e.TookMillis > 0 {
		add("took_ms", strconv.FormatFloat(e.TookMillis, 'f', -1, 64))
	}
	return a
}

func stateName(s locator.State) string {
	if s == 0 {
		return "none"
	}
	return s.String()
}
