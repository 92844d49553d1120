package node

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// The routes follow a longer path MTU at once, a shorter one when it has stayed; where the
// host was told meanwhile that packets are too long, they are set again for it to forget.
func TestRouteMTUFollows(t *testing.T) {
	var set []int
	l := &looper{Node: &Node{cfg: Config{MTU: 9000}, edges: Edges{
		RouteMTU: func(_ []netip.Prefix, mtu int) error { set = append(set, mtu); return nil },
	}}}
	p := &peer{identifier: firstPair.Local}
	at := func(room int) int { return (&shim.Hop{Room: room}).MTU(true) }
	now := time.Unix(0, 0)
	steps := []struct {
		what  string
		after time.Duration
		room  int
		told  bool
		want  []int
	}{
		{"the first", 0, 1440, false, []int{at(1440)}},
		{"shorter", 0, 1340, false, nil},
		{"back", lowerAfter / 2, 1440, false, nil},
		{"shorter again", lowerAfter, 1340, false, nil},
		{"shorter still, from another one", lowerAfter / 2, 1320, false, nil},
		{"it stays", lowerAfter / 2, 1320, false, []int{at(1320)}},
		{"longer", 0, 1400, false, []int{at(1400)}},
		{"the same", 0, 1400, false, nil},
		{"shorter, and the host is told", 0, 1340, true, nil},
		{"back where it was", 0, 1400, false, []int{at(1400)}},
		{"and no more", 0, 1400, false, nil},
	}
	for _, s := range steps {
		set, now = nil, now.Add(s.after)
		l.routeMTU(p, &shim.Path{Hop: shim.Hop{Room: s.room}}, now)
		if s.told {
			p.told.Store(true)
		}
		if !slices.Equal(set, s.want) {
			t.Errorf("%s: the routes' MTU is set to %v, want %v", s.what, set, s.want)
		}
	}
}

// TestSteadyHop: what IPv4 has more room for is not used once there have been pairs of both
// families.
func TestSteadyHop(t *testing.T) {
	v4 := shim.Hop{Pair: locator.Pair{Local: netip.MustParseAddr("192.0.2.1")}, Room: 1472}
	v6 := shim.Hop{Pair: firstPair, Room: 1452}
	var p peer
	for _, s := range []struct {
		what string
		hop  shim.Hop
		both bool
		want int
	}{
		{"IPv4 alone", v4, false, 1472}, {"IPv4 beside IPv6", v4, true, 1452}, {"IPv6 beside IPv4", v6, true, 1452},
		{"IPv4 when IPv6 has gone", v4, false, 1452},
	} {
		if got := p.steadyHop(&shim.Path{Hop: s.hop, BothFamilies: s.both}).Room; got != s.want {
			t.Errorf("%s: room for %d, want %d", s.what, got, s.want)
		}
	}
}
