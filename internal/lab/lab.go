package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
)

// A Config says what the uplinks of A are like. The zero value is two perfect
// wires.
type Config struct {
	// RTT is the round-trip time by any pair, apart from what the machine itself takes.
	RTT time.Duration
	// Jitter is added one way, as in Impairment.
	Jitter time.Duration
	// Rate, Queue and Loss hold for each direction, as in Impairment.
	Rate  int64
	Queue int
	Loss  float64
	// MTU is that of all links, at least 1280 (RFC 8200 §5). Zero is 1500.
	MTU int
	// Seed fixes the chances of loss and jitter.
	Seed uint64
	// Acquainted has hosts and routers know each other's link-layer addresses for good,
	// so that neighbour discovery takes no part in what is measured.
	Acquainted bool
	// Congestion is TCP's congestion control in A and B, such as DefaultCongestion. "" is
	// the kernel's own choice.
	Congestion string
}

// Bounds of Config.MTU. The upper one is that of a TAP device.
const (
	minMTU     = 1280
	defaultMTU = 1500
	maxMTU     = 65521
)

// A Lab is four hosts and the links between them. Its methods may be called at
// the same time.
type Lab struct {
	A, B, R1, R2 *Host
	// Uplinks are A's, to R1 and R2.
	Uplinks [uplinks]*Link

	acquainted bool

	mu       sync.Mutex // guards what follows, and A's configuration
	ailments [uplinks]ailment
	closed   bool
}

// New builds a lab, in a few tens of milliseconds. It needs root: otherwise the
// error wraps [os.ErrPermission]. Without /dev/net/tun it wraps
// [os.ErrNotExist].
func New(c Config) (*Lab, error) {
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	if c.MTU < minMTU || c.MTU > maxMTU {
		return nil, fmt.Errorf("lab: MTU %d is not within %d to %d", c.MTU, minMTU, maxMTU)
	}
	if c.RTT < 0 {
		return nil, fmt.Errorf("lab: RTT %v is negative", c.RTT)
	}
	i := Impairment{Delay: c.RTT / 2, Jitter: c.Jitter, Rate: c.Rate, Queue: c.Queue, Loss: c.Loss}
	if err := i.Validate(); err != nil {
		return nil, err
	}
	l := &Lab{acquainted: c.Acquainted}
	if err := l.build(c, i); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(c Config, i Impairment) error {
	for _, h := range []struct {
		to      **Host
		name    string
		sysctls []sysctl
	}{
		{&l.A, "a", commonSysctls()},
		{&l.B, "b", commonSysctls()},
		{&l.R1, "r1", routerSysctls()},
		{&l.R2, "r2", routerSysctls()},
	} {
		host, err := newHost(h.name, h.sysctls)
		if err != nil {
			return err
		}
		*h.to = host
	}
	if err := cmp.Or(l.A.useCongestion(c.Congestion), l.B.useCongestion(c.Congestion)); err != nil { // of one kernel
		return err
	}
	if err := l.connect(c, i); err != nil {
		return err
	}
	if err := l.configure(); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

func (l *Lab) routers() [uplinks]*Host { return [uplinks]*Host{l.R1, l.R2} }

// connect makes the links.
func (l *Lab) connect(c Config, imp Impairment) error {
	for i, router := range l.routers() {
		link, err := newLink(l.A, router, l.A.Interface(i), c.MTU, imp, c.Seed+uint64(i))
		if err != nil {
			return err
		}
		l.Uplinks[i] = link
		if err := newVeth(l.B, router, l.B.Interface(i), c.MTU); err != nil {
			return err
		}
	}
	return newVeth(l.R1, l.R2, crossPort(0).name, c.MTU)
}

// newVeth joins two hosts. The interfaces have one name at both ends.
func newVeth(h, peer *Host, name string, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	err := h.nl.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs, PeerName: name, PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(peer.ns),
	})
	if err != nil {
		return fmt.Errorf("lab: veth %s: %w", name, err)
	}
	return nil
}

// configure gives all interfaces their addresses and routes.
func (l *Lab) configure() error {
	type end struct {
		host *Host
		port port
	}
	ends := []end{{l.R1, crossPort(0)}, {l.R2, crossPort(1)}}
	for _, h := range []*Host{l.A, l.B} {
		for i, r := range l.routers() {
			ends = append(ends, end{h, hostPort(h.name, i)}, end{r, routerPort(h.name, i)})
		}
	}
	for _, e := range ends {
		if err := e.host.setUp(e.port.name); err != nil {
			return err
		}
	}
	for _, e := range ends {
		if err := errors.Join(e.host.settle(e.port.name), e.host.addAddresses(e.port)); err != nil {
			return err
		}
	}
	for _, e := range ends {
		if err := e.host.settleAddresses(e.port); err != nil {
			return err
		}
	}
	for i := range uplinks {
		if err := errors.Join(l.route(i), l.acquaint(l.A, i), l.acquaint(l.B, i)); err != nil {
			return err
		}
	}
	if !l.acquainted {
		return nil
	}
	return acquaint(l.R1, crossPort(0), l.R2, crossPort(1))
}

// acquaint has host h and its router i know each other, if that is wanted.
func (l *Lab) acquaint(h *Host, i int) error {
	if !l.acquainted {
		return nil
	}
	return acquaint(h, hostPort(h.name, i), l.routers()[i], routerPort(h.name, i))
}

// route gives the hosts their way out by uplink i, and router i its way to the
// other router's links.
func (l *Lab) route(i int) error {
	router, other := l.routers()[i], crossPort(1-i)
	for _, h := range []*Host{l.A, l.B} {
		if err := errors.Join(h.addUplinkRoutes(i), h.addUplinkRules(i)); err != nil {
			return err
		}
		for f, prefix := range hostPort(h.name, 1-i).prefixes() {
			if err := router.addRoute(other.name, prefix.Masked(), other.prefixes()[f].Addr(), 0, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// UplinkOf returns which uplink of A the address belongs to.
func (l *Lab) UplinkOf(local netip.Addr) (int, bool) {
	for i := range uplinks {
		if local == l.A.Addr6(i) || local == l.A.Addr4(i) {
			return i, true
		}
	}
	return 0, false
}

// Close takes the lab down and kills the processes in it. It waits for calls of
// [Host.Do] under way, and does nothing the second time.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var errs []error
	for _, link := range l.Uplinks {
		if link != nil {
			errs = append(errs, link.close())
		}
	}
	for _, h := range []*Host{l.A, l.B, l.R1, l.R2} {
		if h != nil {
			errs = append(errs, h.close())
		}
	}
	return errors.Join(errs...)
}
