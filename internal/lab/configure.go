package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A sysctl is a path below /proc/sys/net and what to write to it.
type sysctl struct{ path, value string }

// commonSysctls hold for all: only the addresses and routes that the lab gives,
// at once and without chatter. They are written before there are interfaces,
// which inherit them.
func commonSysctls() []sysctl {
	var s []sysctl
	for _, scope := range []string{"all", "default"} {
		v4, v6 := "ipv4/conf/"+scope+"/", "ipv6/conf/"+scope+"/"
		s = append(s,
			sysctl{v4 + "rp_filter", "0"},
			sysctl{v4 + "send_redirects", "0"},
			sysctl{v4 + "accept_redirects", "0"},
			// Answer ARP, and ask, only for and from the link's own address.
			sysctl{v4 + "arp_ignore", "1"},
			sysctl{v4 + "arp_announce", "2"},
			sysctl{v6 + "accept_dad", "0"},
			sysctl{v6 + "accept_ra", "0"},
			sysctl{v6 + "accept_redirects", "0"},
			sysctl{v6 + "keep_addr_on_down", "1"},
		)
	}
	return s
}

// routerSysctls make a router.
func routerSysctls() []sysctl {
	return append(commonSysctls(),
		sysctl{"ipv4/ip_forward", "1"},
		sysctl{"ipv6/conf/all/forwarding", "1"},
		sysctl{"ipv6/conf/default/forwarding", "1"},
	)
}

// writeSysctls writes s on behalf of the calling thread's namespace, which is
// the one that /proc/sys/net shows.
func writeSysctls(s []sysctl) error {
	for _, c := range s {
		if err := os.WriteFile("/proc/sys/net/"+c.path, []byte(c.value), 0); err != nil {
			return err
		}
	}
	return nil
}

// setUp sets an interface administratively up.
func (h *Host) setUp(name string) error {
	link, err := h.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return h.nl.LinkSetUp(link)
}

// addAddresses gives p's addresses to its interface where they are missing.
func (h *Host) addAddresses(p port) error {
	link, err := h.nl.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", p.name, err)
	}
	for _, prefix := range p.prefixes() {
		if err := h.nl.AddrReplace(link, address(prefix)); err != nil {
			return fmt.Errorf("address %s on %s: %w", prefix, p.name, err)
		}
	}
	return nil
}

// removeAddresses takes p's addresses from its interface.
func (h *Host) removeAddresses(p port) error {
	link, err := h.nl.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", p.name, err)
	}
	for _, prefix := range p.prefixes() {
		err := h.nl.AddrDel(link, address(prefix))
		if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("removing %s from %s: %w", prefix, p.name, err)
		}
	}
	return nil
}

func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// addUplinkRoutes makes host's uplink i a way out: a default route in the main
// table and one in the uplink's own. Routes that are there already stay.
func (h *Host) addUplinkRoutes(i int) error {
	own, router := hostPort(h.name, i), routerPort(h.name, i)
	for f, any := range defaults() {
		gateway := router.prefixes()[f].Addr()
		if err := h.addRoute(own.name, any, gateway, unix.RT_TABLE_MAIN, firstMetric+i*nextMetric); err != nil {
			return err
		}
		if err := h.addRoute(own.name, any, gateway, firstTable+i, 0); err != nil {
			return err
		}
	}
	return nil
}

// addUplinkRules sends what comes from uplink i's addresses to its table.
func (h *Host) addUplinkRules(i int) error {
	for _, prefix := range hostPort(h.name, i).prefixes() {
		r := netlink.NewRule()
		r.Src = ipNet(netip.PrefixFrom(prefix.Addr(), prefix.Addr().BitLen()))
		r.Table = firstTable + i
		r.Priority = 1000 + i
		if prefix.Addr().Is6() {
			r.Family = unix.AF_INET6
		} else {
			r.Family = unix.AF_INET
		}
		if err := h.nl.RuleAdd(r); err != nil {
			return fmt.Errorf("rule for %s: %w", prefix.Addr(), err)
		}
	}
	return nil
}

// addRoute adds a route or replaces it. The gateway is taken to be on the link.
func (h *Host) addRoute(name string, to netip.Prefix, gateway netip.Addr, table, metric int) error {
	link, err := h.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	err = h.nl.RouteReplace(&netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       ipNet(to),
		Gw:        gateway.AsSlice(),
		Table:     table,
		Priority:  metric,
		Flags:     int(netlink.FLAG_ONLINK),
	})
	if err != nil {
		return fmt.Errorf("route to %s by %s on %s: %w", to, gateway, name, err)
	}
	return nil
}

// acquaint gives the hosts at both ends of a link permanent entries for each other's
// addresses.
func acquaint(a *Host, at port, b *Host, bt port) error {
	return errors.Join(a.know(at.name, b, bt), b.know(bt.name, a, at))
}

// know enters the addresses of peer's port p as neighbours on an interface.
func (h *Host) know(name string, peer *Host, p port) error {
	link, err := h.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	far, err := peer.nl.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", p.name, err)
	}
	for _, prefix := range p.prefixes() {
		family := unix.AF_INET6
		if prefix.Addr().Is4() {
			family = unix.AF_INET
		}
		err := h.nl.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, Family: family, State: netlink.NUD_PERMANENT,
			IP: prefix.Addr().AsSlice(), HardwareAddr: far.Attrs().HardwareAddr,
		})
		if err != nil {
			return fmt.Errorf("neighbour %s on %s: %w", prefix.Addr(), name, err)
		}
	}
	return nil
}

// defaults are the prefixes of a default route, in the order of port.prefixes.
func defaults() [2]netip.Prefix {
	return [2]netip.Prefix{
		netip.PrefixFrom(netip.IPv6Unspecified(), 0),
		netip.PrefixFrom(netip.IPv4Unspecified(), 0),
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
