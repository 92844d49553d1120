package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddAddr gives an interface an address, for ever, as the administrator does.
func (h *Host) AddAddr(name string, p netip.Prefix) error { return h.LeaseAddr(name, p, 0, 0) }

// LeaseAddr gives an interface an address that is valid and preferred for so
// long, in whole seconds (RFC 4862 §5.5.4: past the latter it is deprecated); both
// zero is for ever. An address that is there already gets these lifetimes anew.
func (h *Host) LeaseAddr(name string, p netip.Prefix, valid, preferred time.Duration) error {
	a := address(p)
	a.ValidLft, a.PreferedLft = int(valid/time.Second), int(preferred/time.Second)
	return h.onLink(name, "address "+p.String(), func(l netlink.Link) error { return h.nl.AddrReplace(l, a) })
}

// DelAddr takes an address from an interface. With the last one of IPv4 go the
// interface's routes of IPv4.
func (h *Host) DelAddr(name string, p netip.Prefix) error {
	return h.onLink(name, "removing "+p.String(), func(l netlink.Link) error { return h.nl.AddrDel(l, address(p)) })
}

// A Route leads to a prefix by a gateway on an interface. Without a Gateway the
// prefix is taken to be on the link. Of two routes to one prefix that of the lower
// Metric is taken.
type Route struct {
	To        netip.Prefix
	Gateway   netip.Addr
	Interface string
	Metric    int
}

// AddRoute adds a route to the main table, or replaces that of the same prefix and
// metric.
func (h *Host) AddRoute(r Route) error { return h.route("adding", r, h.nl.RouteReplace) }

// DelRoute removes a route of the main table.
func (h *Host) DelRoute(r Route) error { return h.route("removing", r, h.nl.RouteDel) }

func (h *Host) route(doing string, r Route, do func(*netlink.Route) error) error {
	what := fmt.Sprintf("%s the route to %s", doing, r.To)
	return h.onLink(r.Interface, what, func(l netlink.Link) error {
		x := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(r.To), Priority: r.Metric, Table: unix.RT_TABLE_MAIN}
		if r.Gateway.IsValid() {
			x.Gw, x.Flags = r.Gateway.AsSlice(), int(netlink.FLAG_ONLINK)
		} else if r.To.Addr().Is4() {
			x.Scope = netlink.SCOPE_LINK
		}
		return do(x)
	})
}

// A Refusal is how a router answers what it will not forward.
type Refusal int

// The refusals. The kernel's names of the routes are unreachable, prohibit and blackhole.
const (
	// Unreachable: there is no route (ICMPv6), the host is unreachable (ICMP).
	Unreachable Refusal = iota + 1
	// Prohibited: it is prohibited by the administrator.
	Prohibited
	// Silent: there is no answer.
	Silent
)

// Refuse makes a host answer what it would forward to a prefix with an ICMP error, or
// discard it, until undo. A longer prefix is still forwarded. See icmp(7) for how many errors a
// host sends a second.
func (h *Host) Refuse(to netip.Prefix, how Refusal) (undo func() error, err error) {
	r := &netlink.Route{Dst: ipNet(to), Type: unix.RTN_UNREACHABLE, Table: unix.RT_TABLE_MAIN}
	switch how {
	case Prohibited:
		r.Type = unix.RTN_PROHIBIT
	case Silent:
		r.Type = unix.RTN_BLACKHOLE
	}
	change := func(do func(*netlink.Route) error) error {
		return h.use(func() error {
			if err := do(r); err != nil {
				return fmt.Errorf("lab: %s: refusing %s: %w", h.name, to, err)
			}
			return nil
		})
	}
	return func() error { return change(h.nl.RouteDel) }, change(h.nl.RouteAdd)
}

// RouteTo returns the interface by which the kernel would send to an address now,
// "" if it has no route.
func (h *Host) RouteTo(to netip.Addr) (name string, err error) {
	err = h.use(func() error {
		routes, err := h.nl.RouteGet(to.AsSlice())
		switch {
		case errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH):
			return nil
		case err != nil:
			return fmt.Errorf("lab: %s: route to %s: %w", h.name, to, err)
		}
		link, err := h.nl.LinkByIndex(routes[0].LinkIndex)
		if err != nil {
			return fmt.Errorf("lab: %s: route to %s: %w", h.name, to, err)
		}
		name = link.Attrs().Name
		return nil
	})
	return name, err
}

// DefaultRoute returns a route for everything, in the gateway's family.
func DefaultRoute(name string, gateway netip.Addr, metric int) Route {
	r := Route{Interface: name, Gateway: gateway, Metric: metric}
	for _, to := range defaults() {
		if to.Addr().Is4() == gateway.Is4() {
			r.To = to
		}
	}
	return r
}

// SetUp sets an interface administratively up.
func (h *Host) SetUp(name string) error {
	return h.onLink(name, "setting it up", h.nl.LinkSetUp)
}

// SetDown sets an interface administratively down. Its routes go; addresses
// stay, those of IPv6 too.
func (h *Host) SetDown(name string) error {
	return h.onLink(name, "setting it down", h.nl.LinkSetDown)
}

// SetMTU sets how long packets an interface takes, in bytes. Below 1280 it loses IPv6.
func (h *Host) SetMTU(name string, mtu int) error {
	return h.onLink(name, fmt.Sprintf("MTU %d", mtu), func(l netlink.Link) error { return h.nl.LinkSetMTU(l, mtu) })
}

// Rename gives an interface another name. It must be down where the kernel is
// older than 6.2.
func (h *Host) Rename(name, to string) error {
	return h.onLink(name, "renaming it to "+to, func(l netlink.Link) error { return h.nl.LinkSetName(l, to) })
}

// onLink does something with an interface and says what it was where it fails.
func (h *Host) onLink(name, what string, do func(netlink.Link) error) error {
	return h.use(func() error {
		link, err := h.nl.LinkByName(name)
		if err == nil {
			err = do(link)
		}
		if err != nil {
			return fmt.Errorf("lab: %s: interface %s: %s: %w", h.name, name, what, err)
		}
		return nil
	})
}

// use calls do while the host is open.
func (h *Host) use(do func() error) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return ErrClosed
	}
	return do()
}

// A Traffic is what has passed an interface since it was made, in packets as the
// kernel counts them: a super-packet is one.
type Traffic struct{ OutPackets, OutBytes, InPackets, InBytes uint64 }

// Traffic returns what has passed an interface.
func (h *Host) Traffic(name string) (t Traffic, err error) {
	err = h.onLink(name, "statistics", func(l netlink.Link) error {
		s := l.Attrs().Statistics
		if s == nil {
			return errors.New("the kernel gives none")
		}
		t = Traffic{OutPackets: s.TxPackets, OutBytes: s.TxBytes, InPackets: s.RxPackets, InBytes: s.RxBytes}
		return nil
	})
	return t, err
}
