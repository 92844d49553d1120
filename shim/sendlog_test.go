package shim

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wrapAt is when 32 bits of microseconds wrap around.
const wrapAt = (1 << 32) * time.Microsecond

// A logged is one add in the slow obvious log.
type logged struct {
	at     time.Duration
	number uint32
}

// fillLog adds packets no more than gap apart, some of them around a wrap of
// time and of numbers.
func fillLog(t *rapid.T, grain, gap time.Duration) (l *sendLog, all []logged) {
	l = new(sendLog)
	at := rapid.SampledFrom([]time.Duration{time.Second, wrapAt - 20*time.Millisecond, 3*wrapAt - time.Millisecond}).Draw(t, "start")
	number := rapid.SampledFrom([]uint32{0, math.MaxInt32 - 5, math.MaxUint32 - 5}).Draw(t, "number")
	for range rapid.IntRange(1, 600).Draw(t, "adds") {
		l.add(at, grain, number)
		all = append(all, logged{at, number})
		// A log is exact to the microsecond.
		at += time.Duration(rapid.Int64Range(0, gap.Microseconds()).Draw(t, "gap")) * time.Microsecond
		number += uint32(rapid.IntRange(1, 3).Draw(t, "step"))
	}
	return l, all
}

// reach is how far back a log looks at least: a grain makes two entries at most.
func reach(grain time.Duration) time.Duration { return logEntries / 2 * grain }

func TestSendLogAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grain := time.Duration(rapid.Int64Range(int64(leastGrain), int64(mostGrain)).Draw(t, "grain"))
		gap := grain / 2
		l, all := fillLog(t, grain, gap)
		last := all[len(all)-1].at
		now := last + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "later"))
		limit := last - time.Duration(rapid.Int64Range(-grain.Microseconds(), reach(grain).Microseconds()).Draw(t, "before the last"))*time.Microsecond
		var want time.Duration // the slow obvious answer
		for _, x := range all {
			if x.at > limit {
				want = x.at
				break
			}
		}
		got := l.after(limit, now)
		switch {
		case want == 0:
			if got != 0 {
				t.Fatalf("after(%v) = %v, want none", limit, got)
			}
		case got < want-time.Microsecond || got > want+grain+gap:
			t.Fatalf("after(%v) = %v, want %v and at most %v later", limit, got, want, grain+gap)
		}
	})
}

func TestSendLogSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grain := time.Duration(rapid.Int64Range(int64(leastGrain), int64(mostGrain)).Draw(t, "grain"))
		l, all := fillLog(t, grain, 2*grain)
		last := all[len(all)-1].at
		now := last + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "later"))
		asked := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
		got, within, ok := l.sent(asked.number, now)
		if !ok {
			if last-asked.at < reach(grain) {
				t.Fatalf("what was sent %v before the last is forgotten", last-asked.at)
			}
			return
		}
		if got > asked.at || got <= asked.at-grain-time.Microsecond {
			t.Fatalf("sent at %v, want %v and at most %v earlier", got, asked.at, grain)
		}
		if asked.at-got > within+time.Microsecond || within > 2*grain+time.Microsecond {
			t.Fatalf("sent at %v within %v, want %v and no more than two grains", got, within, asked.at)
		}
	})
}

// TestSendLogWithin: how exact the log is about a packet depends on what it has around it.
func TestSendLogWithin(t *testing.T) {
	const ms = time.Millisecond
	var l sendLog
	for _, at := range []time.Duration{1000, 1002, 1012, 1500} {
		l.add(at*ms, 10*ms, uint32(at))
	}
	for number, want := range map[uint32]time.Duration{
		1000: 0, 1001: 2 * ms, // what came before a pause is in the log
		1002: 0, 1005: 10 * ms, 1012: 0, 1400: 488 * ms, 1500: 0, 1501: forever,
	} {
		if _, within, ok := l.sent(number, 2*time.Second); !ok || within != want {
			t.Errorf("packet %d was sent within %v, %v; want %v", number, within, ok, want)
		}
	}
}

func TestSendLogEmpty(t *testing.T) {
	var l sendLog
	if at := l.after(0, time.Hour); at != 0 {
		t.Errorf("after = %v, want none", at)
	}
	if _, _, ok := l.sent(7, time.Hour); ok {
		t.Error("a packet was sent")
	}
}

// TestSendLogBefore: nothing is known of packets before the first.
func TestSendLogBefore(t *testing.T) {
	var l sendLog
	l.add(time.Second, leastGrain, 10)
	if at, _, ok := l.sent(9, time.Hour/4); ok {
		t.Errorf("packet 9 was sent at %v", at)
	}
	if at, _, ok := l.sent(10, time.Hour/4); !ok || at != time.Second {
		t.Errorf("packet 10 was sent at %v, %v; want 1s", at, ok)
	}
}

// TestSendLogRace: an entry made after the reader has looked at the clock counts
// as made at that moment, not an hour before.
func TestSendLogRace(t *testing.T) {
	var l sendLog
	l.add(2*time.Second, leastGrain, 10)
	now := 2*time.Second - 5*time.Microsecond
	if at := l.after(time.Second, now); at != now {
		t.Errorf("after = %v, want %v", at, now)
	}
}

// TestSendLogSameGrain: what is sent within the grain of an entry is found as long
// as it is the last.
func TestSendLogSameGrain(t *testing.T) {
	var l sendLog
	l.add(time.Second, mostGrain, 1)
	l.add(time.Second+time.Millisecond, mostGrain, 2)
	if at := l.after(time.Second, time.Second+2*time.Millisecond); at != time.Second+time.Millisecond {
		t.Errorf("after = %v, want 1.001s", at)
	}
}

// TestSendLogPause: what was sent within the grain of an entry is found after a
// pause too; else the first packet after it would hide that it is unconfirmed.
func TestSendLogPause(t *testing.T) {
	var l sendLog
	for _, at := range []time.Duration{1000, 1005, 1500} {
		l.add(at*time.Millisecond, mostGrain, uint32(at))
	}
	now := 1600 * time.Millisecond
	for after, want := range map[time.Duration]time.Duration{999: 1000, 1000: 1005, 1004: 1005, 1005: 1500, 1499: 1500, 1500: 0} {
		if got := l.after(after*time.Millisecond, now); got != want*time.Millisecond {
			t.Errorf("after(%d ms) = %v, want %d ms", after, got, want)
		}
	}
	for number, want := range map[uint32]time.Duration{1000: 1000, 1004: 1000, 1005: 1005, 1499: 1005, 1500: 1500, 2000: 1500} {
		if got, _, ok := l.sent(number, now); !ok || got != want*time.Millisecond {
			t.Errorf("sent(%d) = %v, %v; want %d ms", number, got, ok, want)
		}
	}
	// Nothing is left behind for the next pause.
	l.add(2*time.Second, mostGrain, 2000)
	if got := l.after(1500*time.Millisecond, 3*time.Second); got != 2*time.Second {
		t.Errorf("after(1500 ms) = %v, want 2s", got)
	}
}

// TestSendLogHour: an entry is good for an hour.
func TestSendLogHour(t *testing.T) {
	for _, start := range []time.Duration{time.Second, wrapAt - time.Second, wrapAt - 30*time.Minute} {
		for _, age := range []time.Duration{0, 35 * time.Minute, 36 * time.Minute, 41 * time.Minute, time.Hour} {
			var l sendLog
			l.add(start, leastGrain, 1)
			if got, _, ok := l.sent(1, start+age); !ok || got != start {
				t.Errorf("sent %v ago: sent = %v, %v; want %v", age, got, ok, start)
			}
			if got := l.after(start-1, start+age); got != start {
				t.Errorf("sent %v ago: after = %v, want %v", age, got, start)
			}
		}
	}
}

// TestSendLogRemembers: what was sent first after t stays known when the log has wrapped.
func TestSendLogRemembers(t *testing.T) {
	const ms, arrived = time.Millisecond, time.Second
	var l sendLog
	for now := arrived + ms; now < arrived+2*time.Second; now += ms {
		l.add(now, ms, uint32(now/ms))
		if now%(20*ms) != 0 {
			continue
		}
		if got := l.after(arrived, now); got != arrived+ms {
			t.Fatalf("after %v: the first packet was sent at +%v, want +1ms", now-arrived, got-arrived)
		}
	}
	now := arrived + 2*time.Second
	if got := l.after(now-10*ms, now); got <= now-10*ms || got > now-8*ms {
		t.Errorf("when more has arrived: %v, want some 9ms before %v", got, now)
	}
	if got := l.after(now, now); got != 0 {
		t.Errorf("when all has arrived: %v, want 0", got)
	}
}

// TestSendLogHours: what is older than an hour, by whatever chance, is never taken for new.
func TestSendLogHours(t *testing.T) {
	for _, age := range []time.Duration{61 * time.Minute, 67*time.Minute + 7*time.Second, 70 * time.Minute, 72 * time.Minute, 100 * time.Hour} {
		var l sendLog
		l.add(time.Second, leastGrain, 10)
		l.add(time.Second+leastGrain/2, leastGrain, 12)
		now := time.Second + age
		confirmed := now - 20*time.Millisecond
		if got := l.after(confirmed, now); got != 0 {
			t.Errorf("a packet of %v ago counts as sent %v ago", age, now-got)
		}
		if at, _, ok := l.sent(20, now); ok {
			t.Errorf("a packet of %v ago counts as sent %v ago", age, now-at)
		}
		// One more, and what lies between them.
		l.add(now, leastGrain, 30)
		if at, _, ok := l.sent(20, now); ok {
			t.Errorf("a packet of %v ago counts as sent %v ago, before one more", age, now-at)
		}
		if got := l.after(confirmed, now+time.Millisecond); got != now {
			t.Errorf("after one more: %v, want %v", got, now)
		}
	}
	// Pauses of less than an hour that add up to more.
	var l sendLog
	for i := range 3 {
		l.add(time.Duration(i)*35*time.Minute, leastGrain, uint32(10*i))
	}
	now := 70 * time.Minute
	if at, _, ok := l.sent(5, now); ok {
		t.Errorf("a packet of 70m ago counts as sent %v ago", now-at)
	}
	if at, _, ok := l.sent(15, now); !ok || at != 35*time.Minute {
		t.Errorf("a packet of 35m ago counts as sent at %v, %v", at, ok)
	}
	if got := l.after(now-36*time.Minute, now); got != 35*time.Minute {
		t.Errorf("after = %v, want 35m", got)
	}
	if got := l.after(now-time.Millisecond, now); got != now {
		t.Errorf("after = %v, want %v", got, now)
	}
}
