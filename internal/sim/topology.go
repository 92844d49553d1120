package sim

import (
	"fmt"
	"net/netip"
)

// The hosts of the usual topology.
const (
	HostA = "a"
	HostB = "b"
)

// Twins adds two hosts to n, each with as many uplinks as said: interface
// uplink1 with the address LocatorOf(host, 1), and so on. Everything is
// connected, without delay.
//
//	      uplink1 ┌─────────┐ uplink1
//	a ────────────┤         ├──────────── b
//	  ────────────┤ network ├────────────
//	      uplink2 └─────────┘ uplink2
func Twins(n *Network, uplinks int) (a, b *Host) {
	a, b = n.Host(HostA), n.Host(HostB)
	for _, h := range [...]*Host{a, b} {
		for i := 1; i <= uplinks; i++ {
			h.AddAddr(Uplink(i), LocatorOf(h.name, i))
		}
	}
	return a, b
}

// Uplink returns the name of the i-th interface of a host made by Twins,
// counted from 1.
func Uplink(i int) string { return fmt.Sprintf("uplink%d", i) }

// LocatorOf returns the i-th address of a host made by Twins, counted from 1:
// each on a /64 of its own, as if from another provider. host is HostA or
// HostB.
func LocatorOf(host string, i int) netip.Addr {
	a := netip.MustParseAddr("2001:db8::1").As16()
	if host == HostB {
		a[4] = 0xb
	} else {
		a[4] = 0xa
	}
	a[7] = byte(i)
	return netip.AddrFrom16(a)
}
