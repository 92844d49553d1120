package detect

import "fmt"

// State is a state of Figure 2 (draft §5.2).
type State uint8

// The states of Figure 2.
const (
	// NoPrimary: no pair is known to work, and none is under test.
	NoPrimary State = iota + 1
	// TestingPrimary: the chosen pair is unverified or in doubt.
	TestingPrimary
	// PrimaryOperational: the primary pair is known to work in our direction.
	PrimaryOperational
)

// String returns the name that the draft gives the state, in lower case.
func (s State) String() string {
	switch s {
	case NoPrimary:
		return "no primary"
	case TestingPrimary:
		return "testing primary"
	case PrimaryOperational:
		return "primary operational"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Event is an event of Figure 2 (draft §5.2).
type Event uint8

// The events of Figure 2, and the five that go beyond it.
const (
	// Connect: the application has a packet for a new peer, or the peer calls.
	Connect Event = iota + 1
	// TestOK: the test of a pair was answered.
	TestOK
	// TestFail: the test of a pair went unanswered.
	TestFail
	// ULPFeedback: upper layers say that our packets get through.
	ULPFeedback
	// ICMP: a hint of trouble that nothing vouches for: an ICMP error, a send
	// error.
	ICMP
	// Timer: packets stay unconfirmed for longer than the send timer.
	Timer
	// AddPair: a pair became known.
	AddPair
	// DeletePair: the primary pair, or the one under test, is gone.
	DeletePair
	// PolicyChange: this end wishes another pair.
	PolicyChange
	// PeerPoll: the peer looks for a new primary (extension, §5.4).
	PeerPoll
	// Retry: the back-off of NO PRIMARY is over (extension, §5.3).
	Retry
	// Degraded: the primary loses much, and another pair does not: a Policy change
	// that nobody asked for (extension, §3.3).
	Degraded
	// Disconnect: the state shared with the peer is gone, so that the next
	// packet connects anew (extension).
	Disconnect
	// Complaint: a user or an application says that the connection is
	// unsatisfactory (extension, §4).
	Complaint
)

var eventNames = [...]string{
	Connect: "connect", TestOK: "test ok", TestFail: "test fail", ULPFeedback: "ulp feedback",
	ICMP: "icmp", Timer: "timer", AddPair: "add pair", DeletePair: "delete pair",
	PolicyChange: "policy change", PeerPoll: "peer poll", Retry: "retry", Degraded: "degraded",
	Complaint: "complaint", Disconnect: "disconnect",
}

// policy reports whether e asks for another pair although the primary works.
func (e Event) policy() bool { return e == PolicyChange || e == Degraded }

// String returns the draft's name of the event, in lower case.
func (e Event) String() string {
	if int(e) < len(eventNames) && eventNames[e] != "" {
		return eventNames[e]
	}
	return fmt.Sprintf("event(%d)", uint8(e))
}

// Reason says why the primary pair changed.
type Reason struct {
	// Cause is what made the Machine look at other pairs.
	Cause Event
	// Evidence is what showed that the new pair works; DeletePair if the old
	// one went and none is known to work.
	Evidence Event
}

// String returns "cause, then evidence".
func (r Reason) String() string { return r.Cause.String() + ", then " + r.Evidence.String() }
