package node

import (
	"errors"
	"net/netip"
	"time"

	"github.com/multi6/multi6/shim"
)

// lowerAfter is for how long a path MTU has to be less before the routes follow it. TCP takes
// for lost all that is under way and longer than a route's new MTU, even what has been cut
// shorter on its way; and a pair that was never searched has more to offer soon, most of
// the time.
const lowerAfter = time.Second

// routeMTU has the routes to p follow the path MTU of its primary pair, so that the host
// makes its packets as long as they may be. Without a path they stay as they are.
func (l *looper) routeMTU(p *peer, path *shim.Path, now time.Time) {
	if l.edges.RouteMTU == nil || path == nil || path.Room == 0 {
		return
	}
	hop := p.steadyHop(path)
	room := int32(hop.Room)
	switch {
	case room < p.routedRoom && p.lowerAt.IsZero():
		p.lowerAt = now.Add(lowerAfter)
		return
	case room < p.routedRoom && now.Before(p.lowerAt):
		return
	}
	p.lowerAt = time.Time{}
	// What the host was told of a shorter one meanwhile it forgets when its route is set.
	if told := p.told.Swap(false); room == p.routedRoom && !told {
		return
	}
	p.routedRoom = room
	l.telling.Lock()
	defer l.telling.Unlock()
	err := l.setRouteMTU([]netip.Prefix{netip.PrefixFrom(p.identifier, p.identifier.BitLen())}, hop.MTU(true))
	var v4, v6 []netip.Prefix
	for _, r := range p.Routes {
		if r.Addr().Is4() {
			v4 = append(v4, r)
		} else {
			v6 = append(v6, r)
		}
	}
	err = errors.Join(err, l.setRouteMTU(v4, hop.MTU(false)), l.setRouteMTU(v6, hop.MTU(false)))
	if p.routed.Store(err == nil); err != nil {
		l.log.Warn("route MTU", "peer", p.Name, "err", err)
	}
}

// steadyHop returns path's hop with the room that the host may use: not what IPv4 has more
// than IPv6, if p has pairs of both, or had. It would be lost at a move to IPv6, and TCP would
// take all for lost that is under way.
func (p *peer) steadyHop(path *shim.Path) shim.Hop {
	hop := path.Hop
	if p.dual = p.dual || path.BothFamilies; p.dual && hop.Pair.Local.Is4() {
		hop.Room -= shim.FamilyExtra
	}
	return hop
}

// setRouteMTU sets the MTU of the routes to prefixes of one family.
func (l *looper) setRouteMTU(to []netip.Prefix, mtu int) error {
	if len(to) == 0 {
		return nil
	}
	if to[0].Addr().Is6() {
		mtu = max(mtu, leastMTU6)
	}
	return l.edges.RouteMTU(to, min(mtu, l.cfg.MTU))
}
