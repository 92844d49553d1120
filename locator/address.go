package locator

import "net/netip"

var (
	// siteLocal is the deprecated IPv6 site-local range (RFC 3879).
	siteLocal = netip.MustParsePrefix("fec0::/10")
	// broadcast is the limited broadcast address (RFC 919 §7).
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// unfit says why an address can never be a locator, at either end; "" if it
// can. Private addresses (RFC 1918, RFC 4193) are fit; from where they mean the peer
// is another question, see meaningOf.
func unfit(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "no address"
	case a.Zone() != "":
		// The interface is kept beside the address; a zone would make one
		// address compare as two.
		return "address with a zone"
	case a.Is4In6():
		return "IPv4-mapped address"
	case a.IsUnspecified():
		return "unspecified address"
	case a.IsLoopback():
		return "loopback address"
	case a.IsMulticast():
		return "multicast address"
	case a == broadcast:
		return "broadcast address"
	case siteLocal.Contains(a):
		// Draft §3.1: not an IPv6 site-local address.
		return "site-local address"
	case a.Is4() && a.IsLinkLocalUnicast():
		// Draft §3.1 admits unambiguous addresses only; RFC 3927 §7 lets
		// every host on every link choose from 169.254/16.
		return "IPv4 link-local address"
	}
	return ""
}
