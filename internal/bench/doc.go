// Package bench measures how long connections stall when their path fails.
//
// For each round-trip time and profile it builds a laboratory (package lab),
// starts two daemons in it (package rig) and goes through the faults and modes,
// each several times. The faults:
//
//	F1  silent blackhole of the path in use, both ways
//	F2  the same, only from A to B
//	F3  the same, only from B to A
//	F4  A's interface set down
//	F5  A's addresses removed
//	F6  all paths dead for a while, then one returns
//	F7  the path in use alternately dead and alive
//	F8  30 % loss on the path in use
//
// The modes:
//
//	bulk  one TCP connection from A to B, continuous
//	rr    a message from A each 10 ms, echoed, not waiting for the answers
//	pp    ping-pong: the next message 10 ms after the answer
//	udp   a datagram from A to B each 5 ms
//
// The stall of a run is the longest gap between arrivals that overlaps the time
// from the failure to the end of the watch, at B for bulk and udp and at A for
// rr and pp. Nothing is deducted: without any failure rr shows about 10 ms and pp
// the round-trip time and 10 ms. For F6 it is the time from the path's return to
// the next arrival. A run has a connection of its own, all of whose bytes are
// verified; a datagram may be lost or come twice, but not be changed.
//
// The failure comes at a random point of the modes' ticks. Between the runs
// everything is healed, and both nodes must be operational on an unchanging
// pair, with the stream flowing, before the next failure.
//
// With Compare, the same is done with others:
//
//	bgp+bfd      BIRD in both hosts: the stable address of each, which no uplink
//	             owns, announced over both uplinks by BGP, each watched by BFD
//	             at 10 ms × 3
//	mptcp-tuned  Multipath TCP with a backup subflow and short timers
//	mptcp        Multipath TCP with two subflows, as the kernel has it
//	tcp          plain TCP
//
// Where a number misses its target, the report shows what both nodes told in the
// run nearest to the median.
package bench
