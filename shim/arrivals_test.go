package shim

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// Each pair is counted by itself. One that was forgotten for others is not taken up where it
// was: the peer has to see that.
func TestArrivals(t *testing.T) {
	var a Arrivals
	pair := func(i int) locator.Pair {
		return locator.Pair{Local: localsA[0], Remote: netip.AddrPortFrom(localsB[0], uint16(i+1))}
	}
	now := time.Hour
	first := make([]uint32, numArrivals)
	for i := range first {
		now += time.Millisecond
		first[i] = a.Came(now, pair(i))
	}
	for n := range uint32(100) {
		for i, c := range first {
			now += time.Millisecond
			if got := a.Came(now, pair(i)); got != c+n+1 {
				t.Fatalf("pair %d: %d after %d, want %d", i, got, c, c+n+1)
			}
		}
	}
	a.Came(now, pair(numArrivals))
	if got := a.Came(now+time.Second, pair(0)); got-first[0] < 1000 {
		t.Errorf("%d after %d: as if it had been counted all the time", got, first[0])
	}
	if got := a.Came(now, pair(2)); got != first[2]+101 {
		t.Errorf("pair 2: %d, want %d", got, first[2]+101)
	}
}

// A peer that has begun to count anew, as after a restart, has not lost everything.
func TestCountBegunAnew(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	c, pair := w.a.c, w.a.path.Pair
	for id, x := range []struct {
		came uint32
		loss float64
	}{{1000, 0}, {1100, 0}, {5, 0}, {105, 0}, {175, 0.3}} {
		w.now = w.now.Add(time.Second)
		w.a.path.Sent(100)
		c.enter(w.now, nil)
		c.mark(pair, uint64(id))
		c.measure(wire.OK{ID: uint64(id), Came: x.came})
		c.leave()
		i := slices.IndexFunc(c.machine.Pairs(), func(p detect.PairStatus) bool { return p.Primary })
		if got := c.machine.Pairs()[i].Loss; got != x.loss {
			t.Errorf("with %d: %v lost, want %v", x.came, got, x.loss)
		}
	}
}
