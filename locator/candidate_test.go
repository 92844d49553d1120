package locator

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pool has one address of every kind, and neighbours of some.
var pool = parseAll(
	"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1", "2a00::1", "2002:c000:201::1", "2001::1",
	"fd00::1", "fd12::1", "fe80::1", "fe80::2", "fec0::1", "ff02::1", "::1", "::", "::ffff:192.0.2.1",
	"192.0.2.1", "192.0.2.2", "198.51.100.1", "10.0.0.1", "169.254.0.1", "127.0.0.1", "224.0.0.1",
	"0.0.0.0", "255.255.255.255",
)

func parseAll(texts ...string) (list []netip.Addr) {
	for _, s := range texts {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

// pair parses "local remote"; the remote end has the default port.
func pair(local, remote string) Pair {
	return Pair{netip.MustParseAddr(local), netip.AddrPortFrom(netip.MustParseAddr(remote), DefaultPort)}
}

func local(addr string, preference uint8) Local {
	return Local{Addr: netip.MustParseAddr(addr), Interface: 2, Preference: preference}
}

func remote(addr string, preference uint8) Remote {
	return Remote{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), DefaultPort), Preference: preference}
}

// wantOrder compares pairs with want, as "class: pair".
func wantOrder(t *testing.T, got []Candidate, want ...string) {
	t.Helper()
	var texts []string
	for _, c := range got {
		texts = append(texts, string(rune('0'+c.Class))+": "+c.Pair.String())
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
}

func TestPairsEmpty(t *testing.T) {
	wantOrder(t, Pairs(nil, nil, Order{}))
	wantOrder(t, Pairs([]Local{local("192.0.2.1", 0)}, nil, Order{}))
	wantOrder(t, Pairs([]Local{local("192.0.2.1", 0)}, []Remote{remote("2001:db8::1", 0)}, Order{}))
}

func TestPairsOneClass(t *testing.T) {
	got := Pairs(
		[]Local{local("192.0.2.1", 0), local("2001:db8:1::1", 0), local("fe80::1", 0)},
		[]Remote{remote("198.51.100.1", 0), remote("2001:db8:9::1", 0), remote("2001:db8:1::2", 0), remote("fe80::2", 0)},
		Order{},
	)
	wantOrder(t, got,
		"0: 2001:db8:1::1 → 2001:db8:1::2",
		"0: 2001:db8:1::1 → 2001:db8:9::1",
		"0: 192.0.2.1 → 198.51.100.1",
		"1: fe80::1 → fe80::2",
	)
}

func TestPairsClasses(t *testing.T) {
	old := local("2001:db8:1::9", 9)
	old.Deprecated = true
	got := Pairs(
		[]Local{old, local("2001:db8:1::1", 0), local("192.0.2.1", 3)},
		[]Remote{remote("2001:db8:2::1", 1), remote("2001:db8:2::2", 0), remote("198.51.100.1", 1), remote("198.51.100.2", 0)},
		Order{},
	)
	wantOrder(t, got,
		"0: 192.0.2.1 → 198.51.100.1", // 4: the user's wish overrules IPv6 first
		"1: 192.0.2.1 → 198.51.100.2", // 3
		"2: 2001:db8:1::1 → 2001:db8:2::1",
		"3: 2001:db8:1::1 → 2001:db8:2::2",
		"4: 2001:db8:1::9 → 2001:db8:2::1", // deprecated last, whatever the preference
		"5: 2001:db8:1::9 → 2001:db8:2::2",
	)
	if c := got[0]; c.Preference != 4 || c.Deprecated || c.Interface != 2 {
		t.Errorf("first: %+v", c)
	}
	if c := got[4]; c.Preference != 10 || !c.Deprecated {
		t.Errorf("deprecated: %+v", c)
	}
}

func TestPairsDeprecatedRemote(t *testing.T) {
	old := remote("198.51.100.1", 9)
	old.Deprecated = true
	got := Pairs([]Local{local("192.0.2.1", 0)}, []Remote{old, remote("198.51.100.2", 0)}, Order{})
	wantOrder(t, got, "0: 192.0.2.1 → 198.51.100.2", "1: 192.0.2.1 → 198.51.100.1")
}

func TestPairsRepeatedLocator(t *testing.T) {
	got := Pairs(
		[]Local{local("192.0.2.1", 0)},
		[]Remote{remote("198.51.100.1", 1), remote("198.51.100.1", 5), remote("198.51.100.2", 3)},
		Order{},
	)
	wantOrder(t, got, "0: 192.0.2.1 → 198.51.100.1", "1: 192.0.2.1 → 198.51.100.2")
}

func TestPairsPorts(t *testing.T) {
	r := remote("198.51.100.1", 0)
	other, nowhere := r, r
	other.Addr = netip.AddrPortFrom(r.Addr.Addr(), 7000)
	nowhere.Addr = netip.AddrPortFrom(r.Addr.Addr(), 0)
	wantOrder(t, Pairs([]Local{local("192.0.2.1", 0)}, []Remote{other, nowhere, r}, Order{}),
		"0: 192.0.2.1 → 198.51.100.1", "0: 192.0.2.1 → 198.51.100.1:7000")
}

var (
	anyLocal = rapid.Custom(func(t *rapid.T) Local {
		return Local{
			Addr:       rapid.SampledFrom(pool).Draw(t, "addr"),
			Interface:  rapid.Uint32Range(1, 2).Draw(t, "interface"),
			Preference: rapid.Uint8Range(0, 2).Draw(t, "preference"),
			Deprecated: rapid.Bool().Draw(t, "deprecated"),
		}
	})
	anyRemote = rapid.Custom(func(t *rapid.T) Remote {
		port := rapid.SampledFrom([]uint16{DefaultPort, 7000, 0}).Draw(t, "port")
		return Remote{
			Addr:       netip.AddrPortFrom(rapid.SampledFrom(pool).Draw(t, "addr"), port),
			Preference: rapid.Uint8Range(0, 2).Draw(t, "preference"),
			Deprecated: rapid.Bool().Draw(t, "deprecated"),
		}
	})
)

func TestPairsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		locals := rapid.SliceOfN(anyLocal, 0, 6).Draw(t, "locals")
		remotes := rapid.SliceOfN(anyRemote, 0, 6).Draw(t, "remotes")
		got := Pairs(locals, remotes, Order{})

		seed := rapid.Uint64().Draw(t, "seed")
		if diff := cmp.Diff(got, Pairs(shuffled(locals, seed), shuffled(remotes, seed+1), Order{}), addrs); diff != "" {
			t.Fatalf("depends on the order of the input:\n%s", diff)
		}
		seen := make(map[Pair]bool)
		for i, c := range got {
			if seen[c.Pair] || !Legal(c.Pair) {
				t.Fatalf("%v repeated or not legal", c.Pair)
			}
			seen[c.Pair] = true
			if i == 0 {
				if c.Class != 0 {
					t.Fatalf("first class is %d", c.Class)
				}
				continue
			}
			last := got[i-1]
			same := last.Deprecated == c.Deprecated && last.Preference == c.Preference
			if step := c.Class - last.Class; same && step != 0 || !same && step != 1 {
				t.Fatalf("class %d after %d: %+v, %+v", c.Class, last.Class, last, c)
			}
			if compare(last, c) >= 0 {
				t.Fatalf("%v not before %v", last, c)
			}
		}
		for _, l := range locals {
			for _, r := range remotes {
				if p := (Pair{l.Addr, r.Addr}); Legal(p) && !seen[p] {
					t.Fatalf("%v is missing", p)
				}
			}
		}
	})
}

// Every rule alone, and all together, is a strict weak order.
func TestRulesAreOrders(t *testing.T) {
	anyCandidate := rapid.Custom(func(t *rapid.T) Candidate {
		l, r := anyLocal.Draw(t, "local"), anyRemote.Draw(t, "remote")
		return Candidate{
			Pair: Pair{l.Addr, r.Addr}, Interface: l.Interface,
			Preference: int(l.Preference), Deprecated: l.Deprecated,
		}
	})
	rules := append(append([]rule{compare}, wishes...), ties...)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyCandidate.Draw(t, "a"), anyCandidate.Draw(t, "b"), anyCandidate.Draw(t, "c")
		for i, r := range rules {
			if r(a, a) != 0 || r(a, b) != -r(b, a) {
				t.Fatalf("rule %d is not antisymmetric", i)
			}
			if r(a, b) <= 0 && r(b, c) <= 0 && r(a, c) > 0 {
				t.Fatalf("rule %d is not transitive", i)
			}
			if r(a, b) == 0 && r(b, c) == 0 && r(a, c) != 0 {
				t.Fatalf("rule %d: ties are not transitive", i)
			}
		}
	})
}
