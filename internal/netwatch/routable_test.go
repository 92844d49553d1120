package netwatch

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

// asker stands for the kernel.
type asker struct {
	asked  int
	answer bool
	err    error
	during func() // what happens while it is asked
}

func (a *asker) ask(question) (bool, error) {
	a.asked++
	answer := a.answer
	if a.during != nil {
		a.during()
	}
	return answer, a.err
}

// routingOn returns a Watcher whose routing asks a.
func routingOn(a *asker) *Watcher {
	return &Watcher{routing: &routing{
		log: slog.New(slog.DiscardHandler), ask: a.ask, answers: make(map[question]bool),
	}}
}

var (
	someLocal  = locator.Local{Addr: netip.MustParseAddr("192.0.2.1"), Interface: 2}
	someRemote = netip.MustParseAddr("203.0.113.1")
)

func TestRoutableKeepsAnswers(t *testing.T) {
	for _, want := range []bool{true, false} {
		a := &asker{answer: want}
		w := routingOn(a)
		for range 3 {
			if got := w.Routable(someLocal, someRemote); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		if a.asked != 1 {
			t.Errorf("asked %d times for one question", a.asked)
		}
		// Each part of the question counts; how good the locator is does not.
		other := someLocal
		other.Interface++
		w.Routable(other, someRemote)
		w.Routable(someLocal, someRemote.Next())
		other = someLocal
		other.Addr = other.Addr.Next()
		w.Routable(other, someRemote)
		other = someLocal
		other.Preference, other.Deprecated = 7, true
		w.Routable(other, someRemote)
		if a.asked != 4 {
			t.Errorf("asked %d times for four questions", a.asked)
		}

		a.answer = !want
		w.routing.forget()
		if got := w.Routable(someLocal, someRemote); got == want {
			t.Errorf("still %v after a change", got)
		}
	}
}

// An answer from before a change that came while it was on its way is given but
// not kept.
func TestRoutableChangeWhileAsking(t *testing.T) {
	a := &asker{answer: true}
	w := routingOn(a)
	a.during = func() {
		a.answer = false
		w.routing.forget()
	}
	w.Routable(someLocal, someRemote)
	a.during = nil
	if w.Routable(someLocal, someRemote) {
		t.Error("an old answer was kept")
	}
}

// Without an answer evidence decides, and the kernel is asked again.
func TestRoutableTrouble(t *testing.T) {
	a := &asker{err: errors.New("no buffer space")}
	w := routingOn(a)
	if !w.Routable(someLocal, someRemote) {
		t.Error("not routable because of an error")
	}
	a.err = nil
	if w.Routable(someLocal, someRemote) {
		t.Error("the error was taken for an answer")
	}
}

func TestRoutableFamilies(t *testing.T) {
	a := &asker{answer: true}
	if routingOn(a).Routable(someLocal, netip.MustParseAddr("2001:db8::1")) || a.asked != 0 {
		t.Error("IPv6 from an IPv4 address")
	}
}

func TestRoutableBounded(t *testing.T) {
	w := routingOn(&asker{answer: true})
	remote := someRemote
	for range 3*maxAnswers + 1 {
		w.Routable(someLocal, remote)
		remote = remote.Next()
		if n := len(w.routing.answers); n > maxAnswers {
			t.Fatalf("%d answers kept", n)
		}
	}
}

func TestSaysNoRoute(t *testing.T) {
	for err, want := range map[error]bool{
		unix.ENETUNREACH:  true,
		unix.EHOSTUNREACH: true,
		unix.EACCES:       true,
		unix.EINVAL:       true,
		unix.ENODEV:       true,
		fmt.Errorf("%w: No route", unix.ENETUNREACH): true,

		unix.EAGAIN:  false, // a timeout
		unix.ENOBUFS: false,
		unix.EBADF:   false,
		errClosed:    false,
	} {
		if got := saysNoRoute(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

func TestLeadsOn(t *testing.T) {
	tests := []struct {
		name  string
		route netlink.Route
		want  bool
	}{
		{"by the interface", netlink.Route{Type: unix.RTN_UNICAST, LinkIndex: 2}, true},
		{"by one of several hops", netlink.Route{Type: unix.RTN_UNICAST}, true},
		{"to this host", netlink.Route{Type: unix.RTN_LOCAL, LinkIndex: 1}, true},
		{"to everybody", netlink.Route{Type: unix.RTN_BROADCAST, LinkIndex: 2}, false},
		{"nowhere", netlink.Route{Type: unix.RTN_BLACKHOLE, LinkIndex: 2}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := leadsOn(tt.route); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
