package shim

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/wire"
)

// A failer is a testing.TB or a rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// superPacket returns a super-packet with data bytes of content, to be cut every segment
// bytes.
func superPacket(src, dst netip.Addr, protocol uint8, s tcp, data, segment int) inner.Packet {
	content := make([]byte, data)
	r := rand.NewChaCha8([32]byte{byte(data), byte(segment)})
	r.Read(content)
	var transport []byte
	if protocol == inner.TCP {
		s.length = 0
		transport = append(s.bytes(), content...)
	} else {
		transport = udpBytes(string(content))
	}
	p := inner.Packet{Segment: segment, Partial: true}
	if src.Is6() {
		p.Buf = ipv6(protocol, src, dst, transport)
	} else {
		p.Buf = ipv4(protocol, 0, 0, transport)
		binary.BigEndian.PutUint16(p.Buf[4:], 7777)
	}
	p.Transport = len(p.Buf) - len(transport)
	return p
}

// datagramsOf seals p and cuts the run.
func datagramsOf(t failer, s *Session, p inner.Packet) (all [][]byte) {
	t.Helper()
	var c SuperSealer
	p.Buf = bytes.Clone(p.Buf)
	segments := p.Segments()
	run, length, ok := c.Seal(s, make([]byte, 0, SuperRoom(&p)), &p)
	if !ok {
		t.Fatal("cannot seal")
	}
	for len(run) > 0 {
		n := min(length, len(run))
		all = append(all, run[:n])
		run = run[n:]
	}
	if len(all) != segments {
		t.Fatalf("%d datagrams of %d segments", len(all), segments)
	}
	return all
}

// glued opens datagrams with a Gluer as the node does, and returns what comes out.
func glued(t failer, s *Session, datagrams [][]byte, ecn uint8) (all []inner.Packet) {
	t.Helper()
	g := NewGluer()
	take := func() {
		if p, n := g.Take(); n > 0 {
			if n != p.Segments() {
				t.Fatalf("%d segments became %d", n, p.Segments())
			}
			p.Buf = bytes.Clone(p.Buf)
			all = append(all, p)
		}
	}
	for _, d := range datagrams {
		buf := append(make([]byte, nonceLen), d...)
		payload, number, drop := s.Open(time.Second, g.Place(), buf, nonceLen, len(buf))
		if drop != DropNone {
			g.Undo()
			continue
		}
		if g.Join(s, payload, ecn) {
			continue
		}
		if some, _ := g.Making(); some {
			payload = g.Save(payload)
			take()
		}
		if _, drop := g.Begin(s, payload, number, ecn); drop != DropNone {
			continue
		}
		if _, open := g.Making(); !open {
			take()
		}
	}
	take()
	return all
}

// blank returns the packet without what need not travel: void checksums.
func blank(p inner.Packet) []byte {
	b := bytes.Clone(p.Buf)
	if p.Partial {
		at := 16
		if _, protocol, _ := inner.TransportOf(b); protocol == inner.UDP {
			at = 6
		}
		clear(b[p.Transport+at : p.Transport+at+2])
	}
	if b[0]>>4 == 4 {
		clear(b[10:12])
	}
	return b
}

// TestSuperRoundTrip: what is cut and sealed at one end is glued at the other into the
// same super-packet, for all kinds of packets.
func TestSuperRoundTrip(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	self, peer := netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer)
	v4 := netip.MustParseAddr("192.0.2.1")
	rapid.Check(t, func(t *rapid.T) {
		ends := rapid.SampledFrom([][2]netip.Addr{{self, peer}, innerAddrs, {v4, v4}}).Draw(t, "ends")
		protocol := rapid.SampledFrom([]uint8{inner.TCP, inner.UDP}).Draw(t, "protocol")
		segment := rapid.IntRange(1, 1400).Draw(t, "segment")
		data := min(rapid.IntRange(segment+1, segment*64).Draw(t, "data"), 65000)
		if data <= segment {
			return
		}
		s := tcp{sport: 1, dport: 2, seq: rapid.Uint32().Draw(t, "seq"), ack: 5, flags: ack | rapid.SampledFrom([]byte{0, 1, 8, 9, 0x80, 0x40}).Draw(t, "flags")}
		s.options = make([]byte, 4*rapid.IntRange(0, 10).Draw(t, "options"))
		for i := range s.options {
			s.options[i] = 1 // NOP
		}
		p := superPacket(ends[0], ends[1], protocol, s, data, segment)
		got := glued(t, b, datagramsOf(t, a, p), 0)
		if len(got) != 1 {
			t.Fatalf("%d packets: %v", len(got), ends)
		}
		if !bytes.Equal(blank(got[0]), blank(p)) || got[0].Segment != p.Segment || got[0].Transport != p.Transport || !got[0].Partial {
			t.Fatalf("got %d bytes, segment %d, transport %d, want %d, %d, %d\n% x\n% x", len(got[0].Buf), got[0].Segment, got[0].Transport,
				len(p.Buf), p.Segment, p.Transport, blank(got[0])[:100], blank(p)[:100])
		}
	})
}

// TestGluerUDPSegments: of small datagrams no more become one than any kernel takes.
func TestGluerUDPSegments(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	self, peer := netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer)
	const most = inner.MaxUDPSegments
	datagrams := datagramsOf(t, a, superPacket(self, peer, inner.UDP, tcp{}, 50*(2*most+1), 50))
	var counts []int
	for _, p := range glued(t, b, datagrams, 0) {
		counts = append(counts, p.Segments())
	}
	if want := []int{most, most, 1}; !slices.Equal(counts, want) {
		t.Errorf("%d datagrams became packets of %d, want %d", len(datagrams), counts, want)
	}
}

// TestSuperDisorder: whatever is lost, forged, repeated, marked or reordered on the way,
// what comes out is what the datagrams that came hold, each once and in their order.
func TestSuperDisorder(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	self, peer := netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer)
	rapid.Check(t, func(t *rapid.T) {
		var datagrams [][]byte
		var want [][]byte
		add := func(d, plain []byte) {
			datagrams = append(datagrams, d)
			want = append(want, plain)
		}
		for range rapid.IntRange(1, 5).Draw(t, "packets") {
			s := tcp{sport: uint16(rapid.IntRange(1, 2).Draw(t, "port")), dport: 9, seq: uint32(rapid.IntRange(0, 3).Draw(t, "seq")) * 300, flags: ack}
			ends := rapid.SampledFrom([][2]netip.Addr{{self, peer}, innerAddrs}).Draw(t, "ends")
			protocol := rapid.SampledFrom([]uint8{inner.TCP, inner.UDP}).Draw(t, "protocol")
			p := superPacket(ends[0], ends[1], protocol, s, rapid.IntRange(101, 900).Draw(t, "data"), 100)
			var c pieces
			for i, d := range datagramsOf(t, a, p) {
				add(d, blank(c.piece(p, i)))
			}
		}
		order := rapid.Permutation(indices(len(datagrams))).Draw(t, "order")
		if rapid.Bool().Draw(t, "in order") {
			order = indices(len(datagrams))
		}
		var come [][]byte
		var expect [][]byte
		for _, i := range order {
			switch rapid.SampledFrom([]string{"", "", "", "", "lost", "twice", "forged"}).Draw(t, "fate") {
			case "lost":
			case "forged":
				d := bytes.Clone(datagrams[i])
				d[len(d)-1] ^= 1
				come = append(come, d)
			case "twice":
				come = append(come, datagrams[i], datagrams[i])
				expect = append(expect, want[i])
			default:
				come = append(come, datagrams[i])
				expect = append(expect, want[i])
			}
		}
		var got [][]byte
		for _, p := range glued(t, b, come, 0) {
			var c pieces
			for i := range p.Segments() {
				got = append(got, blank(c.piece(p, i)))
			}
		}
		if len(got) != len(expect) {
			t.Fatalf("%d packets, want %d", len(got), len(expect))
		}
		for i := range got {
			if !bytes.Equal(got[i], expect[i]) {
				t.Fatalf("packet %d:\n% x, want\n% x", i, got[i], expect[i])
			}
		}
	})
}

func indices(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// TestGluerECN: a mark on the way arrives at the inner packet, and one on a packet that
// does not know of marks is a reason to drop it.
func TestGluerECN(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	self, peer := netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer)
	for _, c := range []struct {
		inner, outer uint8
		want         int // packets
		ecn          uint8
	}{{0, 0, 1, 0}, {0, 3, 0, 0}, {2, 3, 1, 3}, {1, 3, 1, 3}, {2, 2, 1, 2}, {3, 0, 1, 3}} {
		p := superPacket(self, peer, inner.TCP, tcp{sport: 1, dport: 2, flags: ack}, 200, 200)
		p.Segment = 0
		p.Buf[1] = p.Buf[1]&^(3<<4) | c.inner<<4
		got := glued(t, b, [][]byte{sealed(t, a, p.Buf)}, c.outer)
		if len(got) != c.want || c.want > 0 && got[0].Buf[1]>>4&3 != c.ecn {
			t.Errorf("inner %d, outer %d: %d packets", c.inner, c.outer, len(got))
		}
	}
}

// TestRingCutsSupers: the ring gives back the segments of a super-packet that have not
// arrived, each as a packet of its own.
func TestRingCutsSupers(t *testing.T) {
	h := newWorld(t, setup{}).a
	var r Ring
	var m Marks
	term := &Term{}
	term.grain.Store(int64(leastGrain))
	self, peer := h.id.Public.Identifier(), h.cfg.Peer.Identifier()
	p := superPacket(self, peer, inner.TCP, tcp{sport: 5, dport: 6, seq: 1000, flags: ack | fin}, 950, 100)
	term.Sent(1, &m, &Session{}, p.Buf, 1)
	r.Push(1, p, false)
	term.Received(2, &m, h.other().tcp(tcp{sport: 6, dport: 5, ack: 1300, flags: ack}))
	var seqs []uint32
	var total int
	r.Unconfirmed(Resend{Term: term, Limit: ringLast}, 3, func(p Kept) {
		s, ok := parseSegment(p.Buf, false)
		if !ok || CheckInner(p.Buf) != DropNone || !p.Partial {
			t.Fatal("not a whole segment")
		}
		seqs = append(seqs, s.sequence)
		total += int(s.length)
	})
	if len(seqs) != 7 || seqs[0] != 1300 || seqs[6] != 1900 || total != 650+1 {
		t.Errorf("segments at %v, %d in all; want 7 from 1300 to 1900, 651 with FIN", seqs, total)
	}
}

// marked is glued with an ECN field for each datagram.
func marked(t *testing.T, s *Session, datagrams [][]byte, ecn []uint8) (all []inner.Packet) {
	g := NewGluer()
	take := func() {
		if p, n := g.Take(); n > 0 {
			p.Buf = bytes.Clone(p.Buf)
			all = append(all, p)
		}
	}
	for i, d := range datagrams {
		buf := append(make([]byte, nonceLen), d...)
		payload, number, drop := s.Open(time.Second, g.Place(), buf, nonceLen, len(buf))
		if drop != DropNone {
			t.Fatal(drop)
		}
		if g.Join(s, payload, ecn[i]) {
			continue
		}
		if some, _ := g.Making(); some {
			payload = g.Save(payload)
			take()
		}
		g.Begin(s, payload, number, ecn[i])
		if _, open := g.Making(); !open {
			take()
		}
	}
	take()
	return all
}

// TestGluerMarksNoOthers: a mark on one datagram is none on those that follow.
func TestGluerMarksNoOthers(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	self, peer := netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer)
	for _, ends := range [][2]netip.Addr{{self, peer}, innerAddrs} {
		p := superPacket(ends[0], ends[1], inner.TCP, tcp{sport: 1, dport: 2, flags: ack}, 500, 100)
		p.Buf[1] = p.Buf[1]&^(3<<4) | 2<<4 // ECT(0)
		var got []uint8
		for _, q := range marked(t, b, datagramsOf(t, a, p), []uint8{3, 2, 2, 2, 2}) {
			for range q.Segments() {
				got = append(got, q.Buf[1]>>4&3)
			}
		}
		if !bytes.Equal(got, []uint8{3, 2, 2, 2, 2}) {
			t.Errorf("%v: ECN fields %v, want [3 2 2 2 2]", ends, got)
		}
	}
}

// TestGluerOptions: IPv4 options are those of each packet.
func TestGluerOptions(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	v4 := netip.MustParseAddr("192.0.2.1")
	var datagrams [][]byte
	for i := range 3 {
		p := superPacket(v4, v4, inner.UDP, tcp{}, 100, 100)
		o := append(bytes.Clone(p.Buf[:20]), 0x94, 4, 0, byte(i)) // router alert, of a value
		o[0] = 4<<4 | 6
		p.Buf = append(o, p.Buf[20:]...)
		p.Transport = 24
		binary.BigEndian.PutUint16(p.Buf[4:], uint16(7+i))
		inner.SetLength(p.Buf)
		datagrams = append(datagrams, datagramsOf(t, a, p)...)
	}
	var got []byte
	for _, q := range glued(t, b, datagrams, 0) {
		for range q.Segments() {
			got = append(got, q.Buf[23])
		}
	}
	if !bytes.Equal(got, []byte{0, 1, 2}) {
		t.Errorf("options %v, want [0 1 2]", got)
	}
}
