package locator

import "fmt"

// A State is the state of one local address (draft §5.1, Figure 1). Zero means
// that the address is in neither state: it is unknown or may not be used.
type State uint8

const (
	// Available addresses are ours and permitted (draft §3.1).
	Available State = iota + 1
	// Operational addresses can besides be used now, as far as this host can
	// tell (draft §3.2).
	Operational
)

// none is the blank place outside the two boxes of Figure 1.
const none State = 0

// String returns the state's name, "none" for zero.
func (s State) String() string {
	switch s {
	case none:
		return "none"
	case Available:
		return "available"
	case Operational:
		return "operational"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// An event moves an address through Figure 1.
type event uint8

const (
	becomesAvailable event = iota + 1
	becomesOperational
	noLongerOperational
	noLongerAvailable
)

// An edge is one arrow of Figure 1.
type edge struct {
	from State
	on   event
	to   State
}

// figure1 is draft §5.1 Figure 1, in the order of the drawing.
var figure1 = [...]edge{
	{none, becomesAvailable, Available},
	{Available, becomesOperational, Operational},
	{Operational, noLongerOperational, Available},
	{Available, noLongerAvailable, none},
	{Operational, noLongerAvailable, none},
}

// step returns the state after ev. An event that Figure 1 does not show for s
// changes nothing.
func (s State) step(ev event) State {
	for _, e := range figure1 {
		if e.from == s && e.on == ev {
			return e.to
		}
	}
	return s
}

// settle feeds s the events that follow from what is now known of an address.
// Feeding an event again is harmless, so nobody has to find out what changed.
func (s State) settle(available, operational bool) State {
	if !available {
		return s.step(noLongerAvailable)
	}
	s = s.step(becomesAvailable)
	if !operational {
		return s.step(noLongerOperational)
	}
	return s.step(becomesOperational)
}
