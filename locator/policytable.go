package locator

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// A PolicyRow is a row of the RFC 6724 policy table (§2.1). IPv4 addresses are
// written as such, or as ::ffff:0:0/96 and longer, which means the same.
type PolicyRow struct {
	// Prefix has no host bits.
	Prefix netip.Prefix
	// Precedence is better when higher; Label is only compared for equality. Both
	// are from 0 to MaxPolicyValue.
	Precedence, Label int
}

// MaxPolicyValue bounds precedences and labels. It is our own: RFC 6724 names no
// bound, and its largest value is 50.
const MaxPolicyValue = 65535

// mappedBits is the length of ::ffff:0:0/96, in which IPv4 addresses lie.
const mappedBits = 96

// DefaultTable returns the default policy table (RFC 6724 §2.1). The slice is the
// caller's.
func DefaultTable() []PolicyRow {
	return []PolicyRow{
		{netip.MustParsePrefix("::1/128"), 50, 0},
		{netip.MustParsePrefix("::/0"), 40, 1},
		{netip.MustParsePrefix("::ffff:0:0/96"), 35, 4},
		{netip.MustParsePrefix("2002::/16"), 30, 2},
		{netip.MustParsePrefix("2001::/32"), 5, 5},
		{netip.MustParsePrefix("fc00::/7"), 3, 13},
		{netip.MustParsePrefix("::/96"), 1, 3},
		{netip.MustParsePrefix("fec0::/10"), 1, 11},
		{netip.MustParsePrefix("3ffe::/16"), 1, 12},
	}
}

// defaultRow is for addresses that no row holds: the row ::/0 of the default table.
var defaultRow = PolicyRow{netip.MustParsePrefix("::/0"), 40, 1}

// ValidateTable reports every row that could not be meant: no prefix, a prefix with
// host bits, one that stands there twice, a number out of range. A table without
// rows is valid, and means the default table.
func ValidateTable(rows []PolicyRow) error {
	var errs []error
	first := make(map[netip.Prefix]int, len(rows))
	for i, row := range rows {
		n := i + 1 // as people count
		if err := row.validate(); err != nil {
			errs = append(errs, fmt.Errorf("locator: policy table, row %d: %w", n, err))
			continue
		}
		p := mapped(row.Prefix)
		if earlier, ok := first[p]; ok {
			errs = append(errs, fmt.Errorf("locator: policy table, row %d: %v is row %d already; take one of them out", n, row.Prefix, earlier))
			continue
		}
		first[p] = n
	}
	return errors.Join(errs...)
}

func (r PolicyRow) validate() error {
	switch {
	case !r.Prefix.IsValid():
		return errors.New("no prefix; write one such as 2001:db8::/32")
	case r.Prefix != r.Prefix.Masked():
		return fmt.Errorf("%v has bits beyond its length; write %v", r.Prefix, r.Prefix.Masked())
	case r.Precedence < 0 || r.Precedence > MaxPolicyValue:
		return fmt.Errorf("%v: precedence %d is out of range; write 0 to %d", r.Prefix, r.Precedence, MaxPolicyValue)
	case r.Label < 0 || r.Label > MaxPolicyValue:
		return fmt.Errorf("%v: label %d is out of range; write 0 to %d", r.Prefix, r.Label, MaxPolicyValue)
	}
	return nil
}

// A policyTable is ready for lookups: all prefixes are of IPv6, with IPv4 among them
// as ::ffff:0:0/96 and longer, and the longest come first.
type policyTable []PolicyRow

// newPolicyTable takes rows in any order. Rows that ValidateTable refuses do no
// harm: those without prefix are left out, and of two equal prefixes the higher
// precedence counts, so that the order does not matter.
func newPolicyTable(rows []PolicyRow) policyTable {
	if len(rows) == 0 {
		rows = DefaultTable()
	}
	t := make(policyTable, 0, len(rows))
	for _, row := range rows {
		if row.Prefix.IsValid() {
			row.Prefix = mapped(row.Prefix)
			t = append(t, row)
		}
	}
	slices.SortFunc(t, func(a, b PolicyRow) int {
		return cmp.Or(
			cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()),
			cmp.Compare(b.Precedence, a.Precedence),
			cmp.Compare(a.Label, b.Label))
	})
	return t
}

// mapped returns p as a prefix of IPv6 (RFC 6724 §2.1: an IPv4 address is looked up
// as the IPv4-mapped address that stands for it).
func mapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4() {
		p = netip.PrefixFrom(netip.AddrFrom16(p.Addr().As16()), mappedBits+p.Bits())
	}
	return p.Masked()
}

// lookup returns a's row: the longest prefix that holds it (RFC 6724 §2.1).
func (t policyTable) lookup(a netip.Addr) PolicyRow {
	wide := netip.AddrFrom16(a.As16())
	for _, row := range t {
		if row.Prefix.Contains(wide) {
			return row
		}
	}
	return defaultRow
}
