package node

import (
	"math/rand/v2"
	"testing"

	"github.com/multi6/multi6/wire"
)

// TestTags: whatever was set and removed, a tag selects what it was last set to; and the
// table does not grow with what is gone.
func TestTags(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var tags tags
	want := make(map[wire.Tag]*target)
	all := []wire.Tag{1} // those ever set
	for step := range 200_000 {
		// Few bits that count, so that many tags have the same place.
		tag := wire.Tag(random.Uint32()&0x70000fff | 1)
		switch {
		case len(want) < 1500 && step%3 != 0:
			x := &target{tag: tag}
			tags.set(x)
			want[tag] = x
			all = append(all, tag)
		default:
			tag = all[random.IntN(len(all))]
			tags.remove(tag)
			delete(want, tag)
		}
		for _, tag := range []wire.Tag{tag, tag ^ 0x10000000, all[random.IntN(len(all))]} {
			if got := tags.find(tag); got != want[tag] {
				t.Fatalf("step %d: %v selects %v, want %v", step, tag, got, want[tag])
			}
		}
	}
	for tag, x := range want {
		if tags.find(tag) != x {
			t.Fatalf("%v is lost", tag)
		}
	}
	if n := len(*tags.table.Load()); tags.live != len(want) || n > 8<<10 {
		t.Errorf("a table of %d for %d targets, counted %d", n, len(want), tags.live)
	}
	for tag := range want {
		tags.remove(tag)
	}
	tags.set(&target{tag: 1})
	for range 4 << 10 {
		tags.set(&target{tag: 2})
		tags.remove(2)
	}
	if n := len(*tags.table.Load()); n > leastTags {
		t.Errorf("a table of %d for one target", n)
	}
}
