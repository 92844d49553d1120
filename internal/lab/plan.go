package lab

import (
	"fmt"
	"net/netip"
)

// uplinks is how many ways out A and B have.
const uplinks = 2

// Source-based rules of uplink i look up table firstTable+i.
const firstTable = 101

// Metrics of the default routes in the main table: the first uplink is
// preferred.
const (
	firstMetric = 100
	nextMetric  = 100
)

// A port is one end of a link: an interface name and its address in both
// families, with the length of the on-link prefix.
type port struct {
	name   string
	v4, v6 netip.Prefix
}

// Interface numbers within a link.
const (
	hostEnd   = 1
	routerEnd = 254
)

// hostPort is the end at host ("a" or "b") of its uplink i, 0 or 1.
func hostPort(host string, i int) port { return uplinkPort(host, i, hostEnd) }

// routerPort is the other end of the same link. It bears the same name: each
// router has one link of that name.
func routerPort(host string, i int) port { return uplinkPort(host, i, routerEnd) }

func uplinkPort(host string, i, end int) port {
	third := 11 + i
	if host == "b" {
		third = 21 + i
	}
	six := end
	if end == routerEnd {
		six = 0xfe
	}
	name := fmt.Sprintf("%s%d", host, i+1)
	return port{
		name: name,
		v4:   netip.MustParsePrefix(fmt.Sprintf("10.77.%d.%d/24", third, end)),
		v6:   netip.MustParsePrefix(fmt.Sprintf("2001:db8:%s::%x/64", name, six)),
	}
}

// crossPort is router i's end, 0 or 1, of the link between the routers.
func crossPort(i int) port {
	return port{
		name: "cross",
		v4:   netip.MustParsePrefix(fmt.Sprintf("10.77.30.%d/24", i+1)),
		v6:   netip.MustParsePrefix(fmt.Sprintf("2001:db8:c::%d/64", i+1)),
	}
}

// prefixes returns p's address with its prefix, IPv6 first.
func (p port) prefixes() [2]netip.Prefix { return [2]netip.Prefix{p.v6, p.v4} }
