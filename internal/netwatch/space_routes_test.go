package netwatch

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/locator"
)

// local returns the locator of address on near's interface name.
func (l *lab) local(address, name string) locator.Local {
	l.t.Helper()
	return locator.Local{Addr: netip.MustParseAddr(address), Interface: uint32(l.link(l.near, name).Attrs().Index)}
}

// untilRoutable listens to RouteNews until the answer for a route from address
// by interface name to remote is want, as a node does: it asks only when it
// rang.
func (l *lab) untilRoutable(address, name, remote string, want bool) {
	l.t.Helper()
	l.untilRoutableAt(l.local(address, name), remote, want)
}

func (l *lab) untilRoutableAt(local locator.Local, remote string, want bool) {
	l.t.Helper()
	for l.watcher.Routable(local, netip.MustParseAddr(remote)) != want {
		select {
		case <-l.watcher.RouteNews():
		case <-time.After(patience):
			l.t.Fatalf("waiting for routable %v from %+v to %s", want, local, remote)
		}
	}
}

// quiet waits until RouteNews is silent, so that the next ring is for what comes
// next.
func (l *lab) quiet() {
	l.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-l.watcher.RouteNews():
		case <-time.After(3 * ringPause):
			return
		}
	}
	l.t.Fatal("waiting for silence")
}

// route returns a route of near to dst by interface name; gw may be empty.
func (l *lab) route(name, dst, gw string) *netlink.Route {
	l.t.Helper()
	n, err := netlink.ParseIPNet(dst)
	l.must(err)
	return &netlink.Route{LinkIndex: l.link(l.near, name).Attrs().Index, Dst: n, Gw: net.ParseIP(gw)}
}

// A family is one of the two, with addresses to test it by.
type family struct {
	name          string
	own0, own1    string // addresses of up0 and up1
	bits          string
	gw0, gw1      string
	remote        string // neither on the link of up0 nor of up1
	net, all      string // a prefix of remote; of everything
	onLink, other string // on the link of up0; of up1
	number        int
}

var bothFamilies = []family{
	{"ipv4", "192.0.2.1", "198.51.100.1", "/24", "192.0.2.254", "198.51.100.254",
		"203.0.113.1", "203.0.113.0/24", "0.0.0.0/0", "192.0.2.7", "198.51.100.7", netlink.FAMILY_V4},
	{"ipv6", "2001:db8:0::1", "2001:db8:1::1", "/64", "2001:db8:0::fe", "2001:db8:1::fe",
		"2001:db8:ffff::1", "2001:db8:ffff::/48", "::/0", "2001:db8:0::7", "2001:db8:1::7", netlink.FAMILY_V6},
}

// ruleFrom returns the rule that what comes from address goes by table 100.
func (f family) ruleFrom(address string) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family, rule.Table, rule.Priority = f.number, 100, 1000
	rule.Src = &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(128, 128)}
	if f.number == netlink.FAMILY_V4 {
		rule.Src = &net.IPNet{IP: net.ParseIP(address).To4(), Mask: net.CIDRMask(32, 32)}
	}
	return rule
}

// inBoth runs test in both families, in a lab with up0 and up1, each with its
// address and a running Watcher.
func inBoth(t *testing.T, test func(t *testing.T, l *lab, f family)) {
	for _, f := range bothFamilies {
		t.Run(f.name, func(t *testing.T) {
			l := newLab(t)
			// No duplicate address detection, whose end would be news.
			for _, conf := range []string{"all", "default", "up0"} {
				l.sysctl("ipv6/conf/"+conf+"/accept_dad", "0")
			}
			l.setUp(l.near, "up0", false)
			l.setUp(l.near, "up0", true)
			l.wire("up1")
			l.add(l.near, "up0", f.own0+f.bits, unix.IFA_F_NODAD)
			l.add(l.near, "up1", f.own1+f.bits, unix.IFA_F_NODAD)
			l.run()
			test(t, l, f)
		})
	}
}

// arrivesBy sends an IPv6 datagram by a socket that is bound to no interface, and
// returns the name of the interface of far that it came in by.
func (l *lab) arrivesBy(address, name, remote string) string {
	l.t.Helper()
	var in, out *net.UDPConn
	var err error
	l.inSpace(l.farNS, func() { in, err = net.ListenUDP("udp6", &net.UDPAddr{IP: net.ParseIP(remote)}) })
	l.must(err)
	defer in.Close()
	l.inNear(func() { out, err = net.ListenUDP("udp6", &net.UDPAddr{}) })
	l.must(err)
	defer out.Close()
	receiver := ipv6.NewPacketConn(in)
	l.must(receiver.SetControlMessage(ipv6.FlagInterface, true))

	local := l.local(address, name)
	how := &ipv6.ControlMessage{Src: local.Addr.AsSlice(), IfIndex: int(local.Interface)}
	var got *ipv6.ControlMessage
	for end := time.Now().Add(patience); got == nil; {
		_, err = ipv6.NewPacketConn(out).WriteTo([]byte("hello"), how, in.LocalAddr())
		l.must(err)
		l.must(receiver.SetReadDeadline(time.Now().Add(resend)))
		if _, got, _, err = receiver.ReadFrom(make([]byte, 64)); err != nil && time.Now().After(end) {
			l.t.Fatal(err)
		}
	}
	link, err := l.far.LinkByIndex(got.IfIndex)
	l.must(err)
	return link.Attrs().Name
}
