package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/multi6/multi6/locator"
)

// A Host has interfaces with addresses, and sockets. Its methods may be called
// from any goroutine.
type Host struct {
	name string
	net  *Network

	// Guarded by net.mu.
	nics     []*nic
	sockets  map[uint16]*Socket
	watchers []chan []locator.Fact
}

// A nic is an interface of a host. Guarded by the network's mu.
type nic struct {
	host              *Host
	name              string
	index             uint32
	up                bool
	mtu               int // zero: no limit
	facts             []locator.Fact
	outbound, inbound Link
}

// Host returns the host of that name, and makes it if there is none.
func (n *Network) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name]
	if h == nil {
		h = &Host{name: name, net: n, sockets: make(map[uint16]*Socket)}
		n.hosts[name] = h
	}
	return h
}

// String returns the name of h.
func (h *Host) String() string { return h.name }

// AddAddr gives a to an interface of h, which is made, and up, if h has none of
// that name. If any host has a already, it loses it.
func (h *Host) AddAddr(nic string, a netip.Addr) {
	h.AddFact(locator.Fact{Addr: a, Name: nic, RouterReachable: true})
}

// AddFact is AddAddr for an address with flags. Interface and Up are filled in.
// The flags concern only who asks for Facts: the address works at once.
func (h *Host) AddFact(f locator.Fact) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	f.Addr = f.Addr.WithZone("")
	c := h.nic(f.Name)
	if i := c.find(f.Addr); i >= 0 {
		c.facts[i] = f
	} else {
		h.net.remove(f.Addr)
		c.facts = append(c.facts, f)
		h.net.owners[f.Addr] = c
	}
	h.changed()
}

// RemoveAddr takes a away from h.
func (h *Host) RemoveAddr(a netip.Addr) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if c := h.net.owners[a]; c != nil && c.host == h {
		h.net.remove(a)
	}
}

// SetUp sets an interface up or down. It keeps its addresses.
func (h *Host) SetUp(nic string, up bool) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.nic(nic).up = up
	h.changed()
}

// SetMTU limits the IP packets that an interface takes, in bytes: larger ones
// give EMSGSIZE. Zero means no limit.
func (h *Host) SetMTU(nic string, mtu int) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.nic(nic).mtu = mtu
	h.changed()
}

// EditInterface changes what happens from now on to datagrams that leave or
// enter h by an interface.
func (h *Host) EditInterface(nic string, change func(outbound, inbound *Link)) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	c := h.nic(nic)
	change(&c.outbound, &c.inbound)
}

// Facts returns h's addresses as netlink would tell them, in the order they
// came by interface. The caller owns the slice.
func (h *Host) Facts() []locator.Fact {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return h.facts()
}

// Addrs returns h's addresses, in the order of Facts.
func (h *Host) Addrs() []netip.Addr {
	var as []netip.Addr
	for _, f := range h.Facts() {
		as = append(as, f.Addr)
	}
	return as
}

// Watch returns a channel that holds the newest Facts not yet received: at
// first those of now, then those after each change. A slow receiver misses
// intermediate states. The channel is never closed.
func (h *Host) Watch() <-chan []locator.Fact {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	w := make(chan []locator.Fact, 1)
	w <- h.facts()
	h.watchers = append(h.watchers, w)
	return w
}

// remove takes a away from whoever has it.
func (n *Network) remove(a netip.Addr) {
	c := n.owners[a]
	if c == nil {
		return
	}
	delete(n.owners, a)
	if i := c.find(a); i >= 0 {
		c.facts = slices.Delete(c.facts, i, i+1)
	}
	c.host.changed()
}

// nic returns the interface of that name, made if need be.
func (h *Host) nic(name string) *nic {
	for _, c := range h.nics {
		if c.name == name {
			return c
		}
	}
	// Index 1 is the loopback interface's.
	c := &nic{host: h, name: name, index: uint32(len(h.nics) + 2), up: true}
	h.nics = append(h.nics, c)
	return c
}

// find returns the index of a's fact, or -1.
func (c *nic) find(a netip.Addr) int {
	return slices.IndexFunc(c.facts, func(f locator.Fact) bool { return f.Addr == a })
}

// facts returns h's addresses.
func (h *Host) facts() []locator.Fact {
	var fs []locator.Fact
	for _, c := range h.nics {
		for _, f := range c.facts {
			f.Interface, f.Up, f.MTU = c.index, c.up, c.mtu
			fs = append(fs, f)
		}
	}
	return fs
}

// changed tells all watchers.
func (h *Host) changed() {
	for _, w := range h.watchers {
		select {
		case <-w: // overtaken
		default:
		}
		w <- h.facts() // has room: only changed sends, under mu
	}
}

// route returns the interface that a datagram to remote leaves by.
func (h *Host) route(local netip.Addr, index uint32, remote netip.Addr) (*nic, error) {
	if !remote.IsValid() || remote.IsUnspecified() {
		return nil, syscall.EINVAL
	}
	if local.Is4() != remote.Is4() {
		return nil, syscall.EAFNOSUPPORT
	}
	c := h.net.owners[local]
	if c == nil || c.host != h {
		return nil, syscall.EADDRNOTAVAIL
	}
	if index != 0 && index != c.index {
		i := slices.IndexFunc(h.nics, func(c *nic) bool { return c.index == index })
		if i < 0 {
			return nil, fmt.Errorf("sim: interface %d: %w", index, syscall.ENODEV)
		}
		c = h.nics[i]
	}
	if !c.up {
		return nil, syscall.ENETUNREACH
	}
	return c, nil
}
