package locator

import (
	"net/netip"
	"testing"
)

// fact returns a Fact without any flaw.
func fact(addr string) Fact {
	return Fact{Addr: netip.MustParseAddr(addr), Interface: 2, Name: "eth0", Up: true, RouterReachable: true}
}

// with returns f changed by the function.
func (f Fact) with(change func(*Fact)) Fact {
	change(&f)
	return f
}

func TestAvailable(t *testing.T) {
	global := fact("2001:db8::1")
	tests := []struct {
		name string
		fact Fact
		why  string // "" means available
	}{
		{"global IPv6", global, ""},
		{"global IPv4", fact("192.0.2.1"), ""},
		{"RFC 1918", fact("10.0.0.1"), ""},
		{"unique local", fact("fd00::1"), ""},
		{"link-local", fact("fe80::1"), ""},
		{"deprecated", global.with(func(f *Fact) { f.Deprecated = true }), ""},
		{"temporary", global.with(func(f *Fact) { f.Temporary = true }), ""},
		{"interface down", global.with(func(f *Fact) { f.Up = false }), ""},
		{"tentative", global.with(func(f *Fact) { f.Tentative = true }), "tentative"},
		{"optimistic", global.with(func(f *Fact) { f.Tentative, f.Optimistic = true, true }), ""},
		{"duplicate", global.with(func(f *Fact) { f.DADFailed = true }), "duplicate address"},
		{"duplicate, tentative and optimistic",
			global.with(func(f *Fact) { f.DADFailed, f.Tentative, f.Optimistic = true, true, true }), "duplicate address"},
		{"name of a tunnel", global.with(func(f *Fact) { f.Name = "wg0" }), "denied by policy"},
		{"tunnel by its kind", global.with(func(f *Fact) { f.Tunnel = true }), "tunnel"},
		{"both", global.with(func(f *Fact) { f.Name, f.Tunnel = "wg0", true }), "denied by policy"},
		{"nothing", Fact{Name: "eth0"}, "no address"},
		{"zone", fact("fe80::1%eth0"), "address with a zone"},
		{"mapped", fact("::ffff:192.0.2.1"), "IPv4-mapped address"},
		{"unspecified", fact("::"), "unspecified address"},
		{"unspecified IPv4", fact("0.0.0.0"), "unspecified address"},
		{"loopback", fact("::1"), "loopback address"},
		{"loopback IPv4", fact("127.0.0.2"), "loopback address"},
		{"multicast", fact("ff02::1"), "multicast address"},
		{"multicast IPv4", fact("224.0.0.1"), "multicast address"},
		{"broadcast", fact("255.255.255.255"), "broadcast address"},
		{"site-local", fact("fec0::1"), "site-local address"},
		{"site-local, last", fact("feff::1"), "site-local address"},
		{"IPv4 link-local", fact("169.254.1.1"), "IPv4 link-local address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			why, ok := available(tt.fact, DefaultPolicy())
			if ok != (tt.why == "") || why != tt.why {
				t.Errorf("got %v, %q; want %q", ok, why, tt.why)
			}
		})
	}
}

// A tunnel is used if Allow has its name, and by no pattern.
func TestAvailableTunnel(t *testing.T) {
	for _, tt := range []struct {
		allow, deny string
		ok          bool
	}{
		{"vpn0", "", true}, {"vpn*", "", false}, {"*", "", false}, {"vpn0", "vpn0", false}, {"vpn0", "v*", false},
	} {
		p := Policy{Allow: []string{tt.allow}, Deny: []string{tt.deny}, Tunnels: DefaultDeny()}
		f := fact("2001:db8::1").with(func(f *Fact) { f.Name, f.Tunnel = "vpn0", true })
		if why, ok := available(f, p); ok != tt.ok {
			t.Errorf("allow %q, deny %q: %v, %q", tt.allow, tt.deny, ok, why)
		}
	}
}

func TestOperational(t *testing.T) {
	noRouter := func(f *Fact) { f.RouterReachable = false }
	tests := []struct {
		name string
		fact Fact
		why  string
	}{
		{"good", fact("2001:db8::1"), ""},
		{"interface down", fact("2001:db8::1").with(func(f *Fact) { f.Up = false }), "interface down"},
		{"router gone", fact("2001:db8::1").with(noRouter), "default router unreachable"},
		{"router gone, IPv4", fact("192.0.2.1").with(noRouter), "default router unreachable"},
		{"router gone, link-local", fact("fe80::1").with(noRouter), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			why, ok := operational(tt.fact)
			if ok != (tt.why == "") || why != tt.why {
				t.Errorf("got %v, %q; want %q", ok, why, tt.why)
			}
		})
	}
}
