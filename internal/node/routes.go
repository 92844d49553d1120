package node

import (
	"net/netip"
	"slices"
)

// routes find the peer that an inner address belongs to: longest prefix first,
// as WireGuard's AllowedIPs. Packets are sent by it and received against it. It takes a
// look for each length of prefix that there is, however many prefixes.
type routes struct {
	exact    map[netip.Addr]*peer
	prefixes map[netip.Prefix]*peer
	// v6 and v4 are the lengths of prefixes, longest first.
	v6, v4 []int
}

func (r *routes) add(p *peer) {
	if r.exact == nil {
		r.exact, r.prefixes = make(map[netip.Addr]*peer), make(map[netip.Prefix]*peer)
	}
	r.exact[p.identifier] = p
	for _, x := range p.Routes {
		if x.IsSingleIP() {
			r.exact[x.Addr()] = p
			continue
		}
		if x = x.Masked(); r.prefixes[x] == nil { // who comes first has it
			r.prefixes[x] = p
		}
		r.note(x)
	}
}

// note notes the length of a prefix.
func (r *routes) note(x netip.Prefix) {
	lengths := &r.v6
	if x.Addr().Is4() {
		lengths = &r.v4
	}
	i, there := slices.BinarySearchFunc(*lengths, x.Bits(), func(have, want int) int { return want - have })
	if !there {
		*lengths = slices.Insert(*lengths, i, x.Bits())
	}
}

// owner returns the peer that a belongs to, nil if there is none.
func (r *routes) owner(a netip.Addr) *peer {
	if p := r.exact[a]; p != nil {
		return p
	}
	lengths := r.v6
	if a.Is4() {
		lengths = r.v4
	}
	for _, bits := range lengths {
		x, _ := a.Prefix(bits) // of that family, so bits are not too many
		if p := r.prefixes[x]; p != nil {
			return p
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
