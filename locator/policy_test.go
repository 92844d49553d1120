package locator

import (
	"net/netip"
	"testing"
)

func TestPolicyDenied(t *testing.T) {
	tests := []struct {
		name   string
		policy Policy
		denied bool
	}{
		{"eth0", Policy{}, false},
		{"lo", Policy{}, true},
		{"lo", Policy{Allow: []string{"lo"}}, true},
		{"eth0", Policy{Deny: []string{"eth*"}}, true},
		{"eth1", Policy{Deny: []string{"eth0"}}, false},
		{"eth0", Policy{Allow: []string{"eth?"}}, false},
		{"wlan0", Policy{Allow: []string{"eth?"}}, true},
		{"eth0", Policy{Deny: []string{"eth0"}, Allow: []string{"eth?"}}, true},
		{"eth0", Policy{Deny: []string{"eth[", "eth0"}}, true},
		{"eth0", Policy{Deny: []string{"eth["}}, false},
		{"wg0", DefaultPolicy(), true},
		{"wg0", Policy{Tunnels: DefaultDeny(), Allow: []string{"eth0", "wg0"}}, false},
		{"wg1", Policy{Tunnels: DefaultDeny(), Allow: []string{"eth0", "wg0"}}, true},
		{"wg0", Policy{Tunnels: DefaultDeny(), Allow: []string{"wg?"}}, true},
		{"wg0", Policy{Tunnels: DefaultDeny(), Allow: []string{"*"}}, true},
		{"wg*", Policy{Tunnels: DefaultDeny(), Allow: []string{"wg*"}}, true},
		{"wg0", Policy{Tunnels: DefaultDeny(), Allow: []string{"wg0"}, Deny: []string{"wg*"}}, true},
		{"eth0", Policy{Tunnels: DefaultDeny(), Allow: []string{"wg0"}}, true},
	}
	for _, tt := range tests {
		if got := tt.policy.Denied(tt.name); got != tt.denied {
			t.Errorf("%q under %+v: denied %v, want %v", tt.name, tt.policy, got, tt.denied)
		}
	}
}

func TestDefaultPolicy(t *testing.T) {
	p := DefaultPolicy()
	for _, name := range []string{"lo", "tun0", "wg0", "zt7nnig34o", "tailscale0", "docker0", "br-1f2e", "virbr0",
		"shim0", "multi6", "vti0", "gre1", "sit0", "ip6tnl0", "ipsec0"} {
		if !p.Denied(name) {
			t.Errorf("%q is allowed", name)
		}
	}
	for _, name := range []string{"eth0", "enp3s0", "wlan0", "a1", "tap0", "br0", "bond0", "lo1", "wwan0"} {
		if p.Denied(name) {
			t.Errorf("%q is denied", name)
		}
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPolicyValidate(t *testing.T) {
	for _, p := range []Policy{
		{Allow: []string{"eth["}},
		{Deny: []string{"ok", `bad\`}},
		{Tunnels: []string{"wg[1"}},
		{Rules: []Rule{{Interface: "[]"}}},
	} {
		if p.Validate() == nil {
			t.Errorf("%+v passes", p)
		}
	}
}

func TestPolicyRule(t *testing.T) {
	p := Policy{Rules: []Rule{
		{Interface: "eth0", Preference: 9}, {Prefix: netip.MustParsePrefix("2001:db8::/32"), Preference: 3},
		{Interface: "eth*", Preference: 5, Metered: true},
	}}
	for _, tt := range []struct {
		name, addr string
		preference uint8
		metered    bool
	}{
		{"eth0", "2001:db8::1", 9, false},
		{"eth1", "2001:db8::1", 3, false},
		{"eth1", "192.0.2.1", 5, true},
		{"wlan0", "192.0.2.1", DefaultPreference, false},
	} {
		r := p.Rule(Fact{Name: tt.name, Addr: netip.MustParseAddr(tt.addr)})
		if r.Preference != tt.preference || r.Metered != tt.metered {
			t.Errorf("%s on %s: %+v", tt.addr, tt.name, r)
		}
	}
}
