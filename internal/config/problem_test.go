package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A problemTest is a file and what is to be said about it, without the file's
// name.
type problemTest struct {
	name string
	text string
	want []string
}

// withKey and withPeer put what a valid file needs in front of lines that start
// at 2:1 and 4:1.
func withKey(lines string) string { return "private_key_file = \"own.key\"\n" + lines }

func withPeer(lines string) string {
	return withKey("[[peer]]\npublic_key = \"" + bPublic.String() + "\"\n" + lines)
}

func problemTests() []problemTest {
	tests := append(syntaxTests(), keyTests()...)
	tests = append(tests, nodeTests()...)
	tests = append(tests, peerTests()...)
	tests = append(tests, tableTests()...)
	tests = append(tests, quantityTests()...)
	return append(tests, hostTests()...)
}

func syntaxTests() []problemTest {
	return []problemTest{
		{"empty", "", []string{`1:1: missing key "private_key_file"; write private_key_file = "shim0.key"`}},
		{"half a line", "port = ", []string{"1:7: not valid TOML: expected value, not end of input"}},
		{"no quotes", withKey("interface = shim0"), []string{
			"2:13: not valid TOML: unexpected character U+0073 's' at start of value; text goes in double quotes"}},
		{"no quotes, digit", withKey("addresses = 10.0.0.1/8"), []string{
			"2:17: not valid TOML: expected newline but got U+002E '.'; text goes in double quotes"}},
		{"twice", withKey("port = 1\nport = 2"), []string{"3:1: not valid TOML: key port is already defined"}},
		{"too large", withKey("port = 99999999999999999999"), []string{
			"2:8: not valid TOML: decimal number is too large to fit in a 64-bit signed integer"}},
		{"not UTF-8", withKey("interface = \"\xff\""), []string{"2:14: not valid TOML: invalid UTF-8 character in basic string"}},

		{"misspelt", withKey("prot = 6110"), []string{`2:1: unknown key "prot"; did you mean "port"?`}},
		{"indented, other case", withKey("\t Control-Socket = 1"), []string{`2:3: unknown key "Control-Socket"; did you mean "control_socket"?`}},
		{"quoted key", withKey(`"prot" = 6110`), []string{`2:1: unknown key "prot"; did you mean "port"?`}},
		{"wg's word", withKey("ListenPort = 6110"), []string{`2:1: unknown key "ListenPort"; did you mean "port"?`}},
		{"wg's word, wrong table", withKey("AllowedIPs = 1"), []string{
			`2:1: unknown key "AllowedIPs"; did you mean "routes", which belongs below a [[peer]]?`}},
		{"unlike any", withKey("colour = 1"), []string{`2:1: unknown key "colour"; the keys are private_key_file, interface, port, control_socket, profile, addresses, mtu, allow, deny, margin, report_delay, tries, ciphers, failback, probe_budget, locator, policy_table, peer`}},
		{"long and odd", withKey(`"` + `\u001b` + strings.Repeat("x", 100) + `" = 1`), []string{`2:1: unknown key "\x1b` + strings.Repeat("x", 59) + `…"; the keys are private_key_file, interface, port, control_socket, profile, addresses, mtu, allow, deny, margin, report_delay, tries, ciphers, failback, probe_budget, locator, policy_table, peer`}},
		{"table", withKey("[interfaces]\nname = 1"), []string{`2:2: unknown key "interfaces"; did you mean "interface"?`}},
		{"peers", withKey("[[peers]]\nname = 1"), []string{`2:3: unknown key "peers"; did you mean [[peer]]?`}},
		{"dotted", withKey("foo.bar.baz = 1\nfoo.x = 2"), []string{`2:1: unknown key "foo"; the keys are private_key_file, interface, port, control_socket, profile, addresses, mtu, allow, deny, margin, report_delay, tries, ciphers, failback, probe_budget, locator, policy_table, peer`}},
		{"peer's key above", withKey("locators = []"), []string{`2:1: unknown key "locators"; it belongs below a [[peer]]`}},
		{"node's key below", withPeer("port = 1"), []string{`4:1: unknown key "port" in [[peer]]; it belongs above the first [[peer]]`}},
		{"in the second peer", withPeer("[[peer]]\npublic_key = \"" + cPublic.String() + "\"\n  nmae = \"c\""), []string{
			`6:3: unknown key "nmae" in [[peer]]; did you mean "name"?`}},
		{"table in peer", withPeer("[peer.route]\nx = 1"), []string{`4:7: unknown key "route" in [[peer]]; did you mean "routes"?`}},
		{"table in the last peer", withPeer("name = \"b\"\n[[peer]]\npublic_key = \"" + cPublic.String() + "\"\n[peer.name]\nx = 1"), []string{
			`7:7: name must be a string, not a table; write name = "b"`}},
		{"table array in peer", withPeer("[[peer.x]]\n[peer.x.y]\n[[peer.x]]"), []string{
			`4:8: unknown key "x" in [[peer]]; the keys are name, public_key, preshared_key_file, locators, routes, keepalive`}},
		{"in an inline peer", withKey("peer = [\n  {public_key = \"" + bPublic.String() + "\", rotues = []},\n]"), []string{
			`3:65: unknown key "rotues" in [[peer]]; did you mean "routes"?`}},

		{"string for number", withKey(`port = "6110"`), []string{`2:8: port must be a whole number, not a string; write port = 6110`}},
		{"fraction", withKey(`mtu = 1400.0`), []string{`2:7: mtu must be a string or a whole number, not a number with a fraction; write mtu = 1400`}},
		{"number for string", withKey(`interface = 0`), []string{`2:13: interface must be a string, not a whole number; write interface = "shim0"`}},
		{"bool", withKey(`profile = true`), []string{`2:11: profile must be a string, not true or false; write profile = "balanced"`}},
		{"date", withKey(`control_socket = 2026-01-02`), []string{`2:18: control_socket must be a string, not a date or time; write control_socket = "/run/multi6/shim0.sock"`}},
		{"string for list", withKey(`allow =   "eth*"`), []string{`2:11: allow must be a list of strings, not a string; write allow = ["eth*"]`}},
		{"list for string", withKey(`private-key = ["x"]`), []string{`2:1: unknown key "private-key"; did you mean "private_key_file"?`}},
		{"number in list", withKey("deny = [\n  \"usb0\",\n  7,\n  [8],\n]"), []string{
			`2:8: deny holds strings only, not a list; write deny = ["docker*"]`,
			`4:3: deny holds strings only, not a whole number; write deny = ["docker*"]`}},
		{"table for string", withKey(`interface.name = "x"`), []string{`2:1: interface must be a string, not a table; write interface = "shim0"`}},
		{"single peer", withKey("[peer]\nname = \"b\""), []string{
			`2:2: peer must be a list of tables, not a table; write the header [[peer]] and the peer's keys below it, once for each peer`}},
		{"peer of numbers", withKey("peer = [1]"), []string{
			`2:9: peer holds tables only, not a whole number; write the header [[peer]] and the peer's keys below it, once for each peer`}},

		{"all at once, in order", "[[peer]]\nname = \"\"\n[[peer]]\nprot = 1\npublic_key = 1", []string{
			`1:1: missing key "private_key_file"; write private_key_file = "shim0.key"`,
			`1:3: missing key "public_key" in [[peer]]; write public_key = "…", as 'multi6 pubkey' prints it on the peer`,
			`2:8: peer name "" is empty; write a short word such as name = "b"`,
			`4:1: unknown key "prot" in [[peer]]; did you mean "port", which belongs above the first [[peer]]?`,
			`5:14: public_key must be a string, not a whole number; write public_key = "BASE64"`,
		}},
	}
}

func keyTests() []problemTest {
	const advice = "a key is 32 bytes in base64, as 'multi6 genkey' prints it"
	own := func(name string) string { return `private_key_file = "` + name + `"` }
	public := func(key string) string { return withKey("[[peer]]\npublic_key = \"" + key + "\"") }
	return []problemTest{
		{"absent", own("no.key"), []string{"1:20: private_key_file: /etc/multi6/no.key does not exist; make one with: (umask 077; multi6 genkey > /etc/multi6/no.key)"}},
		{"wide", own("wide.key"), []string{"1:20: private_key_file: /etc/multi6/wide.key has mode 0640, wider than 0600; run: chmod 600 /etc/multi6/wide.key"}},
		{"wide, with a space", own("it is1.key"), []string{"1:20: private_key_file: '/etc/multi6/it is1.key' has mode 0644, wider than 0600; run: chmod 600 '/etc/multi6/it is1.key'"}},
		{"wide, with a quote", own("it's2.key"), []string{`1:20: private_key_file: "/etc/multi6/it's2.key" has mode 0644, wider than 0600; run: chmod 600 "/etc/multi6/it's2.key"`}},
		{"blank file", own("empty.key"), []string{"1:20: private_key_file: /etc/multi6/empty.key: empty; " + advice}},
		{"short", own("short.key"), []string{"1:20: private_key_file: /etc/multi6/short.key: not a key (3 bytes, want 32); " + advice}},
		{"other text, no chmod", own("text.key"), []string{"1:20: private_key_file: /etc/multi6/text.key: not a key (not base64); " + advice}},
		{"zeros", own("zeros.key"), []string{"1:20: private_key_file: /etc/multi6/zeros.key: not a key (all zeros); " + advice}},
		{"no name", own(""), []string{"1:20: private_key_file is empty; write the name of a file"}},
		{"the key itself", own(bKey.Text()), []string{"1:20: private_key_file holds a key; put the key into a file of mode 0600 and write the file's name"}},
		{"psk is ours", withPeer(`preshared_key_file = "own.key"`), []string{
			"4:22: preshared_key_file holds our private key, which the peer must not have; make another key with 'multi6 genkey'"}},
		{"psk absent", withPeer(`preshared_key_file = "../x.psk"`), []string{
			"4:22: preshared_key_file: /etc/x.psk does not exist; make one with: (umask 077; multi6 genkey > /etc/x.psk)"}},

		{"public: base64", public("?"), []string{"3:14: public_key is not a key (not base64); write the 44 characters that 'multi6 pubkey' prints on the peer"}},
		{"public: length", public("AAAA"), []string{"3:14: public_key is not a key (3 bytes, want 32); write the 44 characters that 'multi6 pubkey' prints on the peer"}},
		{"public: ours", public(ourPublic.String()), []string{"3:14: public_key is our own; write what 'multi6 pubkey' prints on the peer"}},
		{"public: our private", public(ourKey.Text()), []string{"3:14: public_key is our own private key; take it out, and write what 'multi6 pubkey' prints on the peer"}},
		{"public: low order", public("AQ" + strings.Repeat("A", 41) + "="), []string{"3:14: public_key is no point that X25519 can use; write what 'multi6 pubkey' prints on the peer"}},
		{"public: twice", withPeer("name = \"b\"\n[[peer]]\nname = \"c\"\npublic_key = \"" + bPublic.String() + "\""), []string{
			`7:14: public_key is that of peer "b" too; a peer is written once`}},
	}
}

func nodeTests() []problemTest {
	const name = `; write a name such as interface = "shim0"`
	return []problemTest{
		{"port 0", withKey("port = 0"), []string{"2:8: port 0 is out of range; write 1 to 65535, or leave it out for 6110"}},
		{"port 65536", withKey("port = 65536"), []string{"2:8: port 65536 is out of range; write 1 to 65535, or leave it out for 6110"}},
		{"mtu small", withKey("mtu = 1279"), []string{"2:7: mtu 1279 is out of range; write 1280 to 65535, or leave it out for \"auto\""}},
		{"mtu large", withKey("mtu = 65536"), []string{"2:7: mtu 65536 is out of range; write 1280 to 65535, or leave it out for \"auto\""}},
		{"mtu word", withKey(`mtu = "big"`), []string{`2:7: mtu "big" is neither a number nor "auto"; write 1280 to 65535, or leave it out`}},
		{"profile, near", withKey(`profile = "blanced"`), []string{`2:11: unknown profile "blanced"; did you mean "balanced"?`}},
		{"profile, far", withKey(`profile = "x"`), []string{`2:11: unknown profile "x"; write one of fast, balanced, gentle, reap`}},
		{"interface empty", withKey(`interface = ""`), []string{`2:13: interface "" is empty` + name}},
		{"interface long", withKey(`interface = "abcdefghijklmnop"`), []string{`2:13: interface "abcdefghijklmnop" is longer than 15 bytes` + name}},
		{"interface slash", withKey(`interface = "a/b"`), []string{`2:13: interface "a/b" has characters other than letters, digits, dot, underscore and hyphen` + name}},
		{"interface dots", withKey(`interface = ".."`), []string{`2:13: interface ".." would be mistaken for something else` + name}},
		{"interface lo", withKey(`interface = "lo"`), []string{`2:13: interface "lo" is a name that Linux keeps for itself` + name}},
		{"socket relative", withKey(`control_socket = "x.sock"`), []string{`2:18: control_socket "x.sock" is not an absolute path; write control_socket = "/run/multi6/shim0.sock"`}},
		{"socket long", withKey(`control_socket = "/` + strings.Repeat("x", 107) + `"`), []string{"2:18: control_socket is 108 bytes long; Linux allows 107"}},
		{"socket zero", withKey(`control_socket = "/a\u0000"`), []string{"2:18: control_socket holds a zero byte; leave it out"}},
		{"pattern", withKey(`deny = ["usb0", "[", ""]`), []string{
			`2:17: deny pattern "[" is malformed; write a name such as "eth0", or a pattern with *, ? or [a-z]`,
			`2:22: deny pattern "" is malformed; write a name such as "eth0", or a pattern with *, ? or [a-z]`}},
		{"margin", withKey(`margin = "0.5ms"`), []string{`2:10: margin "0.5ms" is out of range; write "1ms" to "1m", or leave it out for the profile's`}},
		{"report delay", withKey(`report_delay = "10"`), []string{`2:16: report_delay "10" has no unit; write "10s" for seconds, or leave it out for the profile's`}},
		{"tries", withKey(`tries = 0`), []string{`2:9: tries 0 is out of range; write 1 to 16, or leave it out for the profile's`}},
		{"ciphers text", withKey(`ciphers = "aes-256-gcm"`), []string{`2:11: ciphers must be a list of strings, not a string; write ciphers = ["aes-256-gcm"]`}},
		{"ciphers empty", withKey(`ciphers = []`), []string{
			`2:11: ciphers is empty, so that no peer could be reached; write one or both of aes-256-gcm, chacha20-poly1305, or leave it out`}},
		{"cipher misspelt", withKey(`ciphers = ["AES256-GCM"]`), []string{`2:12: unknown cipher "AES256-GCM"; did you mean "aes-256-gcm"?`}},
		{"cipher unknown", withKey(`ciphers = ["none"]`), []string{`2:12: unknown cipher "none"; write one or both of aes-256-gcm, chacha20-poly1305`}},
		{"cipher twice", withKey(`ciphers = ["chacha20-poly1305", "chacha20-poly1305"]`), []string{
			`2:33: cipher "chacha20-poly1305" is in the list already; take it out`}},
		{"tries text", withKey(`tries = "3"`), []string{`2:9: tries must be a whole number, not a string; write tries = 3`}},
		{"allow empty", withKey("allow = [ ]"), []string{"2:9: allow is empty, so that no interface could be used; leave it out to allow all"}},
		{"allow tunnels", withKey(`allow = ["eth0", "wg*", "lo"]`), []string{
			`2:18: allow has "wg*", but tunnels (` + strings.Join(tunnels, ", ") + `) are used only if the name is written in full, and lo never`,
			`2:25: allow has "lo", but tunnels (` + strings.Join(tunnels, ", ") + `) are used only if the name is written in full, and lo never`}},
		{"allow what is denied", withKey("deny = [\"eth*\"]\nallow = [\"eth0\"]"), []string{`3:10: allow names "eth0", which deny refuses; take it out of one of them`}},

		{"no length", withKey(`addresses = ["10.0.0.1", "fd00::1"]`), []string{
			`2:14: address "10.0.0.1" has no prefix length; write "10.0.0.1/32"`,
			`2:26: address "fd00::1" has no prefix length; write "fd00::1/128"`}},
		{"no address", withKey(`addresses = ["10.0.0.1/33"]`), []string{`2:14: address "10.0.0.1/33" is no prefix; write one such as "10.99.0.1/32" or "fd00::1/128"`}},
		{"unfit addresses", withKey("addresses = [\n\"::ffff:1.2.3.4/128\",\n\"127.0.0.1/8\",\n\"ff02::1/128\",\n\"fe80::1/64\",\n\"0.0.0.0/0\"]"), []string{
			`3:1: address "::ffff:1.2.3.4/128" is IPv4-mapped; write it as IPv4`,
			`4:1: address "127.0.0.1/8" is a loopback address`,
			`5:1: address "ff02::1/128" is multicast`,
			`6:1: address "fe80::1/64" is link-local, which cannot be routed`,
			`7:1: address "0.0.0.0/0" is the unspecified address`}},
		{"address twice", withKey(`addresses = ["10.0.0.1/8", "10.0.0.1/32"]`), []string{`2:28: address "10.0.0.1/32" belongs to this node already; take it out`}},
		{"address is our identifier", withKey(`addresses = ["` + ourPublic.Identifier().String() + `/128"]`), []string{
			`2:14: address "` + ourPublic.Identifier().String() + `/128" belongs to this node already; take it out`}},
	}
}

func peerTests() []problemTest {
	const example = `; write one such as "[2001:db8::1]:6110"`
	second := "[[peer]]\nname = \"c\"\npublic_key = \"" + cPublic.String() + "\"\n"
	b, c := bPublic.Identifier().String(), cPublic.Identifier().String()
	return []problemTest{
		{"name with space", withPeer(`name = "x y"`), []string{`4:8: peer name "x y" has white space or control characters; write a short word such as name = "b"`}},
		{"name like an option", withPeer(`name = "-x"`), []string{`4:8: peer name "-x" starts with a hyphen, as options do; write a short word such as name = "b"`}},
		{"long name", withPeer(`name = "` + strings.Repeat("ü", 33) + `"`), []string{
			`4:8: peer name "` + strings.Repeat("ü", 30) + `…" is longer than 32 characters; write a short word such as name = "b"`}},
		{"name twice", withPeer("name = \"c\"\n" + second), []string{`6:8: peer name "c" is taken at line 4; names must differ`}},
		{"name is another's default", withPeer("[[peer]]\nname = \"" + bPublic.Short() + "\"\npublic_key = \"" + cPublic.String() + "\""), []string{
			`5:8: peer name "` + bPublic.Short() + `" is taken at line 2; names must differ`}},

		{"locators", withPeer(`locators = [
"::1",
"[ff02::1]:5",
"0.0.0.0",
"::ffff:1.2.3.4",
"1.2.3.4:0",
"[::1",
"1.2.3.4:70000",
"2001:db8:::1",
"[1::2]x",
"fe80::1%eth0",
"1.2.3.4",
"1.2.3.4:6110",
"255.255.255.255",
"",
]`), []string{
			`5:1: locator "::1" is a loopback address, which leads to this host; write an address of the peer's`,
			`6:1: locator "[ff02::1]:5" is a multicast address; write an address of the peer's own`,
			`7:1: locator "0.0.0.0" is the unspecified address; write an address of the peer's`,
			`8:1: locator "::ffff:1.2.3.4" is an IPv4-mapped address; write "1.2.3.4"`,
			`9:1: locator "1.2.3.4:0" has port "0"; write 1 to 65535, or leave it out for 6110`,
			`10:1: locator "[::1" has no closing bracket` + example,
			`11:1: locator "1.2.3.4:70000" has port "70000"; write 1 to 65535, or leave it out for 6110`,
			`12:1: locator "2001:db8:::1" is no IPv6 address` + example + ` or "2001:db8::1"`,
			`13:1: locator "[1::2]x" has something other than :PORT behind the bracket` + example,
			`14:1: locator "fe80::1%eth0" has a zone, but the interface is chosen here; write "fe80::1"`,
			`16:1: locator "1.2.3.4:6110" is in the list already; take it out`,
			`17:1: locator "255.255.255.255" is the broadcast address; write an address of the peer's own`,
			`18:1: locator "" is no address and no name` + example + `, "192.0.2.1" or "b.example.net"`,
		}},
		{"locator is the identifier", withPeer(`locators = ["` + b + `"]`), []string{
			`4:13: locator "` + b + `" is an inner address of peer "` + bPublic.Short() + `"; write an address that the network itself routes to the peer`}},
		{"route holds a locator", withPeer("routes = [\"2001:db8::/32\"]\nlocators = [\"192.0.2.1\", \"2001:db8::1\"]"), []string{
			`4:11: route "2001:db8::/32" holds the locator 2001:db8::1 of peer "` + bPublic.Short() + `", which is reached outside of the TUN; write narrower routes`}},
		{"locator is a route", withPeer("routes = [\"10.0.0.2/32\"]\nlocators = [\"10.0.0.2\"]"), []string{
			`5:13: locator "10.0.0.2" is an inner address of peer "` + bPublic.Short() + `"; write an address that the network itself routes to the peer`}},

		{"host bits", withPeer(`routes = ["10.0.0.1/8"]`), []string{`4:11: route "10.0.0.1/8" has bits set behind the prefix; write "10.0.0.0/8"`}},
		{"no prefix", withPeer(`routes = ["lan"]`), []string{`4:11: route "lan" is no prefix; write one such as "10.99.0.1/32" or "fd00::1/128"`}},
		{"unspecified", withPeer(`routes = ["0.0.0.0/8"]`), []string{`4:11: route "0.0.0.0/8" is the unspecified address`}},
		{"route twice", withPeer("name = \"b\"\nroutes = [\"10.0.0.0/8\", \"10.0.0.0/8\"]"), []string{`5:25: route "10.0.0.0/8" belongs to peer "b" already; take it out`}},
		{"route of another", withPeer("name = \"b\"\nroutes = [\"10.0.0.0/8\"]\n" + second + "routes = [\"10.0.0.0/9\", \"10.0.0.0/8\"]"), []string{
			`9:25: route "10.0.0.0/8" belongs to peer "b"; a prefix has one owner`}},
		{"route of a nameless one", withKey("[[peer]]\nroutes = [\"10.0.0.0/8\"]\n" + second + "routes = [\"10.0.0.0/8\"]"), []string{
			`2:3: missing key "public_key" in [[peer]]; write public_key = "…", as 'multi6 pubkey' prints it on the peer`,
			`7:11: route "10.0.0.0/8" belongs to the peer at line 2; a prefix has one owner`}},
		{"route to another's identifier", withPeer("routes = [\"" + c + "/128\"]\n" + second), []string{
			`4:11: route "` + c + `/128" belongs to peer "c"; a prefix has one owner`}},
		{"route is our network", "addresses = [\"10.0.0.1/24\"]\n" + withPeer("routes = [\"10.0.0.0/24\", \"10.0.0.1/32\", \"10.0.0.2/32\"]"), []string{
			`5:11: route "10.0.0.0/24" belongs to this node; a prefix has one owner`,
			`5:26: route "10.0.0.1/32" belongs to this node; a prefix has one owner`}},
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range problemTests() {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseText(tt.text)
			var ps Problems
			if !errors.As(err, &ps) {
				t.Fatalf("error %v, want problems", err)
			}
			checkProblems(t, []byte(tt.text), err)
			got := strings.Split(strings.ReplaceAll(err.Error(), file+":", ""), "\n")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestNoSecretInMessages writes a private key wherever a person might by mistake.
func TestNoSecretInMessages(t *testing.T) {
	key := bKey.Text()
	for _, text := range []string{
		`private_key_file = "` + key + `"`,
		`private_key_file = " ` + key + `"`,
		withPeer(`preshared_key_file = "` + key + `"`),
		withKey("[[peer]]\npublic_key = \"" + ourKey.Text() + "\""),
		withKey("[[peer]]\npublic_key = \"" + key + "x\""),
	} {
		_, err := parseText(text)
		if err == nil {
			t.Errorf("accepted %q", text)
			continue
		}
		if s := err.Error(); strings.Contains(s, key[:8]) || strings.Contains(s, ourKey.Text()[:8]) {
			t.Errorf("%s repeats a secret", s)
		}
	}
}

// TestInterfaceFromFile names the TUN after the file, or says why not.
func TestInterfaceFromFile(t *testing.T) {
	for name, want := range map[string]string{
		"/etc/multi6/left.toml": "",
		"/etc/multi6/a b.toml": `/etc/multi6/a b.toml:1:1: the file's name would make interface "a b", which has characters other than letters, digits, dot, underscore and hyphen; ` +
			`add a line such as interface = "shim0"`,
	} {
		_, err := parse(name, []byte(withKey("")), fakeSecrets)
		if got := message(err); got != want {
			t.Errorf("%s: %s", name, cmp.Diff(want, got))
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSuggest(t *testing.T) {
	keys := []string{"private_key_file", "port", "profile", "peer", "mtu"}
	for in, want := range map[string]string{
		"prot":                   "port",
		"PORT":                   "port",
		"ports":                  "port",
		"pot":                    "port",
		"private-key":            "private_key_file",
		"peer":                   "peer",
		"pe":                     "",
		"":                       "",
		"x":                      "",
		"mut":                    "mtu",
		"listen_port":            "port",
		"endpoint":               "",
		strings.Repeat("p", 999): "",
	} {
		if got := suggest(in, keys); got != want {
			t.Errorf("suggest(%.20q) = %q, want %q", in, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0},
		{"abc", "abd", 1}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1},
		{"kitten", "sitting", 3}, {"ca", "abc", 3},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
