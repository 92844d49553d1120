package config

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

// Keys for tests: ours, two peers', and one shared with a peer.
var (
	ourKey    = shim.NewPrivateKey([shim.KeyLen]byte{1: 1})
	bKey      = shim.NewPrivateKey([shim.KeyLen]byte{1: 2})
	cKey      = shim.NewPrivateKey([shim.KeyLen]byte{1: 3})
	sharedKey = shim.PresharedKey{1: 4}

	ourPublic, bPublic, cPublic = ourKey.Public(), bKey.Public(), cKey.Public()
)

// fakeSecrets reads key files from memory: those below /etc/multi6.
func fakeSecrets(file string) (secret, error) {
	files := map[string]secret{
		"/etc/multi6/own.key":    {ourKey.Text() + "\n", 0o600},
		"/etc/multi6/b.psk":      {shim.PrivateKey(sharedKey).Text(), 0o400},
		"/etc/multi6/wide.key":   {ourKey.Text(), 0o640},
		"/etc/multi6/empty.key":  {" \n", 0o600},
		"/etc/multi6/short.key":  {"AAAA", 0o600},
		"/etc/multi6/text.key":   {"hello!", 0o644},
		"/etc/multi6/zeros.key":  {shim.PrivateKey{}.Text(), 0o600},
		"/elsewhere/shim0.key":   {bKey.Text(), 0o600},
		"/etc/multi6/it is1.key": {ourKey.Text(), 0o644},
		"/etc/multi6/it's2.key":  {ourKey.Text(), 0o644},
	}
	s, ok := files[file]
	if !ok {
		return s, explain(ShellWord(file), fs.ErrNotExist)
	}
	return s, nil
}

const file = "/etc/multi6/shim0.toml"

func parseText(text string) (*Config, error) { return parse(file, []byte(text), fakeSecrets) }

func TestParseMinimal(t *testing.T) {
	c, err := parseText(`private_key_file = "own.key"`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Interface:     "shim0",
		PrivateKey:    ourKey,
		Port:          6110,
		ControlSocket: "/run/multi6/shim0.sock",
		Profile:       Balanced,
		MTU:           AutoMTU,
		Failback:      10 * time.Second,
		ProbeBudget:   1_000_000,
	}
	if d := cmp.Diff(want, c, compare); d != "" {
		t.Error(d)
	}
	if c.Identifier() != ourPublic.Identifier() {
		t.Errorf("identifier %s, want %s", c.Identifier(), ourPublic.Identifier())
	}
}

var compare = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

func TestParseFull(t *testing.T) {
	c, err := parseText("\ufeff" + `private_key_file = "/elsewhere/shim0.key"
interface = "left"
port = 0x1_000
control_socket = "/run//left.sock"
profile = "reap"
addresses = ["10.99.0.1/24", "10.99.0.2/24", "fd00::1/128"]
mtu = 9000
allow = ["eth*"]
deny = ["eth[0-1]", "usb0"]
ciphers = ["chacha20-poly1305"]
failback = "1.5s"
probe_budget = "64 KiB"

[[locator]]
interface = "eth2"
prefix = "2001:db8::/32"
preference = 0

[[locator]]
interface = "eth*"
preference = 255
metered = true

[[locator]]
prefix = "192.0.2.0/24"

[[policy_table]]
prefix = "::/0"
precedence = 0
label = 65535

[[policy_table]]
prefix = "::ffff:0:0/96"
precedence = 35
label = 4

[[policy_table]]
prefix = "10.0.0.0/8"
precedence = 36
label = 4

[[peer]]
name = "us"
public_key = "` + ourPublic.String() + `"
preshared_key_file = "b.psk"
locators = [
	"[2001:db8::1]:7000", "2001:db8::2", "[2001:db8::3]", # a comment
	"b.example.net", "192.0.2.1:7001", "B.Example.net.:07000", "192.0.2.1", "fe80::1", "Bücher.example", "b",
]
keepalive = "25s"
routes = ["10.98.0.0/16", "10.64.0.0/10", "fd97::/16"]

[[peer]]
public_key = "` + cPublic.String() + `"
locators = []
keepalive = "off"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Interface:     "left",
		PrivateKey:    bKey,
		Port:          0x1000,
		ControlSocket: "/run/left.sock",
		Profile:       Reap,
		Addresses:     prefixes("10.99.0.1/24", "10.99.0.2/24", "fd00::1/128"),
		MTU:           9000,
		Allow:         []string{"eth*"},
		Deny:          []string{"eth[0-1]", "usb0"},
		Ciphers:       wire.ChaCha20Poly1305,
		Failback:      1500 * time.Millisecond,
		ProbeBudget:   65536,
		Rules: []locator.Rule{
			{Interface: "eth2", Prefix: netip.MustParsePrefix("2001:db8::/32")},
			{Interface: "eth*", Preference: 255, Metered: true},
			{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Preference: locator.DefaultPreference},
		},
		PolicyTable: []locator.PolicyRow{
			{Prefix: netip.MustParsePrefix("::/0"), Label: 65535},
			{Prefix: netip.MustParsePrefix("::ffff:0:0/96"), Precedence: 35, Label: 4},
			{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Precedence: 36, Label: 4},
		},
		Peers: []Peer{{
			Name:         "us",
			PublicKey:    ourPublic,
			PresharedKey: sharedKey,
			Locators: addrPorts("[2001:db8::1]:7000", "[2001:db8::2]:6110", "[2001:db8::3]:6110",
				"192.0.2.1:7001", "192.0.2.1:6110", "[fe80::1]:6110"),
			Names: []Name{
				{"b.example.net", 6110}, {"b.example.net.", 7000}, {"xn--bcher-kva.example", 6110}, {"b", 6110},
			},
			Routes:    prefixes("10.98.0.0/16", "10.64.0.0/10", "fd97::/16"),
			Keepalive: 25 * time.Second,
		}, {
			Name:      cPublic.Short(),
			PublicKey: cPublic,
			Keepalive: KeepaliveOff,
		}},
	}
	if d := cmp.Diff(want, c, compare); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want.Rules, c.Policy().Rules, compare); d != "" {
		t.Errorf("rules of the policy: %s", d)
	}
}

// TestBothCiphers has the order in the file not count.
func TestBothCiphers(t *testing.T) {
	c, err := parseText(withKey(`ciphers = ["chacha20-poly1305", "aes-256-gcm"]`))
	if want := wire.AES256GCM | wire.ChaCha20Poly1305; err != nil || c.Ciphers != want {
		t.Errorf("%v (%v), want %v", c, err, want)
	}
}

// TestInlinePeers holds the two spellings of an array of tables equal.
func TestInlinePeers(t *testing.T) {
	headers, err := parseText(fmt.Sprintf(`private_key_file = "own.key"
[[peer]]
name = "b"
public_key = %q
[[peer]]
public_key = %q
`, bPublic, cPublic))
	if err != nil {
		t.Fatal(err)
	}
	inline, err := parseText(fmt.Sprintf(`private_key_file = "own.key"
peer = [
	{name = "b", public_key = %q},
	{public_key = %q},
]`, bPublic, cPublic))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(headers, inline, compare); d != "" {
		t.Error(d)
	}
}

func TestPolicy(t *testing.T) {
	tests := []struct {
		name        string
		allow, deny []string
		iface       string
		want        bool
	}{
		{name: "all by default", iface: "eth0", want: true},
		{name: "veth is no tunnel", iface: "veth0", want: true},
		{name: "tunnel", iface: "wg0"},
		{name: "bridge of containers", iface: "br-0a1b2c"},
		{name: "bridge of ours", iface: "br0", want: true},
		{name: "own TUN", iface: "inner"},
		{name: "not allowed", allow: []string{"en*"}, iface: "eth0"},
		{name: "second pattern allows", allow: []string{"en*", "eth?"}, iface: "eth0", want: true},
		{name: "deny beats allow", allow: []string{"eth*"}, deny: []string{"eth0"}, iface: "eth0"},
		{name: "tunnels beat allow", allow: []string{"*"}, iface: "tailscale0"},
		{name: "unless it has the name", allow: []string{"*", "tailscale0"}, iface: "tailscale0", want: true},
		{name: "but not our own", allow: []string{"*", "inner"}, iface: "inner"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Interface: "inner", Allow: tt.allow, Deny: tt.deny}
			if got := !c.Policy().Denied(tt.iface); got != tt.want {
				t.Errorf("%q may be used: %v, want %v", tt.iface, got, tt.want)
			}
		})
	}
}

func TestPath(t *testing.T) {
	for arg, want := range map[string]string{
		"shim0":        "/etc/multi6/shim0.toml",
		"shim0.toml":   "shim0.toml",
		"./shim0":      "./shim0",
		"..":           "..",
		"/tmp/x.toml":  "/tmp/x.toml",
		"shim0.backup": "/etc/multi6/shim0.backup.toml",
	} {
		if got := Path(arg); got != want {
			t.Errorf("Path(%q) = %q, want %q", arg, got, want)
		}
	}
}

func prefixes(all ...string) (ps []netip.Prefix) {
	for _, s := range all {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func addrPorts(all ...string) (as []netip.AddrPort) {
	for _, s := range all {
		as = append(as, netip.MustParseAddrPort(s))
	}
	return as
}

// FuzzParse looks for panics, for errors that say nothing or point outside the
// file, and for invalid values in what is accepted.
func FuzzParse(f *testing.F) {
	for _, tt := range problemTests() {
		f.Add([]byte(tt.text))
	}
	f.Add([]byte("private_key_file = 'own.key'\naddresses = ['10.0.0.1/8']\n[[peer]]\npublic_key = '" + bPublic.String() + "'\nlocators = ['::2', 'é.example.']\nkeepalive = '25s'"))
	f.Add([]byte(withKey("failback = 'off'\nprobe_budget = '9GiB'\n[[locator]]\nprefix = '::/0'\n[[policy_table]]\nprefix = '1.0.0.0/8'\nlabel = 1\nprecedence = 2")))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse(file, data, fakeSecrets)
		if err != nil {
			checkProblems(t, data, err)
			return
		}
		if c.PrivateKey == (shim.PrivateKey{}) || c.Interface == "" || c.Port == 0 || c.MTU < MinMTU || c.Profile == "" {
			t.Errorf("accepted %+v", c)
		}
		if c.Failback < 0 || c.Failback > maxFailback || c.ProbeBudget < 0 || c.ProbeBudget > maxProbeBudget {
			t.Errorf("accepted failback %s, budget %d", c.Failback, c.ProbeBudget)
		}
		if err := c.Policy().Validate(); err != nil {
			t.Error(err)
		}
		for _, r := range c.Rules {
			if r.Interface == "" && !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() {
				t.Errorf("accepted rule %+v", r)
			}
		}
		for _, r := range c.PolicyTable {
			if !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() {
				t.Errorf("accepted row %+v", r)
			}
		}
		for _, p := range c.Peers {
			for _, n := range p.Names {
				if name, trouble := hostName(n.Host); name != n.Host || trouble != "" || n.Port == 0 {
					t.Errorf("accepted name %q: %s", n, trouble)
				}
			}
			if p.PublicKey == (shim.PublicKey{}) || p.Name == "" {
				t.Errorf("accepted peer %+v", p)
			}
			for _, l := range p.Locators {
				if !l.IsValid() || l.Port() == 0 || l.Addr().Is4In6() {
					t.Errorf("accepted locator %s", l)
				}
			}
		}
	})
}

func checkProblems(t *testing.T, data []byte, err error) {
	ps, ok := err.(Problems)
	if !ok || len(ps) == 0 {
		t.Fatalf("error of type %T: %v", err, err)
	}
	lines := strings.Split(string(data), "\n")
	for _, p := range ps {
		if p.Text == "" || strings.ContainsFunc(p.Text, func(c rune) bool { return c < ' ' }) {
			t.Errorf("text %q", p.Text)
		}
		if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > len(lines[p.Line-1])+1 {
			t.Errorf("%s points outside the file", p)
		}
	}
}
