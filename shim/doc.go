// Package shim is one node's relation to one peer: who the peer is (identity),
// how a context is opened with it (Noise), the keys, the rewriting of inner
// packets to outer ones and back, and the translation of package detect's
// actions into datagrams.
//
// It has two sides. The control side is Context: values in (now, event), actions
// out, owned by the node's loop. The packet side is Path with its Session and
// Term: an immutable snapshot that the packet path may read from any goroutine.
// What the packet path learns, it leaves as atomic marks (Marks, Term), which
// Context collects.
//
//	           control side (the loop)            packet side
//	locators ─▶ Context ──────── SetPath ───────▶ Path{Session, Term}
//	Open 1/2 ─▶   │  ▲                              │ SealPacket, OpenPacket
//	frames   ─▶   │  └── collects ── Marks, Term ◀──┘ stamps
//	           detect.Machine
//
// # Sessions
//
// An Open (Noise IKpsk2, see handshake.go) makes a Session: two keys, a tag each,
// 64-bit packet numbers and one replay window over all pairs. A peer may have
// several at a time: the one packets are sealed with, older ones whose packets
// may still be on their way, and younger ones that the peer has not used yet.
//
// # Loss
//
// What each pair loses is told by two counts (quality.go): of what went out over it, kept
// in Hop, and of what came over it, kept in the peer's Arrivals and handed back with the
// OK for a Poll.
//
// # Open as a test
//
// The first test of a pair "is typically embedded in the Multi6 connection setup
// exchange" (draft §5.2): where there is no session to send a Poll in, an Open 1
// takes its place and its Open 2 the answer's. Whoever answers an Open 1 does not
// know yet that the answer arrives; it sends Open 2 and a Poll in the new session
// over one pair after another until something comes back, so that contexts open
// even where each pair works in one direction only.
package shim
