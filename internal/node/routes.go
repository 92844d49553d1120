package node

import (
	"net/netip"
	"slices"
)

// routes find the peer that an inner address belongs to: longest prefix first,
// as WireGuard's AllowedIPs. Packets are sent by it and received against it.
type routes struct {
	exact    map[netip.Addr]*peer
	prefixes []route // longest first
}

type route struct {
	prefix netip.Prefix
	peer   *peer
}

func (r *routes) add(p *peer) {
	if r.exact == nil {
		r.exact = make(map[netip.Addr]*peer)
	}
	r.exact[p.identifier] = p
	for _, x := range p.Routes {
		if x.IsSingleIP() {
			r.exact[x.Addr()] = p
			continue
		}
		r.prefixes = append(r.prefixes, route{x.Masked(), p})
	}
	slices.SortStableFunc(r.prefixes, func(a, b route) int { return b.prefix.Bits() - a.prefix.Bits() })
}

// owner returns the peer that a belongs to, nil if there is none.
func (r *routes) owner(a netip.Addr) *peer {
	if p := r.exact[a]; p != nil {
		return p
	}
	for _, x := range r.prefixes {
		if x.prefix.Contains(a) {
			return x.peer
		}
	}
	return nil
}

// source and destination return the addresses of an inner packet that
// shim.CheckInner accepts.
func source(pkt []byte) netip.Addr {
	if pkt[0]>>4 == 6 {
		return netip.AddrFrom16([16]byte(pkt[8:]))
	}
	return netip.AddrFrom4([4]byte(pkt[12:]))
}

func destination(pkt []byte) netip.Addr {
	if pkt[0]>>4 == 6 {
		return netip.AddrFrom16([16]byte(pkt[24:]))
	}
	return netip.AddrFrom4([4]byte(pkt[16:]))
}
