package generator

import (
	"fmt"
	"net/netip"
	"time"
)

// A Kind is what a generator does.
type Kind string

// The kinds. Who sends or pings connects to Job.Address, the others listen there.
const (
	SendTCP    Kind = "send tcp"
	ReceiveTCP Kind = "receive tcp"
	SendUDP    Kind = "send udp" // datagrams of 64 bytes, as fast as possible
	ReceiveUDP Kind = "receive udp"
	Ping       Kind = "ping" // datagrams of 64 bytes, the next when the answer is there
	Echo       Kind = "echo"
)

// A Job is what a generator is told.
type Job struct {
	Kind Kind `json:"kind"`
	// Address is numeric. Who listens may leave the choice of the port to the kernel, by 0.
	Address netip.AddrPort `json:"address"`
	// Streams is the number of TCP connections, at least 1.
	Streams int `json:"streams,omitempty"`
	// Congestion is TCP's congestion control; Start sets it to that of the host.
	Congestion string `json:"congestion,omitempty"`
	// Verify has each byte of TCP follow from its place, and compared with what it must
	// be. Both ends are told the same.
	Verify bool `json:"verify,omitempty"`
}

// A Tally is what was sent, or what was received.
type Tally struct {
	// Elapsed is the time that the tally is of.
	Elapsed time.Duration `json:"elapsed_ns"`
	Bytes   int64         `json:"bytes"` // of TCP
	Packets int64         `json:"packets"`
	// Lost counts what was not answered within a second; P50 and P99 are quantiles of the
	// round-trip times of Packets.
	Lost int64         `json:"lost"`
	P50  time.Duration `json:"p50_ns"`
	P99  time.Duration `json:"p99_ns"`
}

// A reply is what a generator says.
type reply struct {
	Address netip.AddrPort `json:"address,omitzero"`
	Tally   Tally          `json:"tally,omitzero"`
	// Error is empty while all is well. Wrong says that it is about what arrived.
	Error string `json:"error,omitempty"`
	Wrong bool   `json:"wrong,omitempty"`
}

// traffic is one end of it.
type traffic interface {
	// address is where it listens, if it does.
	address() netip.AddrPort
	// total returns what there was since the start; quantiles are of what there was since
	// the last call.
	total() Tally
	// err returns what went wrong so far.
	err() error
	// finish ends the traffic and waits for what is under way.
	finish() error
}

// start starts traffic.
func start(j Job) (traffic, error) {
	switch j.Kind {
	case SendTCP:
		return sendTCP(j)
	case ReceiveTCP:
		return receiveTCP(j)
	case SendUDP:
		return sendUDP(j)
	case ReceiveUDP:
		return receiveUDP(j)
	case Ping:
		return startPinger(j)
	case Echo:
		return startEcho(j)
	}
	return nil, fmt.Errorf("generator: unknown kind %q", j.Kind)
}
