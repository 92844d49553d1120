package config

import (
	"slices"
	"strings"
)

// synonyms are the words of wg(8) for what we call otherwise.
var synonyms = map[string]string{
	"allowedips":          "routes",
	"endpoint":            "locators",
	"listenport":          "port",
	"persistentkeepalive": "keepalive",
}

// suggest returns the candidate that a person who wrote s most likely meant, or
// "". Case, hyphens and underscores do not count.
func suggest(s string, candidates []string) string {
	s = plain(s)
	if word := synonyms[s]; slices.Contains(candidates, word) {
		return word
	}
	best, bestDistance := "", len(s)/3+1
	for _, c := range candidates {
		p := plain(c)
		if len(s) >= 3 && strings.HasPrefix(p, s) {
			return c
		}
		if abs(len(p)-len(s)) >= bestDistance {
			continue
		}
		if d := distance(s, p); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// plain strips what people spell differently: "PrivateKey", "private-key".
func plain(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

func abs(n int) int { return max(n, -n) }

// distance returns how many bytes have to be inserted, deleted, replaced or
// swapped with their neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	// Rows i-2, i-1 and i of the usual table.
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
