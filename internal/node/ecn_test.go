package node_test

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
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

// TCP that is capable of ECN is told of a switch: some packets say that the path is
// congested. Nobody else is.
func TestSwitchIsToldToTransport(t *testing.T) {
	for _, capable := range []bool{true, false} {
		t.Run(fmt.Sprintf("ECN %v", capable), func(t *testing.T) {
			s := newStar(t)
			for _, h := range []*lab.Host{s.a, s.b} {
				mode := "0"
				if capable {
					mode = "1"
				}
				must(t, h.SetSysctl("ipv4/tcp_ecn", mode))
			}
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
			eventually(t, patience, "switch", func() bool { // its test may be lost in a full queue
				res, err := d.a.Switch(t.Context(), node.SwitchRequest{Peer: "b", Local: other})
				must(t, err)
				return res.Switched
			})
			tcp.goesOn(t, "switched")
			n := ceReceived(t, s.b)
			t.Logf("%d packets were marked", n)
			if n > 0 != capable {
				t.Errorf("%d packets were marked", n)
			}
			before := ceReceived(t, s.b)
			tcp.goesOn(t, "afterwards")
			if more := ceReceived(t, s.b) - before; more != 0 {
				t.Errorf("%d packets were marked afterwards", more)
			}
		})
	}
}
