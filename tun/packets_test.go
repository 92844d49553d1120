package tun_test

import (
	"math/rand/v2"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/multi6/multi6/inner"
)

var (
	ip6 = layers.IPv6{Version: 6, HopLimit: 64, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}
	ip4 = layers.IPv4{Version: 4, TTL: 64, Id: 7, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
)

// assemble returns the packet of these layers, with all checksums.
func assemble(t testing.TB, parts ...gopacket.SerializableLayer) []byte {
	t.Helper()
	for _, l := range parts[1:] {
		if c, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := c.SetNetworkLayerForChecksum(parts[0].(gopacket.NetworkLayer)); err != nil {
				t.Fatal(err)
			}
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// noise returns n bytes that are not alike.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// tcpPacket and udpPacket return a packet over that version of IP.
func tcpPacket(t testing.TB, version int, payload []byte) []byte {
	tcp := &layers.TCP{SrcPort: 1, DstPort: 2, Seq: 0xfffffff0, ACK: true, PSH: true, CWR: true,
		Options: []layers.TCPOption{{OptionType: 8, OptionLength: 10, OptionData: make([]byte, 8)}}}
	return overIP(t, version, layers.IPProtocolTCP, tcp, gopacket.Payload(payload))
}

func udpPacket(t testing.TB, version int, payload []byte) []byte {
	return overIP(t, version, layers.IPProtocolUDP, &layers.UDP{SrcPort: 1, DstPort: 2}, gopacket.Payload(payload))
}

func overIP(t testing.TB, version int, proto layers.IPProtocol, rest ...gopacket.SerializableLayer) []byte {
	if version == 4 {
		ip := ip4
		ip.Protocol = proto
		return assemble(t, append([]gopacket.SerializableLayer{&ip}, rest...)...)
	}
	ip := ip6
	ip.NextHeader = proto
	return assemble(t, append([]gopacket.SerializableLayer{&ip}, rest...)...)
}

// partially returns pkt with a partial checksum, and as a super-packet unless segment
// is zero.
func partially(t testing.TB, pkt []byte, segment int) inner.Packet {
	t.Helper()
	at, _, ok := inner.TransportOf(pkt)
	p := inner.Packet{Buf: pkt, Transport: at, Segment: segment, Partial: true}
	inner.PutPseudo(pkt, at)
	if err := p.Check(); err != nil || !ok {
		t.Fatal(err)
	}
	return p
}

// superPacket returns a super-packet of TCP over IPv6.
func superPacket(t testing.TB) inner.Packet {
	return partially(t, tcpPacket(t, 6, noise(10_000)), 1300)
}

// single returns a datagram over IPv4 with a partial checksum.
func single(t testing.TB, payload string) inner.Packet {
	return partially(t, udpPacket(t, 4, []byte(payload)), 0)
}

// payload returns that of a TCP or UDP packet, after it has looked at lengths and
// checksums.
func payload(t testing.TB, pkt []byte) []byte {
	t.Helper()
	first := layers.LayerTypeIPv6
	if pkt[0]>>4 == 4 {
		first = layers.LayerTypeIPv4
	}
	p := gopacket.NewPacket(pkt, first, gopacket.Default)
	if p.ErrorLayer() != nil || p.TransportLayer() == nil {
		t.Fatalf("% x: %v", pkt, p.ErrorLayer())
	}
	var parts []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		parts = append(parts, l.(gopacket.SerializableLayer))
	}
	if again := assemble(t, parts...); string(again) != string(pkt) {
		t.Fatalf("lengths or checksums are wrong:\n% x, want\n% x", pkt, again)
	}
	return p.TransportLayer().LayerPayload()
}
