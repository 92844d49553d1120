package locator

import "net/netip"

// A Fact is what the host says of one local address at one moment. It is
// comparable. Lifetimes are absent, since they would make every Fact differ
// from the one before: the host withdraws an address that is no longer valid
// and marks one that is no longer preferred.
type Fact struct {
	// Addr is the address, without zone.
	Addr netip.Addr
	// Interface is the index of the interface that has Addr.
	Interface uint32
	// Name is the name of that interface.
	Name string
	// Bits is the length of the on-link prefix, in bits; zero: not known.
	Bits int
	// MTU is that of the interface, in bytes; zero: not known.
	MTU int
	// Tunnel says that the interface is one end of a tunnel by its kind, whatever
	// its name.
	Tunnel bool
	// Up says that the interface is administratively up and has carrier.
	Up bool
	// RouterReachable is false only if the interface has default routers of
	// Addr's family and all of them are known not to answer. An interface
	// without default router can still reach its own link.
	RouterReachable bool
	// Tentative addresses are still in duplicate address detection (RFC 4862).
	Tentative bool
	// DADFailed addresses are in use by someone else on the link.
	DADFailed bool
	// Optimistic addresses may be used although Tentative (RFC 4429).
	Optimistic bool
	// Deprecated addresses are past their preferred lifetime (RFC 4862).
	Deprecated bool
	// Temporary addresses change for privacy's sake (RFC 8981).
	Temporary bool
}

// available says whether f's address is available (draft §3.1), and if not,
// why. That it is on an interface and valid goes without saying: otherwise
// there would be no Fact.
func available(f Fact, p Policy) (why string, ok bool) {
	if why := unfit(f.Addr); why != "" {
		// Draft §3.1: global unicast, unique local, or unambiguous.
		return why, false
	}
	switch {
	case f.DADFailed:
		// Draft §3.1 (b); RFC 4862 §5.4.5: a duplicate must not be used.
		return "duplicate address", false
	case f.Tentative && !f.Optimistic:
		// Draft §3.1 (b): tentative is not available, optimistic explicitly is.
		return "tentative", false
	case p.Denied(f.Name):
		// Draft §3.1: acceptable for use according to a local policy.
		return "denied by policy", false
	case f.Tunnel && !p.names(f.Name):
		return "tunnel", false
	}
	return "", true
}

// operational says whether f's address, if available, is locally operational
// (draft §3.2), and if not, why.
func operational(f Fact) (why string, ok bool) {
	switch {
	case !f.Up:
		// Draft §3.2: the interface is up.
		return "interface down", false
	case !f.RouterReachable && !f.Addr.IsLinkLocalUnicast():
		// Draft §3.2: a relevant default router, if applicable, is reachable.
		// A link-local address never needs one.
		return "default router unreachable", false
	}
	return "", true
}

// last reports whether f's address should be used only after others: it is
// deprecated (draft §3.5) or optimistic, about which draft §3.1 notes that other
// addresses are better, and which RFC 4429 has treated as deprecated.
func (f Fact) last() bool { return f.Deprecated || f.Optimistic }
