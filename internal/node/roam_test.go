package node_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/node"
)

// A's only address gives way to one of another network, in each possible order,
// and comes back. Where the new IPv6 address is there for a moment only before the
// old one goes, A's kernel may have asked for the new router from the old address
// and not hear the answer: it asks again after a second (RFC 4861 §10,
// RETRANS_TIMER), and until then nothing can be sent.
//
//	A ── a1 (home, then away) ── core ── b1 ── B
func TestRoam(t *testing.T) {
	type order struct {
		name string
		move func(t *testing.T, u *uplink, n *node.Node, f family, from, to int)
	}
	for _, o := range []order{
		{"new address first", func(t *testing.T, u *uplink, n *node.Node, f family, from, to int) {
			awaitLocator(t, n, u.take(t, f, to, 1), "operational")
			u.leave(t, f, from, 1)
		}},
		{"old address first", func(t *testing.T, u *uplink, n *node.Node, f family, from, to int) {
			u.leave(t, f, from, 1)
			awaitLocator(t, n, u.prefix(f, from, 1).Addr(), "none")
			u.take(t, f, to, 1)
		}},
		{"at once", func(t *testing.T, u *uplink, _ *node.Node, f family, from, to int) {
			var both sync.WaitGroup
			both.Go(func() { u.leave(t, f, from, 1) })
			both.Go(func() { must(t, u.host.AddAddr(u.name, u.prefix(f, to, 1))) })
			both.Wait()
			must(t, u.host.AddRoute(u.defaultRoute(f, to)))
		}},
	} {
		for _, f := range []family{v6, v4} {
			t.Run(f.String()+" "+o.name, func(t *testing.T) {
				s := newStar(t)
				d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, f)}, []netip.Addr{s.b1.plug(t, f)})
				tcp := d.aCallsB(t)
				defer tcp.finish(t)
				tcp.goesOn(t, "before")
				o.move(t, s.a1, d.a, f, home, away)
				tcp.goesOn(t, "gone away")
				o.move(t, s.a1, d.a, f, away, home)
				tcp.goesOn(t, "back home")
			})
		}
	}
}

// Both ends change the address that the connection uses at the same time; what
// each has on its second uplink stays.
//
//	    ┌── a1 ───┐      ┌─── b1 ──┐
//	A ──┤         ├─core─┤         ├── B
//	    └── a2 ───┘      └─── b2 ──┘
func TestBothMove(t *testing.T) {
	for _, f := range []family{v6, v4} {
		t.Run(f.String(), func(t *testing.T) {
			s := newStar(t)
			d := startDuo(t, s.a, s.b,
				[]netip.Addr{s.a1.plug(t, f), s.a2.plug(t, f)}, []netip.Addr{s.b1.plug(t, f), s.b2.plug(t, f)})
			tcp := d.aCallsB(t)
			defer tcp.finish(t)
			tcp.goesOn(t, "before")
			at := make(map[*uplink]int) // the network it has its address in: home first
			for range 4 {
				local, remote := awaitPrimary(t, d.a)
				var both sync.WaitGroup
				for _, u := range []*uplink{s.carrying(local), s.carrying(remote)} {
					from, to := at[u], networks-1-at[u]
					at[u] = to
					both.Go(func() {
						u.leave(t, f, from, 1)
						u.take(t, f, to, 1)
					})
				}
				both.Wait()
				tcp.goesOn(t, "both moved")
			}
		})
	}
}

// carrying returns the uplink whose networks hold an address, nil if none does.
func (s *star) carrying(a netip.Addr) *uplink {
	for _, u := range []*uplink{s.a1, s.a2, s.b1, s.b2} {
		for n := range networks {
			if u.prefix(v6, n, 1).Contains(a) || u.prefix(v4, n, 1).Contains(a) {
				return u
			}
		}
	}
	return nil
}

// B is not told where A is. A calls and moves: B finds it where it is now.
//
//	A ── a1 (home, then away) ── core ── b1 ── B
func TestCallIn(t *testing.T) {
	for _, f := range []family{v6, v4} {
		t.Run(f.String(), func(t *testing.T) {
			s := newStar(t)
			s.a1.plug(t, f)
			d := startDuo(t, s.a, s.b, nil, []netip.Addr{s.b1.plug(t, f)})
			call := d.aCallsB(t)
			call.goesOn(t, "A called")
			call.finish(t)
			s.a1.leave(t, f, home, 1)
			awaitLocator(t, d.a, s.a1.take(t, f, away, 1), "operational")
			back := d.bCallsA(t)
			defer back.finish(t)
			back.goesOn(t, "B called back")
		})
	}
}

// B answers from the one of its two addresses that it was called on, and from the
// other when that one is gone.
//
//	A ── a1 ── core ── b1 (two addresses) ── B
func TestStickySource(t *testing.T) {
	for _, f := range []family{v6, v4} {
		for called := 1; called <= 2; called++ {
			t.Run(f.String()+" "+string('0'+rune(called)), func(t *testing.T) {
				s := newStar(t)
				addrs := map[int]netip.Addr{1: s.b1.take(t, f, home, 1), 2: s.b1.take(t, f, home, 2)}
				d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, f)}, []netip.Addr{addrs[called]})
				awaitLocator(t, d.b, addrs[3-called], "operational")
				tcp := d.aCallsB(t)
				defer tcp.finish(t)
				tcp.goesOn(t, "called")
				if local, _ := primaryOf(d.b); local != addrs[called] {
					t.Errorf("B answers from %v, called on %v", local, addrs[called])
				}
				if _, remote := primaryOf(d.a); remote != addrs[called] {
					t.Errorf("A sends to %v, called %v", remote, addrs[called])
				}
				s.b1.leave(t, f, home, called)
				must(t, s.b.AddRoute(s.b1.defaultRoute(f, home)))
				tcp.goesOn(t, "address gone")
				eventually(t, patience, "B to answer from the address it still has", func() bool {
					local, _ := primaryOf(d.b)
					return local == addrs[3-called]
				})
			})
		}
	}
}

// A lease is renewed again and again, which is no news, and then given to another
// address of the same network.
//
//	A ── a1 (leased) ── core ── b1 ── B
func TestLeaseRenewedThenReplaced(t *testing.T) {
	for _, f := range []family{v6, v4} {
		t.Run(f.String(), func(t *testing.T) {
			s := newStar(t)
			lease := func(number int) {
				t.Helper()
				must(t, s.a.LeaseAddr(s.a1.name, s.a1.prefix(f, home, number), time.Minute, time.Minute/2))
			}
			lease(1)
			must(t, s.a.AddRoute(s.a1.defaultRoute(f, home)))
			d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.prefix(f, home, 1).Addr()}, []netip.Addr{s.b1.plug(t, f)})
			tcp := d.aCallsB(t)
			defer tcp.finish(t)
			tcp.goesOn(t, "before")
			before, _ := d.a.Status()
			for range 5 {
				lease(1)
				tcp.goesOn(t, "renewed")
			}
			if now, _ := d.a.Status(); now.Peers[0].Counters.Switches != before.Peers[0].Counters.Switches {
				t.Error("a renewed lease made A switch")
			}
			lease(2)
			s.a1.leave(t, f, home, 1)
			must(t, s.a.AddRoute(s.a1.defaultRoute(f, home)))
			tcp.goesOn(t, "replaced")
			eventually(t, patience, "A to use its new address", func() bool {
				local, _ := primaryOf(d.a)
				return local == s.a1.prefix(f, home, 2).Addr()
			})
		})
	}
}

// A sleeps: all its links are down and nothing is sent. It wakes up elsewhere, with
// new addresses.
//
//	A ── a1, a2 (home, then down, then away) ── core ── b1 ── B
func TestSuspendAndResumeElsewhere(t *testing.T) {
	t.Parallel() // nearly all of it is waiting
	asleep := 20 * time.Second
	if testing.Short() {
		asleep = 5 * time.Second
	}
	s := newStar(t)
	d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, v6), s.a2.plug(t, v6)}, []netip.Addr{s.b1.plug(t, v6)})
	tcp := d.aCallsB(t)
	defer tcp.finish(t)
	tcp.goesOn(t, "before")
	for _, u := range []*uplink{s.a1, s.a2} {
		must(t, s.a.SetDown(u.name))
	}
	time.Sleep(asleep) // to send nothing is what is tested
	for _, u := range []*uplink{s.a1, s.a2} {
		u.leave(t, v6, home, 1)
		must(t, s.a.SetUp(u.name))
	}
	var woken time.Time
	eventually(t, patience, "links ready for new addresses", func() bool {
		woken = time.Now()
		for _, u := range []*uplink{s.a1, s.a2} {
			if s.a.AddAddr(u.name, u.prefix(v6, away, 1)) != nil || s.a.AddRoute(u.defaultRoute(v6, away)) != nil {
				return false
			}
		}
		return true
	})
	tcp.moves(t, 1, 3*patience)
	t.Logf("asleep for %v; the next byte %v after the new address", asleep, time.Since(woken).Round(time.Millisecond))
	tcp.goesOn(t, "awake")
}
