package inner_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/multi6/multi6/inner"
)

// cut returns the packets that p stands for, as Cutter makes them.
func cut(t testing.TB, p inner.Packet) (pkts [][]byte) {
	t.Helper()
	var c inner.Cutter
	if err := c.Reset(&p); err != nil {
		t.Fatal(err)
	}
	if c.Segments() != p.Segments() || c.HeaderLen() != p.HeaderLen() || c.TransportLen() != c.HeaderLen()-p.Transport {
		t.Fatalf("the Cutter has %d segments with headers of %d, the packet %d with %d",
			c.Segments(), c.HeaderLen(), p.Segments(), p.HeaderLen())
	}
	for i := range c.Segments() {
		from, to := c.Payload(i)
		if f, u := p.Payload(i); f != from || u != to {
			t.Fatalf("payload %d: the Cutter has %d to %d, the packet %d to %d", i, from, to, f, u)
		}
		pkt := make([]byte, c.HeaderLen(), c.HeaderLen()+to-from)
		c.PutHeaders(pkt, i)
		one := inner.Packet{Buf: append(pkt, p.Buf[from:to]...), Transport: p.Transport, Partial: true}
		if err := one.CompleteChecksum(); err != nil || one.Partial {
			t.Fatalf("packet %d: %v", i, err)
		}
		pkts = append(pkts, one.Buf)
	}
	return pkts
}

func TestCutter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		segment := rapid.IntRange(1, 300).Draw(rt, "segment")
		want := draw(rt, rapid.IntRange(0, 5*segment).Draw(rt, "payload"))
		got := cut(t, want.super(t, segment))
		slow := want.cut(t, segment)
		if len(got) != len(slow) {
			rt.Fatalf("%d packets, want %d", len(got), len(slow))
		}
		for i := range got {
			same(rt, i, got[i], slow[i])
		}
	})
}

// same fails unless two packets are equal, but for a TCP checksum of zero, which
// gopacket has as its twin 0xffff or the other way round.
func same(t *rapid.T, i int, got, want []byte) {
	at, proto, ok := inner.TransportOf(want)
	if field, _ := inner.ChecksumAt(proto); ok && proto == inner.TCP && len(got) == len(want) {
		for _, p := range [][]byte{got, want} {
			if c := p[at+field:][:2]; c[0] == 0xff && c[1] == 0xff {
				c[0], c[1] = 0, 0
			}
		}
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("packet %d:\n% x, want\n% x", i, got, want)
	}
}

// TestCutterInPlace makes each packet's headers over what was before its payload.
func TestCutterInPlace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		segment := rapid.IntRange(1, 300).Draw(rt, "segment")
		p := draw(rt, rapid.IntRange(1, 5*segment).Draw(rt, "payload")).super(t, segment)
		want := cut(t, p)
		var c inner.Cutter
		if err := c.Reset(&p); err != nil {
			rt.Fatal(err)
		}
		// Later headers overlap payload that was read before.
		for i := range c.Segments() {
			from, to := c.Payload(i)
			pkt := p.Buf[from-c.HeaderLen() : to]
			c.PutHeaders(pkt, i)
			transport := make([]byte, c.TransportLen())
			c.PutTransport(transport, i)
			if !bytes.Equal(transport, pkt[p.Transport:c.HeaderLen()]) {
				rt.Fatalf("packet %d: PutTransport writes % x, PutHeaders % x", i, transport, pkt[p.Transport:c.HeaderLen()])
			}
			one := inner.Packet{Buf: bytes.Clone(pkt), Transport: p.Transport, Partial: true}
			if err := one.CompleteChecksum(); err != nil {
				rt.Fatal(err)
			}
			same(rt, i, one.Buf, want[i])
		}
	})
}

// TestCutterFullSum has an IPv4 header whose sum leaves no room in 64 bits.
func TestCutterFullSum(t *testing.T) {
	want := template{
		ip4: &layers.IPv4{Version: 4, TTL: 0x40, Protocol: layers.IPProtocolUDP,
			SrcIP: net.IP{0xff, 0xff, 0xff, 0xff}, DstIP: net.IP{0x7a, 0xee, 0xff, 0xff}},
		udp: &layers.UDP{SrcPort: 1, DstPort: 2}, payload: []byte("abc"),
	}
	for i, pkt := range cut(t, want.super(t, 1)) {
		if slow := want.cut(t, 1)[i]; !bytes.Equal(pkt, slow) {
			t.Errorf("packet %d:\n% x, want\n% x", i, pkt, slow)
		}
	}
}

// TestCutterPlain: what has no transport header to patch is all payload.
func TestCutterPlain(t *testing.T) {
	p := segmented(t)
	p.Segment, p.Partial = 0, false
	var c inner.Cutter
	if err := c.Reset(&p); err != nil {
		t.Fatal(err)
	}
	c.PutHeaders(nil, 0)
	c.PutTransport(nil, 0)
	from, to := c.Payload(0)
	if c.Segments() != 1 || c.HeaderLen() != 0 || c.TransportLen() != 0 || from != 0 || to != len(p.Buf) {
		t.Errorf("%d segments, headers of %d, payload %d to %d", c.Segments(), c.HeaderLen(), from, to)
	}
}

// TestCutterBehindExtensions cuts a packet with a destination options header before TCP.
func TestCutterBehindExtensions(t *testing.T) {
	plain := segmented(t)
	options := []byte{inner.TCP, 0, 1, 4, 0, 0, 0, 0}
	p := plain
	p.Buf = append(append(bytes.Clone(plain.Buf[:40]), options...), plain.Buf[40:]...)
	p.Buf[6] = 60
	p.Transport += len(options)
	payload := len(p.Buf) - 40
	p.Buf[4], p.Buf[5] = byte(payload>>8), byte(payload)
	var c, reference inner.Cutter
	if err := c.Reset(&p); err == nil {
		t.Error("Reset took extension headers")
	}
	if c.Segments() != 0 {
		t.Errorf("%d segments after an error", c.Segments())
	}
	if err := c.ResetAt(&p, inner.TCP); err != nil {
		t.Fatal(err)
	}
	if err := reference.Reset(&plain); err != nil {
		t.Fatal(err)
	}
	if c.Segments() != reference.Segments() {
		t.Fatalf("%d packets, want %d", c.Segments(), reference.Segments())
	}
	for i := range c.Segments() {
		got, want := make([]byte, c.HeaderLen()), make([]byte, reference.HeaderLen())
		c.PutHeaders(got, i)
		reference.PutHeaders(want, i)
		if !bytes.Equal(got[p.Transport:], want[plain.Transport:]) || !bytes.Equal(got[40:48], options) {
			t.Errorf("packet %d: % x, want % x with the options in it", i, got, want)
		}
		if from, to := c.Payload(i); int(got[4])<<8|int(got[5]) != to-from+c.HeaderLen()-40 {
			t.Errorf("packet %d: payload length % x, want %d", i, got[4:6], to-from+c.HeaderLen()-40)
		}
	}
	for _, at := range []int{-1, 0, 39, len(p.Buf) - 1, len(p.Buf) + 1} {
		p.Transport = at
		if err := c.ResetAt(&p, inner.TCP); err == nil {
			t.Errorf("ResetAt took a header at %d", at)
		}
	}
}

// TestCutterUrgent: all packets point to the same urgent byte.
func TestCutterUrgent(t *testing.T) {
	pkt := make([]byte, 40+20+3000)
	pkt[0], pkt[6] = 6<<4, inner.TCP
	binary.BigEndian.PutUint16(pkt[4:], uint16(len(pkt)-40))
	const urg, ack = 0x20, 0x10
	pkt[40+12], pkt[40+13] = 5<<4, urg|ack
	binary.BigEndian.PutUint32(pkt[44:], 1000)
	binary.BigEndian.PutUint16(pkt[58:], 1500) // up to 2500
	p := inner.Packet{Buf: pkt, Transport: 40, Segment: 1000, Partial: true}
	var c inner.Cutter
	if err := c.Reset(&p); err != nil {
		t.Fatal(err)
	}
	for i := range c.Segments() {
		h := make([]byte, c.HeaderLen())
		c.PutHeaders(h, i)
		seq, ptr := binary.BigEndian.Uint32(h[44:]), binary.BigEndian.Uint16(h[58:])
		if h[53]&urg != 0 && seq+uint32(ptr) != 2500 {
			t.Errorf("segment %d: urgent up to %d, want 2500", i, seq+uint32(ptr))
		}
	}
}
