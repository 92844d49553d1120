package inner_test

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/multi6/multi6/inner"
)

// A template is a packet as gopacket sees it, to build it and what is cut from it.
type template struct {
	ip4     *layers.IPv4 // one of the two
	ip6     *layers.IPv6
	tcp     *layers.TCP // one of the two
	udp     *layers.UDP
	payload []byte
}

var build = gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}

// bytes returns the packet with right lengths and checksums.
func (p template) bytes(t testing.TB) []byte {
	t.Helper()
	var network gopacket.NetworkLayer = p.ip6
	var ip gopacket.SerializableLayer = p.ip6
	if p.ip4 != nil {
		network, ip = p.ip4, p.ip4
	}
	var transport gopacket.SerializableLayer
	if p.tcp != nil {
		p.tcp.SetNetworkLayerForChecksum(network)
		transport = p.tcp
	} else {
		p.udp.SetNetworkLayerForChecksum(network)
		transport = p.udp
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, build, ip, transport, gopacket.Payload(p.payload)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// super returns the packet as a super-packet, or as one with a partial checksum if
// segment is zero.
func (p template) super(t testing.TB, segment int) inner.Packet {
	buf := p.bytes(t)
	at, _, ok := inner.TransportOf(buf)
	if !ok {
		t.Fatalf("no transport header in % x", buf[:min(60, len(buf))])
	}
	inner.PutPseudo(buf, at)
	return inner.Packet{Buf: buf, Transport: at, Segment: segment, Partial: true}
}

// cut returns the packets that p stands for, made the slow and obvious way.
func (p template) cut(t testing.TB, segment int) (pkts [][]byte) {
	rest := p.payload
	for i := 0; ; i++ {
		q := template{payload: rest[:min(segment, len(rest))]}
		rest = rest[len(q.payload):]
		if p.ip4 != nil {
			ip := *p.ip4
			ip.Id += uint16(i)
			q.ip4 = &ip
		} else {
			ip := *p.ip6
			q.ip6 = &ip
		}
		if p.tcp != nil {
			tcp := *p.tcp
			tcp.Seq += uint32(i * segment)
			tcp.CWR = tcp.CWR && i == 0
			if tcp.URG && i > 0 {
				tcp.Urgent = uint16(max(0, int(tcp.Urgent)-i*segment))
				tcp.URG = tcp.Urgent > 0
			}
			tcp.FIN = tcp.FIN && len(rest) == 0
			tcp.PSH = tcp.PSH && len(rest) == 0
			q.tcp = &tcp
		} else {
			udp := *p.udp
			q.udp = &udp
		}
		pkts = append(pkts, q.bytes(t))
		if len(rest) == 0 {
			return pkts
		}
	}
}

// draw returns any TCP or UDP packet with that many bytes of payload.
func draw(t *rapid.T, payload int) template {
	var p template
	word := rapid.Uint16()
	p.payload = rapid.SliceOfN(rapid.Byte(), payload, payload).Draw(t, "payload")
	tcp := rapid.Bool().Draw(t, "tcp")
	proto := layers.IPProtocolUDP
	if tcp {
		proto = layers.IPProtocolTCP
		p.tcp = drawTCP(t)
	} else {
		p.udp = &layers.UDP{SrcPort: layers.UDPPort(word.Draw(t, "from")), DstPort: layers.UDPPort(word.Draw(t, "to"))}
	}
	address := func(n int) net.IP { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "address") }
	if rapid.Bool().Draw(t, "IPv6") {
		p.ip6 = &layers.IPv6{
			Version: 6, TrafficClass: rapid.Byte().Draw(t, "class"), FlowLabel: rapid.Uint32Max(1<<20-1).Draw(t, "label"),
			NextHeader: proto, HopLimit: rapid.Byte().Draw(t, "hops"), SrcIP: address(16), DstIP: address(16),
		}
		return p
	}
	p.ip4 = &layers.IPv4{
		Version: 4, TOS: rapid.Byte().Draw(t, "tos"), Id: word.Draw(t, "id"), TTL: rapid.Byte().Draw(t, "ttl"),
		Flags: layers.IPv4Flag(rapid.SampledFrom([]int{0, 2}).Draw(t, "flags")), Protocol: proto,
		SrcIP: address(4), DstIP: address(4),
	}
	for range rapid.IntRange(0, 10).Draw(t, "words of options") {
		p.ip4.Options = append(p.ip4.Options, layers.IPv4Option{OptionType: 0x94, OptionLength: 4, OptionData: []byte{1, 2}})
	}
	return p
}

func drawTCP(t *rapid.T) *layers.TCP {
	word, flag := rapid.Uint16(), rapid.Bool()
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(word.Draw(t, "from")), DstPort: layers.TCPPort(word.Draw(t, "to")),
		Seq: rapid.Uint32().Draw(t, "seq"), Ack: rapid.Uint32().Draw(t, "ack"), Window: word.Draw(t, "window"),
		FIN: flag.Draw(t, "FIN"), PSH: flag.Draw(t, "PSH"), ACK: flag.Draw(t, "ACK"), URG: flag.Draw(t, "URG"),
		ECE: flag.Draw(t, "ECE"), CWR: flag.Draw(t, "CWR"), NS: flag.Draw(t, "NS"), Urgent: word.Draw(t, "urgent"),
	}
	for range rapid.IntRange(0, 10).Draw(t, "words of options") {
		tcp.Options = append(tcp.Options, layers.TCPOption{OptionType: 200, OptionLength: 4, OptionData: []byte{3, 4}})
	}
	return tcp
}

// segmented is a TCP packet over IPv6 of a size that the kernel hands over, with the
// options that it sends.
func segmented(t testing.TB) inner.Packet {
	p := template{
		ip6: &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolTCP, HopLimit: 64, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")},
		tcp: &layers.TCP{SrcPort: 1, DstPort: 2, ACK: true, PSH: true, Options: []layers.TCPOption{
			{OptionType: 8, OptionLength: 10, OptionData: make([]byte, 8)}, {OptionType: 1}, {OptionType: 1}}},
		payload: make([]byte, 44*1388),
	}
	return p.super(t, 1388)
}
