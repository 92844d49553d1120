package node_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/locator"
)

var (
	carryFor = flag.Duration("carry", 200*time.Millisecond, "how long TestThroughputOfManyPeers measures at a time")
	carries  = flag.Int("carries", 3, "how often it measures each")
)

// configured is how many peers a hub has, present how many of them there are.
const configured, present = 10_000, 100

// A hub is a node with many peers, each on a host of its own behind one router:
//
//	            ┌── p0 ── peer 0
//	hub ── core ┼── p1 ── peer 1
//	            └── ...
type hub struct {
	host, core *lab.Host
	node       *node.Node
	peers      []netip.Addr // identifiers of those that are there
	far        []*node.Node // and they
}

// spoke returns the address of the host or the router on the i-th link.
func spoke(i, end int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 6: byte(i >> 8), 7: byte(i), 15: byte(end)}), 64)
}

func spokeName(i int) string { return fmt.Sprintf("p%d", i) }

func spokePeer(i int) node.Peer {
	return node.Peer{
		Name: spokeName(i), Key: numberedIdentity(i).Public,
		Locators: []netip.AddrPort{netip.AddrPortFrom(spoke(i, 1).Addr(), locator.DefaultPort)},
	}
}

// attach joins a new host to the router.
func (x *hub) attach(t *testing.T, i int) *lab.Host {
	t.Helper()
	name := spokeName(i)
	h := newSpace(t, name, lab.SpaceOptions{})
	must(t, lab.Join(name, lab.End{Host: h, Addrs: []netip.Prefix{spoke(i, 1)}}, lab.End{Host: x.core, Addrs: []netip.Prefix{spoke(i, coreEnd)}}))
	must(t, h.AddRoute(lab.DefaultRoute(name, spoke(i, coreEnd).Addr(), 1)))
	return h
}

// newHub runs the hub, patient enough not to suspect anything, and the peers.
func newHub(t *testing.T) *hub {
	t.Helper()
	x := &hub{core: newSpace(t, "core", lab.SpaceOptions{Router: true})}
	all := make([]node.Peer, configured)
	for i := range all {
		all[i] = spokePeer(i)
	}
	patient := detect.Balanced
	patient.Margin, patient.Ceiling = time.Hour, time.Hour
	x.host = x.attach(t, configured)
	x.node = runNode(t, x.host, node.Config{Identity: numberedIdentity(configured), Timers: patient, Peers: all})
	for i := range present {
		x.far = append(x.far, runNode(t, x.attach(t, i), node.Config{
			Identity: numberedIdentity(i), Timers: detect.Balanced, Peers: []node.Peer{spokePeer(configured)},
		}))
		x.peers = append(x.peers, all[i].Key.Identifier())
	}
	return x
}

// open makes the hub's sessions with all peers that are there. Then nothing reaches them
// any more, so that what is measured is the hub.
func (x *hub) open(t *testing.T) {
	t.Helper()
	for i, c := range x.dial(t, x.peers) {
		_, err := c.Write([]byte("hello"))
		must(t, err)
		c.Close()
		eventually(t, patience, "session with "+spokeName(i), func() bool { _, remote := primaryOf(x.far[i]); return remote.IsValid() })
	}
	for i := range present {
		_, err := x.core.Refuse(netip.PrefixFrom(spoke(i, 1).Addr(), 128), lab.Silent)
		must(t, err)
	}
}

// dial returns a socket for each of to.
func (x *hub) dial(t *testing.T, to []netip.Addr) []*net.UDPConn {
	t.Helper()
	all := make([]*net.UDPConn, len(to))
	for i, id := range to {
		c, err := x.host.Dial(t.Context(), "udp", netip.AddrPortFrom(id, 9).String())
		must(t, err)
		all[i] = c.(*net.UDPConn)
	}
	return all
}

// segment is how long the datagrams are that the host sends, 44 in one super-packet.
const segment, super = 1200, 44 * segment

// carry sends to each of to in turn for so long, and once at least, as fast as it goes. It
// returns how many Gbit/s leave the hub.
func (x *hub) carry(t *testing.T, to []netip.Addr, d time.Duration) float64 {
	t.Helper()
	conns := x.dial(t, to)
	block, cut := make([]byte, super), segmentOption(segment)
	began, before := time.Now(), x.sent(t)
	for i := 0; i < len(conns) || time.Since(began) < d; i++ {
		_, _, err := conns[i%len(conns)].WriteMsgUDP(block, cut, nil)
		must(t, err)
	}
	gbits := 8e-9 * float64(x.sent(t)-before) / time.Since(began).Seconds()
	for _, c := range conns {
		c.Close()
	}
	return gbits
}

// sent returns how many bytes the hub has sent over its uplink.
func (x *hub) sent(t *testing.T) uint64 {
	t.Helper()
	n, err := x.host.Traffic(spokeName(configured))
	must(t, err)
	return n.OutBytes
}

// segmentOption has the kernel cut what is sent into datagrams of n bytes (udp(7)).
func segmentOption(n uint16) []byte {
	b := make([]byte, unix.CmsgSpace(2))
	binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(b[8:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(b[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(b[unix.CmsgLen(0):], n)
	return b
}

// missing returns the peers that the hub has sent less than one super-packet.
func (x *hub) missing() (ids []netip.Addr) {
	s, _ := x.node.Status()
	for i, p := range s.Peers[:present] {
		if p.Counters.OutBytes < super {
			ids = append(ids, x.peers[i])
		}
	}
	return ids
}

// TestThroughputOfManyPeers has a node with ten thousand peers send to one of them, and
// to a hundred in turn.
func TestThroughputOfManyPeers(t *testing.T) {
	x := newHub(t)
	x.open(t)
	same := slices.Repeat(x.peers[:1], present) // as many sockets, each with its own buffer
	var one, many, ratios []float64
	for range *carries {
		a, b := x.carry(t, same, *carryFor), x.carry(t, x.peers, *carryFor)
		if a == 0 || b == 0 {
			t.Fatal("nothing leaves the hub")
		}
		one, many, ratios = append(one, a), append(many, b), append(ratios, b/a)
	}
	eventually(t, patience, "bytes for each peer", func() bool {
		missing := x.missing()
		x.carry(t, missing, 0) // what was sent to them was lost in a full queue
		return len(missing) == 0
	})
	for _, all := range [][]float64{one, many, ratios} {
		slices.Sort(all)
	}
	n := *carries / 2
	t.Logf("to one peer %.2f Gbit/s, to %d of %d in turn %.2f; ratio %.2f (%.2f to %.2f)",
		one[n], present, configured, many[n], ratios[n], ratios[0], ratios[len(ratios)-1])
}
