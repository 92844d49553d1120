package node_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

// A scene is two nodes with a TCP connection between them, and an outsider who
// hears all that passes and can send to anyone. It is for one bubble.
type scene struct {
	t    *testing.T
	net  *sim.Network
	a, b *actor
	// eve is the outsider's socket.
	eve            *sim.Socket
	client, server *sim.TCP
	written        int64
	// before is the state that bad packets must leave as it is.
	before sceneState
	// mu guards heard: the datagrams that have reached A from B, oldest first.
	mu    sync.Mutex
	heard [][]byte
}

// An actor is a node, and the applications behind it.
type actor struct {
	*node.Node
	id    shim.Identity
	addr  netip.Addr // the identifier
	dev   *tun.Memory
	stack *sim.Stack
}

var (
	addrA   = sim.LocatorOf(sim.HostA, 1)
	addrB   = sim.LocatorOf(sim.HostB, 1)
	addrEve = netip.MustParseAddr("2001:db8:e::1")
)

// identity returns one that follows from a byte.
func identity(seed byte) shim.Identity {
	return shim.NewIdentity(shim.NewPrivateKey([32]byte{1: seed}))
}

// play runs do with a scene in which TCP works, and sees to it that TCP still
// works at its end.
func play(t *testing.T, do func(s *scene)) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, net: sim.New(1)}
		ctx, cancel := context.WithCancel(t.Context())
		ha, hb := sim.Twins(s.net, 1)
		s.net.Edit(sim.Path{}, func(l *sim.Link) { l.Delay = 5 * time.Millisecond })
		ended := make(chan error, 2)
		ida, idb := identity(1), identity(2)
		s.a = s.start(ctx, ended, ha, ida, node.Peer{
			Name: "b", Key: idb.Public, Locators: []netip.AddrPort{netip.AddrPortFrom(addrB, locator.DefaultPort)},
			Routes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8:10::/48")},
		})
		s.b = s.start(ctx, ended, hb, idb, node.Peer{
			Name: "a", Key: ida.Public, Locators: []netip.AddrPort{netip.AddrPortFrom(addrA, locator.DefaultPort)},
			Routes: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("2001:db8:11::/48")},
		})
		s.outsider()
		s.net.Trace(func(e sim.Event) {
			if e.Fate == sim.Delivered && e.Path.To == addrA && e.Path.From == addrB {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.heard = append(s.heard, bytes.Clone(e.Payload))
			}
		})
		defer func() {
			cancel()
			for range 2 {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
			s.a.stack.Close()
			s.b.stack.Close()
			s.net.Close()
		}()
		synctest.Wait()
		s.connect()
		s.wantTCP()
		if d := s.total(s.a) + s.total(s.b); d != 0 {
			t.Fatalf("%d packets dropped before anything happened: %v %v", d, s.drops(s.a), s.drops(s.b))
		}
		s.before = s.state()
		do(s)
		synctest.Wait()
		if after := s.state(); s.before != after {
			t.Errorf("the state has changed:\n%+v\n%+v", s.before, after)
		}
		s.wantTCP()
	})
}

// start runs a node on h.
func (s *scene) start(ctx context.Context, ended chan<- error, h *sim.Host, id shim.Identity, peer node.Peer) *actor {
	v := &actor{id: id, addr: id.Public.Identifier(), dev: tun.NewMemory()}
	socket, err := h.Listen(locator.DefaultPort)
	if err != nil {
		s.t.Fatal(err)
	}
	v.Node, err = node.New(node.Config{
		Name: h.String(), Identity: id, Port: locator.DefaultPort, MTU: 1400, Timers: detect.Balanced,
		Ciphers: wire.AES256GCM, Policy: locator.DefaultPolicy(), Peers: []node.Peer{peer},
	}, node.Edges{
		Device: v.dev, Sender: socket, Receivers: []node.Receiver{socket}, Underlay: socket,
		Facts: h.Watch(), Random: rand.NewChaCha8([32]byte(id.Public)),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	go func() { ended <- v.Run(ctx) }()
	v.stack = sim.StartStack(v.dev, sim.StackConfig{Addr: v.addr, Seed: 1})
	return v
}

func (s *scene) outsider() {
	h := s.net.Host("eve")
	h.AddAddr("eth0", addrEve)
	var err error
	if s.eve, err = h.Listen(locator.DefaultPort); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) connect() {
	accepted := s.b.stack.Listen(80)
	s.client = s.a.stack.Dial(netip.AddrPortFrom(s.b.addr, 80))
	select {
	case s.server = <-accepted:
	case <-time.After(10 * time.Second):
		s.t.Fatal("no TCP connection within 10 s")
	}
}

// wantTCP sends both ways and waits until all has come and all is quiet.
func (s *scene) wantTCP() {
	s.t.Helper()
	const n = 20000
	s.client.Write(n)
	s.server.Write(n)
	s.written += n
	for _, c := range []*sim.TCP{s.client, s.server} {
		if err := c.WaitReceived(10*time.Second, s.written); err != nil {
			s.t.Fatal(err)
		}
	}
	time.Sleep(2 * time.Second)
}

// inject has eve send datagrams to A, no faster than it reads them.
func (s *scene) inject(datagrams ...[]byte) {
	s.t.Helper()
	for i, d := range datagrams {
		s.fling(d)
		if i%50 == 49 {
			time.Sleep(100 * time.Millisecond) // within what A lets pass of Opens
		}
	}
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// fling has eve send one datagram to A and does not wait.
func (s *scene) fling(datagram []byte) {
	s.t.Helper()
	_, err := s.eve.Send([]underlay.Message{{Buf: datagram, Local: addrEve, Remote: netip.AddrPortFrom(addrA, locator.DefaultPort)}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// drops returns the counts of v that are not zero.
func (s *scene) drops(v *actor) map[string]uint64 {
	st, ok := v.Status()
	if !ok {
		s.t.Fatal("the node has ended")
	}
	maps.DeleteFunc(st.Drops, func(_ string, n uint64) bool { return n == 0 })
	return st.Drops
}

func (s *scene) total(v *actor) (n uint64) {
	for _, d := range s.drops(v) {
		n += d
	}
	return n
}

// wantDrops checks all counts of v; those not in want are to be zero.
func (s *scene) wantDrops(v *actor, want map[string]uint64) {
	s.t.Helper()
	if got := s.drops(v); !maps.Equal(got, want) {
		s.t.Errorf("drops %v, want %v", got, want)
	}
}

// A sceneState is what no bad packet may change.
type sceneState struct {
	primaryA, primaryB   node.Pair
	stateA, stateB       string
	switches, outages    uint64
	suspicions, pairs    int
	inControl, inPackets uint64
	connected, waiting   bool
}

func (s *scene) state() (st sceneState) {
	for _, v := range []*actor{s.a, s.b} {
		x, _ := v.Status()
		p := x.Peers[0]
		st.pairs += len(p.Pairs)
		st.switches += p.Counters.Switches
		st.outages += p.Counters.Outages
		st.suspicions += int(p.Counters.Suspicions)
		st.waiting = st.waiting || p.Waiting > 0
		st.connected = p.Connected
		if p.Primary == nil {
			s.t.Fatalf("%s has no primary pair, %s", x.Interface, p.State)
		}
		if v == s.a {
			st.primaryA, st.stateA = *p.Primary, p.State
			// Of what comes in, none may reach the applications or the loop's machine.
			st.inPackets, st.inControl = p.Counters.InPackets, p.Counters.InControl
		} else {
			st.primaryB, st.stateB = *p.Primary, p.State
		}
	}
	return st
}

// of returns the datagrams of a type that have reached A.
func (s *scene) of(t wire.Type) (list [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.heard {
		if h, err := wire.ParseHeader(d); err == nil && h.Type == t {
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		s.t.Fatalf("no %v has come to A", t)
	}
	return list
}

// inner6 returns an IPv6 packet of no protocol (RFC 8200 §4.7) with n bytes.
func inner6(from, to netip.Addr, n int) []byte {
	b := make([]byte, 40+n)
	b[0], b[6], b[7] = 6<<4, 59, 64
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	copy(b[8:], from.AsSlice())
	copy(b[24:], to.AsSlice())
	return b
}

// inner4 returns an IPv4 packet with n bytes.
func inner4(from, to netip.Addr, n int) []byte {
	b := make([]byte, 20+n)
	b[0], b[8], b[9] = 0x45, 64, 253 // 253: for experiments (RFC 3692)
	binary.BigEndian.PutUint16(b[2:], uint16(20+n))
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	return b
}
