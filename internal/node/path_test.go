package node_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
)

// A load is what lanes carry.
type load struct {
	name string
	// batch is how many packets come at a time.
	batch int
	// packet returns one.
	packet func(from, to netip.Addr) inner.Packet
}

// loads are super-packets, each a run of datagrams on the wire, and small packets that do
// not belong together.
var loads = []load{{"super", 1, superTCP}, {"small", 32, smallTCP}}

// tcp6 returns a TCP segment of n bytes.
func tcp6(from, to netip.Addr, n int) inner.Packet {
	b := inner6(from, to, 20+n)
	b[6], b[52], b[53] = inner.TCP, 5<<4, 1<<4 // offset (4), ACK
	return inner.Packet{Buf: b, Transport: 40, Partial: true}
}

func superTCP(from, to netip.Addr) inner.Packet {
	const segment, segments = 1328, 44
	p := tcp6(from, to, segment*segments)
	p.Segment = segment
	return p
}

func smallTCP(from, to netip.Addr) inner.Packet { return tcp6(from, to, 64) }

// sequence returns the place of p's sequence number, and end that of what follows p.
func sequence(p inner.Packet) []byte { return p.Buf[p.Transport+4:] }

func end(p inner.Packet) uint32 {
	return binary.BigEndian.Uint32(sequence(p)) + uint32(len(p.Buf)-p.HeaderLen())
}

// A lane is the packet paths of the hub of a crowd and of the nodes that it talks to,
// which take turns.
type lane struct {
	load
	hub *node.Path
	far []*node.Path
	// toHub and toFar are a packet each way for each node.
	toHub, toFar []inner.Packet
	turn         int
	// buf and pkts are as read from a device.
	buf  []byte
	pkts []inner.Packet
	// caught is what the nodes have sent, counted what the hub has.
	caught  catcher
	counted counter
}

// newLane opens sessions with so many of the hub's peers, and ends all nodes.
func newLane(t testing.TB, peers, active int, x load) *lane {
	t.Helper()
	c := newCrowd(t, peers, active)
	for _, m := range c.nodes {
		for deadline := time.Now().Add(patience); working(m) == 0; time.Sleep(time.Millisecond) {
			m.dev.Inject(inner6(m.id, c.hub.id, 10))
			if time.Now().After(deadline) {
				t.Fatal("a node does not reach the hub")
			}
		}
	}
	for deadline := time.Now().Add(patience); working(c.hub) < active; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the hub reaches %d of %d nodes", working(c.hub), active)
		}
	}
	c.net.Edit(sim.Path{}, block)
	l := &lane{load: x, buf: make([]byte, x.batch*(shim.Headroom+shim.Tailroom+tun.MaxPacket))}
	c.hub.end(t)
	l.hub = c.hub.Path(&l.counted, &l.counted)
	for _, m := range c.nodes {
		m.end(t)
		l.far = append(l.far, m.Path(&l.caught, &l.counted))
		l.toHub, l.toFar = append(l.toHub, x.packet(m.id, c.hub.id)), append(l.toFar, x.packet(c.hub.id, m.id))
	}
	c.net.Close()
	return l
}

// working returns to how many peers m has a primary pair.
func working(m *member) (n int) {
	s, _ := m.Status()
	for i := range s.Peers {
		if s.Peers[i].Primary != nil && s.Peers[i].SessionAgeMillis > 0 {
			n++
		}
	}
	return n
}

// next lays the packet whose turn it is into l.buf, as a device would.
func (l *lane) next(packets []inner.Packet) {
	l.turn = (l.turn + 1) % len(packets)
	p := packets[l.turn]
	binary.BigEndian.PutUint32(sequence(p), end(p)) // what comes next in the stream
	from := shim.Headroom
	for i := range l.pkts {
		from += len(l.pkts[i].Buf) + shim.Tailroom + shim.Headroom
	}
	// Sealing destroys the headers of what was there before; the rest is as good as any.
	copy(l.buf[from:], p.Buf[:60])
	p.Buf = l.buf[from : from+len(p.Buf)]
	l.pkts = append(l.pkts, p)
}

// out has the hub send a batch to the nodes in turn.
func (l *lane) out() {
	l.pkts = l.pkts[:0]
	for range l.batch {
		l.next(l.toFar)
	}
	l.hub.Out(l.buf, l.pkts)
}

// acknowledge has the nodes confirm all that the hub has sent.
func (l *lane) acknowledge() {
	l.caught.msgs = l.caught.msgs[:0]
	for i, p := range l.toHub {
		ack := tcp6(netip.AddrFrom16([16]byte(p.Buf[8:])), netip.AddrFrom16([16]byte(p.Buf[24:])), 0)
		copy(sequence(ack), sequence(p)[:4])
		binary.BigEndian.PutUint32(sequence(ack)[4:], end(l.toFar[i]))
		from := copy(l.buf, make([]byte, shim.Headroom))
		ack.Buf = l.buf[from : from+copy(l.buf[from:], ack.Buf)]
		l.far[i].Out(l.buf, []inner.Packet{ack})
	}
	l.hub.In(l.caught.msgs)
}

// catch has the nodes send a batch to the hub in turn, and returns what it will receive.
func (l *lane) catch() []underlay.Message {
	l.caught.msgs = l.caught.msgs[:0]
	for range l.batch {
		l.pkts = l.pkts[:0]
		l.next(l.toHub)
		l.far[l.turn].Out(l.buf, l.pkts)
	}
	return l.caught.msgs
}

// A catcher is a Sender. It keeps what a Receiver would get.
type catcher struct {
	msgs []underlay.Message
	full [][]byte // of msgs, to be used again
}

func (c *catcher) Send(msgs []underlay.Message) (int, error) {
	for _, m := range msgs {
		i := len(c.msgs)
		if i == len(c.full) {
			c.full = append(c.full, nil)
		}
		c.full[i] = append(append(c.full[i][:0], make([]byte, underlay.Headroom)...), m.Buf...)
		m.Full, m.Buf = c.full[i], c.full[i][underlay.Headroom:]
		m.Local, m.Remote = m.Remote.Addr(), netip.AddrPortFrom(m.Local, m.Remote.Port())
		c.msgs = append(c.msgs, m)
	}
	return len(msgs), nil
}

// A counter is a Sender and a device that take everything.
type counter struct {
	tun.Device
	sent, written int // messages and packets
}

func (c *counter) Send(msgs []underlay.Message) (int, error) {
	c.sent += len(msgs)
	return len(msgs), nil
}

func (c *counter) Write(pkts []inner.Packet) (int, error) {
	c.written += len(pkts)
	return len(pkts), nil
}

// crowds are how many of the hub's peers are there.
var crowds = []struct{ peers, active int }{{1, 1}, {10_000, 1}, {10_000, 100}}

// BenchmarkOut is all that the node does from the device to the socket; an operation is
// one packet or super-packet. What was sent is confirmed now and then, as it would be.
func BenchmarkOut(b *testing.B) {
	benchmarkLanes(b, func(l *lane, n int) time.Duration {
		if n%(len(l.far)*l.batch) == 0 {
			l.acknowledge()
		}
		began := time.Now()
		l.out()
		return time.Since(began)
	})
}

// BenchmarkIn is all that it does from the socket to the device.
func BenchmarkIn(b *testing.B) {
	benchmarkLanes(b, func(l *lane, _ int) time.Duration {
		msgs := l.catch()
		began := time.Now()
		l.hub.In(msgs)
		return time.Since(began)
	})
}

// benchmarkLanes times step, which is the n-th packet and the rest of its batch, by what
// it says it took.
func benchmarkLanes(b *testing.B, step func(l *lane, n int) time.Duration) {
	for _, x := range loads {
		for _, c := range crowds {
			l := newLane(b, c.peers, c.active, x)
			b.Run(fmt.Sprintf("%s/%d of %d", x.name, c.active, c.peers), func(b *testing.B) {
				b.ReportAllocs()
				var took time.Duration
				for n := 0; n < b.N; n += l.batch {
					took += step(l, n)
				}
				bytes := float64(b.N) * float64(len(l.toHub[0].Buf))
				b.ReportMetric(float64(took)/float64(b.N), "ns/op")
				b.ReportMetric(bytes/1e6/took.Seconds(), "MB/s")
			})
		}
	}
}

// TestPacketPathAllocatesNothing: nothing from the device to the socket, nor back, once
// all buffers are there, whatever is carried and to how many peers.
func TestPacketPathAllocatesNothing(t *testing.T) {
	for _, x := range loads {
		l := newLane(t, 10, 10, x)
		for range 1000 { // all rings have come to their size
			l.out()
			l.hub.In(l.catch())
		}
		if n := testing.AllocsPerRun(100, l.out); n != 0 {
			t.Errorf("%s: %v allocations to send %d", x.name, n, x.batch)
		}
		var msgs [][]underlay.Message
		for range 101 { // AllocsPerRun warms up with one
			l.caught = catcher{}
			msgs = append(msgs, l.catch())
		}
		i := 0
		if n := testing.AllocsPerRun(100, func() { l.hub.In(msgs[i]); i++ }); n != 0 {
			t.Errorf("%s: %v allocations to receive %d", x.name, n, x.batch)
		}
		if l.counted.sent == 0 || l.counted.written == 0 {
			t.Errorf("%s: sent %d, written %d", x.name, l.counted.sent, l.counted.written)
		}
	}
}
