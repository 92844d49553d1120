package config

import (
	"strings"
	"testing"
	"time"
)

// tableTests are about [[locator]] and [[policy_table]], and about keys under the
// wrong header.
func tableTests() []problemTest {
	rule := func(lines string) string { return withKey("[[locator]]\n" + lines) } // from 3:1
	row := func(lines string) string { return withKey("[[policy_table]]\n" + lines) }
	const rest = "\nprecedence = 35\nlabel = 4\n"
	const advice = "; write the header [[locator]] and what holds for some of our addresses below it; where a peer can be reached goes into locators below its [[peer]]"
	return []problemTest{
		{"rule of nothing", rule("preference = 50"), []string{
			`2:3: [[locator]] says neither interface nor prefix; write interface = "wwan*", or prefix = "2001:db8::/32"`}},
		{"preference too high", rule("interface = \"eth0\"\npreference = 256"), []string{`4:14: preference 256 is out of range; write 0 to 255`}},
		{"preference negative", rule("interface = \"eth0\"\npreference = -1"), []string{`4:14: preference -1 is out of range; write 0 to 255`}},
		{"preference a word", rule("interface = \"eth0\"\npreference = \"low\""), []string{
			`4:14: preference must be a whole number, not a string; write preference = 50`}},
		{"metered a word", rule("interface = \"eth0\"\nmetered = \"yes\""), []string{
			`4:11: metered must be true or false, not a string; write metered = true`}},
		{"rule's interface malformed", rule(`interface = "wwan["`), []string{
			`3:13: interface pattern "wwan[" is malformed; write a name such as "eth0", or a pattern with *, ? or [a-z]`}},
		{"rule's interface a list", rule(`interface = ["wwan0"]`), []string{`3:13: interface must be a string, not a list; write interface = "wwan*"`}},
		{"rule for a tunnel", rule(`interface = "wg0"`), []string{
			`3:13: interface "wg0" is a tunnel's, which is used only if allow has its name in full (` + strings.Join(tunnels, ", ") + `); add it there, or take this [[locator]] out`}},
		{"rule for what is denied", withKey("deny = [\"usb*\"]\n[[locator]]\ninterface = \"usb0\""), []string{
			`4:13: interface "usb0" is refused by deny; take it out of one of them`}},
		{"rule for what is not allowed", withKey("allow = [\"eth*\"]\n[[locator]]\ninterface = \"usb0\""), []string{
			`4:13: interface "usb0" is not in allow; add it there, or take this [[locator]] out`}},
		{"rule's prefix without length", rule(`prefix = "2001:db8::1"`), []string{`3:10: prefix "2001:db8::1" has no prefix length; write "2001:db8::1/128"`}},
		{"rule's prefix with host bits", rule(`prefix = "192.0.2.1/24"`), []string{`3:10: prefix "192.0.2.1/24" has bits set behind the prefix; write "192.0.2.0/24"`}},
		{"rule's prefix mapped", rule(`prefix = "::ffff:192.0.2.0/120"`), []string{`3:10: prefix "::ffff:192.0.2.0/120" is IPv4-mapped; write "192.0.2.0/24"`}},
		{"rule's prefix a word", rule(`prefix = "home"`), []string{`3:10: prefix "home" is no prefix; write one such as "2001:db8::/32" or "192.0.2.0/24"`}},
		{"rule twice", rule("interface = \"usb0\"\n[[locator]]\ninterface = \"usb0\"\nmetered = true"), []string{
			`4:3: this [[locator]] never counts, since the one at line 2 matches whatever it matches and the first counts; put it above that one, or take it out`}},
		{"rule behind a wider one", rule("interface = \"usb*\"\n[[locator]]\nprefix = \"2001:db8::/32\"\n[[locator]]\ninterface = \"usb0\"\nprefix = \"2001:db8:1::/48\""), []string{
			`6:3: this [[locator]] never counts, since the one at line 2 matches whatever it matches and the first counts; put it above that one, or take it out`}},
		{"locators of a peer above it", withKey(`locator = ["2001:db8::1"]`), []string{`2:12: locator holds tables only, not a string` + advice}},
		{"single rule", withKey("[locator]\ninterface = \"usb0\""), []string{`2:2: locator must be a list of tables, not a table` + advice}},

		{"row without prefix", row("precedence = 35\nlabel = 4"), []string{`2:3: missing key "prefix" in [[policy_table]]; write prefix = "::ffff:0:0/96"`}},
		{"row without the numbers", row(`prefix = "::/0"`), []string{
			`2:3: missing key "precedence" in [[policy_table]]; write precedence = 35, where a higher number is better`,
			`2:3: missing key "label" in [[policy_table]]; write label = 4, where addresses of one label go together`}},
		{"row twice", row("prefix = \"::/0\"" + rest + "[[policy_table]]\nprefix = \"::/0\"" + rest), []string{
			`7:10: prefix "::/0" has a row at line 3 already; take one out`}},
		{"row twice, IPv4", row("prefix = \"::ffff:0:0/96\"" + rest + "[[policy_table]]\nprefix = \"0.0.0.0/0\"" + rest), []string{
			`7:10: prefix "0.0.0.0/0" has a row at line 3 already; take one out`}},
		{"row twice, IPv4 first", row("prefix = \"10.0.0.0/8\"" + rest + "[[policy_table]]\nprefix = \"::ffff:10.0.0.0/104\"" + rest), []string{
			`7:10: prefix "::ffff:10.0.0.0/104" has a row at line 3 already; take one out`}},
		{"row with host bits", row(`prefix = "fd00::/7"` + rest), []string{`3:10: prefix "fd00::/7" has bits set behind the prefix; write "fc00::/7"`}},
		{"row without length", row(`prefix = "::1"` + rest), []string{`3:10: prefix "::1" has no prefix length; write "::1/128"`}},
		{"row of a word", row(`prefix = "default"` + rest), []string{`3:10: prefix "default" is no prefix; write one such as "::ffff:0:0/96" or "fc00::/7"`}},
		{"row out of range", row("prefix = \"::/0\"\nprecedence = 65536\nlabel = -1"), []string{
			`4:14: precedence 65536 is out of range; write 0 to 65535`,
			`5:9: label -1 is out of range; write 0 to 65535`}},

		{"misspelt in a rule", rule("interface = \"eth0\"\nprefrence = 1"), []string{`4:1: unknown key "prefrence" in [[locator]]; did you mean "preference"?`}},
		{"node's key below a rule", rule("interface = \"eth0\"\nfailback = \"1s\"\n") + "[[peer]]\npublic_key = \"" + bPublic.String() + "\"\nport = 1", []string{
			`4:1: unknown key "failback" in [[locator]]; it belongs above the first [[locator]]`,
			`7:1: unknown key "port" in [[peer]]; it belongs above the first [[locator]]`}},
		{"rule's key above", withKey("metered = true"), []string{`2:1: unknown key "metered"; it belongs below a [[locator]]`}},
		{"key of two tables above", withKey("prefix = \"::/0\""), []string{`2:1: unknown key "prefix"; it belongs below a [[locator]] or below a [[policy_table]]`}},
		{"rule's key below a peer", withPeer("preference = 1"), []string{`4:1: unknown key "preference" in [[peer]]; it belongs below a [[locator]]`}},
		{"locator below a peer", withPeer(`locator = "2001:db8::1"`), []string{`4:1: unknown key "locator" in [[peer]]; did you mean "locators"?`}},
		{"rule within a peer", withPeer("[[peer.locator]]\ninterface = \"eth0\""), []string{
			`4:8: unknown key "locator" in [[peer]]; it belongs under a header of its own, [[locator]]`}},
		{"locators as a header", withKey("[[locators]]\ninterface = \"eth0\""), []string{`2:3: unknown key "locators"; did you mean [[locator]]?`}},
		{"policy", withKey("[[policytable]]"), []string{`2:3: unknown key "policytable"; did you mean [[policy_table]]?`}},
		{"wg's word for keepalives", withPeer("PersistentKeepalive = 25"), []string{`4:1: unknown key "PersistentKeepalive" in [[peer]]; did you mean "keepalive"?`}},
	}
}

func quantityTests() []problemTest {
	failback := func(s string) string { return withKey("failback = " + s) }
	budget := func(s string) string { return withKey("probe_budget = " + s) }
	keepalive := func(s string) string { return withPeer("keepalive = " + s) }
	const never = `or "off" for never`
	const instead = `or "auto" for only behind a NAT, or "off" for none`
	const noSize = `is no size; write a whole number and a unit such as "1MB" (units kB, MB, GB, KiB, MiB, GiB, or none for bytes), or "0" for none beyond need`
	return []problemTest{
		{"failback a number", failback("10"), []string{`2:12: failback must be a string, not a whole number; write failback = "10s"`}},
		{"failback without unit", failback(`"10"`), []string{`2:12: failback "10" has no unit; write "10s" for seconds, ` + never}},
		{"failback a word", failback(`"never"`), []string{`2:12: failback "never" is no duration; write one from "100ms" to "24h" (units ms, s, m, h), ` + never}},
		{"failback zero", failback(`"0"`), []string{`2:12: failback "0" is out of range; write "100ms" to "24h", ` + never}},
		{"failback short", failback(`"99ms"`), []string{`2:12: failback "99ms" is out of range; write "100ms" to "24h", ` + never}},
		{"failback long", failback(`"24h1s"`), []string{`2:12: failback "24h1s" is out of range; write "100ms" to "24h", ` + never}},
		{"keepalive a number", keepalive("25"), []string{`4:13: keepalive must be a string, not a whole number; write keepalive = "25s"`}},
		{"keepalive without unit", keepalive(`"25"`), []string{`4:13: keepalive "25" has no unit; write "25s" for seconds, ` + instead}},
		{"keepalive a word", keepalive(`"on"`), []string{`4:13: keepalive "on" is no duration; write one from "1s" to "1h" (units ms, s, m, h), ` + instead}},
		{"keepalive short", keepalive(`"0s"`), []string{`4:13: keepalive "0s" is out of range; write "1s" to "1h", ` + instead}},
		{"keepalive long", keepalive(`"61m"`), []string{`4:13: keepalive "61m" is out of range; write "1s" to "1h", ` + instead}},
		{"budget a word", budget(`"little"`), []string{`2:16: probe_budget "little" ` + noSize}},
		{"budget empty", budget(`""`), []string{`2:16: probe_budget "" ` + noSize}},
		{"budget with a fraction", budget(`"1.5MB"`), []string{`2:16: probe_budget "1.5MB" ` + noSize}},
		{"budget, a fraction", budget(`1.5`), []string{`2:16: probe_budget must be a string or a whole number, not a number with a fraction; write probe_budget = "1MB"`}},
		{"budget, unit unknown", budget(`"1 TB"`), []string{`2:16: probe_budget "1 TB" ` + noSize}},
		{"budget, unit in capitals", budget(`"100 KB"`), []string{`2:16: probe_budget "100 KB" has no unit that is known; write "100kB"`}},
		{"budget negative", budget(`-1`), []string{`2:16: probe_budget -1 is out of range; write "0" to "1000GB"`}},
		{"budget large", budget(`"1001GB"`), []string{`2:16: probe_budget "1001GB" is out of range; write "0" to "1000GB"`}},
		{"budget too large for 64 bits", budget(`"99999999999999999999"`), []string{
			`2:16: probe_budget "99999999999999999999" is out of range; write "0" to "1000GB"`}},
		{"budget too large for 64 bits with its unit", budget(`"9223372036854775807GiB"`), []string{
			`2:16: probe_budget "9223372036854775807GiB" is out of range; write "0" to "1000GB"`}},
	}
}

// hostTests are about names among locators, and addresses that look like names.
func hostTests() []problemTest {
	const example = `; write a name such as "b.example.net"`
	const notAddress = `is not an address, which has four numbers from 0 to 255 without leading zeros; write one such as "192.0.2.1" or "192.0.2.1:6110"`
	texts := []struct{ locator, want string }{
		{"10.0.0.300", notAddress},
		{"10.0.0.01:6110", notAddress},
		{"10.0.0", notAddress},
		{"１０.0.0.300", notAddress},
		{"300", notAddress},
		{"b.example.123", `is not an address, nor a name, which cannot end in a number; write one such as "[2001:db8::1]:6110", "192.0.2.1" or "b.example.net"`},
		{"10.0.0.0/8", `is a prefix; write the address alone, "10.0.0.0"`},
		{"2001:db8::g", `is no IPv6 address; write one such as "[2001:db8::1]:6110" or "2001:db8::1"`},
		{"b:example:6110", `is no IPv6 address; write one such as "[2001:db8::1]:6110" or "2001:db8::1"`},
		{"[B.example]:7000", `has brackets, which are for IPv6 addresses; write "b.example:7000"`},
		{"https://b.example.net/", `is a URL; write the address or the name alone, such as "[2001:db8::1]:6110", "192.0.2.1" or "b.example.net"`},
		{"b.example.net:http", `has port "http"; write 1 to 65535, or leave it out for 6110`},
		{"b.example.net:", `has port ""; write 1 to 65535, or leave it out for 6110`},
		{"my_host.example", `is not an address, and names of hosts have no "_"` + example},
		{"b example", `is not an address, and names of hosts have no " "` + example},
		{"eth0%", `is not an address, and names of hosts have no "%"` + example},
		{"b..example", `has a dot without a part of the name before it` + example},
		{".", `has a dot without a part of the name before it` + example},
		{"-b.example", `has a part with a hyphen at its start or end` + example},
		{"b-.example", `has a part with a hyphen at its start or end` + example},
		{"bü\u00a0.example", `has characters that a name cannot have; write one such as "b.example.net"`},
		{"localhost", `leads to this host; write a name or an address of the peer's`},
		{"LocalHost.:6110", `leads to this host; write a name or an address of the peer's`},
	}
	tests := []problemTest{
		{"names twice", withPeer(`locators = ["b.example", "B.example.:6110", "b.example:6111", "b.example:6111"]`), []string{
			`4:26: locator "B.example.:6110" is in the list already; take it out`,
			`4:63: locator "b.example:6111" is in the list already; take it out`}},
		{"long part", withPeer(`locators = ["` + strings.Repeat("x", 64) + `.example"]`), []string{
			`4:13: locator "` + strings.Repeat("x", 60) + `…" has a part of more than 63 bytes` + example}},
		{"long name", withPeer(`locators = ["` + strings.Repeat("xx.", 85) + `"]`), []string{
			`4:13: locator "` + strings.Repeat("xx.", 20) + `…" is longer than the 253 bytes that a name may have; write a shorter name or an address`}},
	}
	for _, tt := range texts {
		tests = append(tests, problemTest{"host " + tt.locator, withPeer(`locators = ["` + tt.locator + `"]`), []string{
			"4:13: locator " + quote(tt.locator) + " " + tt.want}})
	}
	return tests
}

// TestLimits accepts what is just within them.
func TestLimits(t *testing.T) {
	for text, want := range map[string]time.Duration{`"100ms"`: 100 * time.Millisecond, `"24h"`: 24 * time.Hour, `"1m30s"`: 90 * time.Second, `"off"`: 0} {
		if c, err := parseText(withKey("failback = " + text)); err != nil || c.Failback != want {
			t.Errorf("failback %s: %v", text, err)
		}
	}
	for text, want := range map[string]time.Duration{`"1s"`: time.Second, `"1h"`: time.Hour, `"auto"`: KeepaliveAuto, `"off"`: KeepaliveOff} {
		if c, err := parseText(withPeer("keepalive = " + text)); err != nil || c.Peers[0].Keepalive != want {
			t.Errorf("keepalive %s: %v", text, err)
		}
	}
	for text, want := range map[string]int64{
		`"0"`: 0, `0`: 0, `4096`: 4096, `"4096"`: 4096, `"4096B"`: 4096, `"2kB"`: 2000, `"2KiB"`: 2048, `"2MB"`: 2e6, `"2 MiB"`: 2 << 20,
		`"2GB"`: 2e9, `"2GiB"`: 2 << 30, `"1000GB"`: 1e12,
	} {
		if c, err := parseText(withKey("probe_budget = " + text)); err != nil || c.ProbeBudget != want {
			t.Errorf("probe_budget %s: %v, want %d", text, err, want)
		}
	}
	long := strings.Repeat(strings.Repeat("x", 63)+".", 3) + strings.Repeat("y", 61)
	if c, err := parseText(withPeer(`locators = ["` + long + `."]`)); err != nil || c.Peers[0].Names[0] != (Name{long + ".", 6110}) {
		t.Errorf("name of %d bytes: %v", len(long), err)
	}
}

// TestNarrowRuleFirst accepts a rule that a later, wider one would cover.
func TestNarrowRuleFirst(t *testing.T) {
	_, err := parseText(withKey(`[[locator]]
interface = "usb0"
[[locator]]
interface = "usb*"
prefix = "192.0.2.0/24"
[[locator]]
interface = "usb*"
prefix = "2001:db8::/32"
[[locator]]
interface = "usb*"
[[locator]]
prefix = "192.0.2.0/25"
`))
	if err != nil {
		t.Error(err)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1: "1", 999: "999", 1000: "1kB", 1024: "1KiB", 1_500_000: "1500kB", 1_000_000: "1MB", 3 << 30: "3GiB"} {
		got := Bytes(n)
		if got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
		if back, trouble := parseBytes(got); back != n || trouble != "" {
			t.Errorf("%q is read as %d: %s", got, back, trouble)
		}
	}
}
