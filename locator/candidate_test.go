package locator

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pool has one address of every kind, and neighbours of some.
var pool = parseAll(
	"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1", "2a00::1", "2002:c000:201::1", "2001::1",
	"fd00::1", "fd12::1", "fe80::1", "fe80::2", "fec0::1", "ff02::1", "::1", "::", "::ffff:192.0.2.1",
	"192.0.2.1", "192.0.2.2", "198.51.100.1", "10.0.0.1", "10.0.0.2", "192.168.1.1", "100.64.0.1", "169.254.0.1", "127.0.0.1", "224.0.0.1",
	"0.0.0.0", "255.255.255.255",
)

func parseAll(texts ...string) (list []netip.Addr) {
	for _, s := range texts {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

// pair parses "local remote"; the remote end has the default port.
func pair(local, remote string) Pair {
	return Pair{netip.MustParseAddr(local), netip.AddrPortFrom(netip.MustParseAddr(remote), DefaultPort)}
}

func local(addr string, preference uint8) Local {
	return Local{Addr: netip.MustParseAddr(addr), Interface: 2, Preference: preference}
}

func remote(addr string, preference uint8) Remote {
	return Remote{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), DefaultPort), Preference: preference}
}

// wantOrder compares pairs with want, as "class: pair".
func wantOrder(t *testing.T, got []Candidate, want ...string) {
	t.Helper()
	var texts []string
	for _, c := range got {
		texts = append(texts, string(rune('0'+c.Class))+": "+c.Pair.String())
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
}

func TestPairsEmpty(t *testing.T) {
	wantOrder(t, Pairs(nil, nil, Order{}))
	wantOrder(t, Pairs([]Local{local("192.0.2.1", 0)}, nil, Order{}))
	wantOrder(t, Pairs([]Local{local("192.0.2.1", 0)}, []Remote{remote("2001:db8::1", 0)}, Order{}))
}

func TestPairsOneClass(t *testing.T) {
	got := Pairs(
		[]Local{local("192.0.2.1", 0), local("2001:db8:1::1", 0), local("fe80::1", 0)},
		[]Remote{remote("198.51.100.1", 0), remote("2001:db8:9::1", 0), remote("2001:db8:1::2", 0), remote("fe80::2", 0)},
		Order{},
	)
	wantOrder(t, got,
		"0: 2001:db8:1::1 → 2001:db8:1::2",
		"0: 2001:db8:1::1 → 2001:db8:9::1",
		"0: 192.0.2.1 → 198.51.100.1",
		"1: fe80::1 → fe80::2",
	)
}

func TestPairsClasses(t *testing.T) {
	old := local("2001:db8:1::9", 9)
	old.Deprecated = true
	got := Pairs(
		[]Local{old, local("2001:db8:1::1", 0), local("192.0.2.1", 3)},
		[]Remote{remote("2001:db8:2::1", 1), remote("2001:db8:2::2", 0), remote("198.51.100.1", 1), remote("198.51.100.2", 0)},
		Order{},
	)
	wantOrder(t, got,
		"0: 192.0.2.1 → 198.51.100.1", // 4: the user's wish overrules IPv6 first
		"1: 192.0.2.1 → 198.51.100.2", // 3
		"2: 2001:db8:1::1 → 2001:db8:2::1",
		"3: 2001:db8:1::1 → 2001:db8:2::2",
		"4: 2001:db8:1::9 → 2001:db8:2::1", // deprecated last, whatever the preference
		"5: 2001:db8:1::9 → 2001:db8:2::2",
	)
	if c := got[0]; c.Preference != 4 || c.Deprecated || c.Interface != 2 {
		t.Errorf("first: %+v", c)
	}
	if c := got[4]; c.Preference != 10 || !c.Deprecated {
		t.Errorf("deprecated: %+v", c)
	}
}

func TestPairsDeprecatedRemote(t *testing.T) {
	old := remote("198.51.100.1", 9)
	old.Deprecated = true
	got := Pairs([]Local{local("192.0.2.1", 0)}, []Remote{old, remote("198.51.100.2", 0)}, Order{})
	wantOrder(t, got, "0: 192.0.2.1 → 198.51.100.2", "1: 192.0.2.1 → 198.51.100.1")
}

func TestPairsRepeatedLocator(t *testing.T) {
	got := Pairs(
		[]Local{local("192.0.2.1", 0)},
		[]Remote{remote("198.51.100.1", 1), remote("198.51.100.1", 5), remote("198.51.100.2", 3)},
		Order{},
	)
	wantOrder(t, got, "0: 192.0.2.1 → 198.51.100.1", "1: 192.0.2.1 → 198.51.100.2")
}

func TestPairsPorts(t *testing.T) {
	r := remote("198.51.100.1", 0)
	other, nowhere := r, r
	other.Addr = netip.AddrPortFrom(r.Addr.Addr(), 7000)
	nowhere.Addr = netip.AddrPortFrom(r.Addr.Addr(), 0)
	wantOrder(t, Pairs([]Local{local("192.0.2.1", 0)}, []Remote{other, nowhere, r}, Order{}),
		"0: 192.0.2.1 → 198.51.100.1", "0: 192.0.2.1 → 198.51.100.1:7000")
}

// Metered pairs come after others that are liked as well, never before a worse liked.
func TestPairsMetered(t *testing.T) {
	mobile, cheap := local("192.0.2.1", 1), local("192.0.2.2", 1)
	mobile.Metered = true
	dear := remote("198.51.100.1", 1)
	dear.Metered = true
	got := Pairs([]Local{mobile, cheap, local("192.0.2.3", 0)}, []Remote{dear, remote("198.51.100.2", 1)}, Order{})
	wantOrder(t, got,
		"0: 192.0.2.2 → 198.51.100.2",
		"1: 192.0.2.1 → 198.51.100.1",
		"1: 192.0.2.1 → 198.51.100.2",
		"1: 192.0.2.2 → 198.51.100.1",
		"2: 192.0.2.3 → 198.51.100.2",
		"3: 192.0.2.3 → 198.51.100.1",
	)
}

// Each remote is seen with its best source before any is seen with the second.
func TestPairsSourceRank(t *testing.T) {
	locals := []Local{local("2001:db8:1::1", 0), local("2001:db8:2::1", 0)}
	remotes := []Remote{remote("2001:db8:1::9", 0), remote("2001:db8:2::9", 0)}
	wantOrder(t, Pairs(locals, remotes, Order{}),
		"0: 2001:db8:1::1 → 2001:db8:1::9",
		"0: 2001:db8:2::1 → 2001:db8:2::9",
		"0: 2001:db8:1::1 → 2001:db8:2::9",
		"0: 2001:db8:2::1 → 2001:db8:1::9",
	)
}

func TestPairsRoutable(t *testing.T) {
	got := Pairs(
		[]Local{local("192.0.2.1", 0), local("192.0.2.2", 0)}, []Remote{remote("198.51.100.1", 0)},
		Order{Routable: func(l Local, r netip.Addr) bool { return l.Addr.String() == "192.0.2.2" && r.Is4() }},
	)
	wantOrder(t, got, "0: 192.0.2.2 → 198.51.100.1")
}
