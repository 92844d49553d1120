// Package demo shows that TCP connections outlive failing paths, and measures
// how long they stall.
//
// It builds a laboratory of network namespaces (package lab), starts two
// daemons of the program under test in hosts A and B, and runs two workloads
// between their identifiers for the whole run:
//
//   - bulk: one TCP connection from A to B that carries a pseudo-random stream
//     as quickly as it goes; B compares every byte with what it must be.
//   - rr: one TCP connection on which A sends a small message every 10 ms
//     without waiting for answers; B sends all of it back; A checks order and
//     contents.
//
// Meanwhile it breaks the path in use, in one way after another, heals it, and
// joins what the daemons told on their control sockets with what arrived to a
// timeline:
//
//	failure     lab.Break was called
//	suspicion   a node left "primary operational"
//	test        a node tested a pair that is not its primary
//	switch      a node took another pair
//	first byte  the bulk stream's longest gap up to the last switch ended
//
// A gap is the time between two arrivals at the receiver that follow each
// other. The stall of a fault is the longest gap that overlaps the time from
// the failure to the return of the path. For rr, whose messages are sent every
// 10 ms, nothing is deducted: a stream without any stall shows about 10 ms.
// When all paths fail nothing can arrive, so there the stall is counted from
// the return of the paths to the next arrival.
//
// All moments are by the wall clock of the one machine that everything runs on.
package demo
