package shim

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/multi6/multi6/detect"
)

// Whatever is lost, late or doubled, and whoever restarts: nothing panics, no
// deadline leads nowhere (world.timeout), and when the world is well again both
// ends find pairs that work.
func TestWorldHeals(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		timers := rapid.SampledFrom([]detect.Timers{detect.Balanced, detect.Fast, detect.Gentle}).Draw(r, "timers")
		w := newWorld(t, setup{timers: timers, swapIdentities: rapid.Bool().Draw(r, "swap")})
		// dead holds the directed pairs that are broken, by bit.
		dead, loss, jitter := uint8(0), 0, 0
		dice := func() int { return int(w.random.Uint64() % 100) }
		w.fate = func(f *flight) []time.Duration {
			bit := 0
			for i, h := range []*host{w.a, w.b} {
				for l := range 2 {
					for m := range 2 {
						if f.from == h && f.between(h.locals[l].Addr, f.to.locals[m].Addr) {
							bit = i*4 + l*2 + m
						}
					}
				}
			}
			if dead>>bit&1 != 0 || dice() < loss {
				return nil
			}
			d := oneWay + time.Duration(dice()*jitter)*time.Millisecond/100
			if dice() < loss {
				return []time.Duration{d, d + 7*time.Millisecond}
			}
			return []time.Duration{d}
		}
		hosts := func() *host {
			if rapid.Bool().Draw(r, "at A") {
				return w.a
			}
			return w.b
		}
		r.Repeat(map[string]func(*rapid.T){
			"send": func(*rapid.T) { h := hosts(); h.send(h.udp("x")) },
			"tcp":  func(*rapid.T) { h := hosts(); h.send(h.tcp(data(uint32(dice()*100), 100))) },
			"wait": func(*rapid.T) {
				w.run(rapid.SampledFrom([]time.Duration{time.Millisecond, 30 * time.Millisecond, time.Second, time.Minute}).Draw(r, "wait"))
			},
			"chat":    func(*rapid.T) { w.chat(time.Second, 50*time.Millisecond) },
			"break":   func(*rapid.T) { dead = rapid.Uint8().Draw(r, "dead") },
			"loss":    func(*rapid.T) { loss = rapid.SampledFrom([]int{0, 5, 40}).Draw(r, "loss") },
			"jitter":  func(*rapid.T) { jitter = rapid.SampledFrom([]int{0, 20, 300}).Draw(r, "jitter") },
			"restart": func(*rapid.T) { hosts().restart() },
			"close":   func(*rapid.T) { h := hosts(); h.perform(h.c.Close(w.now, nil)); h.restart() },
			"want": func(*rapid.T) {
				h := hosts()
				h.perform(h.c.Want(w.now, h.pair(dice()%2, dice()%2), nil))
			},
			"send error": func(*rapid.T) {
				h := hosts()
				h.perform(h.c.HandleSendError(w.now, h.pair(dice()%2, dice()%2), nil))
			},
			"locals": func(*rapid.T) {
				h := hosts()
				h.setLocals(h.locals[:rapid.IntRange(0, 2).Draw(r, "locals")]...)
			},
		})
		for _, h := range []*host{w.a, w.b} {
			h.setLocals(h.locals...)
		}
		loss, jitter = 0, 0
		// One direction of one pair each is enough.
		dead = ^(1<<rapid.IntRange(0, 3).Draw(r, "a to b") | 1<<(4+rapid.IntRange(0, 3).Draw(r, "b to a")))
		if !w.talk(2 * time.Minute) {
			r.Fatalf("the world is well, but no data flows: %v", w)
		}
		w.chat(10*time.Second, 50*time.Millisecond)
		for i, h := range []*host{w.a, w.b} {
			if h.path == nil {
				r.Fatalf("%s has no path: %v", h.name, w)
			}
			p, ok := h.path.Pair, false
			for l := range 2 {
				for m := range 2 {
					ok = ok || p == h.pair(l, m) && dead>>(i*4+l*2+m)&1 == 0
				}
			}
			if !ok {
				r.Fatalf("%s uses %v, which does not work: %v", h.name, p, w)
			}
		}
	})
}
