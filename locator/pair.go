package locator

import (
	"fmt"
	"net/netip"
)

// A Pair is an ordered pair of locators of one family, seen from this node.
// It is comparable and serves as its own key. The zero Pair means none.
type Pair struct {
	// Local is an address of this node. A link-local address carries no zone.
	Local netip.Addr
	// Remote is where the peer is reached: its locator and UDP port.
	Remote netip.AddrPort
}

// IsValid reports whether p names two locators.
func (p Pair) IsValid() bool { return p.Local.IsValid() && p.Remote.IsValid() }

// Shares reports whether p and o have a locator in common.
func (p Pair) Shares(o Pair) bool { return p.Local == o.Local || p.Remote == o.Remote }

// String returns "local → remote", the port left out where it is the default.
func (p Pair) String() string {
	if !p.IsValid() {
		return "none"
	}
	if p.Remote.Port() == DefaultPort {
		return fmt.Sprintf("%s → %s", p.Local, p.Remote.Addr())
	}
	return fmt.Sprintf("%s → %s", p.Local, p.Remote)
}
