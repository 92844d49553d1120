package sim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"
)

// A Path is a directed pair of addresses. Where it selects what to edit, an
// invalid address stands for any: the zero Path is every path, Path{From: a} is
// all that a sends, Path{To: a} is all that a receives.
type Path struct{ From, To netip.Addr }

// String returns "from → to", with "*" for any.
func (p Path) String() string {
	name := func(a netip.Addr) string {
		if !a.IsValid() {
			return "*"
		}
		return a.String()
	}
	return fmt.Sprintf("%s → %s", name(p.From), name(p.To))
}

// seed mixes p into s, so that each path draws its own random numbers and
// traffic on one does not change the fate of another's.
func (p Path) seed(s uint64) (uint64, uint64) {
	h := fnv.New64a()
	from, to := p.From.As16(), p.To.As16()
	h.Write(binary.BigEndian.AppendUint64(nil, s))
	h.Write(from[:])
	h.Write(to[:])
	return s, h.Sum64()
}

// A Link is what a stretch of network does to the datagrams that cross it. The
// zero Link delivers everything at once.
type Link struct {
	// Delay is the time to cross; up to Jitter is added at random, evenly
	// spread. Only jitter, or a shorter Delay later, reorders datagrams.
	Delay, Jitter time.Duration
	// Loss and Duplicate are probabilities between 0 and 1.
	Loss, Duplicate float64
	// Blocked loses everything silently.
	Blocked bool
	// NoRoute makes the sender get ENETUNREACH.
	NoRoute bool
	// MTU is the size in bytes of the largest IP packet that passes; larger
	// ones are lost silently. Zero means no limit.
	MTU int
	// Rate is the throughput in bits per second of IP packets, for each
	// directed address pair. What would wait more than 100 ms is lost. Zero
	// means no limit.
	Rate int
}

// then returns what a datagram meets that crosses l and afterwards o.
func (l Link) then(o Link) Link {
	l.Delay += o.Delay
	l.Jitter += o.Jitter
	l.Loss = either(l.Loss, o.Loss)
	l.Duplicate = either(l.Duplicate, o.Duplicate)
	l.Blocked = l.Blocked || o.Blocked
	l.NoRoute = l.NoRoute || o.NoRoute
	l.MTU = narrower(l.MTU, o.MTU)
	l.Rate = narrower(l.Rate, o.Rate)
	return l
}

// works reports whether a connection can make steady progress over l: TCP hardly
// does where more than one in ten is lost.
func (l Link) works() bool { return l.passes() && l.Loss <= 0.1 }

// passes reports whether what is not lost gets over l. IPv6 needs 1280 bytes (RFC 8200 §5).
func (l Link) passes() bool {
	return !l.Blocked && !l.NoRoute && l.Loss < 1 && (l.MTU == 0 || l.MTU >= 1280)
}

// either returns the probability that at least one of two independent events
// happens.
func either(p, q float64) float64 { return p + q - p*q }

// narrower returns the smaller of two limits, zero meaning none.
func narrower(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
