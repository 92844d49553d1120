package node_test

import (
	"flag"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/shim"
)

var removals = flag.Int("removals", 10, "how often TestRemovePrimary takes the primary pair's address or link away, each")

// TestRemovePrimary takes what A's primary pair uses away under load, again and
// again: first addresses, then links. It logs how soon A has switched and the next
// byte has come.
func TestRemovePrimary(t *testing.T) {
	for _, c := range []struct {
		name     string
		take     func(t *testing.T, u *uplink)
		giveBack func(t *testing.T, u *uplink)
	}{
		{
			"address",
			func(t *testing.T, u *uplink) { u.leave(t, v6, home, 1) },
			func(t *testing.T, u *uplink) { u.plug(t, v6) },
		},
		{
			"link",
			func(t *testing.T, u *uplink) { must(t, u.host.SetDown(u.name)) },
			func(t *testing.T, u *uplink) {
				must(t, u.host.SetUp(u.name))
				eventually(t, patience, "routes to be accepted", func() bool {
					return u.host.AddRoute(u.defaultRoute(v6, home)) == nil
				})
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStar(t)
			d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, v6), s.a2.plug(t, v6)}, []netip.Addr{s.b1.plug(t, v6)})
			tcp := d.aCallsB(t)
			defer tcp.finish(t)
			events, end := d.a.Subscribe()
			defer end()
			var switched, next []time.Duration
			for range *removals {
				tcp.moves(t, some, patience)
				local, _ := awaitPrimary(t, d.a)
				tcp.gap.begin()
				at := time.Now()
				c.take(t, s.carrying(local))
				switched = append(switched, awaitSwitch(t, events, local).Sub(at))
				tcp.moves(t, some, patience)
				_, ended := tcp.gap.worst()
				next = append(next, ended.Sub(at))
				c.giveBack(t, s.carrying(local))
				awaitLocator(t, d.a, local, "operational")
			}
			t.Logf("%d removals: switched after median %v, max %v; next byte after median %v, max %v",
				len(next), median(switched), slices.Max(switched), median(next), slices.Max(next))
		})
	}
}

// awaitSwitch waits for a switch to a pair that does not use local, and returns when
// it was.
func awaitSwitch(t *testing.T, events <-chan node.Event, local netip.Addr) time.Time {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case e := <-events:
			if e.Kind == shim.EventSwitch.String() && e.Pair != nil && e.Pair.Local != local.String() {
				return e.At
			}
		case <-limit.C:
			t.Fatalf("no switch away from %v within %v", local, patience)
		}
	}
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}
