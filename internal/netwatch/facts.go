package netwatch

import (
	"cmp"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

// upFlags are what an interface must show to be of use: set up by the
// administrator, with carrier, and past such things as 802.1X (RFC 2863's
// operational state).
const upFlags = unix.IFF_UP | unix.IFF_LOWER_UP | unix.IFF_RUNNING

// tunnelKinds are the kinds of interface, as the kernel names them
// (IFLA_INFO_KIND), that are one end of a tunnel for IP packets. Those that carry
// Ethernet, as gretap and vxlan, may be a part of someone's link, and ppp and
// wwan are uplinks.
var tunnelKinds = map[string]bool{
	"bareudp":   true,
	"gre":       true,
	"ip6gre":    true,
	"ip6tnl":    true,
	"ipip":      true,
	"ovpn":      true,
	"sit":       true,
	"vti":       true,
	"vti6":      true,
	"wireguard": true,
	"xfrm":      true,
}

// isTunnel reports whether link is one end of a tunnel. A TUN device and a TAP
// device, which carries Ethernet, are of one kind.
func isTunnel(link netlink.Link) bool {
	if _, ok := link.(*netlink.Tuntap); ok {
		return link.Attrs().EncapType != "ether"
	}
	return tunnelKinds[link.Type()]
}

// facts says what the tables mean for each local address, ordered by interface
// and address. An address whose interface is not in the tables is left out: one
// of the two has just come or gone, and the bell has rung for it.
func facts(t tables, gateways []gateway, failed map[gateway]bool) []locator.Fact {
	links := make(map[int]netlink.Link, len(t.links))
	for _, l := range t.links {
		links[l.Attrs().Index] = l
	}
	list := make([]locator.Fact, 0, len(t.addrs))
	for _, a := range t.addrs {
		if f, ok := factOf(a, links[a.LinkIndex]); ok {
			f.RouterReachable = routerReachable(a.LinkIndex, f.Addr.Is4(), gateways, failed)
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b locator.Fact) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.Addr.Compare(b.Addr), cmp.Compare(a.Bits, b.Bits))
	})
	// IPv4 lets an address be on an interface twice, with different prefixes: the
	// shortest says what is on-link.
	return slices.CompactFunc(list, func(a, b locator.Fact) bool {
		return a.Interface == b.Interface && a.Addr == b.Addr
	})
}

// factOf translates what the kernel says of one address and its interface.
func factOf(a netlink.Addr, link netlink.Link) (locator.Fact, bool) {
	if link == nil || a.IPNet == nil {
		return locator.Fact{}, false
	}
	addr, ok := addrOf(a.IP)
	if !ok {
		return locator.Fact{}, false
	}
	bits, _ := a.Mask.Size()
	attrs := link.Attrs()
	return locator.Fact{
		Addr:       addr,
		Interface:  uint32(a.LinkIndex),
		Name:       attrs.Name,
		Bits:       bits,
		MTU:        attrs.MTU,
		Tunnel:     isTunnel(link),
		Up:         attrs.RawFlags&upFlags == upFlags,
		Tentative:  a.Flags&unix.IFA_F_TENTATIVE != 0,
		DADFailed:  a.Flags&unix.IFA_F_DADFAILED != 0,
		Optimistic: a.Flags&unix.IFA_F_OPTIMISTIC != 0,
		Deprecated: a.Flags&unix.IFA_F_DEPRECATED != 0,
		// The same bit says "secondary" of an IPv4 address.
		Temporary: !addr.Is4() && a.Flags&unix.IFA_F_TEMPORARY != 0,
	}, true
}

// routerReachable is false only if the interface has gateways of the family and
// all of them failed.
func routerReachable(index int, is4 bool, gateways []gateway, failed map[gateway]bool) bool {
	reachable := true
	for _, g := range gateways {
		if g.index != index || g.addr.Is4() != is4 {
			continue
		}
		if !failed[g] {
			return true
		}
		reachable = false
	}
	return reachable
}
