// Package alarms finds out by simulation how often failure detection is wrong, and how
// quick it is when it is right.
//
// A world is two ends, each a shim.Context with what the node's loop and packet path do
// around it, two uplinks each, the links between them, and traffic with real TCP headers:
// the same code as in the daemon, but without goroutines, sockets and clocks. Time jumps
// from one event to the next, so that an hour passes in a few seconds. It is package sim
// without the node around the core.
//
// A Setting says what delays, losses and timers there are. Run runs many worlds of each on
// all processors and counts, while no path is broken, suspicions, false alarms (suspicions
// that a test disproved) and false switches (any change of the primary pair); and, in other
// worlds with the same conditions, how long after a silent failure of an uplink the first
// end suspects it and both have left it.
//
// What is left out: the node's own delays, but for Setting.Busy; the pacing of packets sent
// again; congestion control, so that no loss is of TCP's own making.
package alarms
