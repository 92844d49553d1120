package locator

import (
	"cmp"
	"slices"
)

// A rule is one criterion of the order.
type rule struct {
	// compare is negative if a comes first, zero if the rule cannot tell. It compares
	// a key of a with the same key of b, so that any list of rules is a consistent
	// order.
	compare func(a, b Candidate) int
	// why says in few words why c comes after best, if compare says that it does.
	why func(best, c Candidate) string
}

// says is a why that is always the same.
func says(text string) func(best, c Candidate) string {
	return func(Candidate, Candidate) string { return text }
}

// keys are what the rules compare besides what a Candidate shows.
type keys struct {
	localDeprecated bool
	sameLabel       bool
	// precedence is the remote end's.
	precedence int
	// unwantedKind: temporary where public is wanted, or the other way round.
	temporary, unwantedKind bool
	tunnel                  bool
	// onLink is the longest on-link prefix on the interface that holds the remote
	// end, commonPrefix the prefix that both ends share, in bits.
	onLink, commonPrefix int
	// sourceRank counts the pairs of the same class and remote that have a better
	// local end; worse is the rule of sourceRules by which the best of them is
	// better, if there is one.
	sourceRank int
	worse      string
}

// order is the whole order of candidates.
//
// RFC 6724 orders sources for one destination, and destinations given the source of
// each; here both are open. Within a class, the pairs of rank 0 are each remote with
// its best source, and the destination rules put them in exactly the RFC's order of
// destinations. Then come all remotes with their second sources, and so on: an
// exploration sees every remote once before it sees one twice, and each remote with
// its sources in the RFC's order.
var order = slices.Concat(wishes, []rule{{bySourceRank, whySourceRank}}, destinationRules, ties)

// bySourceRank: what RFC 6724 §5 says of the local end, among those that could be
// used for the same remote.
func bySourceRank(a, b Candidate) int { return cmp.Compare(a.keys.sourceRank, b.keys.sourceRank) }

// compare orders candidates of which the source ranks are known.
func compare(a, b Candidate) int { return compareBy(order, a, b) }

func compareBy(rules []rule, a, b Candidate) int {
	for _, r := range rules {
		if c := r.compare(a, b); c != 0 {
			return c
		}
	}
	return 0
}

// rankSources sets the source ranks within each class of a classified list of
// distinct pairs.
func rankSources(list []Candidate) {
	// Candidates of one class and remote become neighbours, best source first.
	slices.SortFunc(list, func(a, b Candidate) int {
		return cmp.Or(
			cmp.Compare(a.Class, b.Class),
			a.Pair.Remote.Compare(b.Pair.Remote),
			compareBy(sourceRules, a, b),
			compareBy(ties, a, b))
	})
	best := 0
	for i := range list {
		if list[i].Class != list[best].Class || list[i].Pair.Remote != list[best].Pair.Remote {
			best = i
		}
		list[i].keys.sourceRank = i - best
		list[i].keys.worse = firstReason(sourceRules, list[best], list[i])
	}
}

// classify numbers the classes of a list that is sorted by wishes.
func classify(sorted []Candidate) {
	for i := 1; i < len(sorted); i++ {
		sorted[i].Class = sorted[i-1].Class
		if compareBy(wishes, sorted[i-1], sorted[i]) != 0 {
			sorted[i].Class++
		}
	}
}

// dropRepeats keeps one candidate of each pair, the best: a locator may have been
// given twice with different preferences.
func dropRepeats(list []Candidate) []Candidate {
	slices.SortFunc(list, func(a, b Candidate) int {
		return cmp.Or(
			compareBy(wishes, a, b),
			compareBy(sourceRules, a, b),
			compareBy(destinationRules, a, b),
			compareBy(ties, a, b))
	})
	seen := make(map[Pair]bool, len(list))
	return slices.DeleteFunc(list, func(c Candidate) bool {
		again := seen[c.Pair]
		seen[c.Pair] = true
		return again
	})
}
