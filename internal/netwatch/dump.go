package netwatch

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tables are the kernel's tables as last read.
type tables struct {
	links      []netlink.Link
	addrs      []netlink.Addr
	routes     []netlink.Route
	neighbours []netlink.Neigh
}

// dumpTries is how often a dump is tried that the kernel says was torn by a
// change in its midst.
const dumpTries = 4

var families = [...]int{netlink.FAMILY_V4, netlink.FAMILY_V6}

// read replaces those tables that n names. After an error t holds a mixture
// and should be read again in full.
func (t *tables) read(h *netlink.Handle, n news) (err error) {
	if n&hostNews != 0 {
		if t.links, err = untorn(h.LinkList); err != nil {
			return fmt.Errorf("netwatch: list links: %w", err)
		}
		if t.addrs, err = perFamily(func(f int) ([]netlink.Addr, error) { return h.AddrList(nil, f) }); err != nil {
			return fmt.Errorf("netwatch: list addresses: %w", err)
		}
	}
	if n&routerNews != 0 {
		if t.routes, err = perFamily(func(f int) ([]netlink.Route, error) { return allRoutes(h, f) }); err != nil {
			return fmt.Errorf("netwatch: list routes: %w", err)
		}
	}
	if n&neighbourNews != 0 {
		if t.neighbours, err = perFamily(func(f int) ([]netlink.Neigh, error) { return h.NeighList(0, f) }); err != nil {
			return fmt.Errorf("netwatch: list neighbours: %w", err)
		}
	}
	return nil
}

// allRoutes lists the default routes of every table: a multihomed host often has
// one table per uplink.
func allRoutes(h *netlink.Handle, family int) (routes []netlink.Route, err error) {
	everyTable := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	err = h.RouteListFilteredIter(family, everyTable, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
		if isDefault(r) {
			routes = append(routes, r)
		}
		return true
	})
	return routes, err
}

// perFamily joins the lists of both address families.
func perFamily[E any](list func(family int) ([]E, error)) ([]E, error) {
	var all []E
	for _, f := range families {
		part, err := untorn(func() ([]E, error) { return list(f) })
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}

// untorn repeats list while it is interrupted, dumpTries times in all.
func untorn[E any](list func() ([]E, error)) (all []E, err error) {
	for range dumpTries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
