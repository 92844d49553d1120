package inner_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/multi6/multi6/inner"
)

func TestCheck(t *testing.T) {
	tcp := segmented(t)
	for _, c := range []struct {
		name string
		edit func(p *inner.Packet)
		want string // part of the error, empty for none
	}{
		{"as it is", func(*inner.Packet) {}, ""},
		{"partial", func(p *inner.Packet) { p.Segment = 0 }, ""},
		{"plain", func(p *inner.Packet) { p.Segment, p.Partial = 0, false }, ""},
		{"plain without transport", func(p *inner.Packet) { *p = inner.Packet{Buf: p.Buf}; p.Buf[6] = 59 }, ""},
		{"empty", func(p *inner.Packet) { p.Buf = nil }, "neither an IPv4 nor an IPv6"},
		{"version 5", func(p *inner.Packet) { p.Buf[0] = 0x50 }, "neither an IPv4 nor an IPv6"},
		{"short", func(p *inner.Packet) { p.Buf = p.Buf[:len(p.Buf)-1] }, "length in the IP header"},
		{"long", func(p *inner.Packet) { p.Buf = append(p.Buf, 0) }, "length in the IP header"},
		{"other protocol", func(p *inner.Packet) { p.Buf[6] = 132 }, "no TCP or UDP"},
		{"transport elsewhere", func(p *inner.Packet) { p.Transport++ }, "no TCP or UDP"},
		{"data offset small", func(p *inner.Packet) { p.Buf[52] = 4 << 4 }, "TCP header truncated"},
		{"data offset large", func(p *inner.Packet) { p.Buf = p.Buf[:70]; p.Buf[4], p.Buf[5] = 0, 30 }, "TCP header truncated"},
		{"UDP length", func(p *inner.Packet) { p.Buf[6] = inner.UDP }, "UDP header"},
		{"segment", func(p *inner.Packet) { p.Segment = -1 }, "negative segment"},
		{"not partial", func(p *inner.Packet) { p.Partial = false }, "not marked partial"},
	} {
		p := tcp
		p.Buf = bytes.Clone(tcp.Buf)
		c.edit(&p)
		err := p.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestTransportOf(t *testing.T) {
	four := append([]byte{0x46, 0, 0, 52, 0, 0, 0x40, 0, 64, inner.TCP}, make([]byte, 42)...)
	six := append([]byte{0x60, 0, 0, 0, 0, 8, inner.UDP, 64}, make([]byte, 40)...)
	for _, c := range []struct {
		name   string
		pkt    []byte
		at     int // of a byte that becomes
		value  byte
		offset int // zero: not ok
	}{
		{"IPv4 with options", four, 0, 0x46, 24},
		{"IPv4 header too short", four, 0, 0x44, 0},
		{"IPv4 more fragments", four, 6, 0x20, 0},
		{"IPv4 fragment offset", four, 7, 1, 0},
		{"IPv4 header beyond the end", four, 0, 0x4f, 0},
		{"IPv4 truncated TCP", four[:43], 0, 0x46, 0},
		{"IPv4 other", four, 9, 1, 0},
		{"IPv6", six, 0, 0x60, 40},
		{"IPv6 hop-by-hop options", six, 6, 0, 0},
		{"IPv6 truncated UDP", six[:47], 6, inner.UDP, 0},
		{"version 7", six, 0, 0x70, 0},
	} {
		pkt := bytes.Clone(c.pkt)
		pkt[c.at] = c.value
		if at, _, ok := inner.TransportOf(pkt); at != c.offset || ok != (c.offset > 0) {
			t.Errorf("%s: %d, %v; want %d", c.name, at, ok, c.offset)
		}
	}
}

// FuzzPacket has every function look at any bytes.
func FuzzPacket(f *testing.F) {
	p := segmented(f)
	f.Add(p.Buf, p.Transport, p.Segment, true, uint8(3))
	f.Add(p.Buf[:100], p.Transport, 0, true, uint8(0))
	f.Add([]byte{0x60}, 1<<40, 7, false, uint8(1))
	f.Add(append([]byte{0x4f, 0, 0, 80, 0, 0, 0, 0, 1, 17}, make([]byte, 70)...), 60, 3, true, uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, transport, segment int, partial bool, ecn uint8) {
		p := inner.Packet{Buf: bytes.Clone(b), Transport: transport, Segment: segment, Partial: partial}
		valid := p.Check() == nil
		if n := p.Segments(); n < 1 || n > max(1, len(b)) {
			t.Errorf("%d segments in %d bytes", n, len(b))
		}
		if n := p.HeaderLen(); n < 0 || n > len(b) {
			t.Errorf("headers of %d in %d bytes", n, len(b))
		}
		var c inner.Cutter
		if err := c.Reset(&p); valid != (err == nil) {
			t.Errorf("valid %v, but Reset: %v", valid, err)
		}
		walk(t, &c, b)
		for _, proto := range []uint8{inner.TCP, inner.UDP, 0} {
			_ = c.ResetAt(&p, proto)
			walk(t, &c, b)
		}
		inner.PutPseudo(p.Buf, transport)
		_ = inner.CompleteAt(p.Buf, transport, segment)
		inner.Decapsulate(ecn, p.Buf)
		inner.OuterClass(p.Buf)
		_ = p.CompleteChecksum()
		if len(p.Buf) != len(b) {
			t.Errorf("%d bytes became %d", len(b), len(p.Buf))
		}
	})
}

// walk makes all headers and sees that the payloads are the whole one in order.
func walk(t *testing.T, c *inner.Cutter, b []byte) {
	headers := make([]byte, c.HeaderLen())
	next := c.HeaderLen()
	for i := range c.Segments() {
		from, to := c.Payload(i)
		if from != next || to < from || to > len(b) {
			t.Fatalf("payload %d is %d to %d, after %d", i, from, to, next)
		}
		next = to
		c.PutHeaders(headers, i)
		c.PutTransport(headers, i)
	}
	if c.Segments() > 0 && next != len(b) {
		t.Errorf("the payloads end at %d of %d", next, len(b))
	}
}

func TestNoAllocation(t *testing.T) {
	p := segmented(t)
	partial := inner.Packet{Buf: bytes.Clone(p.Buf), Transport: p.Transport, Partial: true}
	bad := inner.Packet{Buf: p.Buf[:50], Partial: true}
	headers := make([]byte, p.HeaderLen())
	for name, do := range map[string]func(){
		"cut": func() {
			var c inner.Cutter
			if c.Reset(&p) != nil {
				t.Error("refused")
			}
			for i := range c.Segments() {
				c.PutHeaders(headers, i)
			}
		},
		"checksums": func() {
			inner.PutPseudo(partial.Buf, partial.Transport)
			partial.Partial = true
			if partial.CompleteChecksum() != nil {
				t.Error("refused")
			}
		},
		"errors": func() {
			var c inner.Cutter
			if c.Reset(&bad) == nil || bad.CompleteChecksum() == nil || inner.CompleteAt(bad.Buf, 49, 0) == nil {
				t.Error("taken")
			}
		},
		"marks": func() { inner.Decapsulate(inner.OuterClass(partial.Buf), partial.Buf) },
	} {
		if n := testing.AllocsPerRun(100, do); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
