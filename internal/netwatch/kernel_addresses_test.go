package netwatch

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

func TestFactOfKernel(t *testing.T) {
	l := newLab(t)
	l.add(l.near, "up0", "192.0.2.1/25", 0)
	l.add(l.near, "up0", "2001:db8::1/60", unix.IFA_F_NODAD)
	l.tun("uplink0") // A tunnel, whatever its name.
	l.add(l.near, "uplink0", "198.51.100.1/24", 0)
	l.run()
	l.until("three addresses", func() bool {
		return l.fact("192.0.2.1").Up && l.fact("2001:db8::1").Up && l.fact("198.51.100.1").Bits > 0
	})
	for _, want := range []locator.Fact{
		{Addr: netip.MustParseAddr("192.0.2.1"), Bits: 25, MTU: 1500},
		{Addr: netip.MustParseAddr("2001:db8::1"), Bits: 60, MTU: 1500},
		{Addr: netip.MustParseAddr("198.51.100.1"), Bits: 24, MTU: 1500, Tunnel: true},
	} {
		got := l.fact(want.Addr.String())
		if got.Bits != want.Bits || got.MTU != want.MTU || got.Tunnel != want.Tunnel {
			t.Errorf("%+v, want %+v", got, want)
		}
	}

	l.must(l.near.LinkSetMTU(l.link(l.near, "up0"), 1400))
	l.until("another MTU", func() bool { return l.fact("192.0.2.1").MTU == 1400 && l.fact("2001:db8::1").MTU == 1400 })
}

// An address may be used while it is still in question if the administrator
// says so (RFC 4429).
func TestOptimisticAddress(t *testing.T) {
	l := newLab(t)
	l.sysctl("ipv6/conf/default/optimistic_dad", "1")
	l.sysctl("ipv6/conf/default/use_optimistic", "1")
	l.run()
	l.wire("up1") // Gets its link-local address by itself.
	optimistic := func(f locator.Fact) bool { return f.Name == "up1" && f.Tentative && f.Optimistic }
	l.until("an optimistic address", func() bool { return slices.ContainsFunc(l.last, optimistic) })
	a := l.last[slices.IndexFunc(l.last, optimistic)].Addr
	l.until("its use", func() bool { return l.table.State(a) == locator.Operational })
	if f := l.fact(a.String()); !f.Optimistic {
		t.Errorf("used only when it was sure: %+v", f)
	}
	l.until("certainty", func() bool { f := l.fact(a.String()); return !f.Tentative && !f.Optimistic })
}

// The kernel makes temporary addresses of a prefix (RFC 8981).
func TestTemporaryAddress(t *testing.T) {
	l := newLab(t)
	l.sysctl("ipv6/conf/up0/use_tempaddr", "2")
	l.run()
	a := addr("2001:db8::1/64", unix.IFA_F_MANAGETEMPADDR|unix.IFA_F_NODAD)
	a.ValidLft, a.PreferedLft = 7200, 3600
	l.must(l.near.AddrAdd(l.link(l.near, "up0"), a))
	prefix := netip.MustParsePrefix("2001:db8::/64")
	l.until("a temporary address", func() bool {
		return slices.ContainsFunc(l.last, func(f locator.Fact) bool { return f.Temporary && prefix.Contains(f.Addr) })
	})
	if f := l.fact("2001:db8::1"); f.Temporary {
		t.Errorf("%+v", f)
	}
}

// Lifetimes that run out are heard of, without looking from time to time.
func TestLifetimesRunOut(t *testing.T) {
	l := newLab(t)
	l.run()
	a := addr("2001:db8::1/64", unix.IFA_F_NODAD)
	a.ValidLft, a.PreferedLft = 3, 1
	l.must(l.near.AddrAdd(l.link(l.near, "up0"), a))
	l.untilState("2001:db8::1", locator.Operational)
	if f := l.fact("2001:db8::1"); f.Deprecated {
		t.Errorf("deprecated at once: %+v", f)
	}
	l.until("deprecation", func() bool { return l.fact("2001:db8::1").Deprecated })
	if s := l.table.State(netip.MustParseAddr("2001:db8::1")); s != locator.Operational {
		t.Errorf("deprecated address is %v", s)
	}
	l.untilState("2001:db8::1", none)
}

// burst changes addresses n times and returns those that are there in the end.
func (l *lab) burst(n int) (left []string) {
	l.t.Helper()
	for i := range n {
		a := fmt.Sprintf("10.0.%d.1", i/2)
		if i%2 == 0 {
			l.add(l.near, "up0", a+"/24", 0)
			continue
		}
		// Every third address stays.
		if i/2%3 == 0 {
			left = append(left, a)
			continue
		}
		l.remove(l.near, "up0", a+"/24")
	}
	return left
}

// ipv4 returns the IPv4 addresses of the last snapshot.
func (l *lab) ipv4() (list []string) {
	for _, f := range l.last {
		if f.Addr.Is4() {
			list = append(list, f.Addr.String())
		}
	}
	return list
}

func TestBurstConverges(t *testing.T) {
	l := newLab(t)
	reads := l.countReads(hostNews)
	l.run()
	l.next("the first snapshot")
	want := l.burst(500)
	l.until("the true state", func() bool { return slices.Equal(l.ipv4(), want) })
	n := reads.Load()
	t.Logf("read %d times", n)
	if n > 250 {
		t.Errorf("read %d times in 500 changes", n)
	}
}
