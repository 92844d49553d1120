package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/locator"
)

// prefer makes every host like its i-th uplink better.
func prefer(i int) func(*node.Config) {
	return func(c *node.Config) {
		c.Policy.Rules = []locator.Rule{{Interface: sim.Uplink(i), Preference: locator.DefaultPreference + 1}}
	}
}

// metered makes every host's i-th uplink cost by the byte.
func metered(i int) func(*node.Config) {
	return func(c *node.Config) {
		c.Policy.Rules = []locator.Rule{{Interface: sim.Uplink(i), Preference: locator.DefaultPreference, Metered: true}}
	}
}

// drip lets the client write a little all the time, for d, and calls each every
// 10 ms.
func drip(client *sim.TCP, d time.Duration, each func()) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		client.Write(100)
		each()
	}
}

// wantStall fails if the server's data has stalled for longer than limit since then.
func wantStall(t *testing.T, server *sim.TCP, since time.Time, limit time.Duration, what string) {
	t.Helper()
	_, stall := sim.LongestStall(server.Deliveries(), since, time.Now())
	t.Logf("%s: longest stall %v", what, stall)
	if stall > limit {
		t.Errorf("%s: a stall of %v, want %v at most", what, stall, limit)
	}
}

// uses reports whether v sends over its i-th uplink.
func (v *virtual) uses(i int) bool {
	p, _ := v.primary()
	return p.From == sim.LocatorOf(v.host.String(), i)
}

// reaches reports whether v sends to the peer's i-th uplink.
func (v *virtual) reaches(i int) bool {
	p, _ := v.primary()
	return p.To == sim.LocatorOf(sim.HostA, i) || p.To == sim.LocatorOf(sim.HostB, i)
}

// until waits until ok, and fails if it is not within limit.
func until(t *testing.T, limit time.Duration, client *sim.TCP, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, limit)
		}
		client.Write(100)
	}
}

// Traffic goes over the uplink that is liked better, moves off it when it fails, and
// back when it has worked for the hold time, without loss.
func TestFailback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced, prefer(2))
		defer w.end()
		client, server := w.connect(t)
		client.Write(1000)
		until(t, time.Second, client, "the better uplink", func() bool { return w.a.uses(2) && w.b.uses(2) })
		drip(client, time.Second, func() {})
		w.a.host.EditInterface(sim.Uplink(2), func(out, in *sim.Link) { out.Blocked, in.Blocked = true, true })
		until(t, time.Second, client, "failover", func() bool { return w.a.uses(1) && w.b.reaches(1) })
		drip(client, time.Minute, func() {})
		w.a.host.EditInterface(sim.Uplink(2), func(out, in *sim.Link) { out.Blocked, in.Blocked = false, false })
		healed := time.Now()
		until(t, 3*time.Minute, client, "failback", func() bool { return w.a.uses(2) && w.b.uses(2) })
		if after := time.Since(healed); after < detect.DefaultHold {
			t.Errorf("back after %v, the hold time is %v", after, detect.DefaultHold)
		} else {
			t.Logf("back after %v", after)
		}
		drip(client, time.Second, func() {})
		wantStall(t, server, healed, 60*time.Millisecond, "failback")
	})
}

// A link that is set down and up every two seconds, or loses everything every two
// seconds, for five minutes: nearly all the time the steady uplink is used, be the
// other liked better or not.
func TestFlappingUplink(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*node.Config)
		hold time.Duration
		flap func(w *world, down bool)
		// halves is how often it changes, 150 being five minutes.
		halves int
	}{
		{"silent", func(*node.Config) {}, detect.DefaultHold, blockFirst, 40},
		{"silent, liked better", prefer(1), detect.DefaultHold, blockFirst, 150},
		{"silent, liked better, back after 1 s", prefer(1), time.Second, blockFirst, 150},
		{"link", prefer(1), detect.DefaultHold, downFirst, 40},
		{"link, back after 1 s", prefer(1), time.Second, downFirst, 40},
	} {
		if testing.Short() && c.halves > 40 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timers := detect.Balanced
				timers.Hold = c.hold
				w := newWorld(t, 1, timers, c.edit)
				defer w.end()
				client, server := w.connect(t)
				drip(client, time.Second, func() {})
				began := time.Now()
				var steady, all int
				for i := range c.halves {
					c.flap(w, i%2 == 0)
					drip(client, 2*time.Second, func() {
						all++
						if w.a.uses(2) {
							steady++
						}
					})
				}
				c.flap(w, false)
				share := float64(steady) / float64(all)
				t.Logf("%.1f %% of the time on the steady uplink", 100*share)
				if share < 0.95 {
					t.Errorf("%.1f %% of the time on the steady uplink, want 95", 100*share)
				}
				wantStall(t, server, began, 400*time.Millisecond, "flapping")
			})
		})
	}
}

func blockFirst(w *world, down bool) {
	w.a.host.EditInterface(sim.Uplink(1), func(out, in *sim.Link) { out.Blocked, in.Blocked = down, down })
}

func downFirst(w *world, down bool) { w.a.host.SetUp(sim.Uplink(1), !down) }

// Draining an interface moves both ends off it without a gap; afterwards it may be
// taken down.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced, prefer(1))
		defer w.end()
		client, server := w.connect(t)
		client.Write(1000)
		until(t, time.Second, client, "the better uplink", func() bool { return w.a.uses(1) && w.b.uses(1) })
		drip(client, time.Second, func() {})
		began := time.Now()
		res, err := w.a.Drain(t.Context(), node.DrainRequest{Interface: sim.Uplink(1)})
		if err != nil || len(res.Left) != 0 || len(res.Locators) != 1 || time.Since(began) > 100*time.Millisecond {
			t.Fatalf("%+v, %v after %v", res, err, time.Since(began))
		}
		until(t, time.Second, client, "B to follow", func() bool { return w.b.reaches(2) })
		w.a.host.SetUp(sim.Uplink(1), false)
		drip(client, time.Second, func() {})
		wantStall(t, server, began, 60*time.Millisecond, "drain")
		w.a.host.SetUp(sim.Uplink(1), true)
		drip(client, time.Minute, func() {
			if w.a.uses(1) {
				t.Fatal("back on a drained interface")
			}
		})
		if _, err := w.a.Drain(t.Context(), node.DrainRequest{Interface: sim.Uplink(1), Undo: true}); err != nil {
			t.Fatal(err)
		}
		until(t, time.Minute, client, "the better uplink again", func() bool { return w.a.uses(1) && w.b.uses(1) })
		wantStall(t, server, began, 60*time.Millisecond, "drain and undo")
	})
}

// Draining the only interface leaves traffic where it is, and says so.
func TestDrainOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced)
		defer w.end()
		w.a.host.SetUp(sim.Uplink(2), false)
		client, server := w.connect(t)
		drip(client, time.Second, func() {})
		began := time.Now()
		done := make(chan node.DrainResult)
		go func() {
			res, err := w.a.Drain(t.Context(), node.DrainRequest{Interface: sim.Uplink(1)})
			if err != nil {
				t.Error(err)
			}
			done <- res
		}()
		for {
			client.Write(100)
			time.Sleep(10 * time.Millisecond)
			select {
			case res := <-done:
				if len(res.Left) != 1 || res.Left[0] != "b" {
					t.Errorf("%+v", res)
				}
				wantStall(t, server, began, 100*time.Millisecond, "drain")
				return
			default:
			}
		}
	})
}

// What a user switches to is used by both ends, and stays.
func TestSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced, prefer(1))
		defer w.end()
		if _, err := w.a.Switch(t.Context(), node.SwitchRequest{Peer: "b", Local: sim.Uplink(2)}); err == nil {
			t.Error("an idle peer was switched")
		}
		client, server := w.connect(t)
		drip(client, time.Second, func() {})
		began := time.Now()
		request := node.SwitchRequest{Peer: "b", Local: sim.Uplink(2), Remote: sim.LocatorOf(sim.HostB, 2).String()}
		res, err := w.a.Switch(t.Context(), request)
		if err != nil || !res.Switched || !w.a.uses(2) {
			t.Fatalf("%+v, %v", res, err)
		}
		until(t, time.Second, client, "B to follow", func() bool { return w.b.uses(2) })
		drip(client, 2*time.Minute, func() {
			if !w.a.uses(2) || !w.b.uses(2) {
				t.Fatal("it did not stay")
			}
		})
		wantStall(t, server, began, 60*time.Millisecond, "switch")
		w.a.host.EditInterface(sim.Uplink(1), func(out, in *sim.Link) { out.Blocked, in.Blocked = true, true })
		res, err = w.a.Switch(t.Context(), node.SwitchRequest{Peer: "b", Local: sim.Uplink(1)})
		if err != nil || res.Switched || !w.a.uses(2) {
			t.Errorf("to a dead uplink: %+v, %v", res, err)
		}
		w.a.host.EditInterface(sim.Uplink(1), func(out, in *sim.Link) { out.Blocked, in.Blocked = false, false })
		if res, err = w.a.Switch(t.Context(), node.SwitchRequest{Peer: "b", Auto: true}); err != nil || !res.Switched {
			t.Errorf("auto: %+v, %v", res, err)
		}
		until(t, time.Minute, client, "both ends to choose for themselves", func() bool { return w.a.uses(1) && w.b.uses(1) })
		for _, bad := range []node.SwitchRequest{{Peer: "c"}, {Peer: "b", Local: "nic"}, {Peer: "b", Remote: "192.0.2.1"}} {
			if _, err := w.a.Switch(t.Context(), bad); err == nil {
				t.Errorf("%+v is accepted", bad)
			}
		}
	})
}

// TestSwitchDespiteLoss: a lost test is no reason to refuse what a user wants.
func TestSwitchDespiteLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced, prefer(1))
		defer w.end()
		client, _ := w.connect(t)
		drip(client, time.Second, func() {})
		block := func(yes bool) {
			w.a.host.EditInterface(sim.Uplink(2), func(out, in *sim.Link) { out.Blocked, in.Blocked = yes, yes })
		}
		block(true)
		time.AfterFunc(time.Millisecond, func() { block(false) }) // the first test has gone by then
		res, err := w.a.Switch(t.Context(), node.SwitchRequest{Peer: "b", Local: sim.Uplink(2)})
		if err != nil || !res.Switched || !w.a.uses(2) {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// Metered uplinks carry nothing while there is nothing to say, and no traffic while
// there is another way.
func TestMeteredUplink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced, metered(1))
		defer w.end()
		client, _ := w.connect(t)
		client.Write(1000)
		until(t, time.Second, client, "the other uplink", func() bool { return w.a.uses(2) && w.b.uses(2) })
		sent := func() (n uint64) {
			for _, host := range []string{sim.HostA, sim.HostB} {
				n += w.net.Counters(sim.Path{From: sim.LocatorOf(host, 1)})[sim.Sent]
			}
			return n
		}
		time.Sleep(time.Second) // for the last answers
		before := sent()
		drip(client, time.Minute, func() {})
		time.Sleep(10 * time.Minute)
		if n := sent() - before; n != 0 {
			t.Errorf("%d datagrams over the metered uplinks", n)
		}
		w.a.host.SetUp(sim.Uplink(2), false)
		until(t, time.Second, client, "the metered uplink", func() bool { return w.a.uses(1) && w.b.uses(1) })
		time.Sleep(time.Minute)
		before = sent()
		time.Sleep(10 * time.Minute)
		if n := sent() - before; n != 0 {
			t.Errorf("%d datagrams in 10 minutes of silence", n)
		}
	})
}
