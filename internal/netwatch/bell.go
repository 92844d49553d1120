package netwatch

import (
	"context"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// news is a set of tables that may have changed. Reading the routes can be
// costly and neighbours change often, so the two are told apart.
type news uint32

const (
	neighbourNews news = 1 << iota
	otherNews

	everything = neighbourNews | otherNews
)

// bellGroups are the multicast groups whose messages ring.
var bellGroups = []uint{
	unix.RTNLGRP_LINK,
	unix.RTNLGRP_NEIGH,
	unix.RTNLGRP_IPV4_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE,
	unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV6_ROUTE,
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
			w.ring(everything)
			continue
		}
		failures = 0
		// Any local user may send to our socket; only the kernel is heard.
		if n := newsIn(msgs); n != 0 && from.Pid == nl.PidKernel {
			w.ring(n)
		}
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

// newsIn returns what the messages make worth reading.
func newsIn(msgs []syscall.NetlinkMessage) (n news) {
	for _, m := range msgs {
		n |= newsOf(m)
	}
	return n
}

// newsOf returns what one message makes worth reading. struct ndmsg and struct
// rtmsg both start with the address family; rtmsg goes on with the prefix
// length (rtnetlink(7)).
func newsOf(m syscall.NetlinkMessage) news {
	switch m.Header.Type {
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		// Bridges report what they learn as neighbours of family AF_BRIDGE.
		if len(m.Data) > 0 && (m.Data[0] == unix.AF_INET || m.Data[0] == unix.AF_INET6) {
			return neighbourNews
		}
		return 0
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		// Only default routes matter; a routing daemon changes many others.
		if len(m.Data) > 1 && m.Data[1] == 0 {
			return everything
		}
		return 0
	}
	// A link or address that goes takes routes with it, of which the kernel
	// does not always tell.
	return everything
}
