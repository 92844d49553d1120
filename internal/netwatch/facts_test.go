package netwatch

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

var addrs = cmpopts.EquateComparable(netip.Addr{})

func link(index int, name string, flags uint32) netlink.Link {
	return &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: index, Name: name, RawFlags: flags, MTU: 1420}}
}

func address(index int, prefix string, flags int) netlink.Addr {
	n, err := netlink.ParseIPNet(prefix)
	if err != nil {
		panic(err)
	}
	return netlink.Addr{IPNet: n, LinkIndex: index, Flags: flags}
}

func TestFacts(t *testing.T) {
	got := facts(tables{
		links: []netlink.Link{
			link(3, "eth1", unix.IFF_UP),
			link(2, "eth0", upFlags),
		},
		addrs: []netlink.Addr{
			address(3, "192.0.2.1/24", 0),
			address(2, "2001:db8::2/64", unix.IFA_F_TENTATIVE|unix.IFA_F_OPTIMISTIC),
			address(2, "2001:db8::1/64", unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED),
			address(2, "2001:db8::3/64", unix.IFA_F_TEMPORARY|unix.IFA_F_DEPRECATED),
			address(2, "198.51.100.1/32", 0),
			address(2, "198.51.100.1/24", unix.IFA_F_SECONDARY),
			address(9, "203.0.113.1/24", 0), // its interface has gone
			{LinkIndex: 2},                  // no address at all
		},
	}, nil, nil)
	fact := func(addr string, change func(*locator.Fact)) locator.Fact {
		f := locator.Fact{Addr: netip.MustParseAddr(addr), Interface: 2, Name: "eth0", Up: true, RouterReachable: true}
		f.Bits, f.MTU = 64, 1420
		if f.Addr.Is4() {
			f.Bits = 24
		}
		change(&f)
		return f
	}
	want := []locator.Fact{
		fact("198.51.100.1", func(*locator.Fact) {}),
		fact("2001:db8::1", func(f *locator.Fact) { f.Tentative, f.DADFailed = true, true }),
		fact("2001:db8::2", func(f *locator.Fact) { f.Tentative, f.Optimistic = true, true }),
		fact("2001:db8::3", func(f *locator.Fact) { f.Temporary, f.Deprecated = true, true }),
		fact("192.0.2.1", func(f *locator.Fact) { f.Interface, f.Name, f.Up = 3, "eth1", false }),
	}
	if diff := cmp.Diff(want, got, addrs); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestTunnelByKind(t *testing.T) {
	attrs := netlink.LinkAttrs{Index: 2, Name: "up0", EncapType: "none"}
	ethernet := netlink.LinkAttrs{Index: 2, Name: "wg0", EncapType: "ether"}
	v4, v6 := net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")
	tests := []struct {
		name string
		link netlink.Link
		want bool
	}{
		{"TUN", &netlink.Tuntap{LinkAttrs: attrs}, true},
		{"WireGuard", &netlink.Wireguard{LinkAttrs: attrs}, true},
		{"ipip", &netlink.Iptun{LinkAttrs: attrs}, true},
		{"sit", &netlink.Sittun{LinkAttrs: attrs}, true},
		{"gre", &netlink.Gretun{LinkAttrs: attrs, Local: v4}, true},
		{"ip6gre", &netlink.Gretun{LinkAttrs: attrs, Local: v6}, true},
		{"ip6tnl", &netlink.Ip6tnl{LinkAttrs: attrs}, true},
		{"vti", &netlink.Vti{LinkAttrs: attrs, Local: v4}, true},
		{"vti6", &netlink.Vti{LinkAttrs: attrs, Local: v6}, true},
		{"xfrm", &netlink.Xfrmi{LinkAttrs: attrs}, true},
		{"bareudp", &netlink.BareUDP{LinkAttrs: attrs}, true},
		{"ovpn", &netlink.GenericLink{LinkAttrs: attrs, LinkType: "ovpn"}, true},

		{"TAP", &netlink.Tuntap{LinkAttrs: ethernet}, false},
		{"gretap", &netlink.Gretap{LinkAttrs: ethernet, Local: v4}, false},
		{"ip6gretap", &netlink.Gretap{LinkAttrs: ethernet, Local: v6}, false},
		{"vxlan", &netlink.Vxlan{LinkAttrs: ethernet}, false},
		{"veth", &netlink.Veth{LinkAttrs: ethernet}, false},
		{"hardware", &netlink.Device{LinkAttrs: ethernet}, false},
		{"ppp", &netlink.GenericLink{LinkAttrs: attrs, LinkType: "ppp"}, false},
		{"wwan", &netlink.GenericLink{LinkAttrs: attrs, LinkType: "wwan"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := facts(tables{
				links: []netlink.Link{tt.link},
				addrs: []netlink.Addr{address(2, "192.0.2.1/24", 0)},
			}, nil, nil)
			if len(got) != 1 || got[0].Tunnel != tt.want {
				t.Errorf("%+v, want tunnel %v", got, tt.want)
			}
		})
	}
}

func TestUpNeedsAllFlags(t *testing.T) {
	for flags, want := range map[uint32]bool{
		upFlags:                             true,
		upFlags | unix.IFF_BROADCAST:        true,
		upFlags &^ unix.IFF_UP:              false,
		upFlags &^ unix.IFF_LOWER_UP:        false,
		upFlags &^ unix.IFF_RUNNING:         false,
		unix.IFF_BROADCAST | unix.IFF_UP:    false,
		unix.IFF_RUNNING | unix.IFF_PROMISC: false,
	} {
		got := facts(tables{
			links: []netlink.Link{link(2, "eth0", flags)},
			addrs: []netlink.Addr{address(2, "192.0.2.1/24", 0)},
		}, nil, nil)
		if len(got) != 1 || got[0].Up != want {
			t.Errorf("flags %#x: %+v, want up %v", flags, got, want)
		}
	}
}

func TestRouterReachable(t *testing.T) {
	gw := func(index int, addr string) gateway { return gateway{index, netip.MustParseAddr(addr)} }
	a, b, six := gw(2, "192.0.2.254"), gw(2, "192.0.2.253"), gw(2, "fe80::1")
	elsewhere := gw(3, "192.0.2.254")
	all := []gateway{a, b, six, elsewhere}
	tests := []struct {
		name     string
		gateways []gateway
		failed   []gateway
		is4      bool
		want     bool
	}{
		{"no default route", nil, nil, true, true},
		{"no default route of the family", []gateway{six}, []gateway{six}, true, true},
		{"all good", all, nil, true, true},
		{"one of two", all, []gateway{a}, true, true},
		{"all of the family", all, []gateway{a, b}, true, false},
		{"all of the family, seen by the other", all, []gateway{a, b}, false, true},
		{"IPv6", all, []gateway{six}, false, false},
		{"other interface", all, []gateway{elsewhere}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			failed := make(map[gateway]bool)
			for _, g := range tt.failed {
				failed[g] = true
			}
			if got := routerReachable(2, tt.is4, tt.gateways, failed); got != tt.want {
				t.Errorf("reachable %v, want %v", got, tt.want)
			}
		})
	}
}

func TestGatewaysOf(t *testing.T) {
	_, some, _ := net.ParseCIDR("10.0.0.0/8")
	_, zero, _ := net.ParseCIDR("::/0")
	got := gatewaysOf([]netlink.Route{
		{Type: unix.RTN_UNICAST, LinkIndex: 3, Gw: net.ParseIP("192.0.2.254")},
		{Type: unix.RTN_UNICAST, LinkIndex: 3, Gw: net.ParseIP("192.0.2.254"), Table: 100},
		{Type: unix.RTN_UNICAST, LinkIndex: 3, Gw: net.ParseIP("fe80::1"), Dst: zero},
		{Type: unix.RTN_UNICAST, LinkIndex: 3, Gw: net.ParseIP("192.0.2.1"), Dst: some},
		{Type: unix.RTN_UNICAST, LinkIndex: 4}, // on-link
		{Type: unix.RTN_UNREACHABLE, LinkIndex: 1, Gw: net.ParseIP("192.0.2.2")},
		{Type: unix.RTN_UNICAST, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: 3, Gw: net.ParseIP("192.0.2.253")},
			{LinkIndex: 2, Gw: net.ParseIP("198.51.100.254")},
		}},
	})
	want := []gateway{
		{2, netip.MustParseAddr("198.51.100.254")},
		{3, netip.MustParseAddr("192.0.2.253")},
		{3, netip.MustParseAddr("192.0.2.254")},
		{3, netip.MustParseAddr("fe80::1")},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(gateway{}), addrs); diff != "" {
		t.Errorf("gateways (-want +got):\n%s", diff)
	}
}

func TestVerdicts(t *testing.T) {
	g := gateway{2, netip.MustParseAddr("192.0.2.254")}
	const missing = -1
	tests := []struct {
		name   string
		state  int
		before verdict
		want   verdict
	}{
		{"failed for the first time", unix.NUD_FAILED, 0, doubted},
		{"failed when asked once more", unix.NUD_FAILED, doubted, failed},
		{"still failed", unix.NUD_FAILED, failed, failed},
		{"asked for the first time", unix.NUD_INCOMPLETE, 0, 0},
		{"asked for once more", unix.NUD_INCOMPLETE, doubted, doubted},
		{"asked for again", unix.NUD_INCOMPLETE, failed, failed},
		{"answered after a doubt", unix.NUD_REACHABLE, doubted, 0},
		{"answered", unix.NUD_REACHABLE, failed, 0},
		{"heard of", unix.NUD_STALE, failed, 0},
		{"set by hand", unix.NUD_PERMANENT, failed, 0},
		{"needs none", unix.NUD_NOARP, failed, 0},
		{"probed", unix.NUD_PROBE, 0, 0},
		{"forgotten", missing, failed, 0},
		{"never known", missing, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			neighbours := []netlink.Neigh{
				{LinkIndex: 3, IP: net.ParseIP("192.0.2.254"), State: unix.NUD_FAILED},
				{LinkIndex: 2, IP: nil, State: unix.NUD_FAILED},
			}
			if tt.state != missing {
				neighbours = append(neighbours, netlink.Neigh{LinkIndex: 2, IP: net.ParseIP("192.0.2.254"), State: tt.state})
			}
			got := verdicts([]gateway{g}, neighbours, map[gateway]verdict{g: tt.before})
			if got[g] != tt.want || len(got) > 1 {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
