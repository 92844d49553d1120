package netwatch

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A gateway is a default router on one interface.
type gateway struct {
	index int // of the interface
	addr  netip.Addr
}

// isDefault reports whether r covers all destinations and leads somewhere.
func isDefault(r netlink.Route) bool {
	if r.Type != unix.RTN_UNICAST {
		return false // For instance "unreachable default", the end of a table.
	}
	if r.Dst == nil {
		return true
	}
	ones, _ := r.Dst.Mask.Size()
	return ones == 0
}

// gatewaysOf returns the gateways of the default routes, each once, in a stable
// order.
func gatewaysOf(routes []netlink.Route) []gateway {
	var all []gateway
	add := func(index int, ip net.IP) {
		if a, ok := addrOf(ip); ok {
			all = append(all, gateway{index, a})
		}
	}
	for _, r := range routes {
		if !isDefault(r) {
			continue
		}
		add(r.LinkIndex, r.Gw)
		for _, hop := range r.MultiPath {
			add(hop.LinkIndex, hop.Gw)
		}
	}
	slices.SortFunc(all, func(a, b gateway) int {
		return cmp.Or(cmp.Compare(a.index, b.index), a.addr.Compare(b.addr))
	})
	return slices.Compact(all)
}

// A verdict is what is held against a gateway.
type verdict uint8

const (
	// doubted: it did not answer, and has been asked once more.
	doubted verdict = iota + 1
	// failed: it did not answer then either.
	failed
)

// verdicts returns what is held against gateways, by neighbour entries that were read just
// now. One that the kernel has given up (NUD_FAILED, neighbour unreachability detection
// of RFC 4861 §7.3 and its like for ARP) is a doubt at first: on a link that loses 5 %, one
// in a thousand times all three questions or their answers are lost. before is the last
// result; who was doubted has been asked since. An entry that is incomplete, being asked for,
// stays what it was: else each new attempt at a dead router would make it look alive for
// a while. Without entry nothing is known against a gateway.
func verdicts(gateways []gateway, neighbours []netlink.Neigh, before map[gateway]verdict) map[gateway]verdict {
	state := make(map[gateway]int, len(neighbours))
	for _, n := range neighbours {
		if a, ok := addrOf(n.IP); ok {
			state[gateway{n.LinkIndex, a}] = n.State
		}
	}
	now := make(map[gateway]verdict)
	for _, g := range gateways {
		switch s, was := state[g], before[g]; {
		case s&unix.NUD_FAILED != 0:
			now[g] = min(was+1, failed)
		case s&unix.NUD_INCOMPLETE != 0 && was > 0:
			now[g] = was
		}
	}
	return now
}

// judge takes in what was read of the neighbours, and has those asked once more that did not
// answer for the first time.
func (w *Watcher) judge(gateways []gateway) {
	before := w.verdicts
	w.verdicts = verdicts(gateways, w.tables.neighbours, before)
	for g, v := range w.verdicts {
		if v == doubted && before[g] == 0 && !w.ask(g) {
			w.verdicts[g] = failed
		}
	}
}

// failing returns which gateways have failed.
func (w *Watcher) failing() map[gateway]bool {
	gone := make(map[gateway]bool)
	for g, v := range w.verdicts {
		if v == failed {
			gone[g] = true
		}
	}
	return gone
}

// addrOf converts ip, which may be nil.
func addrOf(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip)
	return a.Unmap(), ok
}

// askAgain makes the kernel try the failed gateways once more. Nothing else
// would: no packets go where no router is, so that the entry would stay failed
// after the router came back.
func (w *Watcher) askAgain() {
	for g := range w.failing() {
		w.ask(g)
	}
}

// meet makes the kernel look for each gateway once when its interface comes up, or the
// route: the first packets that go there, the test of a pair that is to take over among them,
// would have to wait for it, and be dropped when there are many.
func (w *Watcher) meet(gateways []gateway) {
	met := make(map[gateway]bool, len(gateways))
	for _, g := range askable(gateways, w.tables) {
		if met[g] = true; !w.met[g] {
			w.ask(g)
		}
	}
	w.met = met
}

// askable returns those gateways that can be asked for, whatever is known of them: the
// interface is up, resolves addresses, and has one of the family.
func askable(gateways []gateway, t tables) (all []gateway) {
	for _, g := range gateways {
		up := slices.ContainsFunc(t.links, func(l netlink.Link) bool {
			a := l.Attrs()
			return a.Index == g.index && a.RawFlags&upFlags == upFlags && a.RawFlags&unix.IFF_NOARP == 0
		})
		if up && slices.ContainsFunc(t.addrs, func(a netlink.Addr) bool {
			own, ok := addrOf(a.IP)
			return ok && a.LinkIndex == g.index && own.Is4() == g.addr.Is4()
		}) {
			all = append(all, g)
		}
	}
	return all
}

// ask makes the kernel look for g, and reports whether it does. It needs CAP_NET_ADMIN.
func (w *Watcher) ask(g gateway) bool {
	err := w.handle.NeighSet(&netlink.Neigh{
		LinkIndex: g.index,
		Family:    familyOf(g.addr),
		IP:        g.addr.AsSlice(),
		Flags:     netlink.NTF_USE,
	})
	if err != nil {
		w.log.Debug("cannot ask for default router", "router", g.addr, "err", err)
	}
	return err == nil
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}
