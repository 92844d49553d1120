package shim

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/wire"
)

// benchmarked are the ciphers that benchmarks use.
var benchmarked = map[string]wire.Ciphers{"AES-256-GCM": wire.AES256GCM, "ChaCha20-Poly1305": wire.ChaCha20Poly1305}

// fullSize is the length of an inner packet, of which superSegments make a super-packet.
const fullSize, superSegments = 1400, 44

func benchmarkedPacket(s *Session, size int) []byte {
	return ipv6(inner.UDP, netip.AddrFrom16(s.self), netip.AddrFrom16(s.peer), make([]byte, size-wire.IPv6HeaderLen))
}

// benchmarkedSuper returns a super-packet of TCP, each segment of which makes a packet of
// fullSize bytes.
func benchmarkedSuper(s *Session) inner.Packet {
	const segment = fullSize - wire.IPv6HeaderLen - 20
	p := superPacket(netip.AddrFrom16(s.self), netip.AddrFrom16(s.peer), inner.TCP, tcp{flags: 1 << 4}, superSegments*segment, segment)
	return p
}

// BenchmarkSealPacket seals single packets.
func BenchmarkSealPacket(b *testing.B) {
	for name, c := range benchmarked {
		a, _ := sessionsOf(b, c)
		for _, size := range []int{100, fullSize} {
			pkt := benchmarkedPacket(a, size)
			buf := make([]byte, Headroom+len(pkt)+Tailroom)
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					copy(buf[Headroom:], pkt[:wire.IPv6HeaderLen])
					if _, ok := a.SealPacket(buf, Headroom, Headroom+len(pkt), false); !ok {
						b.Fatal("cannot seal")
					}
				}
			})
		}
	}
}

// BenchmarkSealSuper cuts and seals super-packets.
func BenchmarkSealSuper(b *testing.B) {
	for name, c := range benchmarked {
		a, _ := sessionsOf(b, c)
		p := benchmarkedSuper(a)
		headers := bytes.Clone(p.Buf[:p.HeaderLen()])
		run := make([]byte, 0, SuperRoom(&p))
		b.Run(name, func(b *testing.B) {
			var s SuperSealer
			b.ReportAllocs()
			b.SetBytes(int64(len(p.Buf)))
			for b.Loop() {
				copy(p.Buf, headers)
				if _, _, ok := s.Seal(a, run, &p); !ok {
					b.Fatal("cannot seal")
				}
			}
		})
	}
}

// BenchmarkRingPush keeps what was sent, in a ring that has come to its size.
func BenchmarkRingPush(b *testing.B) {
	a, _ := sessionsOf(b, wire.AES256GCM)
	for name, p := range map[string]inner.Packet{
		"packet": {Buf: benchmarkedPacket(a, fullSize)}, "super": benchmarkedSuper(a),
	} {
		b.Run(name, func(b *testing.B) {
			var r Ring
			var now time.Duration
			b.ReportAllocs()
			b.SetBytes(int64(len(p.Buf)))
			for b.Loop() {
				now += 10 * time.Microsecond
				r.Push(now, p, false)
			}
		})
	}
}

// BenchmarkOpenAndGlue opens the datagrams of super-packets, glues them and restores the
// super-packet; an operation is one of them.
func BenchmarkOpenAndGlue(b *testing.B) {
	for name, c := range benchmarked {
		a, o := sessionsOf(b, c)
		p := benchmarkedSuper(a)
		headers := bytes.Clone(p.Buf[:p.HeaderLen()])
		run := make([]byte, Headroom, Headroom+SuperRoom(&p))
		b.Run(name, func(b *testing.B) {
			var s SuperSealer
			g := NewGluer()
			b.ReportAllocs()
			b.SetBytes(int64(len(p.Buf)))
			for range b.N {
				b.StopTimer()
				copy(p.Buf, headers)
				sealed, length, _ := s.Seal(a, run, &p)
				b.StartTimer()
				for from := Headroom; from < len(sealed); from += length {
					openAndGlue(b, g, o, sealed, from, min(from+length, len(sealed)))
				}
				if _, n := g.Take(); n != superSegments {
					b.Fatalf("%d segments, want %d", n, superSegments)
				}
			}
		})
	}
}

func openAndGlue(b *testing.B, g *Gluer, s *Session, buf []byte, from, to int) {
	payload, number, d := s.Open(time.Second, g.Place(), buf, from, to)
	if d == DropNone && !g.Join(s, payload, 0) {
		_, d = g.Begin(s, payload, number, 0)
	}
	if d != DropNone {
		b.Fatal(d)
	}
}
