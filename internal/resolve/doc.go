// Package resolve is the DNS edge: it turns the names of peers into addresses, and
// knows for how long these may be believed.
//
//	Want, Refresh ──▶ Names ──at most 4 at a time──▶ Resolver.Lookup
//	                    │                              │ net.Resolver
//	     Answers ◀──────┘                              ▼
//	                              tap ──▶ ledger   the host's DNS servers
//
// Lookups are those of net.Resolver, so that hosts file, search domains, the
// choice of servers and retries are what people expect of a host. It does not
// tell how long an answer lasts, though: a tap on its connections reads that off
// the replies as they pass.
//
// Names has no timers. It asks for a name when its owner does, and the answer
// before has run out: an idle daemon sends no queries at all.
//
// Whether an address may be a locator is for package locator to say. Queries
// travel in the network namespace of the process.
//
// Sources: RFC 1035 (messages), RFC 2181 §8 (time to live), RFC 2308 §5 (that of
// names which do not exist).
package resolve
