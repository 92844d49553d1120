package node

import (
	"testing"

	"github.com/multi6/multi6/shim"
)

// Who wakes the loop may hold what the loop waits for, and so may the loop itself: however
// many peers there are and however often they wake, nobody waits.
func TestWakeNeverWaits(t *testing.T) {
	const peers = 3000
	cfg := Config{Identity: shim.NewIdentity(shim.NewPrivateKey([shim.KeyLen]byte{8}))}
	for i := range peers {
		key := shim.NewIdentity(shim.NewPrivateKey([shim.KeyLen]byte{16, byte(i), byte(i >> 8)})).Public
		cfg.Peers = append(cfg.Peers, Peer{Key: key})
	}
	n, err := New(cfg, Edges{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, p := range n.peers {
			n.wake(p) // a full queue would end the test by its time-out
		}
	}
	if len(n.wakes) != peers {
		t.Errorf("%d in the queue, want each of %d once", len(n.wakes), peers)
	}
}
