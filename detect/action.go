package detect

import (
	"time"

	"github.com/multi6/multi6/locator"
)

// An Action is something the owner of a Machine has to do. It is one of
// SendPoll, SendReport, SetPrimary, Duplicate, ResetTimer, Transition, Answered,
// TestFailed and SetMTU.
type Action interface{ action() }

// SendPoll asks for a Poll (§5.4) over a pair.
type SendPoll struct {
	Pair locator.Pair
	// ID is unpredictable and unique to this Poll.
	ID uint64
	// Answer says that the sender wants an answer.
	Answer bool
	// Move says that the sender looks for a new primary pair.
	Move bool
	// Wish says that the peer is asked to send over the reverse of the pair.
	Wish bool
	// Round counts the passes over all pairs since the last success, from 0.
	Round int
	// OK lists the Polls lately received, newest first. The slice is the
	// receiver's.
	OK []Heard
	// Size, if not zero, is how long the IP packet is to be, in bytes.
	Size int
}

// A Heard is an entry of an OK list.
type Heard struct {
	ID uint64
	// Held is how long ago the Poll came, so that its sender can take that out
	// of the round-trip time.
	Held time.Duration
	// Came is as in Poll.
	Came uint32
}

// SendReport asks for a Report over the primary pair: we hear the peer and have
// nothing else to say that would tell it so.
type SendReport struct{ Pair locator.Pair }

// SetPrimary says that outgoing packets use Pair from now on. The zero Pair
// means that there is none.
type SetPrimary struct {
	From, To locator.Pair
	Reason   Reason
}

// Transition tells of a change of state, for logs and for people.
type Transition struct {
	From, To State
	Event    Event
	// Pair is the pair under test or, once operational, the primary.
	Pair locator.Pair
}

// Duplicate says that packets are to go over To, a pair under test, as well as
// over the primary: what is unconfirmed at once, and from now on all that is
// sent. "One approach is to rely on data packets" (§5.4): if the primary is dead,
// the data has arrived when the answer does; if not, upper layers see duplicates.
// The zero pair ends it, and so does SetPrimary.
type Duplicate struct {
	To locator.Pair
	// Answered says that the pair has answered already.
	Answered bool
}

// ResetTimer says that the primary is known to work ("Reset timer"). What was sent
// before that instant counts as confirmed; a zero instant leaves it to the packet
// path, which has seen itself what was.
type ResetTimer struct{ Before time.Time }

// Answered tells that a test of a pair was answered, however late.
type Answered struct {
	Pair locator.Pair
	// ID names the Poll, which was sent at Sent. The answer may have been longer on
	// its way than RTT: the peer may have had nothing to say.
	ID   uint64
	Sent time.Time
	RTT  time.Duration
	// Padded says that the Poll tested the path MTU.
	Padded bool
}

// TestFailed tells that a pair's test went unanswered.
type TestFailed struct {
	Pair locator.Pair
	ID   uint64
	// After is how long the answer was waited for.
	After time.Duration
}

func (SendPoll) action()   {}
func (SendReport) action() {}
func (SetPrimary) action() {}
func (Transition) action() {}
func (Answered) action()   {}
func (TestFailed) action() {}
func (ResetTimer) action() {}
func (Duplicate) action()  {}
