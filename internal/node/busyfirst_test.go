package node

import (
	"runtime"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/shim"
)

// TestBusyFirst: every peer has its turn once, whatever packets pass meanwhile, and those come
// first that something was under way to before.
func TestBusyFirst(t *testing.T) {
	const peers, busy, waking = 2000, 7, 20
	common := &shim.Node{Timers: detect.Balanced}
	for range 50 {
		l := &looper{Node: new(Node)}
		for i := range peers {
			p := &peer{context: shim.New(shim.Config{Node: common}, time.Now())}
			l.peers = append(l.peers, p)
			if i >= peers-busy {
				p.context.Marks.Touch()
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 0; i < peers-busy; i += waking {
				l.peers[i].context.Marks.Touch()
				runtime.Gosched()
			}
		}()
		got := l.busyFirst()
		<-done
		seen, last := make(map[*peer]int), 0
		for i, p := range got {
			if seen[p]++; seen[p] > 1 {
				t.Fatal("a peer has its turn twice")
			}
			if p == l.peers[peers-1] {
				last = i
			}
		}
		if len(got) != peers || last > busy+peers/waking {
			t.Fatalf("%d of %d peers have their turn, one that is busy as number %d", len(got), peers, last)
		}
	}
}
