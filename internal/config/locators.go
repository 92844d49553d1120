package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/multi6/multi6/locator"
)

// examples are what a locator looks like.
const examples = `"[2001:db8::1]:6110", "192.0.2.1" or "b.example.net"`

// locators validates where a peer may be reached: addresses, and names that have
// to be resolved first.
func (v *validator) locators(l list) (addrs []netip.AddrPort, names []Name) {
	for _, t := range l.all {
		a, n, trouble := parseLocator(t.s)
		switch {
		case trouble != "":
			v.report(t.at, "locator %s %s", quote(t.s), trouble)
		case a.IsValid() && v.owners[host(a.Addr())] != "":
			v.report(t.at, "locator %s is an inner address of %s; write an address that the network itself routes to the peer",
				quote(t.s), v.owners[host(a.Addr())])
		case slices.Contains(addrs, a) || slices.ContainsFunc(names, n.same):
			v.report(t.at, "locator %s is in the list already; take it out", quote(t.s))
		case a.IsValid():
			addrs = append(addrs, a)
		default:
			names = append(names, n)
		}
	}
	return addrs, names
}

// parseLocator reads ADDRESS, [ADDRESS], ADDRESS:PORT, [ADDRESS]:PORT, NAME or
// NAME:PORT, and returns a valid a or an n with a host. If it cannot be a locator,
// trouble says why and what to write.
func parseLocator(s string) (a netip.AddrPort, n Name, trouble string) {
	if strings.Contains(s, "://") {
		return a, n, "is a URL; write the address or the name alone, such as " + examples
	}
	host, port, trouble := splitPort(s)
	if trouble != "" {
		return a, n, trouble
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(addr, port), n, addressTrouble(addr)
	}
	if strings.Contains(host, ":") {
		return a, n, `is no IPv6 address; write one such as "[2001:db8::1]:6110" or "2001:db8::1"`
	}
	if p, err := netip.ParsePrefix(host); err == nil {
		return a, n, fmt.Sprintf("is a prefix; write the address alone, %q", p.Addr())
	}
	name, trouble := hostName(host)
	if trouble == "" && strings.HasPrefix(s, "[") {
		return a, n, fmt.Sprintf("has brackets, which are for IPv6 addresses; write %q", Name{name, port})
	}
	return a, Name{name, port}, trouble
}

// addressTrouble says what is wrong with an address of a peer's, or "".
func addressTrouble(addr netip.Addr) string {
	switch {
	case addr.Zone() != "":
		return fmt.Sprintf("has a zone, but the interface is chosen here; write %q", addr.WithZone(""))
	case addr.Is4In6():
		return fmt.Sprintf("is an IPv4-mapped address; write %q", addr.Unmap())
	case addr.IsUnspecified():
		return "is the unspecified address; write an address of the peer's"
	case addr.IsLoopback():
		return "is a loopback address, which leads to this host; write an address of the peer's"
	case addr.IsMulticast():
		return "is a multicast address; write an address of the peer's own"
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is the broadcast address; write an address of the peer's own"
	}
	return ""
}

// splitPort takes the port off an address or a name. An IPv6 address with a port
// has brackets.
func splitPort(s string) (host string, port uint16, trouble string) {
	host, digits, found := s, "", false
	if strings.HasPrefix(s, "[") {
		var closed bool
		host, digits, closed = strings.Cut(s[1:], "]")
		if !closed {
			return "", 0, `has no closing bracket; write one such as "[2001:db8::1]:6110"`
		}
		if digits != "" {
			digits, found = strings.CutPrefix(digits, ":")
			if !found {
				return "", 0, `has something other than :PORT behind the bracket; write one such as "[2001:db8::1]:6110"`
			}
		}
	} else if strings.Count(s, ":") == 1 {
		host, digits, found = strings.Cut(s, ":")
	}
	if !found {
		return host, locator.DefaultPort, ""
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Sprintf("has port %s; write 1 to 65535, or leave it out for %d", quote(digits), locator.DefaultPort)
	}
	return host, uint16(n), ""
}
