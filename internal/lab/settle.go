package lab

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// settleTime is how long the kernel may take for what it does in the background.
const settleTime = 5 * time.Second

// settle waits until the kernel has taken an interface that is up into use. It
// does so in the background (linkwatch), and refuses routes until then.
func (h *Host) settle(name string) error {
	return poll(func() (pending, err error) {
		link, err := h.nl.LinkByName(name)
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", name, err)
		}
		switch state := link.Attrs().OperState; state {
		case netlink.OperUp, netlink.OperUnknown:
			return nil, nil
		default:
			return fmt.Errorf("interface %s stays %v", name, state), nil
		}
	})
}

// settleAddresses waits until p's IPv6 address and a link-local one are in use.
// Even where no duplicate address detection is wanted they start tentative, and
// the kernel routes them to itself in the background (addrconf).
func (h *Host) settleAddresses(p port) error {
	link, err := h.nl.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", p.name, err)
	}
	return poll(func() (pending, err error) {
		addrs, err := h.nl.AddrList(link, netlink.FAMILY_V6)
		if err != nil {
			return nil, fmt.Errorf("addresses of %s: %w", p.name, err)
		}
		local, err := h.nl.RouteListFiltered(netlink.FAMILY_V6,
			&netlink.Route{Table: unix.RT_TABLE_LOCAL, LinkIndex: link.Attrs().Index},
			netlink.RT_FILTER_TABLE|netlink.RT_FILTER_OIF)
		if err != nil {
			return nil, fmt.Errorf("local routes of %s: %w", p.name, err)
		}
		if len(addrs) < 2 {
			return fmt.Errorf("interface %s has %d IPv6 addresses, not 2", p.name, len(addrs)), nil
		}
		for _, a := range addrs {
			if a.Flags&unix.IFA_F_TENTATIVE != 0 || !routed(local, a) {
				return fmt.Errorf("address %v on %s is not ready", a.IP, p.name), nil
			}
		}
		return nil, nil
	})
}

// routed reports whether one of the local routes is that of the address.
func routed(local []netlink.Route, a netlink.Addr) bool {
	for _, r := range local {
		if r.Dst != nil && r.Dst.IP.Equal(a.IP) {
			return true
		}
	}
	return false
}

// poll calls check until nothing is pending, or returns what still is after
// settleTime.
func poll(check func() (pending, err error)) error {
	for deadline := time.Now().Add(settleTime); ; time.Sleep(time.Millisecond) {
		pending, err := check()
		if err != nil || pending == nil {
			return err
		}
		if time.Now().After(deadline) {
			return pending
		}
	}
}
