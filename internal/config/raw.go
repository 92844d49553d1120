package config

import (
	"fmt"
	"slices"
	"strings"
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
	mtu            number
	allow          list
	deny           list
	peers          peerList
}

// A rawPeer is one [[peer]] table as it was written, at its header.
type rawPeer struct {
	at               pos
	name             text
	publicKey        text
	presharedKeyFile text
	locators         list
	routes           list
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

// A list is an array of strings from the file. Elements of another type have
// been reported and left out; empty says that there were none in the file.
type list struct {
	at    pos
	empty bool
	all   []text
}

// A peerList is an array of tables from the file.
type peerList []rawPeer

// A field is one key that a table may hold.
type field struct {
	name    string
	example string // what to write, for people whose value has the wrong type
	into    any    // *text, *number, *list or *peerList
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
	}
}

// decode reads the root table. What has the wrong name or type is reported and
// left out.
func (r *reporter) decode(root *table) rawFile {
	var f rawFile
	fields := rootFields(&f)
	for _, e := range root.entries {
		known := find(fields, e.key)
		if known == nil {
			r.unknown(e, "", fields, peerFields(new(rawPeer)))
			continue
		}
		r.set(*known, e)
	}
	return f
}

func (r *reporter) decodePeer(v *value) rawPeer {
	p := rawPeer{at: v.at}
	fields := peerFields(&p)
	for _, e := range v.table.entries {
		known := find(fields, e.key)
		if known == nil {
			r.unknown(e, " in [[peer]]", fields, rootFields(new(rawFile)))
			continue
		}
		r.set(*known, e)
	}
	return p
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// unknown reports a key that its table does not have, and the key of either kind
// of table that was likely meant: TOML gives every key to the last header above
// it.
func (r *reporter) unknown(e *entry, where string, fields, others []field) {
	place := "belongs above the first [[peer]]"
	if where == "" {
		place = "belongs below a [[peer]]"
	}
	own, other := names(fields), names(others)
	advice := "the keys are " + strings.Join(own, ", ")
	if slices.Contains(other, e.key) {
		advice = "it " + place
	} else if best := suggest(e.key, own); best == "peer" {
		advice = "did you mean [[peer]]?"
	} else if best != "" {
		advice = fmt.Sprintf("did you mean %q?", best)
	} else if best := suggest(e.key, other); best != "" {
		advice = fmt.Sprintf("did you mean %q, which %s?", best, place)
	}
	r.report(e.at, "unknown key %s%s; %s", quote(e.key), where, advice)
}

func names(fields []field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return all
}

// set stores the value of e where f says, or reports its type.
func (r *reporter) set(f field, e *entry) {
	v := e.value
	switch into := f.into.(type) {
	case *text:
		*into = text{v.at, true, v.kind == kindString, v.text}
		r.wantKind(f, v, kindString)
	case *number:
		*into = number{v.at, true, v.kind == kindInteger, v.number}
		r.wantKind(f, v, kindInteger)
	case *list:
		*into = list{at: v.at, empty: v.kind == kindArray && len(v.elems) == 0}
		if r.wantKind(f, v, kindArray) {
			into.all = r.strings(f, v)
		}
	case *peerList:
		*into = r.peers(e)
	}
}

// wantKind reports v if it is not of kind k.
func (r *reporter) wantKind(f field, v *value, k kind) bool {
	if v.kind == k {
		return true
	}
	want := string(k)
	if k == kindArray {
		want = "a list of strings"
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

// peers reads the [[peer]] tables, or an array of inline tables, which TOML
// holds to be the same.
func (r *reporter) peers(e *entry) peerList {
	const advice = "write the header [[peer]] and the peer's keys below it, once for each peer"
	if e.value.kind != kindArray {
		r.report(e.at, "peer must be a list of tables, not %s; %s", e.value.kind, advice)
		return nil
	}
	var ps peerList
	for _, v := range e.value.elems {
		if v.kind != kindTable {
			r.report(v.at, "peer holds tables only, not %s; %s", v.kind, advice)
			continue
		}
		ps = append(ps, r.decodePeer(v))
	}
	return ps
}

// missing reports a required key that is not there.
func (r *reporter) missing(at pos, name, where, example string) {
	r.report(at, "missing key %q%s; write %s", name, where, fmt.Sprintf("%s = %s", name, example))
}
