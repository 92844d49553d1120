package netwatch

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

const (
	// dumpTimeout bounds one request to the kernel.
	dumpTimeout = 5 * time.Second
	// firstPause and lastPause bound the wait before something that failed is
	// tried again: a dump, or a router that does not answer. It doubles.
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// Options adjust a Watcher. The zero Options are good.
type Options struct {
	// Log gets what an operator may want to know; nil means silence.
	Log *slog.Logger
	// Own is the protocol of routes into our own device (rtm_protocol, rtnetlink(7)),
	// which no locator depends on; zero means none.
	Own uint8
}

// A Watcher watches the addresses of one network namespace.
type Watcher struct {
	log    *slog.Logger
	own    uint8
	handle *netlink.Handle
	bell   *nl.NetlinkSocket
	out    chan []locator.Fact
	// routing answers Routable.
	routing *routing
	// read fills the tables from handle; a test may put something else here.
	read func(*tables, news) error

	// From listen to watch.
	pending atomic.Uint32 // of type news
	rung    chan struct{}

	// From listen to pace, and on to the consumer.
	unsettled atomic.Bool // There was news of links or addresses.
	toPace    chan struct{}
	routeNews chan struct{}

	// Owned by watch.
	tables    tables
	verdicts  map[gateway]verdict
	met       map[gateway]bool
	last      []locator.Fact
	delivered bool
}

// New opens a Watcher on the network namespace of the calling thread. A caller
// that is in another namespace than the rest of the process has locked its
// thread; Run need not be called there. End a Watcher by Run's ctx, or by Close
// if Run is never called.
func New(o Options) (*Watcher, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	handle, err := openHandle(dumpTimeout)
	if err != nil {
		return nil, err
	}
	routing, err := openRouting(o.Log)
	if err != nil {
		handle.Close()
		return nil, err
	}
	bell, err := openBell()
	if err != nil {
		handle.Close()
		routing.close()
		return nil, err
	}
	return &Watcher{
		log:       o.Log,
		own:       o.Own,
		handle:    handle,
		bell:      bell,
		out:       make(chan []locator.Fact, 1),
		routing:   routing,
		read:      func(t *tables, n news) error { return t.read(handle, n) },
		rung:      make(chan struct{}, 1),
		toPace:    make(chan struct{}, 1),
		routeNews: make(chan struct{}, 1),
	}, nil
}

// openHandle opens a handle in the calling thread's namespace. No request on it
// takes longer than timeout.
func openHandle(timeout time.Duration) (*netlink.Handle, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netwatch: open netlink: %w", err)
	}
	if err := handle.SetSocketTimeout(timeout); err != nil {
		handle.Close()
		return nil, fmt.Errorf("netwatch: set timeout: %w", err)
	}
	return handle, nil
}

// Facts returns the channel of snapshots, each ordered by interface and address
// and the receiver's to keep. The first comes as soon as Run has read the
// tables, the others when something differs from the one before. A snapshot that
// was not received is replaced by the next. The channel is never closed.
func (w *Watcher) Facts() <-chan []locator.Fact { return w.out }

// Run watches until ctx ends, and then returns nil, or until netlink fails for
// good. It may be called once, and closes the Watcher.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.listen(ctx) })
	g.Go(func() error {
		w.watch(ctx)
		return nil
	})
	g.Go(func() error {
		w.pace(ctx)
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		w.bell.Close() // Ends listen.
		return nil
	})
	return g.Wait()
}

// Close releases the sockets of a Watcher whose Run is not running.
func (w *Watcher) Close() {
	w.bell.Close()
	w.handle.Close()
	w.routing.close()
}

// watch reads and delivers when the bell rings. While something is wrong it also
// wakes up by itself to try again; otherwise silence costs nothing.
func (w *Watcher) watch(ctx context.Context) {
	pause := firstPause
	again := time.NewTimer(pause)
	again.Stop()
	defer again.Stop()
	armed := false

	for w.ring(tableNews); ; {
		select {
		case <-ctx.Done():
			return
		case <-w.rung:
		case <-again.C:
			armed = false
			pause = min(2*pause, lastPause)
			w.askAgain()
		}
		err := w.refresh()
		if err != nil {
			w.log.Warn("cannot read the network's state, trying again", "err", err)
		}
		switch wrong := err != nil || len(w.failing()) > 0; {
		case !wrong:
			again.Stop()
			armed = false
			pause = firstPause
		case !armed:
			again.Reset(pause)
			armed = true
		}
	}
}

// refresh reads what is pending and delivers the facts if they changed. Links
// and addresses come first, and the consumer has them before the routes are
// read: of these there may be a million.
func (w *Watcher) refresh() error {
	pending := news(w.pending.Swap(0))
	for _, n := range []news{pending & hostNews, pending &^ hostNews} {
		if n == 0 {
			continue
		}
		if err := w.read(&w.tables, n); err != nil {
			w.pending.Or(uint32(tableNews))
			return err
		}
		if n == hostNews && !w.delivered {
			continue // The first snapshot is whole.
		}
		gateways := gatewaysOf(w.tables.routes)
		if n&neighbourNews != 0 {
			w.judge(gateways)
		}
		w.deliver(facts(w.tables, gateways, w.failing()))
		w.meet(gateways)
	}
	return nil
}

// deliver hands now to the consumer unless it has it already. Only watch sends,
// so that after taking back what was not received there is room.
func (w *Watcher) deliver(now []locator.Fact) {
	if w.delivered && slices.Equal(now, w.last) {
		return
	}
	w.last, w.delivered = now, true
	select {
	case <-w.out:
	default:
	}
	w.out <- slices.Clone(now)
}
