package node

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func routed(id string, prefixes ...string) *peer {
	p := &peer{identifier: netip.MustParseAddr(id)}
	for _, x := range prefixes {
		p.Routes = append(p.Routes, netip.MustParsePrefix(x))
	}
	return p
}

func TestRoutes(t *testing.T) {
	a := routed("fd00::a", "2001:db8::/32", "10.0.0.0/8", "192.0.2.1/32")
	b := routed("fd00::b", "2001:db8:1::/48", "10.1.0.0/16", "2001:db8:1:1::1/128")
	c := routed("fd00::c", "0.0.0.0/0", "2001:db8:1:1::/64")
	var r routes
	for _, p := range []*peer{a, b, c} {
		r.add(p)
	}
	for addr, want := range map[string]*peer{
		"fd00::a":         a,
		"fd00::b":         b,
		"fd00::d":         nil,
		"2001:db8::1":     a,
		"2001:db8:1::1":   b,
		"2001:db8:1:1::1": b, // a single address before a prefix
		"2001:db8:1:1::2": c,
		"2001:db9::1":     nil, // no IPv6 default
		"10.2.3.4":        a,
		"10.1.3.4":        b,
		"192.0.2.1":       a,
		"192.0.2.2":       c,
		"::ffff:10.1.3.4": nil, // another family
	} {
		if got := r.owner(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s belongs to %s, want %s", addr, name(got), name(want))
		}
	}
	if (&routes{}).owner(netip.MustParseAddr("fd00::a")) != nil {
		t.Error("routes without peers have an owner")
	}
}

func name(p *peer) string {
	if p == nil {
		return "nobody"
	}
	return p.identifier.String()
}

// TestRoutesModel compares with a look at every prefix.
func TestRoutesModel(t *testing.T) {
	type entry struct {
		prefix netip.Prefix
		peer   *peer
	}
	// Few bits, so that prefixes cover one another.
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		a := rapid.SliceOfN(rapid.ByteRange(0, 3), 2, 2).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "v4") {
			return netip.AddrFrom4([4]byte{10, a[0], 0, a[1]})
		}
		return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 7: a[0], 15: a[1]})
	})
	rapid.Check(t, func(t *rapid.T) {
		var r routes
		var model []entry
		seen := make(map[netip.Prefix]bool)
		for i := range rapid.IntRange(0, 5).Draw(t, "peers") {
			p := &peer{identifier: netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(i)})}
			model = append(model, entry{netip.PrefixFrom(p.identifier, 128), p})
			for range rapid.IntRange(0, 6).Draw(t, "routes") {
				a := addr.Draw(t, "route")
				x := netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
				if seen[x.Masked()] {
					continue // the configuration refuses it
				}
				seen[x.Masked()] = true
				p.Routes = append(p.Routes, x) // host bits may be set
				model = append(model, entry{x.Masked(), p})
			}
			r.add(p)
		}
		for range 20 {
			a := addr.Draw(t, "address")
			var want *peer
			bits := -1
			for _, e := range model {
				if e.prefix.Contains(a) && e.prefix.Bits() > bits {
					want, bits = e.peer, e.prefix.Bits()
				}
			}
			if got := r.owner(a); got != want {
				t.Fatalf("%s belongs to %s, want %s", a, name(got), name(want))
			}
		}
	})
}

func TestInnerAddresses(t *testing.T) {
	v6 := make([]byte, 40)
	v6[0], v6[23], v6[39] = 6<<4, 1, 2
	v4 := make([]byte, 20)
	v4[0], v4[15], v4[19] = 4<<4|5, 1, 2
	for _, c := range []struct {
		pkt      []byte
		from, to string
	}{{v6, "::1", "::2"}, {v4, "0.0.0.1", "0.0.0.2"}} {
		if f, to := source(c.pkt), destination(c.pkt); f.String() != c.from || to.String() != c.to {
			t.Errorf("from %s to %s, want from %s to %s", f, to, c.from, c.to)
		}
	}
}
