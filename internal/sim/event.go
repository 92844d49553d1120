package sim

import "time"

// A Fate is what became of a datagram.
type Fate int

// Sent counts each datagram that a path took from its sender; of the others,
// one follows for each copy of it.
const (
	Sent       Fate = iota + 1
	Delivered       // reached a socket's queue
	Duplicated      // a second copy was made
	Blocked         // the path was blocked
	Lost            // by chance
	TooBig          // larger than the path's MTU
	Congested       // a path with a rate had too much to do
	NoHost          // nobody had the destination address, or its interface was down
	NoPort          // no socket was open
	Overflow        // the socket's queue was full
	fates           // one past the last
)

// String returns the fate in one word.
func (f Fate) String() string {
	names := [fates]string{
		Sent: "sent", Delivered: "delivered", Duplicated: "duplicated", Blocked: "blocked", Lost: "lost",
		TooBig: "too-big", Congested: "congested", NoHost: "no-host", NoPort: "no-port", Overflow: "overflow",
	}
	if f < Sent || f >= fates {
		return "unknown"
	}
	return names[f]
}

// An Event is one step in the life of a datagram.
type Event struct {
	At               time.Time
	Fate             Fate
	Path             Path
	FromPort, ToPort uint16
	TrafficClass     uint8
	// Payload is the UDP payload. It must be neither kept nor changed.
	Payload []byte
}

// Counters says how many datagrams met each Fate; index it by one.
type Counters [fates]uint64

// Dropped returns how many copies did not arrive, for whatever reason.
func (c Counters) Dropped() uint64 {
	n := uint64(0)
	for f := Blocked; f < fates; f++ {
		n += c[f]
	}
	return n
}

// add adds o to c.
func (c *Counters) add(o Counters) {
	for i := range c {
		c[i] += o[i]
	}
}
