package lab_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/testkit"
)

// A line is two hosts with a router between them:
//
//	A ──near (emulated)── N ──far (veth)── B
//	  2001:db8:1::/64        2001:db8:2::/64
//	  10.78.1.0/24           10.78.2.0/24
//
// A and B are .1 and ::1, N is .254 and ::fe. Only A has a default route: B
// reaches no more than the link.
type line struct {
	a, n, b *lab.Host
	near    *lab.Link
}

var (
	lineA   = prefixes("2001:db8:1::1/64", "10.78.1.1/24")
	nearOfN = prefixes("2001:db8:1::fe/64", "10.78.1.254/24")
	farOfN  = prefixes("2001:db8:2::fe/64", "10.78.2.254/24")
	lineB   = prefixes("2001:db8:2::1/64", "10.78.2.1/24")
)

func prefixes(ss ...string) (ps []netip.Prefix) {
	for _, s := range ss {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func newSpace(t *testing.T, name string, o lab.SpaceOptions) *lab.Host {
	t.Helper()
	testkit.NeedRoot(t)
	h, err := lab.NewSpace(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, h.Close()) })
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{
		a: newSpace(t, "a", lab.SpaceOptions{}),
		n: newSpace(t, "n", lab.SpaceOptions{Router: true}),
		b: newSpace(t, "b", lab.SpaceOptions{}),
	}
	var err error
	l.near, err = lab.JoinEmulated("near", lab.End{Host: l.a, Addrs: lineA}, lab.End{Host: l.n, Addrs: nearOfN}, lab.Impairment{}, 1)
	must(t, err)
	t.Cleanup(func() { must(t, l.near.Close()) })
	must(t, lab.Join("far", lab.End{Host: l.n, Addrs: farOfN}, lab.End{Host: l.b, Addrs: lineB}))
	for _, p := range nearOfN {
		must(t, l.a.AddRoute(lab.DefaultRoute("near", p.Addr(), 10)))
	}
	return l
}

// sources opens a UDP socket at B on each of its addresses and returns what says
// where a datagram of A comes from.
func (l *line) sources(t *testing.T) (ask func(to netip.Prefix) (netip.AddrPort, bool)) {
	t.Helper()
	type end struct {
		a net.Conn
		b net.PacketConn
	}
	ends := make(map[netip.Prefix]end)
	for _, p := range lineB {
		b, err := l.b.ListenPacket("udp", netip.AddrPortFrom(p.Addr(), echoPort).String())
		must(t, err)
		a, err := l.a.Dial(context.Background(), "udp", b.LocalAddr().String())
		must(t, err)
		t.Cleanup(func() { a.Close(); b.Close() })
		ends[p] = end{a, b}
	}
	return func(to netip.Prefix) (netip.AddrPort, bool) {
		return heard(ends[to].a, ends[to].b)
	}
}

// heard sends a datagram from a to b and returns where it came from, if it came.
func heard(a net.Conn, b net.PacketConn) (netip.AddrPort, bool) {
	_, _ = a.Write([]byte("x")) // may hear of an earlier ICMP error
	_ = b.SetReadDeadline(time.Now().Add(brevity))
	_, from, err := b.ReadFrom(make([]byte, 8))
	if err != nil {
		return netip.AddrPort{}, false
	}
	return from.(*net.UDPAddr).AddrPort(), true
}

func TestFreeTopology(t *testing.T) {
	l := newLine(t)
	ask := l.sources(t)
	for i, to := range lineB {
		if from, ok := ask(to); !ok || from.Addr() != lineA[i].Addr() {
			t.Errorf("%v hears from %v, %v; want %v", to, from, ok, lineA[i])
		}
	}
	if n := l.near.Count(lab.AtoB).UDP; n != 2 {
		t.Errorf("the emulated link carried %d UDP datagrams, want 2", n)
	}
	if l.a.Addr6(0).IsValid() || l.a.Interface(0) != "" {
		t.Error("a free host claims the addresses of a Lab's")
	}
	before, err := l.n.Traffic("far")
	must(t, err)
	ask(lineB[1])
	if after, err := l.n.Traffic("far"); err != nil || after.OutPackets == before.OutPackets || after.OutBytes == before.OutBytes {
		t.Errorf("statistics %+v, then %+v, %v", before, after, err)
	}
}

func TestAddressesAndRoutesComeAndGo(t *testing.T) {
	l := newLine(t)
	ask := l.sources(t)
	for i, other := range prefixes("2001:db8:1::2/64", "10.78.1.2/24") {
		to, gateway := lineB[i], nearOfN[i].Addr()
		r := lab.DefaultRoute("near", gateway, 10)
		must(t, l.a.DelRoute(r))
		if _, ok := ask(to); ok {
			t.Errorf("%v is reached without a route", to)
		}
		must(t, l.a.AddRoute(lab.Route{To: to.Masked(), Gateway: gateway, Interface: "near", Metric: 1}))
		if _, ok := ask(to); !ok {
			t.Errorf("%v is not reached by its route", to)
		}
		must(t, l.a.AddAddr("near", other))
		must(t, l.a.DelAddr("near", lineA[i]))
		must(t, l.a.AddRoute(r))
		eventually(t, "the new address in use", func() bool {
			c, err := l.a.DialFrom(context.Background(), "udp", other.Addr(), netip.AddrPortFrom(to.Addr(), echoPort).String())
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		if err := l.a.DelAddr("near", lineA[i]); err == nil {
			t.Errorf("%v was removed twice", lineA[i])
		}
	}
}

func TestLeases(t *testing.T) {
	l := newLine(t)
	flags := func(p netip.Prefix) (flags int, there bool) {
		must(t, l.a.Do(func() error {
			addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
			for _, a := range addrs {
				if a.IP.Equal(p.Addr().AsSlice()) {
					flags, there = a.Flags, true
				}
			}
			return err
		}))
		return flags, there
	}
	for _, p := range lineA {
		must(t, l.a.LeaseAddr("near", p, time.Minute, 0))
		if f, ok := flags(p); !ok || f&unix.IFA_F_DEPRECATED == 0 {
			t.Errorf("%v, valid and not preferred: flags %#x, %v; want deprecated", p, f, ok)
		}
		must(t, l.a.LeaseAddr("near", p, time.Minute, time.Minute))
		if f, ok := flags(p); !ok || f&(unix.IFA_F_DEPRECATED|unix.IFA_F_PERMANENT) != 0 {
			t.Errorf("%v, preferred for a minute: flags %#x, %v; want neither deprecated nor permanent", p, f, ok)
		}
		must(t, l.a.AddAddr("near", p))
		if f, ok := flags(p); !ok || f&unix.IFA_F_PERMANENT == 0 {
			t.Errorf("%v, for ever: flags %#x, %v; want permanent", p, f, ok)
		}
	}
}

func TestInterfacesGoDownAndChangeNames(t *testing.T) {
	l := newLine(t)
	ask := l.sources(t)
	must(t, l.a.SetDown("near"))
	if _, ok := ask(lineB[0]); ok {
		t.Error("B is reached by an interface that is down")
	}
	must(t, l.a.Rename("near", "wlan0"))
	must(t, l.a.SetUp("wlan0"))
	if err := l.a.SetUp("near"); err == nil {
		t.Error("the old name still works")
	}
	eventually(t, "routes to be accepted", func() bool {
		return l.a.AddRoute(lab.DefaultRoute("wlan0", nearOfN[0].Addr(), 10)) == nil
	})
	eventually(t, "B to be reached by the renamed interface", func() bool { _, ok := ask(lineB[0]); return ok })
}

func TestClosedSpaceSaysSo(t *testing.T) {
	h := newSpace(t, "x", lab.SpaceOptions{})
	must(t, h.Close())
	for name, err := range map[string]error{
		"SetUp": h.SetUp("lo"), "Masquerade": h.Masquerade("lo", lab.NATOptions{}), "ForgetConntrack": h.ForgetConntrack(),
		"SetSysctl": h.SetSysctl("ipv4/ip_forward", "1"),
	} {
		if !errors.Is(err, lab.ErrClosed) {
			t.Errorf("%s on a closed host: %v", name, err)
		}
	}
}
