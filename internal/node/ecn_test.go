package node_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/multi6/multi6/internal/lab"
)

// ceReceived returns how many IPv6 packets with Congestion Experienced a host has
// received.
func ceReceived(t *testing.T, h *lab.Host) (n int) {
	t.Helper()
	must(t, h.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/snmp6")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "Ip6InCEPkts" {
				n, err = strconv.Atoi(f[1])
				return err
			}
		}
		return fmt.Errorf("no Ip6InCEPkts in %d bytes", len(b))
	}))
	return n
}

// setECN says whether TCP of hosts is to use ECN.
func setECN(t *testing.T, on bool, hosts ...*lab.Host) {
	t.Helper()
	mode := "0"
	if on {
		mode = "1"
	}
	for _, h := range hosts {
		must(t, h.SetSysctl("ipv4/tcp_ecn", mode))
	}
}

// TCP that is capable of ECN is told of a switch: some packets say that the path is
// congested. Nobody else is.
func TestSwitchIsToldToTransport(t *testing.T) {
	for _, capable := range []bool{true, false} {
		t.Run(fmt.Sprintf("ECN %v", capable), func(t *testing.T) {
			s := newStar(t)
			setECN(t, capable, s.a, s.b)
			d := startDuo(t, s.a, s.b, []netip.Addr{s.a1.plug(t, v6), s.a2.plug(t, v6)}, []netip.Addr{s.b1.plug(t, v6)})
			tcp := d.aCallsB(t)
			defer tcp.finish(t)
			tcp.goesOn(t, "before")
			if n := ceReceived(t, s.b); n != 0 {
				t.Errorf("%d packets were marked before the switch", n)
			}
			local, _ := awaitPrimary(t, d.a)
			other := s.a1.name
			if s.carrying(local) == s.a1 {
				other = s.a2.name
			}
			d.switchTo(t, other)
			tcp.goesOn(t, "switched")
			n := ceReceived(t, s.b)
			t.Logf("%d packets were marked", n)
			if n > 0 != capable {
				t.Errorf("%d packets were marked", n)
			}
			eventually(t, patience, "end of the marks", func() bool { // they last for a round trip
				before := ceReceived(t, s.b)
				tcp.goesOn(t, "afterwards")
				return ceReceived(t, s.b) == before
			})
		})
	}
}

// deliveredCE returns how many segments the host's TCP has sent that, as the receivers
// tell it (ECE), have met congestion.
func deliveredCE(t *testing.T, h *lab.Host) (n int) {
	t.Helper()
	must(t, h.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/netstat")
		if err != nil {
			return err
		}
		var names []string // a line of names is followed by one of values
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if i := slices.Index(names, "TCPDeliveredCE"); i >= 0 {
				n, err = strconv.Atoi(f[i])
				return err
			}
			names = f
		}
		return fmt.Errorf("no TCPDeliveredCE in %d bytes", len(b))
	}))
	return n
}

// line is two hosts with a router between them.
type line struct {
	a, b, core   *lab.Host
	addrA, addrB netip.Addr
}

// newLine makes a line of veth pairs, of one family, on which long packets pass whole, or not.
func newLine(t *testing.T, f family, offloads bool) *line {
	t.Helper()
	l := &line{
		a: newSpace(t, "a", lab.SpaceOptions{}), b: newSpace(t, "b", lab.SpaceOptions{}),
		core: newSpace(t, "core", lab.SpaceOptions{Router: true}),
	}
	for i, h := range []*lab.Host{l.a, l.b} {
		u := &uplink{host: h, name: fmt.Sprintf("up%d", i), number: 11 + 10*i, metric: 100}
		must(t, lab.Join(u.name, lab.End{Host: h}, lab.End{Host: l.core, Addrs: u.coreEnds()}))
		addr := u.plug(t, f)
		if i == 0 {
			l.addrA = addr
		} else {
			l.addrB = addr
		}
		if !offloads {
			must(t, h.DisableOffloads(u.name))
			must(t, l.core.DisableOffloads(u.name))
		}
	}
	return l
}

// A router on the way that says that it is congested says so to the inner TCP, which tells
// its sender; and it says nothing to who cannot understand it.
func TestCongestionIsToldToTransport(t *testing.T) {
	for _, f := range []family{v6, v4} {
		for _, offloads := range []bool{true, false} {
			for _, capable := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v offloads=%v ECN=%v", f, offloads, capable), func(t *testing.T) {
					l := newLine(t, f, offloads)
					setECN(t, capable, l.a, l.b)
					d := startDuo(t, l.a, l.b, []netip.Addr{l.addrA}, []netip.Addr{l.addrB})
					tcp := d.aCallsB(t)
					defer tcp.finish(t)
					tcp.goesOn(t, "before")
					if n := deliveredCE(t, l.a); n != 0 {
						t.Errorf("%d segments met congestion before there was any", n)
					}
					must(t, l.core.Congest())
					if capable {
						eventually(t, patience, "word of congestion", func() bool { return deliveredCE(t, l.a) > 0 })
					}
					// More than all queues hold, so that much of it has met the router.
					tcp.moves(t, 16<<20, patience)
					if n := deliveredCE(t, l.a); n > 0 != capable {
						t.Errorf("%d segments met congestion", n)
					}
					if n := ceReceived(t, l.b); n > 0 != capable {
						t.Errorf("%d packets were marked", n)
					}
				})
			}
		}
	}
}
