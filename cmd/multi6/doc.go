// Command multi6 keeps TCP connections alive when network paths fail. It is the
// daemon and the tool to talk to it, in the manner of wg(8) and ip(8).
//
// Each command has a file with a newXCmd function, which newRootCmd registers.
// Commands read flags, build edges, run and print; they hold no protocol.
package main
