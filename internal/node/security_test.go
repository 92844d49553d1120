package node_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// TestBadDatagrams sends datagrams that are no good: each is counted under its
// reason and does no more.
func TestBadDatagrams(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(s *scene) [][]byte
		want map[string]uint64
	}{
		{"empty", func(*scene) [][]byte { return [][]byte{{}} }, map[string]uint64{"malformed": 1}},
		{
			"shorter than a header",
			func(s *scene) (list [][]byte) {
				for n := range wire.HeaderLen {
					list = append(list, s.of(wire.Transport)[0][:n])
				}
				return list
			}, map[string]uint64{"malformed": wire.HeaderLen},
		},
		{
			"transport too short to be sealed",
			func(s *scene) (list [][]byte) {
				for n := wire.HeaderLen; n < wire.MinTransportLen; n++ {
					list = append(list, s.of(wire.Transport)[0][:n])
				}
				return list
			}, map[string]uint64{"malformed": wire.MinTransportLen - wire.HeaderLen},
		},
		{
			"transport cut at every length",
			func(s *scene) (list [][]byte) {
				d := s.of(wire.Transport)[0]
				for n := wire.MinTransportLen; n < len(d); n++ {
					list = append(list, d[:n])
				}
				return list[:30]
			}, map[string]uint64{"forged": 30},
		},
		{
			"transport made longer",
			func(s *scene) [][]byte {
				return [][]byte{append(bytes.Clone(s.of(wire.Transport)[0]), 0)}
			}, map[string]uint64{"forged": 1},
		},
		{
			"longer than any that is sent",
			func(s *scene) [][]byte {
				d := s.of(wire.Transport)[0]
				return [][]byte{append(bytes.Clone(d), make([]byte, 9000)...), append(bytes.Clone(d), make([]byte, 60000)...)}
			}, map[string]uint64{"forged": 2},
		},
		{
			"another version",
			func(s *scene) (list [][]byte) {
				for _, typ := range []wire.Type{wire.Transport, wire.Open2} {
					d := bytes.Clone(s.of(typ)[0])
					d[0] = d[0]&0xf0 | (wire.Version + 1)
					list = append(list, d)
				}
				return list
			}, map[string]uint64{"version": 2},
		},
		{
			"other types",
			func(*scene) (list [][]byte) {
				for _, typ := range []wire.Type{0, wire.Retry, 5, 9, 15} {
					list = append(list, append([]byte{byte(typ)<<4 | wire.Version, 1, 2, 3}, make([]byte, 100)...))
				}
				return list
			}, map[string]uint64{"malformed": 5},
		},
		{
			"unknown tag",
			func(s *scene) (list [][]byte) {
				for bit := range 24 {
					d := bytes.Clone(s.of(wire.Transport)[0])
					d[1+bit/8] ^= 1 << (bit % 8)
					list = append(list, d)
				}
				return list
			}, map[string]uint64{"unknown_tag": 24},
		},
		{
			"an Open 2 to nobody",
			func(s *scene) [][]byte {
				d := bytes.Clone(s.of(wire.Open2)[0])
				d[3] ^= 1
				return [][]byte{d}
			}, map[string]uint64{"unknown_tag": 1},
		},
		{
			"an Open cut at every length",
			func(s *scene) (list [][]byte) {
				d := s.of(wire.Open2)[0]
				for n := wire.HeaderLen; n < wire.MinOpen2Len; n++ {
					list = append(list, d[:n])
				}
				return list
			}, map[string]uint64{"malformed": wire.MinOpen2Len - wire.HeaderLen},
		},
		{
			"an Open longer than allowed",
			func(s *scene) [][]byte {
				return [][]byte{append(bytes.Clone(s.of(wire.Open2)[0]), make([]byte, wire.MaxOpenLen)...)}
			}, map[string]uint64{"malformed": 1},
		},
		{
			"an Open 1 with noise in it",
			func(*scene) [][]byte {
				return [][]byte{append([]byte{byte(wire.Open1)<<4 | wire.Version, 1, 2, 3}, make([]byte, 508)...)}
			}, map[string]uint64{"forged": 1},
		},
		{
			"everything once more",
			func(s *scene) [][]byte { return s.of(wire.Transport)[:20] },
			map[string]uint64{"replayed": 20},
		},
		{
			"an Open 2 once more",
			func(s *scene) [][]byte { return [][]byte{s.of(wire.Open2)[0], s.of(wire.Open2)[0]} },
			map[string]uint64{"stale_open": 2},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.inject(c.make(s)...)
				s.wantDrops(s.a, c.want)
				s.wantDrops(s.b, map[string]uint64{})
			})
		})
	}
}

// TestBitFlips changes each bit of a transport datagram in turn.
func TestBitFlips(t *testing.T) {
	play(t, func(s *scene) {
		d := s.of(wire.Transport)[0]
		want := map[string]uint64{}
		for bit := range 8 * len(d) {
			bad := bytes.Clone(d)
			bad[bit/8] ^= 0x80 >> (bit % 8)
			s.inject(bad)
			switch {
			case bit < 4: // type
				want["malformed"]++
			case bit < 8: // version
				want["version"]++
			case bit < 32: // tag
				want["unknown_tag"]++
			default: // number, ciphertext, authentication tag
				want["forged"]++
			}
		}
		s.wantDrops(s.a, want)
	})
}

// TestReplayedOpen1 records B's Open 1 while A calls no one, and sends it again,
// whole and with each byte of it changed.
func TestReplayedOpen1(t *testing.T) {
	play(t, func(s *scene) {
		s.reopen()
		open := s.of(wire.Open1)[0]
		s.inject(open, open)
		s.wantDrops(s.a, map[string]uint64{"stale_open": 2})
		want := map[string]uint64{"stale_open": 2}
		for i := range open {
			bad := bytes.Clone(open)
			bad[i] ^= 1
			s.inject(bad)
			switch {
			case i == 0: // version 0
				want["version"]++
			case i >= len(open)-wire.MACLen: // mac2 is covered by nothing, and asked for by no one
				want["stale_open"]++
			default:
				want["forged"]++
			}
		}
		s.wantDrops(s.a, want)
	})
}

// reopen lets the session end, and has B open the next.
func (s *scene) reopen() {
	time.Sleep(time.Hour)
	s.mu.Lock()
	s.heard = nil
	s.mu.Unlock()
	s.server.Write(1000)
	if err := s.client.WaitReceived(10*time.Second, s.written+1000); err != nil {
		s.t.Fatal(err)
	}
	s.client.Write(1000)
	s.written += 1000
	if err := s.server.WaitReceived(10*time.Second, s.written); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	s.before = s.state()
}

// TestUnknownPeer: a node that nobody knows opens; each Open is refused and
// answered by nothing.
func TestUnknownPeer(t *testing.T) {
	play(t, func(s *scene) {
		h := s.net.Host("mallory")
		at := netip.MustParseAddr("2001:db8:d::1")
		h.AddAddr("eth0", at)
		ctx, cancel := context.WithCancel(s.t.Context())
		ended := make(chan error, 1)
		m := s.start(ctx, ended, h, identity(9), node.Peer{
			Name: "a", Key: s.a.id.Public, Locators: []netip.AddrPort{netip.AddrPortFrom(addrA, locator.DefaultPort)},
		})
		m.dev.Inject(inner6(m.addr, s.a.addr, 100))
		time.Sleep(10 * time.Second)
		opens := s.net.Counters(sim.Path{From: at, To: addrA})[sim.Delivered]
		if opens == 0 {
			s.t.Error("the unknown node has sent nothing")
		}
		s.wantDrops(s.a, map[string]uint64{"unknown_peer": opens})
		if n := s.net.Counters(sim.Path{From: addrA, To: at})[sim.Sent]; n != 0 {
			s.t.Errorf("%d datagrams to the unknown node, want silence", n)
		}
		if st, _ := m.Status(); st.Peers[0].Primary != nil {
			s.t.Error("the unknown node has a primary pair")
		}
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		m.stack.Close()
	})
}

// TestInnerPackets has A's applications send packets that must not reach B's.
func TestInnerPackets(t *testing.T) {
	ip := netip.MustParseAddr
	for _, c := range []struct {
		name     string
		make     func(s *scene) []byte
		atA, atB string // the reason, empty for none
		passes   bool
	}{
		{"routed IPv6 source", func(s *scene) []byte { return inner6(ip("2001:db8:11::5"), s.b.addr, 10) }, "", "", true},
		{"routed IPv4 source", func(*scene) []byte { return inner4(ip("10.0.1.5"), ip("10.0.0.5"), 10) }, "", "", true},
		{"IPv6 source of no one", func(s *scene) []byte { return inner6(ip("2001:db8:12::5"), s.b.addr, 10) }, "", "source", false},
		{"IPv6 source of B", func(s *scene) []byte { return inner6(ip("2001:db8:10::5"), s.b.addr, 10) }, "", "source", false},
		{"B's identifier as source", func(s *scene) []byte { return inner6(s.b.addr, s.b.addr, 10) }, "", "source", false},
		{"unspecified source", func(s *scene) []byte { return inner6(netip.IPv6Unspecified(), s.b.addr, 10) }, "", "source", false},
		{"IPv4 source of no one", func(*scene) []byte { return inner4(ip("10.0.2.5"), ip("10.0.0.5"), 10) }, "", "source", false},
		{"IPv4 source of B", func(*scene) []byte { return inner4(ip("10.0.0.6"), ip("10.0.0.5"), 10) }, "", "source", false},
		{"IPv6 to nobody", func(s *scene) []byte { return inner6(s.a.addr, ip("fd00::1"), 10) }, "no_peer", "", false},
		{"IPv6 to oneself", func(s *scene) []byte { return inner6(s.a.addr, s.a.addr, 10) }, "no_peer", "", false},
		{"multicast", func(s *scene) []byte { return inner6(s.a.addr, ip("ff02::2"), 10) }, "no_peer", "", false},
		{"IPv4 to nobody", func(*scene) []byte { return inner4(ip("10.0.1.5"), ip("10.0.7.5"), 10) }, "no_peer", "", false},
		{"IPv6 longer than it says", func(s *scene) []byte { return append(inner6(s.a.addr, s.b.addr, 10), 0) }, "malformed", "", false},
		{"IPv6 shorter than it says", func(s *scene) []byte { return inner6(s.a.addr, s.b.addr, 10)[:49] }, "malformed", "", false},
		{"half a header", func(s *scene) []byte { return inner6(s.a.addr, s.b.addr, 10)[:20] }, "malformed", "", false},
		{"one byte", func(*scene) []byte { return []byte{0x60} }, "malformed", "", false},
		{"no IP", func(*scene) []byte { return bytes.Repeat([]byte{0x50}, 60) }, "malformed", "", false},
		{"IPv4 with a short header", func(*scene) []byte {
			b := inner4(ip("10.0.1.5"), ip("10.0.0.5"), 10)
			b[0] = 0x44
			return b
		}, "malformed", "", false},
		{"IPv4 with a header beyond its end", func(*scene) []byte {
			b := inner4(ip("10.0.1.5"), ip("10.0.0.5"), 10)
			b[0] = 0x4f
			return b
		}, "malformed", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(s *scene) {
				before := s.b.stack.Bad()
				const times = 3
				for range times {
					s.a.dev.Inject(c.make(s))
				}
				time.Sleep(time.Second)
				synctest.Wait()
				count := func(reason string) map[string]uint64 {
					if reason == "" {
						return map[string]uint64{}
					}
					return map[string]uint64{reason: times}
				}
				s.wantDrops(s.a, count(c.atA))
				s.wantDrops(s.b, count(c.atB))
				// The packets are real: that B says nothing of them may be asked about.
				now := s.state()
				s.before.inControl, s.before.suspicions = now.inControl, now.suspicions
				// B's stack counts what is not TCP.
				want := 0
				if c.passes {
					want = times
				}
				if got := s.b.stack.Bad() - before; got != want {
					t.Errorf("%d packets reached the applications of B, want %d", got, want)
				}
			})
		})
	}
}

// TestRandomDatagrams sends 10,000 datagrams of random bytes, of random bytes
// behind a good header, and genuine ones with random changes. Each is counted
// exactly once.
func TestRandomDatagrams(t *testing.T) {
	const n = 10_000
	play(t, func(s *scene) {
		rng := rand.New(rand.NewPCG(1, 2))
		genuine := append(s.of(wire.Transport), s.of(wire.Open2)...)
		list := make([][]byte, n)
		for i := range list {
			list[i] = randomDatagram(rng, genuine)
		}
		s.inject(list...)
		if got := s.total(s.a); got != n {
			s.t.Errorf("%d drops of %d: %v", got, n, s.drops(s.a))
		}
		for _, reason := range []string{"malformed", "version", "unknown_tag", "forged"} {
			if s.drops(s.a)[reason] == 0 {
				s.t.Errorf("none was %s: %v", reason, s.drops(s.a))
			}
		}
		s.t.Logf("%v", s.drops(s.a))
	})
}

func randomDatagram(rng *rand.Rand, genuine [][]byte) []byte {
	b := make([]byte, rng.IntN(1600))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	g := genuine[rng.IntN(len(genuine))]
	switch rng.IntN(4) {
	case 0: // any type, our version
		if len(b) > 0 {
			b[0] = byte(rng.IntN(6))<<4 | wire.Version
		}
	case 1: // behind a good header
		copy(b, g[:wire.HeaderLen])
	case 2: // a genuine one changed: not in the mac2 of an Open, nor in what is ignored
		b = bytes.Clone(g)
		for range 1 + rng.IntN(5) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
	}
	return b
}

// TestOpenFlood: more Opens than can be worked on are dropped before they cost
// much. Those of who does not know the key do not count.
func TestOpenFlood(t *testing.T) {
	play(t, func(s *scene) {
		s.reopen()
		open := s.of(wire.Open1)[0]
		bad := append([]byte{byte(wire.Open1)<<4 | wire.Version, 1, 2, 3}, make([]byte, 508)...)
		for _, b := range [][]byte{bad, open} {
			for range 250 { // at one instant
				s.fling(b)
			}
		}
		time.Sleep(time.Second)
		s.wantDrops(s.a, map[string]uint64{"forged": 250, "stale_open": 200, "open_limit": 50})
	})
}

// TestLateIsCounted: a datagram that has waited for too long is not sent, and counted.
func TestLateIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced)
		defer w.end()
		w.connect(t)
		w.net.Edit(sim.Path{}, block)
		for range 60 {
			w.a.dev.Inject(inner6(w.a.id, w.b.id, 100))
			time.Sleep(time.Second)
		}
		w.net.Edit(sim.Path{}, func(l *sim.Link) { l.Blocked = false })
		time.Sleep(time.Minute)
		s, _ := w.a.Status()
		if p := s.Peers[0]; s.Drops["late"] < 20 || s.Drops["late"] > 30 || p.Waiting != 0 {
			t.Errorf("of a minute's datagrams half wait for more than 30 s; drops: %v; %d still wait", s.Drops, p.Waiting)
		}
	})
}

// TestWaitingIsBounded: what cannot be sent waits, the oldest make room and are
// counted.
func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, net: sim.New(1)}
		h := s.net.Host("alone")
		ctx, cancel := context.WithCancel(s.t.Context())
		ended := make(chan error, 1)
		v := s.start(ctx, ended, h, identity(1), node.Peer{Name: "b", Key: identity(2).Public})
		const n = 5000
		for range n {
			v.dev.Inject(inner6(v.addr, identity(2).Public.Identifier(), 1200))
			synctest.Wait()
		}
		st, _ := v.Status()
		p := st.Peers[0]
		if p.Waiting == 0 || uint64(p.Waiting)+st.Drops["queue_full"] != n || p.Waiting*1240 > 2<<20 {
			t.Errorf("%d wait and %v are dropped of %d", p.Waiting, st.Drops, n)
		}
		if p.Counters.Waited != n {
			t.Errorf("%d have waited, want %d", p.Counters.Waited, n)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		v.stack.Close()
		s.net.Close()
	})
}
