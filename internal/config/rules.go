package config

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/multi6/multi6/locator"
)

const (
	maxPreference = 255
	// maxRank bounds precedences and labels. RFC 6724 §2.1 gives no range; every
	// known table has two digits.
	maxRank = 65535
)

// rules validates the [[locator]] tables.
func (v *validator) rules(raw []rawRule, allow, deny []string) []locator.Rule {
	var all []locator.Rule
	var at []pos
	for _, u := range raw {
		rule, ok := v.rule(u, allow, deny)
		if !ok {
			continue
		}
		for i, earlier := range all {
			if covers(earlier, rule) {
				v.report(u.at, "this [[locator]] never counts, since the one at line %d matches whatever it matches and the first counts; put it above that one, or take it out", at[i].line)
				break
			}
		}
		all, at = append(all, rule), append(at, u.at)
	}
	return all
}

// rule validates one [[locator]]. ok says that what it matches is known.
func (v *validator) rule(u rawRule, allow, deny []string) (rule locator.Rule, ok bool) {
	rule = locator.Rule{
		Preference: uint8(v.inRange(u.preference, "preference", maxPreference, locator.DefaultPreference)),
		Metered:    u.metered.b,
	}
	ok = true
	if !u.iface.seen && !u.prefix.seen {
		v.report(u.at, "[[locator]] says neither interface nor prefix; write interface = \"wwan*\", or prefix = \"2001:db8::/32\"")
		ok = false
	}
	if u.iface.seen {
		rule.Interface = u.iface.s
		ok = u.iface.ok && v.ruleInterface(u.iface, allow, deny)
	}
	if u.prefix.seen {
		fits := false
		if u.prefix.ok {
			rule.Prefix, fits = v.rulePrefix(u.prefix)
		}
		ok = ok && fits
	}
	return rule, ok
}

// ruleInterface checks the pattern of a rule, and that it could ever match.
func (v *validator) ruleInterface(t text, allow, deny []string) bool {
	switch {
	case !v.pattern(t, "interface"):
	case matchesAny(tunnels, t.s) && !(plainName(t.s) && slices.Contains(allow, t.s)):
		v.report(t.at, "interface %s is a tunnel's, which is used only if allow has its name in full (%s); add it there, or take this [[locator]] out", quote(t.s), strings.Join(tunnels, ", "))
	case matchesAny(deny, t.s):
		v.report(t.at, "interface %s is refused by deny; take it out of one of them", quote(t.s))
	case len(allow) > 0 && plainName(t.s) && !matchesAny(allow, t.s):
		v.report(t.at, "interface %s is not in allow; add it there, or take this [[locator]] out", quote(t.s))
	default:
		return true
	}
	return false
}

func (v *validator) rulePrefix(t text) (netip.Prefix, bool) {
	p, ok := v.plainPrefix(t, `"2001:db8::/32" or "192.0.2.0/24"`)
	if !ok {
		return p, false
	}
	if p.Addr().Is4In6() {
		v.report(t.at, "prefix %s is IPv4-mapped; write %q", quote(t.s), unmap(p))
		return p, false
	}
	return p, true
}

// covers reports whether every address that b matches is one that a matches, as
// far as the patterns show.
func covers(a, b locator.Rule) bool {
	anyName := a.Interface == "" || a.Interface == "*" || a.Interface == b.Interface
	if !anyName && plainName(b.Interface) {
		anyName, _ = path.Match(a.Interface, b.Interface)
	}
	return anyName && (!a.Prefix.IsValid() ||
		b.Prefix.IsValid() && a.Prefix.Bits() <= b.Prefix.Bits() && a.Prefix.Contains(b.Prefix.Addr()))
}

// plainName reports whether pattern is the name of one interface.
func plainName(pattern string) bool {
	return pattern != "" && !strings.ContainsAny(pattern, `*?[\`)
}

// policyTable validates the [[policy_table]] rows.
func (v *validator) policyTable(raw []rawRow) []locator.PolicyRow {
	var all []locator.PolicyRow
	lines := make(map[netip.Prefix]int)
	for _, w := range raw {
		row := locator.PolicyRow{
			Precedence: v.inRange(w.precedence, "precedence", maxRank, 0),
			Label:      v.inRange(w.label, "label", maxRank, 0),
		}
		v.rowKeys(w)
		if !w.prefix.ok {
			continue
		}
		p, ok := v.plainPrefix(w.prefix, `"::ffff:0:0/96" or "fc00::/7"`)
		if !ok {
			continue
		}
		// IPv4 may be written in two ways that mean the same.
		if line, dup := lines[unmap(p)]; dup {
			v.report(w.prefix.at, "prefix %s has a row at line %d already; take one out", quote(w.prefix.s), line)
			continue
		}
		lines[unmap(p)] = w.prefix.at.line
		row.Prefix = p
		all = append(all, row)
	}
	return all
}

// rowKeys reports what a row lacks: all of it is required, as no value is a
// natural default.
func (v *validator) rowKeys(w rawRow) {
	const where = " in [[policy_table]]"
	if !w.prefix.seen {
		v.missing(w.at, "prefix", where, `"::ffff:0:0/96"`)
	}
	if !w.precedence.seen {
		v.missing(w.at, "precedence", where, `35, where a higher number is better`)
	}
	if !w.label.seen {
		v.missing(w.at, "label", where, `4, where addresses of one label go together`)
	}
}

// plainPrefix reads ADDRESS/BITS without host bits.
func (v *validator) plainPrefix(t text, examples string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(t.s)
	if err == nil && p == p.Masked() {
		return p, true
	}
	if err == nil {
		v.report(t.at, "prefix %s has bits set behind the prefix; write %q", quote(t.s), p.Masked())
	} else if a, err := netip.ParseAddr(t.s); err == nil && a.Zone() == "" {
		v.report(t.at, "prefix %s has no prefix length; write %q", quote(t.s), host(a))
	} else {
		v.report(t.at, "prefix %s is no prefix; write one such as %s", quote(t.s), examples)
	}
	return netip.Prefix{}, false
}

// unmap returns p as IPv4 if it is an IPv4-mapped one.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// inRange returns a number from 0 to most, or instead where there is none.
func (v *validator) inRange(n number, key string, most int64, instead int) int {
	if !n.ok {
		return instead
	}
	if n.n < 0 || n.n > most {
		v.report(n.at, "%s %d is out of range; write 0 to %d", key, n.n, most)
		return instead
	}
	return int(n.n)
}
