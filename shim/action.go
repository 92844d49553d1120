package shim

import (
	"fmt"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// An Action is something the owner of a Context has to do. It is one of Send,
// SetPath, Resend, ResendRest, Register, Unregister and Event.
type Action interface{ action() }

// Send asks for a datagram to be sent over a pair. Datagram is the receiver's.
type Send struct {
	Pair      locator.Pair
	Interface uint32
	// Metered says that the pair costs by the byte, Test that the datagram tests it.
	Metered bool
	Test    bool
	// Padded is, of a Poll that tests for the path MTU, the length of its IP packet.
	Padded   int
	Datagram []byte
}

// SetPath gives the packet path a new snapshot. A nil Path means that there is
// no pair to send on: packets are to wait.
type SetPath struct{ Path *Path }

// Resend asks for packets that are not known to have arrived (Ring.Unconfirmed) to be
// sent again over a pair, spaced as they were at first.
type Resend struct {
	Session *Session
	Hop     Hop
	// Term tells what has arrived; nil: nothing is known.
	Term *Term
	// Since is after when the packets were sent first, relative to the base.
	Since time.Duration
	// First is likewise since when packets were lost for certain, at this end: these go
	// before older ones, which probably arrived. Zero: that is not known.
	First time.Duration
	// Limit bounds the bytes; packets that wait go in any case.
	Limit int
	// Test says that the pair is under test: what is over the limit is kept for ResendRest.
	Test bool
}

// ResendRest asks for what a Resend over Pair, then under test, has left: it has answered.
type ResendRest struct{ Pair locator.Pair }

// Register says that datagrams with Tag are for this Context. Session is nil
// while only an Open 2 can come.
type Register struct {
	Tag     wire.Tag
	Session *Session
}

// Unregister undoes Register.
type Unregister struct{ Tag wire.Tag }

// An EventKind says what an Event tells of.
type EventKind uint8

// The kinds of Event.
const (
	// EventState: Figure 2 changed its state from From to To, by Cause.
	EventState EventKind = iota + 1
	// EventTest: the test of Pair was sent.
	EventTest
	// EventTestFailed: it went unanswered.
	EventTestFailed
	// EventAnswer: the test of the peer was answered over Pair.
	EventAnswer
	// EventSwitch: the primary pair changed from Old to Pair, by Cause.
	EventSwitch
	// EventSession: a session with the peer came into use.
	EventSession
	// EventLocators: the locators of this end or of the peer changed.
	EventLocators
	// EventNAT: a NAT was found on this side of Pair.
	EventNAT
	// EventClose: the peer has closed the context.
	EventClose
	// EventMTU: the path MTU of Pair, as far as is known, changed.
	EventMTU
)

var eventKinds = [...]string{
	EventState: "state", EventTest: "test", EventTestFailed: "test failed", EventAnswer: "answer",
	EventSwitch: "switch", EventSession: "session", EventLocators: "locators", EventNAT: "nat", EventClose: "close",
	EventMTU: "mtu",
}

// String returns the kind's name.
func (k EventKind) String() string {
	if int(k) < len(eventKinds) && eventKinds[k] != "" {
		return eventKinds[k]
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// An Event tells people what happened. Fields that do not apply are zero.
type Event struct {
	At        time.Time
	Kind      EventKind
	Pair, Old locator.Pair
	From, To  detect.State
	Cause     string
	Detail    string
	// SilentFor is, with the suspicion of a pair, how long it is since something
	// was last confirmed.
	SilentFor time.Duration
	// Took is, with a switch, how long it is since the exploration began.
	Took time.Duration
}

func (Send) action()       {}
func (SetPath) action()    {}
func (Resend) action()     {}
func (ResendRest) action() {}
func (Register) action()   {}
func (Unregister) action() {}
func (Event) action()      {}
