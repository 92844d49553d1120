package tun

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteProtocol is what the routes to peers say they come from (rtm_protocol,
// rtnetlink(7)), so that others can tell them.
const RouteProtocol = 106

// addRoutes adds the routes to the peers.
func (k *Kernel) addRoutes(c Config) (err error) {
	if k.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("tun: routes by %s: %w", c.Name, err)
	}
	k.flush, _ = os.OpenFile("/proc/sys/net/ipv4/route/flush", os.O_WRONLY, 0) // of this namespace, whoever writes
	for _, r := range c.Routes {
		if err := k.routes.RouteAdd(k.route(r, cmp.Or(c.RouteMTU, c.MTU))); err != nil {
			return fmt.Errorf("tun: route %s by %s: %w", r, c.Name, routeError(err))
		}
	}
	return nil
}

// SetRouteMTU sets how long packets over some of the routes may be, in bytes. The kernel
// forgets what ICMP errors have told it of them; if one is of IPv4, of all of IPv4, which it
// learns again with the next packet that is too long. It is for one goroutine at a time, and
// returns os.ErrClosed after Close.
func (k *Kernel) SetRouteMTU(to []netip.Prefix, mtu int) error {
	var errs []error
	closed := k.file.Control(func(uintptr) {
		four := false
		for _, r := range to {
			four = four || r.Addr().Is4()
			if err := k.routes.RouteReplace(k.route(r, mtu)); err != nil {
				errs = append(errs, fmt.Errorf("tun: MTU %d of route %s by %s: %w", mtu, r, k.name, err))
			}
		}
		if four && k.flush != nil {
			// To replace an IPv4 route by its like does nothing, and all of one MTU share
			// what was learnt.
			_, _ = k.flush.WriteAt([]byte("1"), 0)
		}
	})
	return errors.Join(append(errs, closed)...)
}

// route returns the route to a peer. What TCP tells the other end it takes (MSS) is as
// much as the device does: the MTU is that of our direction, and now, while a connection
// keeps for ever what it is told at its start.
func (k *Kernel) route(to netip.Prefix, mtu int) *netlink.Route {
	headers := 20 + 20 // of IPv4 and TCP
	if to.Addr().Is6() {
		headers = 40 + 20
	}
	return &netlink.Route{
		Protocol: RouteProtocol, LinkIndex: k.index, Dst: ipNet(to), Scope: netlink.SCOPE_LINK, MTU: mtu, AdvMSS: k.mtu - headers,
		Src: k.sources[to].AsSlice(),
	}
}

func routeError(err error) error {
	if errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("there is such a route already, remove it or the peer's entry: %w", err)
	}
	return err
}
