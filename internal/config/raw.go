package config

import (
	"fmt"
	"slices"
)

// A rawFile is the file as it was written: the right keys with the right types,
// their values not looked at yet.
type rawFile struct {
	privateKeyFile text
	iface          text
	port           number
	controlSocket  text
	profile        text
	addresses      list
	mtu            size
	allow          list
	deny           list
	margin         text
	reportDelay    text
	tries          number
	ciphers        list
	failback       text
	probeBudget    size
	rules          []rawRule
	policyTable    []rawRow
	peers          []rawPeer
}

// A rawPeer is one [[peer]] table as it was written, at its header.
type rawPeer struct {
	at               pos
	name             text
	publicKey        text
	presharedKeyFile text
	locators         list
	routes           list
	keepalive        text
}

// A rawRule is one [[locator]] table, at its header.
type rawRule struct {
	at         pos
	iface      text
	prefix     text
	preference number
	metered    flag
}

// A rawRow is one [[policy_table]] table, at its header.
type rawRow struct {
	at         pos
	prefix     text
	precedence number
	label      number
}

// A text is a string from the file. seen says that its key was there, ok that
// its type was right as well; at is the value's place, or the table's where the
// key is absent.
type text struct {
	at       pos
	seen, ok bool
	s        string
}

// A number is an integer from the file, otherwise like text.
type number struct {
	at       pos
	seen, ok bool
	n        int64
}

// A flag is true or false from the file, otherwise like text.
type flag struct {
	at       pos
	seen, ok bool
	b        bool
}

// A size is a number of bytes from the file: a string with a unit, or an integer.
type size struct {
	at       pos
	seen, ok bool
	isText   bool // then s holds it, otherwise n
	s        string
	n        int64
}

// A list is an array of strings from the file. Elements of another type have
// been reported and left out; empty says that there were none in the file.
type list struct {
	at    pos
	empty bool
	all   []text
}

// A field is one key that a table may hold.
type field struct {
	name    string
	example string // what to write, for people whose value has the wrong type
	into    any    // *text, *number, *flag, *size, *list, or *[]rawX for tables
}

// isTables says that the field is written as [[name]].
func (f field) isTables() bool {
	switch f.into.(type) {
	case *[]rawPeer, *[]rawRule, *[]rawRow:
		return true
	}
	return false
}

func rootFields(f *rawFile) []field {
	return []field{
		{"private_key_file", `"shim0.key"`, &f.privateKeyFile},
		{"interface", `"shim0"`, &f.iface},
		{"port", `6110`, &f.port},
		{"control_socket", `"/run/multi6/shim0.sock"`, &f.controlSocket},
		{"profile", `"balanced"`, &f.profile},
		{"addresses", `["10.99.0.1/32"]`, &f.addresses},
		{"mtu", `1400`, &f.mtu},
		{"allow", `["eth*"]`, &f.allow},
		{"deny", `["docker*"]`, &f.deny},
		{"margin", `"15ms"`, &f.margin},
		{"report_delay", `"10ms"`, &f.reportDelay},
		{"tries", `3`, &f.tries},
		{"ciphers", `["aes-256-gcm"]`, &f.ciphers},
		{"failback", `"10s"`, &f.failback},
		{"probe_budget", `"1MB"`, &f.probeBudget},
		{"locator", "", &f.rules},
		{"policy_table", "", &f.policyTable},
		{"peer", "", &f.peers},
	}
}

func peerFields(p *rawPeer) []field {
	return []field{
		{"name", `"b"`, &p.name},
		{"public_key", `"BASE64"`, &p.publicKey},
		{"preshared_key_file", `"b.psk"`, &p.presharedKeyFile},
		{"locators", `["[2001:db8::1]:6110"]`, &p.locators},
		{"routes", `["10.99.0.2/32"]`, &p.routes},
		{"keepalive", `"25s"`, &p.keepalive},
	}
}

func ruleFields(u *rawRule) []field {
	return []field{
		{"interface", `"wwan*"`, &u.iface},
		{"prefix", `"2001:db8::/32"`, &u.prefix},
		{"preference", `50`, &u.preference},
		{"metered", `true`, &u.metered},
	}
}

func rowFields(w *rawRow) []field {
	return []field{
		{"prefix", `"::ffff:0:0/96"`, &w.prefix},
		{"precedence", `35`, &w.precedence},
		{"label", `4`, &w.label},
	}
}

// A decoder fills a rawFile. What has the wrong name or type is reported and left
// out.
type decoder struct {
	*reporter
	// first is the name of the first [[table]] of the file, which ends the keys of
	// the node.
	first string
}

// decode reads the root table.
func (r *reporter) decode(root *table) rawFile {
	var f rawFile
	fields := rootFields(&f)
	d := decoder{r, firstTable(root, fields)}
	d.fill("", root, fields)
	return f
}

func firstTable(root *table, fields []field) string {
	for _, e := range root.entries {
		if f := find(fields, e.key); f != nil && f.isTables() && holdsTables(e.value) {
			return e.key
		}
	}
	return "peer"
}

// fill reads the entries of t, a table under the header [[section]], or the root
// where section is empty.
func (d *decoder) fill(section string, t *table, fields []field) {
	for _, e := range t.entries {
		if known := find(fields, e.key); known != nil {
			d.set(*known, e)
		} else {
			d.unknown(e, section, fields)
		}
	}
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// set stores the value of e where f says, or reports its type.
func (d *decoder) set(f field, e *entry) {
	v := e.value
	switch into := f.into.(type) {
	case *text:
		*into = text{v.at, true, d.wantKind(f, v, kindString), v.text}
	case *number:
		*into = number{v.at, true, d.wantKind(f, v, kindInteger), v.number}
	case *flag:
		*into = flag{v.at, true, d.wantKind(f, v, kindBool), v.truth}
	case *size:
		*into = size{v.at, true, d.wantKind(f, v, kindString, kindInteger), v.kind == kindString, v.text, v.number}
	case *list:
		*into = list{at: v.at, empty: v.kind == kindArray && len(v.elems) == 0}
		if d.wantKind(f, v, kindArray) {
			into.all = d.strings(f, v)
		}
	case *[]rawPeer:
		for _, v := range d.tables(e) {
			p := rawPeer{at: v.at}
			d.fill(e.key, v.table, peerFields(&p))
			*into = append(*into, p)
		}
	case *[]rawRule:
		for _, v := range d.tables(e) {
			u := rawRule{at: v.at}
			d.fill(e.key, v.table, ruleFields(&u))
			*into = append(*into, u)
		}
	case *[]rawRow:
		for _, v := range d.tables(e) {
			w := rawRow{at: v.at}
			d.fill(e.key, v.table, rowFields(&w))
			*into = append(*into, w)
		}
	}
}

// wantKind reports v if it is of none of the kinds.
func (r *reporter) wantKind(f field, v *value, kinds ...kind) bool {
	if slices.Contains(kinds, v.kind) {
		return true
	}
	want := string(kinds[0])
	switch {
	case want == string(kindArray):
		want = "a list of strings"
	case len(kinds) > 1:
		want += " or " + string(kinds[1])
	}
	r.report(v.at, "%s must be %s, not %s; write %s = %s", f.name, want, v.kind, f.name, f.example)
	return false
}

func (r *reporter) strings(f field, v *value) []text {
	all := make([]text, 0, len(v.elems))
	for _, e := range v.elems {
		if e.kind != kindString {
			r.report(e.at, "%s holds strings only, not %s; write %s = %s", f.name, e.kind, f.name, f.example)
			continue
		}
		all = append(all, text{e.at, true, true, e.text})
	}
	return all
}

// tableAdvice says how the tables are written and what they are for.
var tableAdvice = map[string]string{
	"peer":         "write the header [[peer]] and the peer's keys below it, once for each peer",
	"locator":      "write the header [[locator]] and what holds for some of our addresses below it; where a peer can be reached goes into locators below its [[peer]]",
	"policy_table": "write the header [[policy_table]] and prefix, precedence and label below it, once for each row",
}

// tables returns the elements of an array of tables, which may be written inline
// as well: TOML holds both to be the same.
func (r *reporter) tables(e *entry) []*value {
	if e.value.kind != kindArray {
		r.report(e.at, "%s must be a list of tables, not %s; %s", e.key, e.value.kind, tableAdvice[e.key])
		return nil
	}
	var all []*value
	for _, v := range e.value.elems {
		if v.kind != kindTable {
			r.report(v.at, "%s holds tables only, not %s; %s", e.key, v.kind, tableAdvice[e.key])
			continue
		}
		all = append(all, v)
	}
	return all
}

// missing reports a required key that is not there.
func (r *reporter) missing(at pos, name, where, example string) {
	r.report(at, "missing key %q%s; write %s", name, where, fmt.Sprintf("%s = %s", name, example))
}
