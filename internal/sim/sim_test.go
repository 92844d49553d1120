package sim_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/tun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const port = 6110

var (
	a1, a2 = sim.LocatorOf(sim.HostA, 1), sim.LocatorOf(sim.HostA, 2)
	b1, b2 = sim.LocatorOf(sim.HostB, 1), sim.LocatorOf(sim.HostB, 2)
	idA    = netip.MustParseAddr("fd00::a")
	idB    = netip.MustParseAddr("fd00::b")
)

// bubble runs f under virtual time with the twins.
func bubble(t *testing.T, seed uint64, f func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, Network: sim.New(seed)}
		t.Cleanup(w.Close)
		w.a, w.b = sim.Twins(w.Network, 2)
		f(t, w)
	})
}

// world is a network with the twins.
type world struct {
	*sim.Network
	t    *testing.T
	a, b *sim.Host
}

// listen opens a socket.
func (w *world) listen(h *sim.Host) *sim.Socket {
	w.t.Helper()
	s, err := h.Listen(port)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// message returns a datagram to send.
func message(payload string, from, to netip.Addr) underlay.Message {
	return underlay.Message{Buf: []byte(payload), Local: from, Remote: netip.AddrPortFrom(to, port)}
}

// send sends one datagram that must go out.
func (w *world) send(s *sim.Socket, payload string, from, to netip.Addr) {
	w.t.Helper()
	if n, err := s.Send([]underlay.Message{message(payload, from, to)}); n != 1 || err != nil {
		w.t.Fatalf("Send = %d, %v", n, err)
	}
}

// receive receives what there is, which must be one message.
func (w *world) receive(s *sim.Socket) underlay.Message {
	w.t.Helper()
	msgs, err := s.Receive()
	if len(msgs) != 1 || err != nil {
		w.t.Fatalf("Receive = %d, %v", len(msgs), err)
	}
	return msgs[0]
}

// stacks joins two TCP stacks by the network: each inner packet travels as one
// datagram on the pair that choose gives for its direction, or is dropped if
// that is the zero Path. mangle, if any, sees each packet first.
func (w *world) stacks(seed uint64, choose func(from, to *sim.Host) sim.Path, mangle func([]byte)) (a, b *sim.Stack) {
	start := func(from, to *sim.Host, id netip.Addr, seed uint64) *sim.Stack {
		dev, s := tun.NewMemory(), w.listen(from)
		go shuttleOut(dev, s, func() sim.Path { return choose(from, to) }, mangle)
		go shuttleIn(dev, s)
		stack := sim.StartStack(dev, sim.StackConfig{Addr: id, Seed: seed})
		w.t.Cleanup(func() { s.Close(); dev.Close(); stack.Close() })
		return stack
	}
	return start(w.a, w.b, idA, 2*seed), start(w.b, w.a, idB, 2*seed+1)
}

// first is the choice of a shuttle that knows but one pair.
func first(from, _ *sim.Host) sim.Path {
	if from.String() == sim.HostA {
		return sim.Path{From: a1, To: b1}
	}
	return sim.Path{From: b1, To: a1}
}

// shuttleOut carries packets from the device to the network.
func shuttleOut(dev *tun.Memory, s *sim.Socket, choose func() sim.Path, mangle func([]byte)) {
	buf, pkts := make([]byte, tun.MaxPacket), make([]inner.Packet, 1)
	for {
		if _, err := dev.Read(buf, pkts, 0, 0); err != nil {
			return
		}
		pkt := pkts[0].Buf
		if mangle != nil {
			mangle(pkt)
		}
		if p := choose(); p.From.IsValid() {
			s.Send([]underlay.Message{message(string(pkt), p.From, p.To)}) // an error is a loss
		}
	}
}

// shuttleIn carries packets from the network to the device.
func shuttleIn(dev *tun.Memory, s *sim.Socket) {
	for {
		msgs, err := s.Receive()
		if err != nil {
			return
		}
		for _, m := range msgs {
			dev.Write([]inner.Packet{{Buf: m.Buf}})
		}
	}
}

// connect opens a connection from a to b and returns both ends.
func connect(t *testing.T, a, b *sim.Stack) (client, server *sim.TCP) {
	t.Helper()
	accepted := b.Listen(80)
	client = a.Dial(netip.AddrPortFrom(idB, 80))
	select {
	case server = <-accepted:
	case <-time.After(time.Minute):
		t.Fatal("no connection within a minute")
	}
	for _, c := range []*sim.TCP{client, server} {
		if err := c.Wait(time.Minute, func(s sim.TCPStats) bool { return s.Established }); err != nil {
			t.Fatal(err)
		}
	}
	return client, server
}
