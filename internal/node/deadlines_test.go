package node

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDeadlines compares the heap with a look at every peer.
func TestDeadlines(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		peers := make([]*peer, rapid.IntRange(1, 20).Draw(t, "peers"))
		for i := range peers {
			peers[i] = &peer{heapIndex: -1}
		}
		var d deadlines
		model := make(map[*peer]time.Time)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				p := rapid.SampledFrom(peers).Draw(t, "peer")
				at := base.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "at")) * time.Second)
				d.set(p, at)
				model[p] = at
			},
			"clear": func(t *rapid.T) {
				p := rapid.SampledFrom(peers).Draw(t, "peer")
				d.set(p, time.Time{})
				delete(model, p)
			},
			"take the first": func(t *rapid.T) {
				if len(d) == 0 {
					return
				}
				p := d[0]
				if !p.deadline.Equal(model[p]) {
					t.Fatalf("deadline %v, was set to %v", p.deadline, model[p])
				}
				d.set(p, time.Time{})
				delete(model, p)
			},
			"": func(t *rapid.T) {
				var first time.Time
				for _, at := range model {
					if first.IsZero() || at.Before(first) {
						first = at
					}
				}
				if !d.first().Equal(first) || len(d) != len(model) {
					t.Fatalf("%d deadlines, the first %v; want %d, %v", len(d), d.first(), len(model), first)
				}
				for i, p := range d {
					if int(p.heapIndex) != i {
						t.Fatalf("the peer at %d believes to be at %d", i, p.heapIndex)
					}
				}
				for _, p := range peers {
					if _, in := model[p]; in != (p.heapIndex >= 0) {
						t.Fatalf("in the heap: %v, want %v", p.heapIndex >= 0, in)
					}
				}
			},
		})
	})
}
