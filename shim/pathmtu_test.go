package shim

import (
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/wire"
)

// TestPathMTUIsFound: both ends of a path that carries 1400 bytes find that; the padded
// Polls are as long as they say, and nothing else longer than the base.
func TestPathMTUIsFound(t *testing.T) {
	const carries = 1400
	w := newWorld(t, setup{})
	for _, h := range []*host{w.a, w.b} {
		for i := range h.locals {
			h.locals[i].MTU = 1500
		}
		h.perform(h.c.SetLocals(w.now, h.locals, nil))
	}
	var sizes []int
	w.fate = func(f *flight) []time.Duration {
		size := 40 + 8 + len(f.datagram)
		if size >= 1280 && f.from == w.a && !slices.Contains(sizes, size) {
			sizes = append(sizes, size)
		}
		if size > carries {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.open()
	w.chat(6*time.Second, 20*time.Millisecond)
	if len(sizes) < 3 || sizes[0] != 1280 || sizes[1] != 1500 || sizes[2] != 1492 {
		t.Errorf("sizes %v", sizes)
	}
	for _, h := range []*host{w.a, w.b} {
		s := h.c.Status(w.now)
		for _, p := range s.Pairs {
			if p.Primary && (p.MTU > carries || p.MTU <= carries-8 || h.path.Room != p.MTU-48) {
				t.Errorf("%s: path MTU %d, room for %d", h.name, p.MTU, h.path.Room)
			}
		}
		if s.Stats.Suspicions > 0 || h.count(EventMTU) == 0 || h.count(EventTestFailed) > 0 {
			t.Errorf("%s: %+v, %d events of MTU", h.name, s.Stats, h.count(EventMTU))
		}
	}
}

// TestWhatTheHoleTookIsSentAgain: when the path MTU turns out to be smaller, the packet
// path is told, and what was not confirmed is sent again over the same pair.
func TestWhatTheHoleTookIsSentAgain(t *testing.T) {
	w := newWorld(t, setup{})
	for i := range w.a.locals {
		w.a.locals[i].MTU = 1500
	}
	w.a.perform(w.a.c.SetLocals(w.now, w.a.locals, nil))
	w.open()
	w.chat(time.Second, 20*time.Millisecond)
	p := w.a.path.Hop
	if p.Room != 1500-48 {
		t.Fatalf("room for %d", p.Room)
	}
	w.a.resends = nil
	w.fate = func(f *flight) []time.Duration {
		if len(f.datagram) > 1400-48 {
			return nil
		}
		return []time.Duration{oneWay}
	}
	lost := w.now
	w.a.send(w.a.udp(string(make([]byte, 1400))))
	if !w.until(time.Second, func() bool { return len(w.a.resends) > 0 && w.a.path.Room < p.Room }) {
		t.Fatalf("nothing is sent again, room for %d", w.a.path.Room)
	}
	r := w.a.resends[len(w.a.resends)-1]
	if r.Hop.Pair != p.Pair || r.Hop.Room != 1280-48 || r.Since >= lost.Sub(w.a.cfg.Base) {
		t.Errorf("sent again: %+v, want all since before %v over %v", r, lost.Sub(w.a.cfg.Base), p.Pair)
	}
	if s := w.a.c.Status(w.now); s.Stats.Switches > 0 || s.Stats.Outages > 0 {
		t.Errorf("%+v", s.Stats)
	}
}

// TestTooBigNeedsAQuote: an ICMP error about a packet too big is a reason to test if it
// quotes what was sent.
func TestTooBigNeedsAQuote(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.chat(time.Second, 20*time.Millisecond)
	p := w.a.c.machine.Primary()
	quoted := header(t, w.a.lastSent(wire.Transport).datagram)
	forged := quoted
	forged.Number += quoteWindow
	for _, c := range []struct {
		name   string
		header wire.Header
		mtu    int
		want   Drop
	}{
		{"genuine", quoted, 1400, DropNone}, {"unknown MTU", quoted, 0, DropNone}, {"forged", forged, 1400, DropICMP},
	} {
		if _, d := w.a.c.HandleTooBig(w.now, p, c.header, c.mtu, nil); d != c.want {
			t.Errorf("%s: %v, want %v", c.name, d, c.want)
		}
	}
}
