package lab

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLine(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		now  time.Duration
		size int
		at   time.Duration
		fate fate
	}
	for name, c := range map[string]struct {
		imp   Impairment
		steps []step
	}{
		"perfect": {Impairment{}, []step{{5 * ms, 1500, 5 * ms, arrives}, {5 * ms, 1500, 5 * ms, arrives}}},
		"delay":   {Impairment{Delay: 10 * ms}, []step{{0, 1500, 10 * ms, arrives}, {3 * ms, 1500, 13 * ms, arrives}}},
		// 1000 bytes at 8 Mbit/s take 1 ms.
		"serialised": {Impairment{Rate: 8e6, Delay: 10 * ms}, []step{
			{0, 1000, 11 * ms, arrives},
			{0, 1000, 12 * ms, arrives},
			{5 * ms, 1000, 16 * ms, arrives}, // the line has become free
			{5 * ms, 500, 16*ms + ms/2, arrives},
		}},
		"tail drop": {Impairment{Rate: 8e6, Queue: 2000}, []step{
			{0, 1000, 1 * ms, arrives},
			{0, 1000, 2 * ms, arrives},
			{0, 1000, 0, queueFull},
			{1 * ms, 1000, 3 * ms, arrives},
		}},
		"a free line takes a frame longer than the queue": {Impairment{Rate: 8e6, Queue: 10}, []step{
			{0, 1000, 1 * ms, arrives},
			{0, 1, 0, queueFull},
			{1 * ms, 1000, 2 * ms, arrives},
		}},
		"too long": {Impairment{MTU: 1280, Rate: 8e6}, []step{{0, 14 + 1281, 0, blackholed}, {0, 1000, 1 * ms, arrives}, {0, 14 + 1280, 2*ms + 294*ms/1000, arrives}}},
		"all lost": {Impairment{Loss: 1}, []step{{0, 1500, 0, lost}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(1, 1)
			for i, s := range c.steps {
				at, f := l.admit(s.now, s.size, &c.imp)
				if f != s.fate || at != s.at {
					t.Errorf("step %d: at %v fate %d, want %v, %d", i, at, f, s.at, s.fate)
				}
			}
		})
	}
}

// Whatever the settings, frames arrive in order, none sooner than the delay
// allows, and no faster than the rate.
func TestLineProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		imp := Impairment{
			Delay:  time.Duration(rapid.IntRange(0, 50e6).Draw(t, "delay")),
			Jitter: time.Duration(rapid.IntRange(0, 20e6).Draw(t, "jitter")),
			Rate:   rapid.SampledFrom([]int64{0, 1e6, 100e6, 10e9}).Draw(t, "rate"),
			Queue:  rapid.SampledFrom([]int{0, 3000, 1e6}).Draw(t, "queue"),
			Loss:   rapid.Float64Range(0, 1).Draw(t, "loss"),
		}
		l := newLine(rapid.Uint64().Draw(t, "seed"), 0)
		var now, last, sent time.Duration
		for range rapid.IntRange(1, 100).Draw(t, "frames") {
			now += time.Duration(rapid.IntRange(0, 1e6).Draw(t, "pause"))
			size := rapid.IntRange(60, 1514).Draw(t, "size")
			at, f := l.admit(now, size, &imp)
			if f != arrives {
				continue
			}
			sent += imp.transmitTime(size)
			if at < last {
				t.Fatalf("arrives at %v, after one that arrives at %v", at, last)
			}
			if at < now+imp.Delay+imp.transmitTime(size) || at < imp.Delay+sent {
				t.Fatalf("sent at %v, arrives at %v: too soon", now, at)
			}
			if wait := imp.queueTime() + imp.transmitTime(1514); imp.Rate > 0 && at > max(last, now+imp.Delay+imp.Jitter+wait) {
				t.Fatalf("sent at %v, arrives at %v: too late", now, at)
			}
			last = at
		}
	})
}

func TestLineIsRepeatable(t *testing.T) {
	imp := Impairment{Jitter: time.Millisecond, Loss: 0.5}
	a, b, other := newLine(7, 1), newLine(7, 1), newLine(7, 2)
	differs := false
	for i := range 100 {
		now := time.Duration(i) * time.Millisecond
		atA, fA := a.admit(now, 100, &imp)
		atB, fB := b.admit(now, 100, &imp)
		atO, fO := other.admit(now, 100, &imp)
		if atA != atB || fA != fB {
			t.Fatalf("frame %d: %v %d and %v %d from one seed", i, atA, fA, atB, fB)
		}
		differs = differs || atA != atO || fA != fO
	}
	if !differs {
		t.Error("the directions have the same chances")
	}
}

func TestSuperFramesOnlyWhereTheyMakeNoDifference(t *testing.T) {
	for _, c := range []struct {
		imp  Impairment
		want bool
	}{
		{Impairment{}, true},
		{Impairment{Delay: time.Second, Jitter: 1}, true},
		{Impairment{Rate: 1e9}, true},
		{Impairment{Rate: 100e6}, false},
		{Impairment{Loss: 1e-9}, false},
	} {
		if got := c.imp.superFrames(); got != c.want {
			t.Errorf("%+v: %v", c.imp, got)
		}
	}
}

func TestDefaultQueue(t *testing.T) {
	// 50 ms at 100 Mbit/s are more than 16 frames, at 100 kbit/s they are less.
	if got := (Impairment{Rate: 100e6}).queueTime(); got != defaultQueueTime {
		t.Errorf("queue at 100 Mbit/s: %v", got)
	}
	slow := Impairment{Rate: 100e3}
	if got, want := slow.queueTime(), slow.transmitTime(defaultQueueBytes); got != want {
		t.Errorf("queue at 100 kbit/s: %v, want %v", got, want)
	}
}

func TestImpairmentValidate(t *testing.T) {
	for _, i := range []Impairment{
		{Delay: -1}, {Jitter: -1}, {Rate: -1}, {Queue: -1}, {Loss: -1}, {Loss: 2}, {Loss: math.NaN()},
	} {
		if i.Validate() == nil {
			t.Errorf("%+v is valid", i)
		}
	}
	if err := (Impairment{Loss: 1, Blackhole: true}).Validate(); err != nil {
		t.Error(err)
	}
}
