package alarms

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/shim"
)

func usual() Setting {
	return Setting{
		Profile: "balanced", Timers: detect.Balanced, Traffic: RR, RTT: 20 * time.Millisecond, Shape: Uniform,
	}
}

// jittery and lossy are the settings under which the balanced profile is not to switch.
func jittery() Setting {
	s := usual()
	s.Jitter, s.Loss, s.Busy = 10*time.Millisecond, 0.005, true
	return s
}

func lossy() Setting {
	s := usual()
	s.Loss = 0.05
	return s
}

// peace runs s in that many worlds, each of which lasts for piece, and returns what was counted.
func peace(s Setting, worlds int, piece time.Duration) (c counts) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range worlds {
		wg.Go(func() {
			one := peaceful(s, 1, uint64(i), piece)
			mu.Lock()
			defer mu.Unlock()
			c.add(one)
		})
	}
	wg.Wait()
	return c
}

// TestNoFalseSwitch: jitter and loss raise suspicion, but do not move a connection.
func TestNoFalseSwitch(t *testing.T) {
	n := worlds
	if testing.Short() {
		n = 1
	}
	for _, setting := range []Setting{jittery(), lossy()} {
		t.Run(setting.condition(), func(t *testing.T) {
			t.Parallel()
			c := peace(setting, n, longestPiece)
			t.Logf("%v: %d suspicions, %d false alarms, %d control datagrams", c.time, c.suspicions, c.falseAlarms, c.control)
			if c.switches > 0 {
				t.Errorf("%d false switches in %v", c.switches, c.time)
			}
			if c.falseAlarms == 0 {
				t.Error("no false alarm: the simulation does not try the detection")
			}
		})
	}
}

// TestHasty shows that the simulation does find false switches: one Poll decides at
// first, and too soon, on a path that loses a fifth of all.
func TestHasty(t *testing.T) {
	s := usual()
	s.Loss, s.Timers.Tries, s.Timers.Margin = 0.2, 1, time.Millisecond
	if c := peace(s, 1, time.Minute); c.switches == 0 {
		t.Errorf("no false switch in %v with %d suspicions", c.time, c.suspicions)
	}
}

// TestFailures: every kind of traffic finds out that its path is dead.
func TestFailures(t *testing.T) {
	for _, k := range Traffics() {
		t.Run(string(k), func(t *testing.T) {
			s := usual()
			s.Traffic = k
			all := failures(s, 1, 1, min(20, 5*worlds))
			for i, d := range all {
				if d.missed || d.suspicion == 0 || d.suspicion > d.left {
					t.Errorf("failure %d: %+v", i, d)
				}
			}
			// The send timer, the peer's report delay, a Poll's time and both ends' turns.
			if median, _ := spread(all, func(d detection) time.Duration { return d.left }); median > 500*time.Millisecond {
				t.Errorf("the median until both ends have left is %v", median)
			}
		})
	}
}

// TestTraffic: what is sent arrives, whatever the links do, and at its pace.
func TestTraffic(t *testing.T) {
	seconds := min(60, 10*worlds)
	for _, k := range []Traffic{RR, Feed, PP} {
		for _, shape := range Shapes() {
			s := usual()
			s.Traffic, s.Shape, s.Jitter, s.Loss, s.Bursts = k, shape, 10*time.Millisecond, 0.02, true
			w := open(s, 1, 1)
			w.run(w.now + time.Duration(seconds)*time.Second)
			a, b := &w.a.tcp, &w.b.tcp
			if a.written-b.received > 50*messageLen || k != Feed && b.written-a.received > 50*messageLen {
				t.Errorf("%s, %s: %+v, %+v", k, shape, a, b)
			}
			if k != PP && int(b.received) < 95*seconds*messageLen {
				t.Errorf("%s, %s: only %d bytes in %d s", k, shape, b.received, seconds)
			}
		}
	}
}

// TestRepeatable: the same seed gives the same world, another one gives another.
func TestRepeatable(t *testing.T) {
	s := jittery()
	s.Loss = 0.05
	log := func(seed uint64) (text string) {
		w := newWorld(s, seed, 1)
		w.watch = func(e *end, ev shim.Event) {
			text += fmt.Sprintln(w.now, e.name, ev.Kind, ev.Pair, ev.From, ev.To, ev.Cause)
		}
		w.run(time.Minute)
		return text
	}
	first, again, other := log(1), log(1), log(2)
	if first != again {
		t.Error("two worlds of one seed differ")
	}
	if first == other {
		t.Error("worlds of two seeds are the same")
	}
}
