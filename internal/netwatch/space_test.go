package netwatch

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/testkit"
	"github.com/multi6/multi6/locator"
)

// patience is how long a condition may take; none takes nearly as long.
const patience = 30 * time.Second

// A lab is a namespace that is watched and one that plays the network:
//
//	┌──── near ────┐          ┌──── far ────┐
//	│ Watcher  up0 ├───veth───┤ up0         │
//	└──────────────┘          └─────────────┘
type lab struct {
	t         testing.TB
	near, far *netlink.Handle
	nearNS    netns.NsHandle
	farNS     netns.NsHandle
	watcher   *Watcher
	logged    *logBuffer
	table     *locator.Table
	last      []locator.Fact
}

// newLab returns a lab whose Watcher does not run yet and whose veth is up.
func newLab(t testing.TB) *lab {
	t.Helper()
	testkit.NeedRoot(t)
	l := &lab{t: t, logged: &logBuffer{}, table: locator.NewTable(locator.DefaultPolicy())}
	l.nearNS = l.space(func() {
		var err error
		l.near = l.handle()
		l.watcher, err = New(Options{Log: slog.New(slog.NewTextHandler(l.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		l.must(err)
		t.Cleanup(l.watcher.Close)
	})
	l.farNS = l.space(func() { l.far = l.handle() })
	l.wire("up0")
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// space makes an anonymous network namespace and calls setup in it.
func (l *lab) space(setup func()) netns.NsHandle {
	runtime.LockOSThread()
	home, err := netns.Get()
	l.must(err)
	defer home.Close()
	ns, err := netns.New()
	l.must(err)
	l.t.Cleanup(func() { ns.Close() })
	defer func() {
		// A thread that cannot go home stays locked, and ends with the test.
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	setup()
	return ns
}

// inNear calls f in the watched namespace.
func (l *lab) inNear(f func()) {
	l.t.Helper()
	l.inSpace(l.nearNS, f)
}

// inSpace calls f in ns.
func (l *lab) inSpace(ns netns.NsHandle, f func()) {
	l.t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	l.must(err)
	defer home.Close()
	l.must(netns.Set(ns))
	defer func() {
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	f()
}

func (l *lab) handle() *netlink.Handle {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	l.must(err)
	l.t.Cleanup(h.Close)
	return h
}

// wire joins near and far by a veth with one name at both ends, and sets it up.
func (l *lab) wire(name string) {
	l.t.Helper()
	l.must(l.near.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: name},
		PeerName:      name,
		PeerNamespace: netlink.NsFd(l.farNS),
	}))
	l.setUp(l.near, name, true)
	l.setUp(l.far, name, true)
}

func (l *lab) link(h *netlink.Handle, name string) netlink.Link {
	l.t.Helper()
	link, err := h.LinkByName(name)
	l.must(err)
	return link
}

func (l *lab) setUp(h *netlink.Handle, name string, up bool) {
	l.t.Helper()
	set := h.LinkSetDown
	if up {
		set = h.LinkSetUp
	}
	l.must(set(l.link(h, name)))
}

func addr(prefix string, flags int) *netlink.Addr {
	n, err := netlink.ParseIPNet(prefix)
	if err != nil {
		panic(err)
	}
	return &netlink.Addr{IPNet: n, Flags: flags}
}

func (l *lab) add(h *netlink.Handle, name, prefix string, flags int) {
	l.t.Helper()
	l.must(h.AddrAdd(l.link(h, name), addr(prefix, flags)))
}

func (l *lab) remove(h *netlink.Handle, name, prefix string) {
	l.t.Helper()
	l.must(h.AddrDel(l.link(h, name), addr(prefix, 0)))
}

// tun makes a TUN device in near that goes away with the test, and sets it up.
func (l *lab) tun(name string) {
	l.t.Helper()
	link := &netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TUN, Queues: 1, Flags: netlink.TUNTAP_NO_PI,
	}
	l.inNear(func() { l.must(netlink.LinkAdd(link)) }) // The device belongs to the namespace of who opens it.
	l.t.Cleanup(func() {
		for _, f := range link.Fds {
			f.Close()
		}
	})
	l.setUp(l.near, name, true)
}

// countReads makes the Watcher, not yet running, count how often it reads one of
// the tables of n.
func (l *lab) countReads(n news) *atomic.Int32 {
	var reads atomic.Int32
	read := l.watcher.read
	l.watcher.read = func(t *tables, now news) error {
		if now&n != 0 {
			reads.Add(1)
		}
		return read(t, now)
	}
	return &reads
}

// run starts the Watcher until the test ends, and checks how it ended.
func (l *lab) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.watcher.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				l.t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			l.t.Error("Run does not end")
		}
	})
}

// next waits for a snapshot and brings the table up to it.
func (l *lab) next(what string) {
	l.t.Helper()
	select {
	case l.last = <-l.watcher.Facts():
		l.table.Update(l.last)
	case <-time.After(patience):
		l.t.Fatalf("waiting for %s; last facts: %+v", what, l.last)
	}
}

// until takes snapshots until what holds.
func (l *lab) until(what string, holds func() bool) {
	l.t.Helper()
	for !holds() {
		l.next(what)
	}
}

// untilState takes snapshots until a has state want.
func (l *lab) untilState(a string, want locator.State) {
	l.t.Helper()
	ip := netip.MustParseAddr(a)
	l.until(fmt.Sprintf("%s %v", a, want), func() bool { return l.table.State(ip) == want })
}

// fact returns the fact of a in the last snapshot, the zero Fact if none.
func (l *lab) fact(a string) locator.Fact {
	for _, f := range l.last {
		if f.Addr == netip.MustParseAddr(a) {
			return f
		}
	}
	return locator.Fact{}
}

// poll looks until what holds.
func (l *lab) poll(what string, holds func() bool) {
	l.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("waiting for %s", what)
		}
	}
}

// sysctl sets a variable of near below net.
func (l *lab) sysctl(name, value string) {
	l.t.Helper()
	l.inNear(func() { l.must(os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)) })
}

// A logBuffer keeps what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
