// Package detect chooses the primary pair of locators towards one peer and
// finds out when it fails.
//
// It is the pair selection state machine of the draft (§5.2, Figure 2), the
// Poll exchange that tests pairs even where each works in one direction only
// (§5.4), the order in which pairs are tried (§5.3), and the send timer that
// turns missing ULP feedback into suspicion. It is a value with methods: each
// takes the time and an event and appends the actions to take to the caller's
// slice. It reads no clock, draws no random numbers but from the function it
// was given, and owns no goroutine. Package shim turns its actions into
// datagrams.
//
// # Figure 2
//
//	                      Connect: choose a pair, Send test
//	                                   |
//	                                   v
//	      Add pair            +-----------------+   Test fail, not Last:
//	  +---------------------->| TESTING PRIMARY |   next pair, Send test
//	  |                       +-----------------+<--+
//	+------------+   Test fail, Last |  |   ^   +---+
//	| NO PRIMARY |<------------------+  |   |
//	+------------+       Test OK, ULP   |   | ICMP, Timer, Policy change,
//	  ^                  feedback       v   | Delete pair (not Last): Send test
//	  |                    +---------------------+
//	  +--------------------| PRIMARY OPERATIONAL |
//	   Delete pair, Last   +---------------------+
//
// "Last" holds when no other pair is left to try in this round. Four things
// go beyond the figure:
//
//   - NO PRIMARY tests all known pairs again after a back-off that doubles with
//     every round (§5.3), so that a path that comes back is found without an
//     Add pair. If the first to answer is not the last primary, that one is tested
//     once more beside it: everything may have stood still.
//   - A Poll of a peer that looks for a new primary is a hint like ICMP, or like
//     Policy change when it came over another pair than our primary: "B uses
//     the same algorithm, but starts the process from the reception of the
//     first Poll message" (§5.4).
//   - A Complaint of a user or an application, to whom "the current connection is
//     unsatisfactory" (§4), has the primary tested as ICMP does. It stays if it
//     answers: what is wrong may be elsewhere.
//   - The pair under test and the primary pair are kept apart. The primary stays
//     until another pair was shown to work. Packets may go with the tests
//     (Duplicate); the owner keeps them from locators that are not configured,
//     that the peer has not announced, and that no test has verified.
//
// # Evidence
//
// Only what shows that our packets arrive counts for our direction: a Poll of
// ours in an OK list, a Report, TCP progress. Inbound traffic shows that the
// peer's direction works; for ours it is only a hint of what to try first.
//
// # Path MTU
//
// What the primary carries is searched for by Polls that are padded (search.go, RFC
// 8899). Of those that go unanswered none is evidence against the pair.
package detect
