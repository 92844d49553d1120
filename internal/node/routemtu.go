package node

import (
	"net/netip"

	"github.com/multi6/multi6/shim"
)

// routeMTU has the routes to p follow the path MTU of its primary pair, so that the host
// makes its packets as long as they may be. Without a path they stay as they are.
func (l *looper) routeMTU(p *peer, path *shim.Path) {
	if l.edges.RouteMTU == nil || path == nil || path.Room == 0 || path.Room == p.routedRoom {
		return
	}
	p.routedRoom = path.Room
	l.telling.Lock()
	defer l.telling.Unlock()
	l.setRouteMTU(p, []netip.Prefix{netip.PrefixFrom(p.identifier, p.identifier.BitLen())}, path.Hop.MTU(true))
	var v4, v6 []netip.Prefix
	for _, r := range p.Routes {
		if r.Addr().Is4() {
			v4 = append(v4, r)
		} else {
			v6 = append(v6, r)
		}
	}
	l.setRouteMTU(p, v4, path.Hop.MTU(false))
	l.setRouteMTU(p, v6, path.Hop.MTU(false))
}

func (l *looper) setRouteMTU(p *peer, to []netip.Prefix, mtu int) {
	if len(to) == 0 {
		return
	}
	if to[0].Addr().Is6() {
		mtu = max(mtu, leastMTU6)
	}
	if err := l.edges.RouteMTU(to, min(mtu, l.cfg.MTU)); err != nil {
		// Packets that are too long are refused one by one.
		l.log.Warn("route MTU", "peer", p.Name, "err", err)
	}
}
