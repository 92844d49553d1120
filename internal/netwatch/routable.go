package netwatch

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

const (
	// maxAnswers bounds the cache, at some 100 bytes each. A node with 10,000 peers of
	// two locators each and two of its own asks about 40,000 pairs.
	maxAnswers = 1 << 16
	// askTimeout bounds one question. The kernel answers within the call that
	// asks, so that waiting means trouble.
	askTimeout = 100 * time.Millisecond
)

// A question is asked of the kernel's routing.
type question struct {
	local  netip.Addr
	index  int // of the interface
	remote netip.Addr
}

// routing asks the kernel for routes and keeps the answers until there is news.
// It may be used by several goroutines.
type routing struct {
	log *slog.Logger
	// ask tells whether there is a route, or fails without knowing; a test may
	// put something else here.
	ask func(question) (bool, error)

	mu      sync.Mutex
	answers map[question]bool
	// age grows with each forget. An answer that was asked for in another age is
	// not kept.
	age uint64

	// asking guards handle, which is nil after close, and prober, which is also
	// nil without IPv6.
	asking sync.Mutex
	handle *netlink.Handle
	prober *prober
}

// errClosed is why a closed routing does not know.
var errClosed = errors.New("netwatch: closed")

// openRouting opens its sockets in the calling thread's namespace.
func openRouting(log *slog.Logger) (*routing, error) {
	handle, err := openHandle(askTimeout)
	if err != nil {
		return nil, err
	}
	prober, err := openProber()
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("netwatch: cannot ask for IPv6 routes: %w", err)
	}
	r := &routing{log: log, handle: handle, prober: prober, answers: make(map[question]bool)}
	r.ask = r.askKernel
	return r, nil
}

func (r *routing) close() {
	r.asking.Lock()
	defer r.asking.Unlock()
	if r.handle != nil {
		r.handle.Close()
		r.handle = nil
	}
	if r.prober != nil {
		r.prober.close()
		r.prober = nil
	}
}

// forget makes every question be asked anew.
func (r *routing) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.answers)
	r.age++
}

// Routable reports whether a datagram that names l's address and interface
// (underlay.Message) has a route to remote by that interface, in whatever table
// the rules lead to; better routes by others do not count. It is true if the
// kernel could not be asked: then evidence has to show. Any goroutine may call
// it, also before Run and after Close. Answers are kept until RouteNews rings.
func (w *Watcher) Routable(l locator.Local, remote netip.Addr) bool {
	return w.routing.routable(question{l.Addr, int(l.Interface), remote})
}

func (r *routing) routable(q question) bool {
	if q.local.Is4() != q.remote.Is4() {
		return false
	}
	r.mu.Lock()
	ok, kept := r.answers[q]
	age := r.age
	r.mu.Unlock()
	if kept {
		return ok
	}
	ok, err := r.ask(q)
	if err != nil {
		r.log.Debug("cannot ask for a route, taken for granted", "local", q.local, "remote", q.remote, "err", err)
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if age == r.age {
		if len(r.answers) >= maxAnswers {
			clear(r.answers)
		}
		r.answers[q] = ok
	}
	return ok
}

// askKernel asks for what the family's sockets heed.
func (r *routing) askKernel(q question) (bool, error) {
	r.asking.Lock()
	defer r.asking.Unlock()
	switch {
	case r.handle == nil:
		return false, errClosed
	case q.remote.Is4():
		return r.askNetlink(q)
	case r.prober == nil:
		return false, nil // The host has no IPv6.
	}
	return r.prober.ask(q)
}

// askNetlink sends one RTM_GETROUTE, for IPv4. The kernel heeds the interface,
// but assumes that whatever has no route is on its link; only if asked for the
// entry that matched (RTM_F_FIB_MATCH) does it say that there was none.
func (r *routing) askNetlink(q question) (bool, error) {
	routes, err := r.handle.RouteGetWithOptions(q.remote.AsSlice(), &netlink.RouteGetOptions{
		SrcAddr:  q.local.AsSlice(),
		OifIndex: q.index,
		FIBMatch: true,
	})
	if err != nil {
		if saysNoRoute(err) {
			return false, nil
		}
		return false, err
	}
	return len(routes) > 0 && leadsOn(routes[0]), nil
}

// saysNoRoute tells errors that are answers from those that are trouble.
func saysNoRoute(err error) bool {
	for _, no := range []error{
		unix.ENETUNREACH,  // no route, or the interface is down
		unix.EHOSTUNREACH, // "unreachable", or no entry matched
		unix.EACCES,       // "prohibit"
		unix.EINVAL,       // "blackhole", or the source has gone
		unix.ENODEV,       // the interface has gone
	} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// leadsOn reports whether a packet that takes route leaves, or stays on this
// host. Which interface it leaves by need not be looked at: only entries of the
// named one match, and one of several hops does not say which it is.
func leadsOn(route netlink.Route) bool {
	return route.Type == unix.RTN_UNICAST || route.Type == unix.RTN_LOCAL // not such as broadcast
}
