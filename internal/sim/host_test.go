package sim_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/locator"
)

func TestFacts(t *testing.T) {
	n := sim.New(1)
	defer n.Close()
	h := n.Host("h")
	watch := h.Watch()
	if fs := <-watch; len(fs) != 0 {
		t.Errorf("facts of a bare host: %v", fs)
	}
	ll := netip.MustParseAddr("fe80::1%eth1")
	h.AddAddr("eth0", a1)
	h.AddFact(locator.Fact{Addr: ll, Name: "eth1", Deprecated: true})
	h.AddAddr("eth0", a2)
	h.SetUp("eth0", false)
	want := []locator.Fact{
		{Addr: a1, Interface: 2, Name: "eth0", RouterReachable: true},
		{Addr: a2, Interface: 2, Name: "eth0", RouterReachable: true},
		{Addr: ll.WithZone(""), Interface: 3, Name: "eth1", Up: true, Deprecated: true},
	}
	if fs := <-watch; !slices.Equal(fs, want) {
		t.Errorf("watched %v, want the newest %v", fs, want)
	}
	h.AddFact(locator.Fact{Addr: a1, Name: "eth0", Tentative: true}) // replaces
	h.RemoveAddr(a2)
	h.RemoveAddr(b1) // not ours
	want = []locator.Fact{{Addr: a1, Interface: 2, Name: "eth0", Tentative: true}, want[2]}
	if fs := h.Facts(); !slices.Equal(fs, want) {
		t.Errorf("facts %v, want %v", fs, want)
	}
}

func TestAddressMoves(t *testing.T) {
	n := sim.New(1)
	defer n.Close()
	a, b := sim.Twins(n, 1)
	lost := a.Watch()
	<-lost
	b.AddAddr("eth9", a1)
	if fs := <-lost; len(fs) != 0 {
		t.Errorf("a still has %v", fs)
	}
	if as := b.Addrs(); !slices.Equal(as, []netip.Addr{b1, a1}) {
		t.Errorf("b has %v", as)
	}
}

func TestWorking(t *testing.T) {
	n := sim.New(1)
	defer n.Close()
	a, b := sim.Twins(n, 2)
	a.AddAddr("v4", netip.MustParseAddr("192.0.2.1"))
	if ps := n.Working(a, b); len(ps) != 4 {
		t.Errorf("working %v, want the four pairs of one family", ps)
	}
	n.Edit(sim.Path{From: a1}, func(l *sim.Link) { l.Blocked = true })
	b.SetUp(sim.Uplink(1), false)
	if ps, want := n.Working(a, b), (sim.Path{From: a2, To: b2}); !slices.Equal(ps, []sim.Path{want}) {
		t.Errorf("working %v, want %v", ps, want)
	}
	if ps := n.Working(b, a); len(ps) != 2 {
		t.Errorf("working back %v, want both from %v", ps, b2)
	}
	n.Edit(sim.Path{}, func(l *sim.Link) { l.MTU = 1279 })
	if ps := n.Working(b, a); len(ps) != 0 {
		t.Errorf("working below IPv6's least MTU: %v", ps)
	}
}
