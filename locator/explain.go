package locator

// Explain says in few words why c comes after best, the first candidate of the list
// that Pairs returned them in: "" for best itself, else the first rule by which c is
// behind, such as "deprecated", "lower preference: 190 < 300" or "worse source:
// label".
func Explain(best, c Candidate) string { return firstReason(order, best, c) }

// firstReason returns the reason of the first rule that puts c after best, "" if none
// does or an earlier one puts c first.
func firstReason(rules []rule, best, c Candidate) string {
	for _, r := range rules {
		switch n := r.compare(best, c); {
		case n < 0:
			return r.why(best, c)
		case n > 0:
			return ""
		}
	}
	return ""
}

// whySourceRank: that there is a better source for c's own remote is all that the rank
// says; the rule which knows why was noted with it.
func whySourceRank(_, c Candidate) string {
	if c.keys.worse == "" {
		return "equal source, higher address"
	}
	return "worse source: " + c.keys.worse
}

// whyTemporary: the kind that is not wanted depends on Order.
func whyTemporary(_, c Candidate) string {
	if c.keys.temporary {
		return "temporary address"
	}
	return "public address"
}
