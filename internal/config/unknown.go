package config

import (
	"fmt"
	"strings"
)

// A section is one kind of table and what it may hold; the root has no name.
type section struct {
	name   string
	fields []field
}

func sections() []section {
	return []section{
		{"", rootFields(new(rawFile))},
		{"peer", peerFields(new(rawPeer))},
		{"locator", ruleFields(new(rawRule))},
		{"policy_table", rowFields(new(rawRow))},
	}
}

// unknown reports a key that its section does not have, and the key of any
// section that was likely meant: TOML gives every key to the last header above it.
func (d *decoder) unknown(e *entry, in string, own []field) {
	where := ""
	if in != "" {
		where = fmt.Sprintf(" in [[%s]]", in)
	}
	d.report(e.at, "unknown key %s%s; %s", quote(e.key), where, d.advice(e, in, own))
}

func (d *decoder) advice(e *entry, in string, own []field) string {
	if places := d.placesOf(e, in); len(places) > 0 {
		return "it belongs " + strings.Join(places, " or ")
	}
	if best := suggest(e.key, names(own)); best != "" {
		if find(own, best).isTables() {
			return fmt.Sprintf("did you mean [[%s]]?", best)
		}
		return fmt.Sprintf("did you mean %q?", best)
	}
	for _, s := range sections() {
		best := suggest(e.key, names(s.fields))
		switch {
		case s.name == in || best == "":
		case find(s.fields, best).isTables():
			return fmt.Sprintf("did you mean [[%s]]?", best)
		default:
			return fmt.Sprintf("did you mean %q, which belongs %s?", best, d.place(s))
		}
	}
	return "the keys are " + strings.Join(names(own), ", ")
}

// placesOf returns where the key of e belongs, other than in the section called
// in. A list of tables and a plain value of one name are not confused: locator is
// not what a peer has instead of locators.
func (d *decoder) placesOf(e *entry, in string) []string {
	var all []string
	for _, s := range sections() {
		f := find(s.fields, e.key)
		switch {
		case s.name == in || f == nil || f.isTables() != holdsTables(e.value):
		case f.isTables():
			return []string{fmt.Sprintf("under a header of its own, [[%s]]", e.key)}
		default:
			all = append(all, d.place(s))
		}
	}
	return all
}

// place says where the keys of s stand.
func (d *decoder) place(s section) string {
	if s.name == "" {
		return fmt.Sprintf("above the first [[%s]]", d.first)
	}
	return fmt.Sprintf("below a [[%s]]", s.name)
}

// holdsTables reports whether v is a table or a list of them.
func holdsTables(v *value) bool {
	return v.kind == kindTable || len(v.elems) > 0 && v.elems[0].kind == kindTable
}

func names(fields []field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return all
}
