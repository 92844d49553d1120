package config

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/shim"
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
		MTU:           1400,
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

[[peer]]
name = "us"
public_key = "` + ourPublic.String() + `"
preshared_key_file = "b.psk"
locators = [
	"[2001:db8::1]:7000", "2001:db8::2", "[2001:db8::3]", # a comment
	"192.0.2.1:7001", "192.0.2.1", "fe80::1",
]
routes = ["10.98.0.0/16", "10.64.0.0/10", "fd97::/16"]

[[peer]]
public_key = "` + cPublic.String() + `"
locators = []
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
		Peers: []Peer{{
			Name:         "us",
			PublicKey:    ourPublic,
			PresharedKey: sharedKey,
			Locators: addrPorts("[2001:db8::1]:7000", "[2001:db8::2]:6110", "[2001:db8::3]:6110",
				"192.0.2.1:7001", "192.0.2.1:6110", "[fe80::1]:6110"),
			Routes: prefixes("10.98.0.0/16", "10.64.0.0/10", "fd97::/16"),
		}, {
			Name:      cPublic.Short(),
			PublicKey: cPublic,
		}},
	}
	if d := cmp.Diff(want, c, compare); d != "" {
		t.Error(d)
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
	f.Add([]byte("private_key_file = 'own.key'\naddresses = ['10.0.0.1/8']\n[[peer]]\npublic_key = '" + bPublic.String() + "'\nlocators = ['::2']"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse(file, data, fakeSecrets)
		if err != nil {
			checkProblems(t, data, err)
			return
		}
		if c.PrivateKey == (shim.PrivateKey{}) || c.Interface == "" || c.Port == 0 || c.MTU < MinMTU || c.Profile == "" {
			t.Errorf("accepted %+v", c)
		}
		for _, p := range c.Peers {
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
