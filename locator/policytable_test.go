package locator

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func row(prefix string, precedence, label int) PolicyRow {
	return PolicyRow{netip.MustParsePrefix(prefix), precedence, label}
}

// The default table of RFC 6724 §2.1, by an address of each row.
func TestDefaultTable(t *testing.T) {
	tests := []struct {
		addr              string
		precedence, label int
	}{
		{"::1", 50, 0}, {"2001:db8::1", 40, 1}, {"fe80::1", 40, 1}, {"192.0.2.1", 35, 4}, {"10.0.0.1", 35, 4},
		{"2002:c000:201::1", 30, 2}, {"2001::1", 5, 5}, {"fd00::1", 3, 13}, {"::192.0.2.1", 1, 3}, {"fec0::1", 1, 11},
		{"3ffe::1", 1, 12},
	}
	for _, given := range [][]PolicyRow{nil, DefaultTable()} {
		table := newPolicyTable(given)
		for _, tt := range tests {
			row := table.lookup(netip.MustParseAddr(tt.addr))
			if row.Precedence != tt.precedence || row.Label != tt.label {
				t.Errorf("%s: %d, %d; want %d, %d", tt.addr, row.Precedence, row.Label, tt.precedence, tt.label)
			}
		}
	}
}

func TestPolicyTableLookup(t *testing.T) {
	rows := []PolicyRow{
		row("::/0", 40, 1), row("2001:db8::/32", 41, 2), row("2001:db8:1::/48", 42, 3),
		row("::ffff:0:0/96", 35, 4), row("10.0.0.0/8", 36, 5), row("::ffff:10.1.0.0/112", 37, 6),
	}
	for _, tt := range []struct {
		addr  string
		label int
	}{
		{"2a00::1", 1}, {"2001:db8:2::1", 2}, {"2001:db8:1::1", 3}, {"192.0.2.1", 4}, {"10.0.0.1", 5}, {"10.1.0.1", 6},
	} {
		for range 2 {
			slices.Reverse(rows)
			if got := newPolicyTable(rows).lookup(netip.MustParseAddr(tt.addr)).Label; got != tt.label {
				t.Errorf("%s: label %d, want %d", tt.addr, got, tt.label)
			}
		}
	}
	// IPv4 is part of ::/0, and what no row holds is like ::/0 of the default table.
	if got := newPolicyTable(rows[:1]).lookup(netip.MustParseAddr("192.0.2.1")).Label; got != 1 {
		t.Errorf("IPv4 under ::/0 alone: label %d", got)
	}
	if got := newPolicyTable([]PolicyRow{row("fc00::/7", 3, 13)}).lookup(netip.MustParseAddr("2001:db8::1")); got != defaultRow {
		t.Errorf("no row: %+v", got)
	}
}

// What ValidateTable refuses must still not decide by its place in the list, or break.
func TestPolicyTableInvalidRows(t *testing.T) {
	rows := []PolicyRow{{}, row("10.0.0.0/8", 1, 7), row("::ffff:10.0.0.0/104", 2, 8)}
	for range 2 {
		slices.Reverse(rows)
		if got := newPolicyTable(rows).lookup(netip.MustParseAddr("10.0.0.1")).Label; got != 8 {
			t.Errorf("label %d, want that of the higher precedence, 8", got)
		}
	}
}

func TestValidateTable(t *testing.T) {
	for _, rows := range [][]PolicyRow{nil, DefaultTable(), {row("10.0.0.0/8", 0, MaxPolicyValue), row("::ffff:0:0/96", MaxPolicyValue, 0)}} {
		if err := ValidateTable(rows); err != nil {
			t.Errorf("%v: %v", rows, err)
		}
	}
	for _, tt := range []struct {
		rows []PolicyRow
		want []string
	}{
		{[]PolicyRow{{}}, []string{"row 1: no prefix"}},
		{[]PolicyRow{row("::/0", 1, 1), row("2001:db8::1/32", 1, 1)}, []string{"row 2: 2001:db8::1/32 has bits beyond its length; write 2001:db8::/32"}},
		{[]PolicyRow{row("::/0", -1, 1)}, []string{"row 1: ::/0: precedence -1 is out of range; write 0 to 65535"}},
		{[]PolicyRow{row("::/0", 1, 65536)}, []string{"row 1: ::/0: label 65536 is out of range"}},
		{[]PolicyRow{row("::/0", 1, 1), row("fc00::/7", 1, 1), row("::/0", 2, 2)}, []string{"row 3: ::/0 is row 1 already"}},
		{[]PolicyRow{row("0.0.0.0/0", 1, 1), row("::ffff:0:0/96", 1, 1)}, []string{"row 2: ::ffff:0.0.0.0/96 is row 1 already"}},
		{[]PolicyRow{row("::/0", 1, -1), row("::/0", 1, 1), row("::/0", 1, 1)}, []string{"row 1: ", "row 3: ::/0 is row 2 already"}},
	} {
		err := ValidateTable(tt.rows)
		if err == nil {
			t.Errorf("%v passes", tt.rows)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %q, want %q", tt.rows, err, want)
			}
		}
		if n := strings.Count(err.Error(), "policy table"); n != len(tt.want) {
			t.Errorf("%v: %d errors in %q, want %d", tt.rows, n, err, len(tt.want))
		}
	}
}
