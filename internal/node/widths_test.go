package node_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
)

// TestRandomWidths has what the paths carry change at random, in silence, under TCP
// that sends both ways with no other word of it than from its own node. Every byte
// arrives, and in the end both know better than to send what is too long.
func TestRandomWidths(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomWidths(t, seed) })
		})
	}
}

func randomWidths(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	w := newWorld(t, seed, detect.Balanced, func(c *node.Config) { c.MTU = jumboInner })
	defer w.end()
	set := func(mtu int) {
		for _, h := range []*sim.Host{w.a.host, w.b.host} {
			for i := 1; i <= 2; i++ {
				h.EditInterface(sim.Uplink(i), func(out, _ *sim.Link) { out.MTU = mtu })
			}
		}
	}
	for _, h := range []*sim.Host{w.a.host, w.b.host} {
		for i := 1; i <= 2; i++ {
			h.SetMTU(sim.Uplink(i), jumbo)
		}
	}
	mtu := 0
	for range 4 {
		client, server := w.connect(t) // whose segments are long again
		mtu = 1280 + random.IntN(jumbo+1-1280)
		set(mtu)
		var written int64
		for range 40 {
			client.Write(50_000)
			server.Write(10_000)
			written += 10_000
			time.Sleep(50 * time.Millisecond)
		}
		for _, err := range []error{server.WaitReceived(20*time.Second, 5*written), client.WaitReceived(20*time.Second, written)} {
			if err != nil {
				t.Fatalf("%d bytes wide: %v", mtu, err)
			}
		}
	}
	for _, v := range []*virtual{w.a, w.b} {
		s, _ := v.Status()
		for _, p := range s.Peers[0].Pairs {
			if p.Primary && (p.PathMTU > mtu || p.PathMTUState != detect.MTUComplete.String()) {
				t.Errorf("%v: path MTU %d of %d, %s", v.host, p.PathMTU, mtu, p.PathMTUState)
			}
		}
		if c := s.Peers[0].Counters; c.Outages > 0 || c.Switches > 0 {
			t.Errorf("%v: %d outages, %d switches", v.host, c.Outages, c.Switches)
		}
	}
}
