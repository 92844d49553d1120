package locator

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var addrs = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})

// wantChanges updates tb and compares what changed, as "address: from → to, reason".
func wantChanges(t *testing.T, tb *Table, facts []Fact, want ...string) {
	t.Helper()
	var got []string
	for _, c := range tb.Update(facts) {
		s := c.Addr.String() + ": " + c.From.String() + " → " + c.To.String()
		if c.Reason != "" {
			s += ", " + c.Reason
		}
		if c.Fact.Addr != c.Addr {
			t.Errorf("change of %v carries a fact of %v", c.Addr, c.Fact.Addr)
		}
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestTableLife(t *testing.T) {
	tb := NewTable(DefaultPolicy())
	a, b := fact("2001:db8::1"), fact("192.0.2.1")
	tentative := a.with(func(f *Fact) { f.Tentative = true })
	down := a.with(func(f *Fact) { f.Up = false })

	wantChanges(t, tb, nil)
	wantChanges(t, tb, []Fact{tentative, b}, "192.0.2.1: none → operational")
	wantChanges(t, tb, []Fact{tentative, b})
	wantChanges(t, tb, []Fact{b, a}, "2001:db8::1: none → operational")
	wantChanges(t, tb, []Fact{down, b}, "2001:db8::1: operational → available, interface down")
	wantChanges(t, tb, []Fact{a, b}, "2001:db8::1: available → operational")
	wantChanges(t, tb, []Fact{a.with(func(f *Fact) { f.DADFailed = true })},
		"192.0.2.1: operational → none, address removed",
		"2001:db8::1: operational → none, duplicate address")
	wantChanges(t, tb, []Fact{down}, "2001:db8::1: none → available, interface down")
	wantChanges(t, tb, nil, "2001:db8::1: available → none, address removed")
}

func TestTableViews(t *testing.T) {
	tb := NewTable(Policy{Deny: []string{"wg*"}, Rules: []Rule{{Interface: "eth*", Preference: 7}}})
	optimistic := fact("2001:db8::2").with(func(f *Fact) { f.Tentative, f.Optimistic, f.Name, f.Interface = true, true, "wan", 9 })
	down := fact("2001:db8::3").with(func(f *Fact) { f.Up = false })
	denied := fact("2001:db8::4").with(func(f *Fact) { f.Name = "wg0" })
	tb.Update([]Fact{denied, down, optimistic, fact("2001:db8::1")})

	wantLocals := []Local{
		{Addr: netip.MustParseAddr("2001:db8::1"), Interface: 2, Preference: 7},
		{Addr: netip.MustParseAddr("2001:db8::2"), Interface: 9, Preference: DefaultPreference, Deprecated: true},
	}
	if diff := cmp.Diff(wantLocals, tb.Operational(), addrs); diff != "" {
		t.Errorf("operational (-want +got):\n%s", diff)
	}
	wantEntries := []Entry{
		{Fact: fact("2001:db8::1"), State: Operational},
		{Fact: optimistic, State: Operational},
		{Fact: down, State: Available, Reason: "interface down"},
		{Fact: denied, Reason: "denied by policy"},
	}
	if diff := cmp.Diff(wantEntries, tb.Entries(), addrs); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if s := tb.State(down.Addr); s != Available {
		t.Errorf("state %v", s)
	}
	if i := tb.Interface(optimistic.Addr); i != 9 {
		t.Errorf("interface %d, want 9", i)
	}
	if i, s := tb.Interface(netip.IPv6Unspecified()), tb.State(netip.IPv6Unspecified()); i != 0 || s != none {
		t.Errorf("unknown address: interface %d, state %v", i, s)
	}
}

func TestTableSetPolicy(t *testing.T) {
	tb := NewTable(Policy{})
	a := fact("2001:db8::1")
	wantChanges(t, tb, []Fact{a}, "2001:db8::1: none → operational")
	tb.SetPolicy(Policy{Deny: []string{"eth0"}})
	wantChanges(t, tb, []Fact{a}, "2001:db8::1: operational → none, denied by policy")
}

// A drained interface works on, but both ends are told to leave it.
func TestTableSetDrained(t *testing.T) {
	tb := NewTable(DefaultPolicy())
	a := fact("2001:db8::1")
	b := fact("2001:db8::2").with(func(f *Fact) { f.Name, f.Interface = "eth1", 3 })
	tb.Update([]Fact{a, b})
	want := func(drained ...bool) {
		t.Helper()
		for i, e := range tb.Entries() {
			if e.State != Operational || e.Drained != drained[i] || tb.Operational()[i].Deprecated != drained[i] {
				t.Errorf("%v: %v, drained %v, deprecated %v; want operational, %v", e.Fact.Addr, e.State, e.Drained,
					tb.Operational()[i].Deprecated, drained[i])
			}
		}
	}
	want(false, false)
	names := []string{"eth1", "eth9"}
	tb.SetDrained(names...)
	names[0] = "eth0" // the Table has its own
	want(false, true)
	wantChanges(t, tb, []Fact{a, b}) // Figure 1 does not know it
	want(false, true)
	tb.SetDrained("eth0", "eth1")
	want(true, true)
	tb.SetDrained()
	want(false, false)
}

func TestTableTunnel(t *testing.T) {
	tb := NewTable(DefaultPolicy())
	tunnel := fact("2001:db8::1").with(func(f *Fact) { f.Tunnel = true })
	wantChanges(t, tb, []Fact{tunnel})
	if r := tb.Entries()[0].Reason; r != "tunnel" {
		t.Errorf("reason %q", r)
	}
	tb.SetPolicy(Policy{Allow: []string{"eth0"}})
	wantChanges(t, tb, []Fact{tunnel}, "2001:db8::1: none → operational")
	if l := tb.Operational(); !l[0].Tunnel {
		t.Errorf("not told as a tunnel: %+v", l)
	}
}

// Draft §3.1: at most one link-local address per node.
func TestTableOneLinkLocal(t *testing.T) {
	tb := NewTable(DefaultPolicy())
	on := func(addr string, index uint32) Fact {
		return fact(addr).with(func(f *Fact) { f.Interface = index })
	}
	low, high := on("fe80::9", 2), on("fe80::1", 3)
	global := on("2001:db8::1", 3)

	wantChanges(t, tb, []Fact{high, low, global},
		"2001:db8::1: none → operational", "fe80::9: none → operational")
	down := low.with(func(f *Fact) { f.Up = false })
	wantChanges(t, tb, []Fact{high, down, global},
		"fe80::1: none → operational",
		"fe80::9: operational → none, another link-local address is used")
	wantChanges(t, tb, []Fact{down, global},
		"fe80::1: operational → none, address removed",
		"fe80::9: none → available, interface down")
}

func TestTableAddressOnTwoInterfaces(t *testing.T) {
	tb := NewTable(DefaultPolicy())
	one := fact("2001:db8::1")
	two := one.with(func(f *Fact) { f.Interface, f.Name = 3, "eth1" })
	tb.Update([]Fact{two, one})
	if i := tb.Interface(one.Addr); i != 2 {
		t.Errorf("interface %d, want the lower, 2", i)
	}
	tb.Update([]Fact{one.with(func(f *Fact) { f.Up = false }), two})
	if i, s := tb.Interface(one.Addr), tb.State(one.Addr); i != 3 || s != Operational {
		t.Errorf("interface %d %v, want the one that is up, 3", i, s)
	}
}

var someFacts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Fact {
	flag := rapid.Bool()
	return Fact{
		Addr:            rapid.SampledFrom(pool).Draw(t, "addr"),
		Interface:       rapid.Uint32Range(1, 3).Draw(t, "interface"),
		Name:            rapid.SampledFrom([]string{"eth0", "wg0", "lo"}).Draw(t, "name"),
		Up:              flag.Draw(t, "up"),
		RouterReachable: flag.Draw(t, "router"),
		Tentative:       flag.Draw(t, "tentative"),
		DADFailed:       flag.Draw(t, "dadfailed"),
		Optimistic:      flag.Draw(t, "optimistic"),
		Deprecated:      flag.Draw(t, "deprecated"),
	}
}), 0, 12)

// A Table that lived through anything equals a new one that is told the last
// facts in another order, and its changes add up to its states.
func TestTableProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tb := NewTable(DefaultPolicy())
		states := make(map[netip.Addr]State)
		var facts []Fact
		for range rapid.IntRange(1, 6).Draw(t, "updates") {
			facts = uniqueFacts(someFacts.Draw(t, "facts"))
			for _, c := range tb.Update(facts) {
				if c.From != states[c.Addr] || c.From == c.To {
					t.Fatalf("%v after %v", c, states[c.Addr])
				}
				states[c.Addr] = c.To
			}
			linkLocals := 0
			for _, l := range tb.Operational() {
				if unfit(l.Addr) != "" {
					t.Fatalf("%v is operational", l.Addr)
				}
				if l.Addr.IsLinkLocalUnicast() {
					linkLocals++
				}
			}
			if linkLocals > 1 {
				t.Fatalf("%d link-local addresses operational", linkLocals)
			}
		}
		for addr, s := range states {
			if tb.State(addr) != s {
				t.Fatalf("%v: %v, by changes %v", addr, tb.State(addr), s)
			}
		}
		fresh := NewTable(DefaultPolicy())
		fresh.Update(shuffled(facts, rapid.Uint64().Draw(t, "seed")))
		if diff := cmp.Diff(fresh.Entries(), tb.Entries(), addrs); diff != "" {
			t.Fatalf("depends on history or order (-fresh +lived):\n%s", diff)
		}
	})
}

// uniqueFacts keeps one fact per address and interface, as a host has it.
func uniqueFacts(facts []Fact) []Fact {
	type key struct {
		addr  netip.Addr
		index uint32
	}
	seen := make(map[key]bool)
	return slices.DeleteFunc(facts, func(f Fact) bool {
		k := key{f.Addr, f.Interface}
		again := seen[k]
		seen[k] = true
		return again
	})
}

func shuffled[E any](s []E, seed uint64) []E {
	c := slices.Clone(s)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
	return c
}
