package shim

import (
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// told has h take in an ICMP error, and returns the tests that this brought.
func (h *host) told(p locator.Pair, quoted wire.Header) (tests int, d Drop) {
	before := h.count(EventTest)
	acts, d := h.c.HandleICMP(h.w.now, p, quoted, nil)
	h.perform(acts)
	return h.count(EventTest) - before, d
}

func header(t *testing.T, datagram []byte) wire.Header {
	t.Helper()
	h, err := wire.ParseHeader(datagram)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestICMPIsAReasonToTest: an error that quotes what was sent over the primary pair
// has it tested at once; that is answered, and nothing else changes.
func TestICMPIsAReasonToTest(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.chat(time.Second, 20*time.Millisecond)
	w.a.send(w.a.udp("lost"))
	primary := w.a.c.machine.Primary()
	if n, d := w.a.told(primary, header(t, w.a.lastSent(wire.Transport).datagram)); n != 1 || d != DropNone {
		t.Fatalf("%d tests, %v; want one", n, d)
	}
	if s := w.a.c.machine.State(); s != detect.TestingPrimary {
		t.Errorf("%v, want the primary in doubt", s)
	}
	// Any number of them bring no more tests, and no test fails by them.
	for range 100 {
		if n, d := w.a.told(primary, header(t, w.a.lastSent(wire.Transport).datagram)); n != 0 || d != DropNone {
			t.Fatalf("%d tests, %v for one more; want none", n, d)
		}
	}
	w.run(time.Second)
	if s, p := w.a.c.machine.State(), w.a.c.machine.Primary(); s != detect.PrimaryOperational || p != primary || w.a.count(EventTestFailed) != 0 {
		t.Errorf("%v, primary %v, %d failed tests; want all as before", s, p, w.a.count(EventTestFailed))
	}
}

// TestICMPThatQuotesNothingOfOurs changes nothing.
func TestICMPThatQuotesNothingOfOurs(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.chat(2*time.Second, 20*time.Millisecond)
	primary := w.a.c.machine.Primary()
	good := header(t, w.a.lastSent(wire.Transport).datagram)
	s := w.a.c.sessions.current
	next := uint32(s.next.Load())
	change := func(f func(h *wire.Header)) wire.Header {
		h := good
		f(&h)
		return h
	}
	other := primary
	other.Local = localsB[0]
	for _, c := range []struct {
		name   string
		pair   locator.Pair
		quoted wire.Header
	}{
		{"another tag", primary, change(func(h *wire.Header) { h.Tag++ })},
		{"the tag of what comes to us", primary, change(func(h *wire.Header) { h.Tag = s.local })},
		{"a number not sent yet", primary, change(func(h *wire.Header) { h.Number = next })},
		{"a number far ahead", primary, change(func(h *wire.Header) { h.Number = next + 1<<31 })},
		{"a number before the first", primary, change(func(h *wire.Header) { h.Number = 1<<32 - 1 })},
		{"an Open 1 that was not sent", primary, wire.Header{Type: wire.Open1, Tag: good.Tag}},
		{"an Open 2 that was not sent", primary, wire.Header{Type: wire.Open2, Tag: 0x777777}},
		{"a Retry", primary, wire.Header{Type: wire.Retry, Tag: good.Tag}},
		{"a pair that is none", other, good},
		{"no pair", locator.Pair{}, good},
	} {
		if n, d := w.a.told(c.pair, c.quoted); n != 0 || d != DropICMP {
			t.Errorf("%s: %d tests, %v; want none, %v", c.name, n, d, DropICMP)
		}
	}
	if w.a.c.machine.State() != detect.PrimaryOperational {
		t.Error("the primary is in doubt")
	}
	// Of another pair it is ours, and no matter.
	second := w.a.pair(1, 1)
	if n, d := w.a.told(second, good); n != 0 || d != DropNone || primary == second {
		t.Errorf("of another pair than the primary: %d tests, %v; want none, %v", n, d, DropNone)
	}
	if n, d := w.a.told(primary, good); n != 1 || d != DropNone {
		t.Errorf("what was sent: %d tests, %v; want one", n, d)
	}
}

// TestICMPOfLongAgo: what was sent quoteWindow packets ago is not looked at, on
// either side of 2^32.
func TestICMPOfLongAgo(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	s := w.a.c.sessions.current
	for _, next := range []uint64{1, 100, quoteWindow - 1, quoteWindow, quoteWindow + 1, 1 << 20, 1<<32 - 1} {
		s.next.Store(next)
		for _, age := range []uint64{1, 2, 100, quoteWindow, quoteWindow + 1, 1 << 20} {
			want := age <= next && age <= quoteWindow
			if got := s.sentLately(uint32(next - age)); got != want {
				t.Errorf("%d numbers used, the %dth last: %v, want %v", next, age, got, want)
			}
		}
		if s.sentLately(uint32(next)) {
			t.Errorf("%d numbers used: the next one was not sent", next)
		}
	}
}

// TestICMPOfOpens: those that were sent, and may yet be answered, count.
func TestICMPOfOpens(t *testing.T) {
	w := newWorld(t, setup{})
	w.fate = func(f *flight) []time.Duration {
		if f.kind() == wire.Open2 {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.a.send(w.a.udp("open"))
	w.run(20 * time.Millisecond)
	first, second := w.a.lastSent(wire.Open1), w.b.lastSent(wire.Open2)
	for _, c := range []struct {
		h *host
		f *flight
	}{{w.a, first}, {w.b, second}} {
		p := locator.Pair{Local: c.f.src.Addr(), Remote: c.f.dst}
		if n, d := c.h.told(p, header(t, c.f.datagram)); n != 0 || d != DropNone {
			t.Errorf("%v: %d tests, %v; want none, without a primary, %v", c.f.kind(), n, d, DropNone)
		}
		if n, d := c.h.other().told(locator.Pair{Local: c.f.dst.Addr(), Remote: c.f.src}, header(t, c.f.datagram)); n != 0 || d != DropICMP {
			t.Errorf("%v, at who did not send it: %d tests, %v; want %v", c.f.kind(), n, d, DropICMP)
		}
	}
	w.now = w.now.Add(initiationFor + time.Second)
	if _, d := w.a.told(w.a.pair(0, 0), header(t, first.datagram)); d != DropICMP {
		t.Errorf("an Open of long ago: %v, want %v", d, DropICMP)
	}
}
