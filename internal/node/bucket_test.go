package node

import (
	"testing"
	"testing/synctest"
	"time"
)

// allowed counts how many of n Opens at once are.
func (b *bucket) allowed(n int) (count int) {
	for range n {
		if b.allow(time.Now()) {
			count++
		}
	}
	return count
}

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bucket{rate: openRate, burst: openBurst}
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

// TestBucketRate: a flood for 10 s gets the rate, and no more.
func TestBucketRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bucket{rate: openRate, burst: openBurst}
		got := 0
		for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(100 * time.Microsecond) {
			got += l.allowed(1)
		}
		if want := 10*openRate + openBurst; got > want || got < want-2 {
			t.Errorf("%d of a flood in 10 s, want %d", got, want)
		}
	})
}

// TestBucketBelowRate: who stays below the rate is never refused.
func TestBucketBelowRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bucket{rate: openRate, burst: openBurst}
		for i := range 5000 {
			if l.allowed(1) != 1 {
				t.Fatalf("refused the %dth, at 500 a second", i+1)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
}

// A debt is waited for.
func TestBucketDebt(t *testing.T) {
	now := time.Unix(0, 0)
	b := bucket{rate: 10, burst: 2}
	for range 5 {
		b.take(now)
	}
	if d := b.wait(now); d != 400*time.Millisecond {
		t.Errorf("wait %v, want 400 ms for a debt of three and a token", d)
	}
	if now = now.Add(399 * time.Millisecond); b.wait(now) <= 0 {
		t.Error("no wait a millisecond before")
	}
	if now = now.Add(2 * time.Millisecond); b.wait(now) != 0 || !b.allow(now) || b.allow(now) {
		t.Error("not one token after the wait")
	}
}
