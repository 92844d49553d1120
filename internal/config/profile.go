package config

// A Profile names a set of timers for failure detection, as the file spells it.
type Profile string

// Profiles, from quick to slow.
const (
	// Fast suspects a pair some 10 ms after an answer was due.
	Fast Profile = "fast"
	// Balanced suspects a pair some 25 ms after an answer was due.
	Balanced Profile = "balanced"
	// Gentle is for paths with much jitter.
	Gentle Profile = "gentle"
	// Reap has the constants of RFC 5534 §7.
	Reap Profile = "reap"
)

// profiles are all of them in the order of the manual.
var profiles = []string{string(Fast), string(Balanced), string(Gentle), string(Reap)}
