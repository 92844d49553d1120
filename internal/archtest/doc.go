// Package archtest holds the tests that keep the architecture: which package may
// import which, and that the core (wire, inner, locator, detect, shim) reads no clock
// and draws no randomness of its own. It looks at the source, not at what is
// linked, and has no code outside its tests.
//
// See docs/decisions/0001-sans-io-core.md for the reasons: what is a value with methods
// today would be untestable tomorrow if one of them slept or opened a socket.
package archtest
