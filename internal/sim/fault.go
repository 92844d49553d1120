package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// A Fault is something that happens to a network, for better or worse.
type Fault struct {
	// At is when, counted from the start of the schedule.
	At time.Duration

	what  string
	apply func(*Network)
}

// Apply makes f happen to n, whose hosts were made by Twins.
func (f Fault) Apply(n *Network) { f.apply(n) }

// String returns the time and what happens.
func (f Fault) String() string { return fmt.Sprintf("%v %s", f.At, f.what) }

// trouble is a fault together with what heals it.
type trouble struct {
	fault, heal Fault
	longest     time.Duration // until it heals
}

// place is an uplink of one of the twins.
type place struct {
	host   string
	uplink int
}

func (p place) addr() netip.Addr { return LocatorOf(p.host, p.uplink) }
func (p place) String() string   { return fmt.Sprintf("%s's %s", p.host, Uplink(p.uplink)) }

// somewhere returns a random place.
func somewhere(r *rand.Rand, uplinks int) place {
	host := HostA
	if r.IntN(2) == 0 {
		host = HostB
	}
	return place{host, 1 + r.IntN(uplinks)}
}

// somePair returns a random directed pair.
func somePair(r *rand.Rand, uplinks int) Path {
	p := Path{LocatorOf(HostA, 1+r.IntN(uplinks)), LocatorOf(HostB, 1+r.IntN(uplinks))}
	if r.IntN(2) == 0 {
		p.From, p.To = p.To, p.From
	}
	return p
}

// randomTrouble returns one of all the kinds there are.
func randomTrouble(r *rand.Rand, uplinks int) trouble {
	const long, short = 30 * time.Second, 8 * time.Second
	at := somewhere(r, uplinks)
	pair := somePair(r, uplinks)
	switch r.IntN(10) {
	case 0, 1:
		return blocked(pair, long)
	case 2:
		return blocked(Path{From: at.addr()}, long)
	case 3:
		return blocked(Path{To: at.addr()}, long)
	case 4:
		return interfaceDown(at, long)
	case 5:
		return addressGone(at, long)
	case 6:
		return blocked(Path{}, short) // all dead
	case 7:
		loss := 0.1 + 0.5*r.Float64()
		return edited(Path{}, short, fmt.Sprintf("loss %.0f %%", 100*loss), func(l *Link) { l.Loss = loss }, func(l *Link) { l.Loss = 0 })
	case 8:
		loss := 0.5 + 0.5*r.Float64()
		return edited(pair, long, fmt.Sprintf("loss %.0f %%", 100*loss), func(l *Link) { l.Loss = loss }, func(l *Link) { l.Loss = 0 })
	default:
		delay := time.Duration(10+r.IntN(300)) * time.Millisecond
		return edited(pair, long, fmt.Sprintf("delay %v more, with jitter and duplicates", delay),
			func(l *Link) { l.Delay, l.Jitter, l.Duplicate = delay, delay/4, 0.05 },
			func(l *Link) { l.Delay, l.Jitter, l.Duplicate = 0, 0, 0 })
	}
}

// blocked loses everything on p silently.
func blocked(p Path, longest time.Duration) trouble {
	return edited(p, longest, "blocked", func(l *Link) { l.Blocked = true }, func(l *Link) { l.Blocked = false })
}

// edited changes the link of p, and changes it back.
func edited(p Path, longest time.Duration, what string, do, undo func(*Link)) trouble {
	return trouble{
		fault:   Fault{what: fmt.Sprintf("%s: %s", p, what), apply: func(n *Network) { n.Edit(p, do) }},
		heal:    Fault{what: fmt.Sprintf("%s: no longer %s", p, what), apply: func(n *Network) { n.Edit(p, undo) }},
		longest: longest,
	}
}

// interfaceDown takes an interface down.
func interfaceDown(at place, longest time.Duration) trouble {
	set := func(up bool) func(*Network) {
		return func(n *Network) { n.Host(at.host).SetUp(Uplink(at.uplink), up) }
	}
	return trouble{
		fault:   Fault{what: at.String() + ": down", apply: set(false)},
		heal:    Fault{what: at.String() + ": up", apply: set(true)},
		longest: longest,
	}
}

// addressGone removes an address.
func addressGone(at place, longest time.Duration) trouble {
	return trouble{
		fault:   Fault{what: at.String() + ": address removed", apply: func(n *Network) { n.Host(at.host).RemoveAddr(at.addr()) }},
		heal:    Fault{what: at.String() + ": address added", apply: func(n *Network) { n.Host(at.host).AddAddr(Uplink(at.uplink), at.addr()) }},
		longest: longest,
	}
}
