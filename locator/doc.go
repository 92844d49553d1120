// Package locator knows the addresses that packets travel on: which of this
// node's addresses may serve (draft §3.1), which do so now (§3.2), which pairs
// with a peer's addresses are legal, and in what order to try them.
//
//	facts of the host ──Table.Update──▶ changes (Figure 1), one per address
//	                        │
//	                  Table.Operational
//	                        ▼
//	      []Local × []Remote ──Pairs──▶ []Candidate, best first
//
// The order has three layers: wishes (wishes.go), which part the pairs into classes;
// the rank of the local end among those for one remote (source.go, RFC 6724 §5); and
// the rules for destinations (destination.go, §6) with the policy table
// (policytable.go). Explain says which of them put a pair behind the best.
//
// It is not the place where a pair is found to work: package detect does that
// by evidence. The order given here is only where to begin and what the user
// would like best.
//
// Everything is a value: no clock, socket, goroutine or lock. A Table is owned
// by one goroutine, the node's loop; functions may be called from anywhere.
//
// Sources: draft-ietf-multi6-failure-detection-00 (“draft”) §3.1, §3.2, §3.5, §5.1;
// RFC 6724, which replaces the RFC 3484 that the draft names.
package locator

// DefaultPort is the UDP port of a locator that names none.
const DefaultPort = 6110
