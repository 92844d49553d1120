package lab_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/multi6/multi6/internal/lab"
)

func TestFaultNames(t *testing.T) {
	for _, f := range lab.Faults() {
		if got, err := lab.ParseFault(f.String()); err != nil || got != f {
			t.Errorf("ParseFault(%q) = %v, %v", f, got, err)
		}
	}
	for _, name := range []string{"", "Blackhole", "fault 0"} {
		if f, err := lab.ParseFault(name); err == nil {
			t.Errorf("ParseFault(%q) = %v", name, f)
		}
	}
}

func TestBreakRefusesNonsense(t *testing.T) {
	l := newLab(t, lab.Config{})
	for _, c := range []struct {
		fault  lab.Fault
		uplink int
	}{{0, 0}, {99, 0}, {lab.Blackhole, -1}, {lab.LinkDown, 2}} {
		if _, err := l.Break(c.fault, c.uplink); err == nil {
			t.Errorf("Break(%v, %d) succeeded", c.fault, c.uplink)
		}
	}
}

// Each fault breaks all pairs of its uplink and no others, and after healing all
// is as before, addresses and routes too.
func TestEachFaultBreaksItsUplinkAndHeals(t *testing.T) {
	l := newLab(t, lab.Config{})
	echo(t, l.B)
	before := configuration(t, l.A)
	for _, f := range lab.Faults() {
		for uplink := range 2 {
			t.Run(fmt.Sprintf("%v of uplink %d", f, uplink), func(t *testing.T) {
				expect(t, l, 0, true)
				expect(t, l, 1, true)
				heal, err := l.Break(f, uplink)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, l, uplink, false)
				expect(t, l, 1-uplink, f != lab.AllDead)
				for range 2 {
					if err := heal(); err != nil {
						t.Fatal("heal:", err)
					}
				}
				if after := configuration(t, l.A); !slices.Equal(before, after) {
					t.Errorf("configuration before:\n%q\nafter:\n%q", before, after)
				}
				expect(t, l, uplink, true)
				expect(t, l, 1-uplink, true)
			})
		}
	}
}

// expect checks whether the pairs of an uplink work.
func expect(t *testing.T, l *lab.Lab, uplink int, works bool) {
	t.Helper()
	wait := brevity
	if works {
		wait = patience
	}
	var all sync.WaitGroup
	for _, p := range pairs(l, uplink) {
		all.Go(func() {
			if reaches(l, p, wait) != works {
				t.Errorf("%v to %v works: %v, want %v", p.a, p.b, !works, works)
			}
		})
	}
	all.Wait()
}

// configuration lists the addresses and routes of a host, sorted.
func configuration(t *testing.T, h *lab.Host) []string {
	t.Helper()
	var list []string
	err := h.Do(func() error {
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			list = append(list, fmt.Sprintf("address %v flags %#x", a.IPNet, a.Flags))
		}
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			routes, err := netlink.RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_TABLE)
			if err != nil {
				return err
			}
			for _, r := range routes {
				list = append(list, fmt.Sprintf("route %v metric %d", r, r.Priority))
			}
			rules, err := netlink.RuleList(family)
			if err != nil {
				return err
			}
			for _, r := range rules {
				list = append(list, fmt.Sprintf("rule %v", r))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// One direction of a blackhole works: what cannot come back still arrives.
func TestOneWayBlackholes(t *testing.T) {
	for _, c := range []struct {
		fault   lab.Fault
		arrives bool
	}{{lab.BlackholeAtoB, false}, {lab.BlackholeBtoA, true}} {
		t.Run(c.fault.String(), func(t *testing.T) {
			l := newLab(t, lab.Config{})
			b, err := l.B.ListenPacket("udp", netip.AddrPortFrom(l.B.Addr6(0), echoPort).String())
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			heal, err := l.Break(c.fault, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer heal()
			if _, err := dial(t, l.A, l.A.Addr6(0), l.B.Addr6(0)).Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			wait := brevity
			if c.arrives {
				wait = patience
			}
			_ = b.SetReadDeadline(time.Now().Add(wait))
			if _, _, err := b.ReadFrom(make([]byte, 8)); (err == nil) != c.arrives {
				t.Errorf("arrives: %v, want %v", err, c.arrives)
			}
		})
	}
}

// The first hop answers neighbour discovery through a blackhole, and nothing
// else passes.
func TestBlackholePassesNeighbourDiscovery(t *testing.T) {
	l := newLab(t, lab.Config{})
	heal, err := l.Break(lab.Blackhole, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer heal()
	before := [2]lab.Count{atRest(t, l.Uplinks[0], lab.AtoB), atRest(t, l.Uplinks[0], lab.BtoA)}
	for _, a := range []struct{ from, to netip.Addr }{
		{l.A.Addr6(0), l.B.Addr6(0)}, {l.A.Addr4(0), l.B.Addr4(0)},
	} {
		if _, err := dial(t, l.A, a.from, a.to).Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	// The datagrams leave only after the router's link addresses have been learnt.
	eventually(t, "both datagrams dropped", func() bool {
		n := l.Uplinks[0].Count(lab.AtoB).Sub(before[0])
		return n.UDP == 2 && n.UnderWay() == 0
	})
	back := l.Uplinks[0].Count(lab.BtoA).Sub(before[1])
	if n := l.Uplinks[0].Count(lab.AtoB).Sub(before[0]); n.Blackholed < 2 || n.Delivered > n.Neighbour {
		t.Errorf("not only neighbour discovery passed: %+v", n)
	}
	if back.Neighbour < 2 || back.Delivered < 2 {
		t.Errorf("no neighbour answered: %+v", back)
	}
}

func TestOverlappingFaults(t *testing.T) {
	for _, c := range [][2]lab.Fault{
		{lab.LinkDown, lab.AddressRemoved},
		{lab.AddressRemoved, lab.LinkDown},
		{lab.CarrierLost, lab.LinkDown},
		{lab.Blackhole, lab.AllDead},
		{lab.LinkDown, lab.LinkDown},
	} {
		t.Run(fmt.Sprintf("%v and %v", c[0], c[1]), func(t *testing.T) {
			l := newLab(t, lab.Config{})
			echo(t, l.B)
			before := configuration(t, l.A)
			var heals [2]func() error
			for i, f := range c {
				var err error
				if heals[i], err = l.Break(f, 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := heals[0](); err != nil {
				t.Fatal(err)
			}
			expect(t, l, 0, false)
			if err := heals[1](); err != nil {
				t.Fatal(err)
			}
			expect(t, l, 0, true)
			if after := configuration(t, l.A); !slices.Equal(before, after) {
				t.Errorf("configuration before:\n%q\nafter:\n%q", before, after)
			}
		})
	}
}

// A TCP connection is stuck while its path is broken and goes on after healing.
func TestTCPSurvivesAHealedFault(t *testing.T) {
	for _, f := range []lab.Fault{lab.Blackhole, lab.LinkDown, lab.AddressRemoved} {
		t.Run(f.String(), func(t *testing.T) {
			l := newLab(t, lab.Config{})
			ln, err := l.B.Listen("tcp", netip.AddrPortFrom(l.B.Addr6(0), 5001).String())
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			c, err := l.A.DialFrom(context.Background(), "tcp", l.A.Addr6(0), ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			far, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			heal, err := l.Break(f, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := far.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(brevity))
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("data passed a broken link")
			} else if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
				t.Errorf("read: %v, want a time-out", err)
			}
			if err := heal(); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Errorf("after healing: %v", err)
			}
		})
	}
}
