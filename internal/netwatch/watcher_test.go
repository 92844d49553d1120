package netwatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"

	"github.com/multi6/multi6/locator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDeliverLatestWins(t *testing.T) {
	w := &Watcher{out: make(chan []locator.Fact, 1)}
	snapshot := func(addr string) []locator.Fact {
		return []locator.Fact{{Addr: netip.MustParseAddr(addr)}}
	}
	received := func() []locator.Fact {
		select {
		case f := <-w.Facts():
			return f
		default:
			return nil
		}
	}

	w.deliver(nil)
	if f := received(); f != nil || !w.delivered {
		t.Errorf("first: %v", f)
	}
	w.deliver([]locator.Fact{})
	if len(w.out) != 0 {
		t.Error("delivered without a change")
	}
	w.deliver(snapshot("192.0.2.1"))
	w.deliver(snapshot("192.0.2.2"))
	if diff := cmp.Diff(snapshot("192.0.2.2"), received(), addrs); diff != "" {
		t.Errorf("after two changes (-want +got):\n%s", diff)
	}
	w.deliver(snapshot("192.0.2.2"))
	if f := received(); f != nil {
		t.Errorf("delivered without a change: %v", f)
	}

	// The receiver may do with a snapshot what it likes.
	w.deliver(snapshot("192.0.2.3"))
	received()[0].Name = "changed"
	w.deliver(snapshot("192.0.2.3"))
	if f := received(); f != nil {
		t.Errorf("disturbed by the receiver: %v", f)
	}
}

// A dump that fails is tried again without an event, more and more slowly, and
// then in full.
func TestDumpFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var tries []time.Duration
		var read news
		w := &Watcher{
			log:  slog.New(slog.DiscardHandler),
			out:  make(chan []locator.Fact, 1),
			rung: make(chan struct{}, 1),
		}
		w.read = func(tb *tables, n news) error {
			if n&hostNews == 0 { // The second part of a try, after a first that went well.
				read |= n
				return nil
			}
			tries = append(tries, time.Since(start))
			if len(tries) < 4 {
				return errors.New("no answer")
			}
			read |= n
			tb.links = []netlink.Link{link(2, "eth0", upFlags)}
			tb.addrs = []netlink.Addr{address(2, "192.0.2.1/24", 0)}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w.watch(ctx)

		want := []time.Duration{0, firstPause, 3 * firstPause, 7 * firstPause}
		if diff := cmp.Diff(want, tries); diff != "" {
			t.Errorf("tries in one hour (-want +got):\n%s", diff)
		}
		if read != tableNews {
			t.Errorf("read %b, want %b", read, tableNews)
		}
		if got := <-w.Facts(); len(got) != 1 {
			t.Errorf("facts: %+v", got)
		}
	})
}

// That an address has gone is told before the routes are read, but for the first
// snapshot, which is whole.
func TestAddressesBeforeRoutes(t *testing.T) {
	w := &Watcher{out: make(chan []locator.Fact, 1), rung: make(chan struct{}, 1)}
	var seen []int // snapshots delivered when each part was about to be read
	snapshots := 0
	w.read = func(tb *tables, n news) error {
		select {
		case <-w.Facts():
			snapshots++
		default:
		}
		seen = append(seen, snapshots)
		if n == hostNews {
			tb.links = []netlink.Link{link(2, "eth0", upFlags)}
			tb.addrs = []netlink.Addr{address(2, fmt.Sprintf("192.0.2.%d/24", len(seen)), 0)}
		}
		return nil
	}
	for range 2 {
		w.ring(tableNews)
		if err := w.refresh(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int{0, 0, 1, 2}, seen); diff != "" {
		t.Errorf("snapshots before each read (-want +got):\n%s", diff)
	}
}

func TestUntorn(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name  string
		errs  []error // of one try after another
		want  error
		tries int
	}{
		{"at once", []error{nil}, nil, 1},
		{"torn once", []error{netlink.ErrDumpInterrupted, nil}, nil, 2},
		{"error", []error{broken}, broken, 1},
		{"always torn", []error{netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted,
			netlink.ErrDumpInterrupted, nil}, netlink.ErrDumpInterrupted, dumpTries},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tries := 0
			_, err := untorn(func() ([]int, error) {
				tries++
				return nil, tt.errs[tries-1]
			})
			if !errors.Is(err, tt.want) || tries != tt.tries {
				t.Errorf("%v after %d tries, want %v after %d", err, tries, tt.want, tt.tries)
			}
		})
	}
}
