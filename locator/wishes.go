package locator

import (
	"cmp"
	"fmt"
)

// wishes are the rules that part candidates into classes: what the users at both
// ends and the addresses' owners want, above all that RFC 6724 says (§2.1 leaves
// room for such policy).
//
//   - Deprecation comes first: who deprecates or drains an address wants it empty,
//     whatever else is good about it. That an ambiguous pair comes before a
//     deprecated one costs nothing: it is used only after a test, and while that runs
//     the deprecated pair still works (make before break).
//   - Ambiguity comes before preference: a preference says how good a path is, not
//     whether there is one. A pair that probably leads to a stranger would cost a
//     time-out at the worst moment.
//   - Preference comes before cost: whoever gave a metered locator a higher number
//     than another knew what it costs.
//   - Link-local comes last, for pairs that are known to be the peer's: which of the
//     links is meant is still a guess.
var wishes = []rule{
	{byDeprecation, says("deprecated")},
	{byAmbiguity, whyAmbiguous},
	{byPreference, whyPreference},
	{byMetered, says("metered")},
	{byLinkLocal, says("link-local")},
}

// byDeprecation: draft §3.5: move away from deprecated addresses while there are
// others, at either end.
func byDeprecation(a, b Candidate) int { return falseFirst(a.Deprecated, b.Deprecated) }

// byAmbiguity: draft §3.1: an address that may mean someone else is no locator to
// rely on.
func byAmbiguity(a, b Candidate) int { return falseFirst(a.Ambiguous, b.Ambiguous) }

// byPreference: the sum of both ends' preferences, higher first.
func byPreference(a, b Candidate) int { return cmp.Compare(b.Preference, a.Preference) }

// byMetered: of equally preferred pairs, those that cost nothing by the byte.
func byMetered(a, b Candidate) int { return falseFirst(a.Metered, b.Metered) }

// byLinkLocal puts link-local pairs last: whether both ends are on one link is not
// known, and testing a pair that cannot work costs a time-out.
//
// Deviation: RFC 6724 §6 rule 8 would have them first. A host that resolves a name
// knows the link by the zone; a locator has none.
func byLinkLocal(a, b Candidate) int {
	return falseFirst(a.Pair.Remote.Addr().IsLinkLocalUnicast(), b.Pair.Remote.Addr().IsLinkLocalUnicast())
}

func whyAmbiguous(_, c Candidate) string {
	if c.Pair.Remote.Addr().IsLinkLocalUnicast() {
		return "ambiguous link-local address"
	}
	return "ambiguous private address"
}

func whyPreference(best, c Candidate) string {
	return fmt.Sprintf("lower preference: %d < %d", c.Preference, best.Preference)
}
