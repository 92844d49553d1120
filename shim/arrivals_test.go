package shim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
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
