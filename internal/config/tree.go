package config

import (
	"bytes"
	"errors"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A tree is a TOML document whose values know where they stand. go-toml keeps
// positions only in its parser, not in what it decodes to.

// A value is one TOML value.
type value struct {
	at   pos
	kind kind
	// text is set for a string, number for an integer, truth for true, elems for
	// an array, and table for a table. Other scalars carry nothing: no key takes
	// one.
	text   string
	number int64
	truth  bool
	elems  []*value
	table  *table
}

// A table holds its entries in the order of the file.
type table struct{ entries []*entry }

// An entry is one key of a table, at the place where the key first appears.
type entry struct {
	key   string
	at    pos
	value *value
}

// A kind is the type of a value as the file's author would name it.
type kind string

const (
	kindString  kind = "a string"
	kindInteger kind = "a whole number"
	kindFloat   kind = "a number with a fraction"
	kindBool    kind = "true or false"
	kindTime    kind = "a date or time"
	kindArray   kind = "a list"
	kindTable   kind = "a table"
)

// parseTree returns the root table of a document. Where the text is no valid
// TOML it returns nil, what is wrong, and where.
func parseTree(data []byte) (root *table, trouble string, at pos) {
	// The decoder finds what the parser alone does not: keys defined twice,
	// impossible dates, numbers too large.
	var ignored map[string]any
	if err := toml.Unmarshal(data, &ignored); err != nil {
		at = start
		var de *toml.DecodeError
		if errors.As(err, &de) {
			at.line, at.column = de.Position()
		}
		trouble = strings.TrimPrefix(err.Error(), "toml: ")
		if strings.Contains(trouble, "start of value") || strings.Contains(trouble, "expected newline") {
			trouble += "; text goes in double quotes"
		}
		return nil, trouble, at
	}

	b := newBuilder(data)
	for b.parser.NextExpression() {
		b.expression(b.parser.Expression())
	}
	return b.root, "", pos{}
}

// A builder grows a tree from the parser's expressions. The document has been
// checked before: where an expression does not fit what came earlier, it is
// left out.
type builder struct {
	data   []byte
	lines  []int // offset of the first byte of each line
	parser unstable.Parser
	root   *table
	// current is the table of the last [header].
	current *table
}

func newBuilder(data []byte) *builder {
	b := &builder{data: data, lines: []int{0}, root: new(table)}
	b.current = b.root
	for i, c := range data {
		if c == '\n' {
			b.lines = append(b.lines, i+1)
		}
	}
	b.parser.Reset(data)
	return b
}

// pos returns the place of the byte at offset.
func (b *builder) pos(offset int) pos {
	line := sort.SearchInts(b.lines, offset+1)
	return pos{line, offset - b.lines[line-1] + 1}
}

func (b *builder) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table:
		if t := b.enter(b.root, n.Key()); t != nil {
			b.current = t
		}
	case unstable.ArrayTable:
		if t := b.appendTable(n.Key()); t != nil {
			b.current = t
		}
	case unstable.KeyValue:
		b.keyValue(b.current, n)
	}
}

// appendTable adds an element to the array of tables that key names and
// returns it.
func (b *builder) appendTable(key unstable.Iterator) *table {
	parent, last := b.walk(b.root, key)
	if parent == nil {
		return nil
	}
	at := b.pos(int(last.Raw.Offset))
	e := parent.find(string(last.Data))
	if e == nil {
		e = parent.add(string(last.Data), at, &value{at: at, kind: kindArray})
	}
	elem := &value{at: at, kind: kindTable, table: new(table)}
	e.value.elems = append(e.value.elems, elem)
	return elem.table
}

// keyValue adds "key = value" to t.
func (b *builder) keyValue(t *table, n *unstable.Node) {
	parent, last := b.walk(t, n.Key())
	if parent == nil {
		return
	}
	at := b.pos(int(last.Raw.Offset))
	from := b.afterEquals(int(last.Raw.Offset + last.Raw.Length))
	parent.add(string(last.Data), at, b.value(n.Value(), b.pos(from)))
}

// afterEquals returns the offset of the value that follows a key ending at
// offset. The parser does not record where an array starts.
func (b *builder) afterEquals(offset int) int {
	rest := bytes.TrimLeft(b.data[offset:], " \t=")
	return len(b.data) - len(rest)
}

// value converts a parsed value. at is where it stands, or, for an array inside
// an array, where the outer one does.
func (b *builder) value(n *unstable.Node, at pos) *value {
	if n.Raw.Length > 0 {
		at = b.pos(int(n.Raw.Offset))
	}
	v := &value{at: at}
	switch n.Kind {
	case unstable.String:
		v.kind, v.text = kindString, string(n.Data)
	case unstable.Integer:
		v.kind = kindInteger
		// The decoder has taken it for an int64 already. Base 0 knows TOML's
		// prefixes and underscores.
		v.number, _ = strconv.ParseInt(string(n.Data), 0, 64)
	case unstable.Float:
		v.kind = kindFloat
	case unstable.Bool:
		v.kind, v.truth = kindBool, string(n.Data) == "true"
	case unstable.Array:
		v.kind = kindArray
		for it := n.Children(); it.Next(); {
			v.elems = append(v.elems, b.value(it.Node(), at))
		}
	case unstable.InlineTable:
		v.kind, v.table = kindTable, new(table)
		for it := n.Children(); it.Next(); {
			b.keyValue(v.table, it.Node())
		}
	default:
		v.kind = kindTime
	}
	return v
}

// walk follows all parts of a dotted key but the last, making tables as TOML
// does, and returns the table reached and the last part.
func (b *builder) walk(t *table, key unstable.Iterator) (*table, *unstable.Node) {
	key.Next()
	for ; t != nil && !key.IsLast(); key.Next() {
		t = b.child(t, key.Node())
	}
	return t, key.Node()
}

// enter follows all parts of a dotted key and returns the table reached.
func (b *builder) enter(t *table, key unstable.Iterator) *table {
	parent, last := b.walk(t, key)
	if parent == nil {
		return nil
	}
	return b.child(parent, last)
}

// child returns the table that part names within t: the last one if it is an
// array of tables, a new one if there is none, nil if it is no table.
func (b *builder) child(t *table, part *unstable.Node) *table {
	e := t.find(string(part.Data))
	if e == nil {
		at := b.pos(int(part.Raw.Offset))
		e = t.add(string(part.Data), at, &value{at: at, kind: kindTable, table: new(table)})
	}
	if n := len(e.value.elems); n > 0 {
		return e.value.elems[n-1].table
	}
	return e.value.table
}

func (t *table) find(key string) *entry {
	for _, e := range t.entries {
		if e.key == key {
			return e
		}
	}
	return nil
}

func (t *table) add(key string, at pos, v *value) *entry {
	e := &entry{key, at, v}
	t.entries = append(t.entries, e)
	return e
}
