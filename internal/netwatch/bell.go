package netwatch

import (
	"context"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// news is a set of what may have changed: tables to be read again, and routing.
// Reading the routes can be costly, and neighbours and routes that are not
// default routes change often, so these are told apart.
type news uint32

const (
	neighbourNews news = 1 << iota
	// hostNews is of links and addresses.
	hostNews
	// routerNews is of default routes.
	routerNews
	// routingNews is of all that Routable's answers depend on.
	routingNews

	// tableNews is what there is to read.
	tableNews  = neighbourNews | hostNews | routerNews
	everything = tableNews | routingNews
)

// bellGroups are the multicast groups whose messages ring. Kernels before 5.3
// have no next hops and ignore that group.
var bellGroups = []uint{
	unix.RTNLGRP_LINK,
	unix.RTNLGRP_NEIGH,
	unix.RTNLGRP_IPV4_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE,
	unix.RTNLGRP_IPV4_RULE,
	unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_IPV6_RULE,
	unix.RTNLGRP_NEXTHOP,
}

const (
	// bellBuffer is the receive buffer in bytes. Overflow does no harm but to
	// cost a full dump.
	bellBuffer = 1 << 20
	// bellFailures is how many receive errors in a row mean that the socket is
	// broken. One at a time is normal: ENOBUFS.
	bellFailures = 8
)

// openBell subscribes in the calling thread's namespace.
func openBell() (*nl.NetlinkSocket, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, bellGroups...)
	if err != nil {
		return nil, fmt.Errorf("netwatch: subscribe: %w", err)
	}
	// Forcing needs a capability that we may not have; the default size works.
	_ = s.SetReceiveBufferSize(bellBuffer, true)
	return s, nil
}

// listen rings for every message until ctx ends, and then returns nil; whoever
// ends ctx also closes the bell.
//
// After an error such as ENOBUFS the socket is still subscribed, only messages
// were lost: a dump makes up for them. A new socket would not do better, and
// could not be opened in the right namespace once privileges are dropped.
func (w *Watcher) listen(ctx context.Context) error {
	for failures := 0; ; {
		msgs, from, err := w.bell.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if failures++; failures >= bellFailures {
				return fmt.Errorf("netwatch: receive: %w", err)
			}
			w.log.Debug("netlink events lost, reading everything", "err", err)
			w.spread(everything)
			continue
		}
		failures = 0
		// Any local user may send to our socket; only the kernel is heard.
		if from.Pid == nl.PidKernel {
			w.spread(newsIn(msgs, w.own))
		}
	}
}

// spread tells watch and pace what n holds for them.
func (w *Watcher) spread(n news) {
	if n&tableNews != 0 {
		w.ring(n & tableNews)
	}
	if n&hostNews != 0 {
		w.unsettled.Store(true)
	}
	if n&routingNews != 0 {
		w.rerouted()
	}
}

// ring tells watch that n is to be read. It never blocks.
func (w *Watcher) ring(n news) {
	w.pending.Or(uint32(n))
	select {
	case w.rung <- struct{}{}:
	default: // Already rung; watch will find n with the rest.
	}
}

// newsIn returns what the messages make worth reading, if own is the protocol of our own
// routes.
func newsIn(msgs []syscall.NetlinkMessage, own uint8) (n news) {
	for _, m := range msgs {
		n |= newsOf(m, own)
	}
	return n
}

// newsOf returns what one message makes worth reading. struct ndmsg starts with
// the address family (rtnetlink(7)).
func newsOf(m syscall.NetlinkMessage, own uint8) news {
	switch m.Header.Type {
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		// Bridges report what they learn as neighbours of family AF_BRIDGE.
		if len(m.Data) > 0 && (m.Data[0] == unix.AF_INET || m.Data[0] == unix.AF_INET6) {
			return neighbourNews
		}
		return 0
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return newsOfRoute(m.Data, own)
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		return routingNews
	}
	// A link, address or next hop that goes takes routes with it, of which the
	// kernel does not always tell.
	return everything
}

// newsOfRoute returns what a struct rtmsg makes worth reading (rtnetlink(7)):
// its bytes are family, prefix length, two more, table, protocol and two more, and
// its flags follow as a word of the host's order.
func newsOfRoute(rtmsg []byte, own uint8) news {
	if len(rtmsg) < unix.SizeofRtMsg {
		return 0
	}
	bits, table, protocol, flags := rtmsg[1], rtmsg[4], rtmsg[5], nl.NativeEndian().Uint32(rtmsg[8:])
	switch {
	case flags&unix.RTM_F_CLONED != 0:
		return 0 // What the kernel learnt of one destination, such as a path MTU.
	case protocol == own && own != 0:
		return 0 // Thousands, and each may change when the path MTU to a peer does.
	case table == unix.RT_TABLE_LOCAL:
		return 0 // Comes and goes with an address, which has its own messages.
	case bits == 0:
		return neighbourNews | routerNews | routingNews
	}
	// A routing daemon changes many such: no reason to read them all.
	return routingNews
}
