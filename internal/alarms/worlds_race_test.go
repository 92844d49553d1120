//go:build race

package alarms

// worlds is how many worlds of ten simulated minutes each setting of TestNoFalseSwitch
// gets. The race detector makes them some thirty times slower.
const worlds = 1
