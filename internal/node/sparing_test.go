package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/sim"
)

// Where a link of this end fails, most of what is not confirmed has arrived, or is about to,
// and its acknowledgements come over the new pair: of what was sent within the last round trip
// only the newest goes again.
func TestLinkDownResendsLittle(t *testing.T) {
	const chunk, inFlight = 1300, 20 // bytes a millisecond, for a round trip of so many
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Fast)
		defer w.end()
		client, server := w.connect(t)
		written := int64(1 << 20)
		client.Write(written) // has the window opened
		write := func(ms int) {
			for range ms {
				client.Write(chunk)
				written += chunk
				time.Sleep(time.Millisecond)
			}
		}
		write(3000)
		before := counters(w.a.Node)
		p, _ := w.a.primary()
		w.a.host.SetUp(sim.Uplink(uplinkOf(p)), false)
		write(1000)
		if err := server.WaitReceived(10*time.Second, written); err != nil {
			t.Fatal(err)
		}
		now := counters(w.a.Node)
		switches, resent := now.Switches-before.Switches, now.Resent-before.Resent
		if switches != 1 || resent == 0 || resent > inFlight/2 {
			t.Errorf("%d packets sent again in %d switches, want one switch and at most half of %d", resent, switches, inFlight)
		}
	})
}
