package node_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// patient are timers by which nothing but an ICMP error brings a test within a
// second.
func patient() detect.Timers {
	t := detect.Balanced
	t.Margin = time.Second
	return t
}

// primaryPair returns a node's primary pair.
func primaryPair(t *testing.T, n *node.Node) (local netip.Addr, remote netip.AddrPort) {
	t.Helper()
	s, _ := n.Status()
	if s.Peers[0].Primary == nil {
		t.Fatal("no primary pair while data flows")
	}
	return netip.MustParseAddr(s.Peers[0].Primary.Local), netip.MustParseAddrPort(s.Peers[0].Primary.Remote)
}

// nextEvent returns the next event that ok holds for.
func nextEvent(t *testing.T, events <-chan node.Event, what string, ok func(node.Event) bool) node.Event {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case e := <-events:
			if ok(e) {
				return e
			}
		case <-limit:
			t.Fatalf("no %s within 10 s", what)
		}
	}
}

func isTest(e node.Event) bool { return e.Kind == "test" }

// TestRouterSaysUnreachable: under load, a router on the primary path begins to answer
// instead of forwarding. The first test does not wait for the send timer, and the TCP
// connection goes on over another pair.
func TestRouterSaysUnreachable(t *testing.T) {
	for _, c := range []struct {
		name   string
		timers detect.Timers
		how    lab.Refusal
	}{
		{"balanced", detect.Balanced, lab.Unreachable},
		{"patient", patient(), lab.Unreachable},
		{"patient, prohibited", patient(), lab.Prohibited},
	} {
		t.Run(c.name, func(t *testing.T) {
			const rtt = 20 * time.Millisecond
			p := startNodes(t, lab.Config{RTT: rtt, Rate: 50e6}, c.timers)
			s := startStream(t, p)
			defer s.finish(t)
			s.moves(t, 4<<20, 20*time.Second)
			local, remote := primaryPair(t, p.a)
			uplink, _ := p.lab.UplinkOf(local)
			router := []*lab.Host{p.lab.R1, p.lab.R2}[uplink]
			status, _ := p.a.Status()
			events, done := p.a.Subscribe()
			defer done()
			start := time.Now()
			undo, err := router.Refuse(netip.PrefixFrom(remote.Addr(), 128), c.how)
			if err != nil {
				t.Fatal(err)
			}
			defer undo()
			doubt := nextEvent(t, events, "doubt", func(e node.Event) bool { return e.Kind == "state" && e.State == "testing primary" })
			test := nextEvent(t, events, "test", isTest)
			if doubt.Cause != "icmp" {
				t.Errorf("the primary is in doubt by %q, want an ICMP error", doubt.Cause)
			}
			switched := nextEvent(t, events, "switch", func(e node.Event) bool { return e.Kind == "switch" })
			stall := s.moves(t, 256<<10, 20*time.Second)
			t.Logf("round trip %v, send timer %.0f ms: first test after %v, switch after %v; 256 KiB more took %v",
				rtt, status.Peers[0].SendTimerMillis, test.At.Sub(start), switched.At.Sub(start), stall)
			if n := drops(p.a)["icmp"]; n != 0 {
				t.Errorf("%d genuine errors are counted as forged", n)
			}
		})
	}
}

// drops returns how many packets n has dropped, by reason.
func drops(n *node.Node) map[string]uint64 {
	s, _ := n.Status()
	return s.Drops
}

// A forger sends ICMPv6 errors to A that seem to be of its datagrams.
type forger struct {
	conn          net.PacketConn
	local, remote netip.AddrPort // of A's primary pair
}

// forge sends "no route to destination" (RFC 4443 §3.1) with a quoted payload.
func (f *forger) forge(t *testing.T, payload []byte) {
	t.Helper()
	// type (8), code (8), checksum (16, the kernel's), unused (32)
	b := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	// version (4) and so on, length (16), next header (8), hop limit (8), addresses
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 17, 60)
	b = append(append(b, f.local.Addr().AsSlice()...), f.remote.Addr().AsSlice()...)
	// ports, length, checksum (16 each)
	for _, v := range []uint16{f.local.Port(), f.remote.Port(), uint16(8 + len(payload)), 0x1234} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	if _, err := f.conn.WriteTo(append(b, payload...), &net.IPAddr{IP: f.local.Addr().AsSlice()}); err != nil {
		t.Fatal(err)
	}
}

// heedsHints reports whether n's latest test was long enough ago for an ICMP error to
// bring another one.
func heedsHints(t *testing.T, n *node.Node) bool {
	t.Helper()
	s, _ := n.Status()
	for _, p := range lastRecord(t, n).Polls {
		if time.Since(p.Sent.At) < time.Duration(s.Peers[0].SendTimerMillis*float64(time.Millisecond)) {
			return false
		}
	}
	return true
}

// TestForgedUnreachable: errors from a third host that quote nothing of ours do nothing
// but count. One that quotes what we sent has the primary tested, and no more.
func TestForgedUnreachable(t *testing.T) {
	p := startNodes(t, quick, patient())
	fromB, doneB := p.b.Subscribe()
	defer doneB()
	s := startStream(t, p)
	defer s.finish(t)
	session := nextEvent(t, fromB, "session", func(e node.Event) bool { return e.Kind == "session" })
	tag, err := strconv.ParseUint(session.Detail, 16, 24) // which A's datagrams bear
	if err != nil {
		t.Fatal(err)
	}
	s.moves(t, 1<<20, 10*time.Second)
	local, remote := primaryPair(t, p.a)
	conn, err := p.lab.R2.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f := &forger{conn: conn, local: netip.AddrPortFrom(local, locator.DefaultPort), remote: remote}
	eventually(t, 10*time.Second, "end of the time in which a hint is ignored", func() bool { return heedsHints(t, p.a) })
	before, _ := p.a.Status()
	events, done := p.a.Subscribe()
	defer done()
	counted := func(reason string, n uint64) {
		t.Helper()
		eventually(t, 5*time.Second, fmt.Sprintf("%d counted as %s", n, reason), func() bool { return drops(p.a)[reason] == n })
	}
	quote := func(tag, number uint32) []byte {
		return wire.Header{Type: wire.Transport, Tag: wire.Tag(tag), Number: number}.AppendTo(nil)
	}
	t.Run("nothing of ours", func(t *testing.T) {
		for i, q := range [][]byte{
			nil, []byte("garbage of some length"), quote(uint32(tag)^1, 100), quote(uint32(tag), 1<<31), quote(uint32(tag), 1<<32-1),
		} {
			f.forge(t, q)
			counted("icmp", uint64(i+1))
		}
		for range 500 {
			f.forge(t, []byte("garbage of some length"))
		}
		eventually(t, 5*time.Second, "count of the flood", func() bool {
			d := drops(p.a)
			return d["icmp"]+d["icmp_limit"] == 505 && d["icmp_limit"] > 0
		})
		s.moves(t, 256<<10, 10*time.Second)
		after, _ := p.a.Status()
		x, y := before.Peers[0], after.Peers[0]
		if x.Counters.Suspicions != y.Counters.Suspicions || x.Counters.Switches != y.Counters.Switches || *x.Primary != *y.Primary {
			t.Errorf("%+v, then %+v: want nothing to have happened", x.Counters, y.Counters)
		}
	})
	t.Run("what A sent", func(t *testing.T) {
		var doubt node.Event
		// In the second of the flood no more errors are looked at.
		eventually(t, 5*time.Second, "doubt", func() bool {
			sent, _ := p.a.Status()
			f.forge(t, quote(uint32(tag), uint32(sent.Peers[0].Counters.OutPackets)-100))
			select {
			case doubt = <-events:
			default:
			}
			return doubt.Kind == "state"
		})
		if doubt.Cause != "icmp" || doubt.State != "testing primary" {
			t.Errorf("%+v, want the primary tested", doubt)
		}
		again := nextEvent(t, events, "end of the doubt", func(e node.Event) bool { return e.Kind == "state" })
		after, _ := p.a.Status()
		if again.State != "primary operational" || after.Peers[0].Counters.Switches != before.Peers[0].Counters.Switches {
			t.Errorf("%+v and %d switches, want the same primary", again, after.Peers[0].Counters.Switches-before.Peers[0].Counters.Switches)
		}
	})
}
