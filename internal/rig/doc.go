// Package rig is what the demonstration and the benchmarks share: two daemons of
// the program under test in a laboratory (a Duo), streams whose every byte
// follows from a seed, and the arrivals at their ends, whose gaps are the stalls.
//
// All moments are by the wall clock of the one machine that everything runs on.
package rig
