package sim

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

var (
	endA = netip.MustParseAddrPort("[fd00::a]:49152")
	endB = netip.MustParseAddrPort("[fd00::b]:80")
)

var segments = map[string]segment{
	"SYN":  {src: endA, dst: endB, seq: 0xffffff00, flags: flagSYN, window: 65535, mss: 1220},
	"odd":  {src: endA, dst: endB, seq: 1, ack: 2, flags: flagACK | flagPSH, window: 1, payload: []byte("abc")},
	"even": {src: endB, dst: endA, seq: 1 << 31, ack: 1<<32 - 1, flags: flagACK | flagFIN, window: 9, payload: []byte("abcd")},
	"RST":  {src: endB, dst: endA, flags: flagRST},
}

func TestSegmentRoundTrip(t *testing.T) {
	for name, s := range segments {
		t.Run(name, func(t *testing.T) {
			b := s.appendTo([]byte("head"))[4:]
			got, err := parseSegment(b)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(s, got, cmp.AllowUnexported(segment{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("round trip (-want +got):\n%s", d)
			}
			for n := range b {
				if _, err := parseSegment(b[:n]); err == nil {
					t.Errorf("the first %d of %d bytes parse", n, len(b))
				}
			}
			for i := range b {
				broken := bytes.Clone(b)
				broken[i] ^= 0x40
				if _, err := parseSegment(broken); err == nil && i > 7 { // no checksum over the rest
					t.Errorf("a changed byte %d goes unnoticed", i)
				}
			}
		})
	}
}

// TestSegmentAsOthersSeeIt compares with an independent implementation.
func TestSegmentAsOthersSeeIt(t *testing.T) {
	for name, s := range segments {
		t.Run(name, func(t *testing.T) {
			b := s.appendTo(nil)
			p := gopacket.NewPacket(b, layers.LayerTypeIPv6, gopacket.Default)
			if e := p.ErrorLayer(); e != nil {
				t.Fatal(e.Error())
			}
			ip, tcp := p.NetworkLayer().(*layers.IPv6), p.TransportLayer().(*layers.TCP)
			if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
				t.Fatal(err)
			}
			buf := gopacket.NewSerializeBuffer()
			opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
			if err := gopacket.SerializeLayers(buf, opts, ip, tcp, gopacket.Payload(tcp.Payload)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(buf.Bytes(), b) {
				t.Errorf("gopacket makes of it\n%x, we made\n%x", buf.Bytes(), b)
			}
			if tcp.Seq != s.seq || tcp.Ack != s.ack || tcp.Window != s.window || uint16(tcp.SrcPort) != s.src.Port() {
				t.Errorf("gopacket reads %+v", tcp)
			}
		})
	}
}

func TestParseMSS(t *testing.T) {
	tests := []struct {
		options []byte
		want    uint16
	}{
		{nil, 0},
		{[]byte{2, 4, 5, 0xb4}, 1460},
		{[]byte{1, 1, 2, 4, 5, 0xb4}, 1460},
		{[]byte{4, 2, 3, 3, 7, 2, 4, 5, 0xb4}, 1460},
		{[]byte{0, 2, 4, 5, 0xb4}, 0},
		{[]byte{3, 0, 2, 4, 5, 0xb4}, 0},
		{[]byte{3}, 0},
		{[]byte{2, 4, 5}, 0},
	}
	for _, tt := range tests {
		if got := parseMSS(tt.options); got != tt.want {
			t.Errorf("options %x: MSS %d, want %d", tt.options, got, tt.want)
		}
	}
}

func FuzzParseSegment(f *testing.F) {
	for _, s := range segments {
		f.Add(s.appendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parseTooBig(b)
		s, err := parseSegment(b)
		if err != nil {
			return
		}
		again, err := parseSegment(s.appendTo(nil))
		if err != nil || again.seq != s.seq || again.ack != s.ack || again.mss != s.mss || !bytes.Equal(again.payload, s.payload) {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}

// tooBigPacket returns an ICMPv6 Packet Too Big about the packet quoted.
func tooBigPacket(mtu uint32, quoted []byte) []byte {
	quoted = quoted[:min(len(quoted), 1280-48)]
	b := make([]byte, 48, 48+len(quoted))
	b[0], b[6], b[7] = 6<<4, protoICMPv6, 64
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(quoted)))
	copy(b[8:], endB.Addr().AsSlice())
	copy(b[24:], endA.Addr().AsSlice())
	b[40] = 2
	binary.BigEndian.PutUint32(b[44:], mtu)
	b = append(b, quoted...)
	binary.BigEndian.PutUint16(b[42:], ^checksum(b))
	return b
}

func TestParseTooBig(t *testing.T) {
	b := tooBigPacket(1300, segments["odd"].appendTo(nil))
	mtu, src, dst, ok := parseTooBig(b)
	if !ok || mtu != 1300 || src != endA || dst != endB {
		t.Errorf("parsed %d, %v → %v, %v", mtu, src, dst, ok)
	}
	b[len(b)-1]++
	if _, _, _, ok := parseTooBig(b); ok {
		t.Error("a wrong checksum goes unnoticed")
	}
	if _, _, _, ok := parseTooBig(segments["odd"].appendTo(nil)); ok {
		t.Error("a TCP segment is taken for Packet Too Big")
	}
}

func TestStream(t *testing.T) {
	s := streamOf(endA, endB)
	whole := make([]byte, 100)
	s.fill(whole, 0)
	for from := range 30 {
		part := make([]byte, 40)
		s.fill(part, int64(from))
		if !bytes.Equal(part, whole[from:from+40]) {
			t.Fatalf("part from %d differs from the whole", from)
		}
	}
	if err := s.check(whole[3:50], 3); err != nil {
		t.Error(err)
	}
	if s.check(whole[3:50], 4) == nil {
		t.Error("bytes at a wrong position go unnoticed")
	}
	if streamOf(endB, endA).check(whole[:8], 0) == nil {
		t.Error("both directions have the same bytes")
	}
}
