package shim

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// streamed has A send the n-th segment of a stream, of 1000 bytes.
func streamed(w *world, n int) {
	w.a.send(w.a.tcp(tcp{seq: uint32(1000 * n), length: 1000, flags: ack}))
}

// acknowledge has B answer what came like a TCP that tells of the newest segment by
// SACK, and returns how many different segments have come.
func acknowledge(w *world) (count int) {
	came, newest := map[int]bool{}, -1
	for _, p := range w.b.got {
		if p[6] != protocolTCP {
			continue
		}
		newest = int(binary.BigEndian.Uint32(p[40+4:])) / 1000
		came[newest] = true
	}
	next := 0
	for came[next] {
		next++
	}
	if newest >= 0 {
		s := tcp{}.back()
		s.ack = uint32(1000 * next)
		if newest > next {
			s.options = sackOption(uint32(1000*newest), uint32(1000*newest+1000))
		}
		w.b.send(w.b.tcp(s))
	}
	return len(came)
}

// What arrives over the pair under test says nothing of what was lost before: once the
// pair has answered, all of that goes over it, although newer packets are known to have
// arrived.
func TestNewArrivalsDoNotHideLosses(t *testing.T) {
	w := settled(t, setup{})
	for i := range w.a.locals {
		w.a.locals[i].Metered = true // so that not all goes with a test
	}
	w.a.setLocals(w.a.locals...)
	const lost, later = 150, 40
	dead := w.a.path.Pair
	toA := []netip.Addr{w.a.pair(0, 0).Local, w.a.pair(1, 1).Local}
	acknowledging := false
	w.fate = func(f *flight) []time.Duration {
		switch {
		case f.between(dead.Local, dead.Remote.Addr()):
			return nil
		case slices.Contains(toA, f.dst.Addr()) && !acknowledging:
			return []time.Duration{20 * time.Millisecond} // the answer comes after the news
		}
		return []time.Duration{2 * time.Millisecond}
	}
	w.a.got, w.b.got = nil, nil
	for n := range lost {
		streamed(w, n)
	}
	if !w.until(time.Second, func() bool { return w.a.path.Second.Pair.IsValid() }) {
		t.Fatalf("packets never go over a second pair: %v", w)
	}
	for n := range later {
		streamed(w, lost+n)
		w.run(time.Millisecond)
		acknowledging = true
		acknowledge(w)
		acknowledging = false
	}
	w.run(50 * time.Millisecond)
	if got := acknowledge(w); got != lost+later {
		t.Errorf("%d segments came, want all %d", got, lost+later)
	}
}
