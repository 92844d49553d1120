package node

import (
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBudget(2400, now)
	turn := func(want, turned bool) {
		t.Helper()
		if got := b.turn(now); got != turned || b.spent != want {
			t.Errorf("after %v: turned %v, spent %v; want %v, %v", now.Sub(time.Unix(0, 0)), got, b.spent, turned, want)
		}
	}
	turn(false, false)
	b.take(now, 2399)
	turn(false, false)
	b.take(now, 1)
	turn(true, true)
	now = now.Add(30 * time.Minute) // 50 bytes, not yet an hour's worth
	turn(true, false)
	now = now.Add(31 * time.Minute)
	turn(false, true)
	b.take(now, 1e9) // need is not bounded, but not paid back for ever either
	turn(true, true)
	now = now.Add(26 * time.Hour)
	turn(false, true)
	now = now.Add(1000 * time.Hour)
	b.take(now, 2399) // never more than a day's worth
	turn(false, false)
	b.take(now, 1)
	turn(true, true)
}

func TestNoBudget(t *testing.T) {
	b := newBudget(0, time.Unix(0, 0))
	if !b.turn(time.Unix(0, 0)) || !b.spent || b.turn(time.Unix(1e6, 0)) || !b.spent {
		t.Errorf("%+v", b)
	}
}
