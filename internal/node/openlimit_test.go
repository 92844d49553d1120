package node

import (
	"testing"
	"testing/synctest"
	"time"
)

// allowed counts how many of n Opens at once are.
func (l *openLimit) allowed(n int) (count int) {
	for range n {
		if l.allow(time.Now()) {
			count++
		}
	}
	return count
}

func TestOpenLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l openLimit
		if n := l.allowed(10 * openBurst); n != openBurst {
			t.Errorf("%d at once, want the burst of %d", n, openBurst)
		}
		time.Sleep(50 * time.Millisecond)
		if n, want := l.allowed(10*openBurst), openRate/20; n != want {
			t.Errorf("%d after 50 ms, want %d", n, want)
		}
		time.Sleep(time.Hour)
		if n := l.allowed(10 * openBurst); n != openBurst {
			t.Errorf("%d after an hour, want no more than the burst of %d", n, openBurst)
		}
	})
}

// TestOpenLimitRate: a flood for 10 s gets the rate, and no more.
func TestOpenLimitRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l openLimit
		got := 0
		for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(100 * time.Microsecond) {
			got += l.allowed(1)
		}
		if want := 10*openRate + openBurst; got > want || got < want-2 {
			t.Errorf("%d of a flood in 10 s, want %d", got, want)
		}
	})
}

// TestOpenLimitBelowRate: who stays below the rate is never refused.
func TestOpenLimitBelowRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l openLimit
		for i := range 5000 {
			if l.allowed(1) != 1 {
				t.Fatalf("refused the %dth, at 500 a second", i+1)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
}
