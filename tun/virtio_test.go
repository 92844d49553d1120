package tun_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/fdwait"
	"github.com/multi6/multi6/tun"
)

// header returns a virtio-net header.
func header(flags, gsoType byte, gsoSize, sumStart, sumField int) (h [10]byte) {
	h[0], h[1] = flags, gsoType
	for i, v := range []int{0, gsoSize, sumStart, sumField} {
		binary.NativeEndian.PutUint16(h[2+2*i:], uint16(v))
	}
	return h
}

// came returns what a Read gives for pkt with header h.
func came(t testing.TB, h [10]byte, pkt []byte) ([]inner.Packet, uint64) {
	t.Helper()
	r := newReading(100)
	n, malformed, err := new(tun.Reader).Read(h, pkt, r.buf, r.pkts, headroom, tailroom)
	if err != nil {
		t.Fatal(err)
	}
	return r.pkts[:n], malformed
}

// TestVirtioHeader compares with headers as the kernel writes them.
func TestVirtioHeader(t *testing.T) {
	data := noise(3000)
	for _, c := range []struct {
		name      string
		p         inner.Packet
		headerLen byte
		want      [10]byte
	}{
		{"plain", inner.Packet{Buf: tcpPacket(t, 6, data)}, 0, header(0, 0, 0, 0, 0)},
		{"partial TCP6", partially(t, tcpPacket(t, 6, data), 0), 72, header(1, 0, 0, 40, 16)},
		{"partial UDP4", partially(t, udpPacket(t, 4, data), 0), 28, header(1, 0, 0, 20, 6)},
		{"TCP6", partially(t, tcpPacket(t, 6, data), 1000), 72, header(1, 4|0x80, 1000, 40, 16)},
		{"TCP4", partially(t, tcpPacket(t, 4, data), 1400), 52, header(1, 1|0x80, 1400, 20, 16)},
		{"UDP6", partially(t, udpPacket(t, 6, data), 1400), 48, header(1, 5, 1400, 40, 6)},
		{"UDP4", partially(t, udpPacket(t, 4, data), 1400), 28, header(1, 5, 1400, 20, 6)},
	} {
		binary.NativeEndian.PutUint16(c.want[2:], uint16(c.headerLen))
		got := tun.Goes(c.p)
		if got != c.want {
			t.Errorf("%s: % x, want % x", c.name, got, c.want)
		}
		back, malformed := came(t, got, c.p.Buf)
		if diff := cmp.Diff([]inner.Packet{c.p}, back); diff != "" || malformed != 0 {
			t.Errorf("%s: comes back otherwise: %s", c.name, diff)
		}
	}
	one := partially(t, tcpPacket(t, 6, data), len(data))
	if got := tun.Goes(one); got[1] != 0 || got[0] != 1 {
		t.Errorf("a super-packet of one segment: % x", got)
	}
	// ECN's CWR alone asks for the flag.
	two := partially(t, tcpPacket(t, 6, data), 2000)
	two.Buf[40+13] &^= 0x80
	if got := tun.Goes(two); got[1] != 4 {
		t.Errorf("without CWR: % x", got)
	}
}

// TestVirtioVerified: of a forwarded super-packet the kernel may have verified the
// checksum already.
func TestVirtioVerified(t *testing.T) {
	want := superPacket(t)
	got, malformed := came(t, header(2, 4, want.Segment, 0, 0), want.Buf)
	if diff := cmp.Diff([]inner.Packet{want}, got); diff != "" || malformed != 0 {
		t.Error(diff)
	}
}

// TestVirtioOddChecksum: a checksum that inner.Packet does not describe is completed.
func TestVirtioOddChecksum(t *testing.T) {
	options := &layers.IPv6Destination{Options: []*layers.IPv6DestinationOption{
		{OptionType: 1, OptionLength: 4, ActualLength: 6, OptionData: make([]byte, 4)}}}
	options.NextHeader = layers.IPProtocolUDP
	want := overIP(t, 6, layers.IPProtocolIPv6Destination, options, &layers.UDP{SrcPort: 1, DstPort: 2}, gopacket.Payload("behind options"))
	pkt := bytes.Clone(want)
	putPseudo(pkt, 48, inner.UDP, 6)
	got, malformed := came(t, header(1, 0, 0, 48, 6), pkt)
	if diff := cmp.Diff([]inner.Packet{{Buf: want}}, got); diff != "" || malformed != 0 {
		t.Error(diff)
	}
}

// putPseudo is inner.PutPseudo for an IPv6 packet with extensions.
func putPseudo(pkt []byte, transport int, proto uint8, field int) {
	flat := append(bytes.Clone(pkt[:40]), pkt[transport:]...)
	flat[6] = proto
	inner.PutPseudo(flat, 40)
	copy(pkt[transport+field:][:2], flat[40+field:])
}

// oddSuper returns a super-packet with extensions, and its virtio-net header.
func oddSuper(t testing.TB, proto layers.IPProtocol, data []byte) ([10]byte, []byte) {
	options := &layers.IPv6Destination{Options: []*layers.IPv6DestinationOption{
		{OptionType: 1, OptionLength: 4, ActualLength: 6, OptionData: make([]byte, 4)}}}
	options.NextHeader = proto
	var layer gopacket.SerializableLayer = &layers.TCP{SrcPort: 1, DstPort: 2, FIN: true}
	h := header(1, 4, 1200, 48, 16)
	if proto == layers.IPProtocolUDP {
		layer = &layers.UDP{SrcPort: 1, DstPort: 2}
		h = header(1, 5, 1200, 48, 6)
	}
	pkt := overIP(t, 6, layers.IPProtocolIPv6Destination, options, layer, gopacket.Payload(data))
	field, _ := inner.ChecksumAt(uint8(proto))
	putPseudo(pkt, 48, uint8(proto), field)
	return h, pkt
}

// TestVirtioOddSuper: a super-packet with extensions comes in single packets.
func TestVirtioOddSuper(t *testing.T) {
	data := noise(5000)
	for _, proto := range []layers.IPProtocol{layers.IPProtocolTCP, layers.IPProtocolUDP} {
		h, pkt := oddSuper(t, proto, data)
		got, malformed := came(t, h, pkt)
		if malformed != 0 || len(got) != 5 {
			t.Fatalf("%v: %d packets, %d malformed; want 5 and 0", proto, len(got), malformed)
		}
		if !bytes.Equal(payloads(t, got), data) {
			t.Errorf("%v: the payloads are not those that were sent", proto)
		}
	}
}

// payloads returns those of single packets, one after another.
func payloads(t *testing.T, pkts []inner.Packet) (all []byte) {
	for _, p := range pkts {
		if p.Segment != 0 || p.Partial {
			t.Errorf("%+v", p)
		}
		all = append(all, payload(t, p.Buf)...)
	}
	return all
}

// TestVirtioOddSuperGoesOn: what one Read has no room for comes in the next ones.
func TestVirtioOddSuperGoesOn(t *testing.T) {
	data := noise(5000)
	h, pkt := oddSuper(t, layers.IPProtocolTCP, data)
	kernel, r := new(tun.Reader), newReading(2)
	var got []byte
	for _, want := range []int{2, 2, 1, 0} {
		n, malformed, err := kernel.Read(h, pkt, r.buf, r.pkts, headroom, tailroom)
		if n != want || malformed != 0 || err != nil {
			t.Fatalf("%d packets, %d malformed, %v; want %d", n, malformed, err, want)
		}
		got = append(got, payloads(t, r.pkts[:n])...)
		clear(pkt) // the kernel's next overwrites it
		pkt = nil
	}
	if !bytes.Equal(got, data) {
		t.Error("the payloads are not those that were sent")
	}
}

// TestVirtioMalformed: what makes no sense is dropped and counted.
func TestVirtioMalformed(t *testing.T) {
	tcp, udp := tcpPacket(t, 6, noise(3000)), udpPacket(t, 6, noise(3000))
	for _, c := range []struct {
		name string
		h    [10]byte
		pkt  []byte
	}{
		{"empty", header(0, 0, 0, 0, 0), []byte{}},
		{"checksum beyond the end", header(1, 0, 0, 40, 4000), tcp},
		{"no segment size", header(1, 4, 0, 40, 16), tcp},
		{"UFO", header(1, 3, 1000, 40, 6), udp},
		{"tunnel", header(1, 0x24, 1000, 40, 16), tcp},
		{"TCP that is UDP", header(1, 5, 1000, 40, 16), tcp},
		{"checksum elsewhere", header(1, 4, 1000, 40, 18), tcp},
		{"transport in the IP header", header(1, 4, 1000, 20, 16), tcp},
		{"no checksum start", header(0, 4, 1000, 0, 0), udp},
		{"truncated", header(1, 4, 1000, 40, 16), tcp[:2000]},
		{"no IP", header(1, 4, 1000, 40, 16), make([]byte, 2000)},
	} {
		if got, malformed := came(t, c.h, append([]byte{}, c.pkt...)); len(got) != 0 || malformed != 1 {
			t.Errorf("%s: %d packets, %d malformed", c.name, len(got), malformed)
		}
	}
}

func TestSuperPacketBounds(t *testing.T) {
	for _, mtu := range []int{68, 576, 1280, 1400, 1460, 8960, 65535} {
		segments, size := tun.SuperPacket(mtu)
		// Linux keeps 321 bytes of the size free; TCP fills the rest with segments.
		full := min(segments, (size-321)/max(1, mtu-60))
		t.Logf("MTU %d: at most %d segments, %d bytes: %d full segments", mtu, segments, size, full)
		if segments > 64 || size > tun.MaxPacket || full*(mtu+24) > 65487 && full > 1 {
			t.Errorf("MTU %d: %d full segments, do not leave in one send", mtu, full)
		}
		if (full+1)*(mtu+24) <= 65487 && full < 64 {
			t.Errorf("MTU %d: %d full segments, one more would fit", mtu, full)
		}
	}
}

// FuzzVirtio has any header and packet come.
func FuzzVirtio(f *testing.F) {
	add := func(h [10]byte, pkt []byte) { f.Add(h[:], pkt) }
	super := superPacket(f)
	add(tun.Goes(super), super.Buf)
	udp := single(f, "a datagram")
	add(tun.Goes(udp), udp.Buf)
	add(header(1, 4, 1, 48, 16), append(bytes.Clone(super.Buf[:40]), super.Buf[32:200]...))
	add(header(1, 1, 7, 60, 16), append([]byte{0x4f, 0, 0, 90}, make([]byte, 86)...))
	f.Fuzz(func(t *testing.T, h, pkt []byte) {
		if len(h) != 10 || len(pkt) > tun.MaxPacket {
			return
		}
		got, _ := came(t, [10]byte(h), pkt)
		for i, p := range got {
			if len(p.Buf) == 0 || len(p.Buf) > tun.MaxPacket {
				t.Errorf("packet %d of %d bytes", i, len(p.Buf))
			}
			if p.Partial || p.Segment != 0 {
				if err := p.Check(); err != nil {
					t.Errorf("packet %d: %v", i, err)
				}
				tun.Goes(p)
			}
		}
	})
}

// TestPending: what an odd super-packet had no room for is Pending, while the kernel has
// nothing more to tell of.
func TestPending(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	f, err := fdwait.New(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	k := tun.NewOn(f)
	defer f.Close()
	const supers, each, segment = 2, 100, 600
	for range supers {
		h, pkt := oddSuper(t, layers.IPProtocolTCP, noise(each*segment))
		binary.NativeEndian.PutUint16(h[4:], segment)
		if _, err := unix.Write(fds[1], append(h[:], pkt...)); err != nil {
			t.Fatal(err)
		}
	}
	const headroom, tailroom = 40, 16
	buf, pkts := make([]byte, 3*(headroom+tun.MaxPacket+tailroom)), make([]inner.Packet, each+each/2)
	group, got, reads := fdwait.NewGroup(k.File()), 0, 0
	for ; got < supers*each; reads++ {
		if !k.Pending() {
			if reads > 0 && got%each != 0 {
				t.Fatalf("%d packets have come, and nothing is pending", got)
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		n, err := k.TryRead(buf, pkts, headroom, tailroom)
		if err != nil || n == 0 {
			t.Fatalf("TryRead: %d packets, %v", n, err)
		}
		got += n
	}
	if n, err := k.TryRead(buf, pkts, headroom, tailroom); got != supers*each || k.Pending() || n != 0 || err != nil {
		t.Errorf("%d packets in all, want %d; then pending %v, and %d more, %v", got, supers*each, k.Pending(), n, err)
	}
}
