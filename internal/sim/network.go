package sim

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// A Network joins hosts by directed paths with their own delay, loss and
// faults. It needs no goroutine of its own: one timer delivers what is due. All
// methods may be called from any goroutine.
type Network struct {
	seed uint64

	// mu guards everything below and all hosts and sockets. Nothing blocks
	// while it is held.
	mu     sync.Mutex
	hosts  map[string]*Host
	owners map[netip.Addr]*nic
	links  map[Path]*Link
	paths  map[Path]*traffic
	flying flight
	sent   uint64 // numbers the copies in flight
	timer  *time.Timer
	trace  func(Event)
	closed bool
}

// traffic is the state of one directed address pair.
type traffic struct {
	rng       *rand.Rand
	counters  Counters
	busyUntil time.Time // when the last byte has left, on a path with a Rate
}

// New returns a network without hosts. Equal seeds give equal luck to each
// path.
func New(seed uint64) *Network {
	return &Network{
		seed:   seed,
		hosts:  make(map[string]*Host),
		owners: make(map[netip.Addr]*nic),
		links:  make(map[Path]*Link),
		paths:  make(map[Path]*traffic),
	}
}

// Edit changes what happens to datagrams sent from now on. The links that apply
// to a datagram add up: those of the zero Path, of its source, of its
// destination, of the pair, and of both interfaces (Host.EditInterface).
func (n *Network) Edit(p Path, change func(*Link)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p = Path{p.From.WithZone(""), p.To.WithZone("")}
	l := n.links[p]
	if l == nil {
		l = new(Link)
		n.links[p] = l
	}
	change(l)
}

// Works reports whether a connection could make progress on the directed path
// p: both addresses are there, their interfaces up, at most one in ten datagrams
// is lost and packets of 1280 bytes pass.
func (n *Network) Works(p Path) bool { return n.allows(p, Link.works) }

// Passes is Works with any loss.
func (n *Network) Passes(p Path) bool { return n.allows(p, Link.passes) }

func (n *Network) allows(p Path, link func(Link) bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	from, to := n.owners[p.From], n.owners[p.To]
	return from != nil && to != nil && from.up && to.up && link(n.link(p, from, to))
}

// Working returns the directed paths from one host to another that work, by
// their current addresses of one family.
func (n *Network) Working(from, to *Host) []Path {
	var ps []Path
	for _, a := range from.Addrs() {
		for _, b := range to.Addrs() {
			if p := (Path{a, b}); a.Is4() == b.Is4() && n.Works(p) {
				ps = append(ps, p)
			}
		}
	}
	return ps
}

// Counters returns the counts of p, summed over all paths it stands for.
func (n *Network) Counters(p Path) Counters {
	n.mu.Lock()
	defer n.mu.Unlock()
	var sum Counters
	for q, t := range n.paths {
		if (!p.From.IsValid() || p.From == q.From) && (!p.To.IsValid() || p.To == q.To) {
			sum.add(t.counters)
		}
	}
	return sum
}

// Trace has record called for every event from now on, in order; nil ends it.
// record must not call the network, and must not block.
func (n *Network) Trace(record func(Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trace = record
}

// Close loses what is in flight and closes all sockets. It may be called again.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.flying = nil
	if n.timer != nil {
		n.timer.Stop()
	}
	for _, h := range n.hosts {
		for _, s := range h.sockets {
			s.close()
		}
	}
}

// link returns what a datagram on p meets. to is nil where nobody has the
// destination.
func (n *Network) link(p Path, from, to *nic) Link {
	l := from.outbound
	for _, q := range [...]Path{{}, {From: p.From}, {To: p.To}, p} {
		if k := n.links[q]; k != nil {
			l = l.then(*k)
		}
	}
	if to != nil {
		l = l.then(to.inbound)
	}
	return l
}

// traffic returns the state of p.
func (n *Network) traffic(p Path) *traffic {
	t := n.paths[p]
	if t == nil {
		t = &traffic{rng: rand.New(rand.NewPCG(p.seed(n.seed)))}
		n.paths[p] = t
	}
	return t
}

// note counts and records a step in the life of d.
func (n *Network) note(now time.Time, f Fate, d *datagram) {
	n.traffic(d.path()).counters[f]++
	if n.trace != nil {
		n.trace(Event{now, f, d.path(), d.from.Port(), d.to.Port(), d.trafficClass, d.payload})
	}
}

// deliverDue delivers what is due and arms the timer for the next.
func (n *Network) deliverDue() {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for len(n.flying) > 0 && !n.flying[0].due.After(now) {
		n.deliver(now, heap.Pop(&n.flying).(*datagram))
	}
	if n.closed || len(n.flying) == 0 {
		return
	}
	wait := n.flying[0].due.Sub(now)
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.deliverDue)
		return
	}
	n.timer.Reset(wait)
}

// deliver puts d in the queue of the socket it is addressed to.
func (n *Network) deliver(now time.Time, d *datagram) {
	nic := n.owners[d.to.Addr()]
	if nic == nil || !nic.up {
		n.note(now, NoHost, d)
		return
	}
	s := nic.host.sockets[d.to.Port()]
	if s == nil {
		n.note(now, NoPort, d)
		return
	}
	d.nic = nic.index
	if !s.push(d) {
		n.note(now, Overflow, d)
		return
	}
	n.note(now, Delivered, d)
}
