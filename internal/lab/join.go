package lab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An End is one end of a link: a host, and the addresses that it has there.
type End struct {
	Host  *Host
	Addrs []netip.Prefix
}

// Join connects two hosts by a veth pair, a perfect wire. The interface bears the
// same name at both ends. When Join returns, the ends reach each other. The link
// goes with its hosts.
func Join(name string, a, b End) error {
	if err := newVeth(a.Host, b.Host, name, defaultMTU); err != nil {
		return err
	}
	return bringUp(name, a, b)
}

// JoinEmulated is Join by an emulated link. Both directions are given i, and
// their chances follow from seed; a is its A. The caller closes the link before
// the hosts.
func JoinEmulated(name string, a, b End, i Impairment, seed uint64) (*Link, error) {
	if err := i.Validate(); err != nil {
		return nil, err
	}
	l, err := newLink(a.Host, b.Host, name, defaultMTU, i, seed)
	if err != nil {
		return nil, err
	}
	if err := bringUp(name, a, b); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// Close stops the link and removes its interfaces. It does nothing the second
// time. A Lab closes its own links.
func (l *Link) Close() error { return l.close() }

// bringUp takes both ends of a new link into use.
func bringUp(name string, ends ...End) error {
	for _, e := range ends {
		if err := e.Host.SetUp(name); err != nil {
			return err
		}
	}
	for _, e := range ends {
		if err := e.Host.settle(name); err != nil {
			return fmt.Errorf("lab: %s: %w", e.Host.name, err)
		}
		for _, p := range e.Addrs {
			if err := e.Host.AddAddr(name, p); err != nil {
				return err
			}
		}
	}
	for _, e := range ends {
		if err := e.Host.settlePrefixes(name, e.Addrs); err != nil {
			return fmt.Errorf("lab: %s: %w", e.Host.name, err)
		}
	}
	return nil
}

// settlePrefixes waits until the IPv6 addresses among addrs are in use: see
// settleAddresses.
func (h *Host) settlePrefixes(name string, addrs []netip.Prefix) error {
	link, err := h.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return poll(func() (pending, err error) {
		local, err := h.nl.RouteListFiltered(netlink.FAMILY_V6,
			&netlink.Route{Table: unix.RT_TABLE_LOCAL, LinkIndex: link.Attrs().Index},
			netlink.RT_FILTER_TABLE|netlink.RT_FILTER_OIF)
		if err != nil {
			return nil, fmt.Errorf("local routes of %s: %w", name, err)
		}
		for _, p := range addrs {
			if p.Addr().Is6() && !routed(local, *address(p)) {
				return fmt.Errorf("address %s on %s is not ready", p, name), nil
			}
		}
		return nil, nil
	})
}
