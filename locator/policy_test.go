package locator

import "testing"

func TestPolicyDenied(t *testing.T) {
	tests := []struct {
		name   string
		policy Policy
		denied bool
	}{
		{"eth0", Policy{}, false},
		{"lo", Policy{}, false},
		{"eth0", Policy{Deny: []string{"eth*"}}, true},
		{"eth1", Policy{Deny: []string{"eth0"}}, false},
		{"eth0", Policy{Allow: []string{"eth?"}}, false},
		{"wlan0", Policy{Allow: []string{"eth?"}}, true},
		{"eth0", Policy{Deny: []string{"eth0"}, Allow: []string{"eth?"}}, true},
		{"eth0", Policy{Deny: []string{"eth[", "eth0"}}, true},
		{"eth0", Policy{Deny: []string{"eth["}}, false},
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
		{Preferences: []Preference{{Pattern: "[]", Value: 1}}},
	} {
		if p.Validate() == nil {
			t.Errorf("%+v passes", p)
		}
	}
}

func TestPolicyPreference(t *testing.T) {
	p := Policy{Preferences: []Preference{{"eth0", 9}, {"eth*", 5}}}
	for name, want := range map[string]uint8{"eth0": 9, "eth1": 5, "wlan0": 0} {
		if got := p.Preference(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
