package shim

import (
	"fmt"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
)

// An Outcome is what came of an exploration.
type Outcome uint8

// The outcomes.
const (
	// Undecided: it goes on.
	Undecided Outcome = iota
	// Switched: another pair is primary.
	Switched
	// Stayed: the primary pair works.
	Stayed
	// NoPair: there was a time when no pair worked.
	NoPair
)

var outcomes = [...]string{Undecided: "undecided", Switched: "switched", Stayed: "stayed", NoPair: "no pair"}

// String returns the outcome's name.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// A Prompt says what is behind the cause of an exploration, where that is known.
type Prompt string

// The prompts.
const (
	// PromptUser: a user of this host asked for it.
	PromptUser Prompt = "user"
	// PromptPeer: a user of the peer did.
	PromptPeer Prompt = "peer's user"
	// PromptSendError: the kernel would not send.
	PromptSendError Prompt = "send error"
)

// A Sign is something that shows that what is sent on a pair arrives.
type Sign string

// The signs.
const (
	SignTCP    Sign = "tcp progress"
	SignReport Sign = "report"
	SignPoll   Sign = "poll"
)

// A Confirmation is a Sign and when it came; the zero Confirmation is none.
type Confirmation struct {
	At time.Time
	By Sign
}

// A Record tells of one exploration: from when the primary pair came into doubt,
// was lost or was to be replaced until a pair is known to work. Instants are zero
// for what did not happen.
type Record struct {
	// Number counts the Records of the Context from 1.
	Number  uint64
	Cause   detect.Event
	Prompt  Prompt
	Outcome Outcome
	// Old is the primary pair at its begin, zero if there was none; New the one
	// that took its place.
	Old, New locator.Pair
	// Last is the last confirmation on Old before it began, and Unconfirmed when
	// the first packet was sent after it. Patience is for how long that may be
	// unconfirmed.
	Last        Confirmation
	Unconfirmed time.Time
	Patience    time.Duration
	// Suspected is when it began.
	Suspected time.Time
	// Polls are those sent meanwhile. Omitted counts the ones in the midst that
	// there is no room for, Rounds how often all pairs were tried anew.
	Polls   []PollRecord
	Omitted int
	Rounds  int
	// Resent tells what was sent again, or had waited, by pair.
	Resent []Resent
	// Gone is when Old ceased to be a pair, if it did.
	Gone time.Time
	// Decided is when Outcome was, by Evidence. With NoPair that was not the end.
	Decided  time.Time
	Evidence detect.Event
	// First is the first confirmation on New since it was primary.
	First Confirmation
	// Ended is when a pair was known to work or, with NoPair and without New, when
	// there was nothing left to look for.
	Ended time.Time
}

// A PollRecord tells of one Poll.
type PollRecord struct {
	Pair locator.Pair
	ID   uint64
	Sent time.Time
	// Open says that the first message of an Open stood for it, Reply that it
	// only answered the peer's.
	Open, Reply bool
	// Answered is when the answer came, RTT the round-trip time; Failed is when the
	// answer was given up.
	Answered, Failed time.Time
	RTT              time.Duration
}

// Resent counts packets that were sent again over a pair, from At on. Waited of
// them had found no pair.
type Resent struct {
	Pair                   locator.Pair
	At                     time.Time
	Packets, Waited, Bytes int
}
