package locator

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	anyLocal = rapid.Custom(func(t *rapid.T) Local {
		return Local{
			Addr:       rapid.SampledFrom(pool).Draw(t, "addr"),
			Interface:  rapid.Uint32Range(0, 2).Draw(t, "interface"),
			Bits:       rapid.SampledFrom([]int{0, 16, 24, 48, 64, 128}).Draw(t, "bits"),
			Preference: rapid.Uint8Range(0, 2).Draw(t, "preference"),
			Deprecated: rapid.Bool().Draw(t, "deprecated"),
			Temporary:  rapid.Bool().Draw(t, "temporary"),
			Metered:    rapid.Bool().Draw(t, "metered"),
			Tunnel:     rapid.Bool().Draw(t, "tunnel"),
		}
	})
	anyRemote = rapid.Custom(func(t *rapid.T) Remote {
		port := rapid.SampledFrom([]uint16{DefaultPort, 7000, 0}).Draw(t, "port")
		return Remote{
			Addr:       netip.AddrPortFrom(rapid.SampledFrom(pool).Draw(t, "addr"), port),
			Link:       rapid.Uint8Range(0, 2).Draw(t, "link"),
			Preference: rapid.Uint8Range(0, 2).Draw(t, "preference"),
			Deprecated: rapid.Bool().Draw(t, "deprecated"),
			Metered:    rapid.Bool().Draw(t, "metered"),
			Vouched:    rapid.Bool().Draw(t, "vouched"),
		}
	})
	// anyTable has equal precedences and labels, and now and then rows that repeat.
	anyTable = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) PolicyRow {
		return PolicyRow{
			Prefix:     netip.MustParsePrefix(rapid.SampledFrom([]string{"::/0", "0.0.0.0/0", "10.0.0.0/8", "fd00::/8", "2001:db8:1::/48"}).Draw(t, "prefix")),
			Precedence: rapid.IntRange(0, 2).Draw(t, "precedence"),
			Label:      rapid.IntRange(0, 2).Draw(t, "label"),
		}
	}), 0, 4)
	anyOrder = rapid.Custom(func(t *rapid.T) Order {
		return Order{Table: anyTable.Draw(t, "table"), PreferTemporary: rapid.Bool().Draw(t, "temporary")}
	})
)

// same compares candidates with all that the rules look at.
var same = cmp.Options{addrs, cmp.AllowUnexported(Candidate{}, keys{})}

func TestPairsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		locals := rapid.SliceOfN(anyLocal, 0, 6).Draw(t, "locals")
		remotes := rapid.SliceOfN(anyRemote, 0, 6).Draw(t, "remotes")
		o := anyOrder.Draw(t, "order")
		got := Pairs(locals, remotes, o)

		seed := rapid.Uint64().Draw(t, "seed")
		again := Order{Table: shuffled(o.Table, seed+2), PreferTemporary: o.PreferTemporary}
		if diff := cmp.Diff(got, Pairs(shuffled(locals, seed), shuffled(remotes, seed+1), again), same); diff != "" {
			t.Fatalf("depends on the order of the input:\n%s", diff)
		}
		wantComplete(t, got, locals, remotes)
		wantSteps(t, got)
		wantRanks(t, got)
	})
}

// wantComplete: every legal pair is there once, and no other.
func wantComplete(t *rapid.T, got []Candidate, locals []Local, remotes []Remote) {
	seen := make(map[Pair]bool)
	for _, c := range got {
		if seen[c.Pair] || !Legal(c.Pair) {
			t.Fatalf("%v repeated or not legal", c.Pair)
		}
		seen[c.Pair] = true
	}
	wanted := make(map[Pair]bool)
	for _, l := range locals {
		for _, r := range remotes {
			if p := (Pair{l.Addr, r.Addr}); Legal(p) && meaningOf(l, r) != meansOther {
				wanted[p] = true
			}
		}
	}
	if len(wanted) != len(seen) {
		t.Fatalf("%d pairs, want %d", len(seen), len(wanted))
	}
	for p := range wanted {
		if !seen[p] {
			t.Fatalf("%v is missing", p)
		}
	}
}

// wantSteps: each candidate is behind the one before it, for a reason, and in the
// next class exactly if it is less wanted.
func wantSteps(t *rapid.T, got []Candidate) {
	for i, c := range got {
		if i == 0 {
			if why := Explain(c, c); c.Class != 0 || why != "" {
				t.Fatalf("first: class %d, %q", c.Class, why)
			}
			continue
		}
		last := got[i-1]
		alike := last.Deprecated == c.Deprecated && last.Preference == c.Preference && last.Metered == c.Metered &&
			last.Ambiguous == c.Ambiguous &&
			last.Pair.Local.IsLinkLocalUnicast() == c.Pair.Local.IsLinkLocalUnicast()
		if step := c.Class - last.Class; alike && step != 0 || !alike && step != 1 {
			t.Fatalf("class %d after %d: %+v, %+v", c.Class, last.Class, last, c)
		}
		if compare(last, c) >= 0 {
			t.Fatalf("%v not before %v", last, c)
		}
		if Explain(got[0], c) == "" || Explain(c, got[0]) != "" {
			t.Fatalf("%v after %v: %q, and back %q", c.Pair, got[0].Pair, Explain(got[0], c), Explain(c, got[0]))
		}
	}
}

// wantRanks: the sources of one remote in one class come in the order of the source
// rules, and the first pairs of a class in that of the destination rules.
func wantRanks(t *rapid.T, got []Candidate) {
	type group struct {
		class  int
		remote netip.AddrPort
	}
	last := make(map[group]Candidate)
	for i, c := range got {
		g := group{c.Class, c.Pair.Remote}
		if before, ok := last[g]; ok && compareBy(sourceRules, before, c) > 0 {
			t.Fatalf("%v before %v", before.Pair, c.Pair)
		} else if want := before.keys.sourceRank + 1; ok && c.keys.sourceRank != want {
			t.Fatalf("rank %d, want %d", c.keys.sourceRank, want)
		}
		last[g] = c
		if i > 0 && got[i-1].Class == c.Class && got[i-1].keys.sourceRank == c.keys.sourceRank &&
			compareBy(destinationRules, got[i-1], c) > 0 {
			t.Fatalf("%v before %v", got[i-1].Pair, c.Pair)
		}
	}
}

// Every rule alone, and all together, is a strict weak order.
func TestRulesAreOrders(t *testing.T) {
	rules := slices.Concat(order, sourceRules)
	for _, list := range [][]rule{order, wishes, sourceRules, destinationRules} {
		rules = append(rules, rule{compare: func(a, b Candidate) int { return compareBy(list, a, b) }})
	}
	rapid.Check(t, func(t *rapid.T) {
		o := anyOrder.Draw(t, "order")
		table := newPolicyTable(o.Table)
		anyCandidate := rapid.Custom(func(t *rapid.T) Candidate {
			c := candidate(anyLocal.Draw(t, "local"), anyRemote.Draw(t, "remote"), table, o.PreferTemporary)
			c.keys.sourceRank = rapid.IntRange(0, 2).Draw(t, "rank")
			return c
		})
		a, b, c := anyCandidate.Draw(t, "a"), anyCandidate.Draw(t, "b"), anyCandidate.Draw(t, "c")
		for i, r := range rules {
			if r.compare(a, a) != 0 || r.compare(a, b) != -r.compare(b, a) {
				t.Fatalf("rule %d is not antisymmetric", i)
			}
			if r.compare(a, b) <= 0 && r.compare(b, c) <= 0 && r.compare(a, c) > 0 {
				t.Fatalf("rule %d is not transitive", i)
			}
			if r.compare(a, b) == 0 && r.compare(b, c) == 0 && r.compare(a, c) != 0 {
				t.Fatalf("rule %d: ties are not transitive", i)
			}
		}
	})
}
