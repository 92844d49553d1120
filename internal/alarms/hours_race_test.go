//go:build race

package alarms

// hours is how long each setting of TestNoFalseSwitch lasts, simulated. The race detector
// makes it ten times as slow, and has nothing to find in a world.
const hours = 1
