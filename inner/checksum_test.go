package inner_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/multi6/multi6/inner"
)

// slowSum is RFC 1071 as it is written.
func slowSum(b []byte) (sum uint32) {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
		sum = sum>>16 + sum&0xffff
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum>>16 + sum&0xffff
}

// TestPutPseudo compares with the pseudo-header written out.
func TestPutPseudo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := draw(rt, rapid.SampledFrom([]int{0, 1, 1000, 1001, 60000}).Draw(rt, "payload"))
		got := p.super(t, 100)
		at, proto, _ := inner.TransportOf(got.Buf)
		var pseudo []byte
		if p.ip4 != nil {
			pseudo = append(append(pseudo, p.ip4.SrcIP...), p.ip4.DstIP...)
		} else {
			pseudo = append(append(pseudo, p.ip6.SrcIP...), p.ip6.DstIP...)
		}
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(got.Buf)-at))
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(proto))
		field, _ := inner.ChecksumAt(proto)
		if sum := binary.BigEndian.Uint16(got.Buf[at+field:]); uint32(sum) != slowSum(pseudo) {
			rt.Errorf("%#x, want %#x", sum, slowSum(pseudo))
		}
	})
}

// TestCompleteAt completes what PutPseudo began, as a network card does.
func TestCompleteAt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		template := draw(rt, rapid.IntRange(0, 2000).Draw(rt, "payload"))
		p := template.super(t, 0)
		at, proto, _ := inner.TransportOf(p.Buf)
		field, _ := inner.ChecksumAt(proto)
		if err := inner.CompleteAt(p.Buf, at, field); err != nil {
			rt.Fatal(err)
		}
		same(rt, 0, p.Buf, template.bytes(t))
	})
	for _, c := range [][2]int{{-1, 2}, {2, -1}, {0, 7}, {8, 0}, {9, 0}} {
		if err := inner.CompleteAt(make([]byte, 8), c[0], c[1]); err == nil {
			t.Errorf("a checksum at %d+%d of 8 bytes", c[0], c[1])
		}
	}
}

// TestUDPChecksumOfZero: such a packet would be one without a checksum.
func TestUDPChecksumOfZero(t *testing.T) {
	p := inner.Packet{
		Buf:       append([]byte{0x60, 0, 0, 0, 0, 10, inner.UDP, 64}, make([]byte, 42)...),
		Transport: 40, Partial: true,
	}
	p.Buf[45] = 10
	// The payload makes the sum 0xffff: it is what is missing from length, length and
	// protocol.
	binary.BigEndian.PutUint16(p.Buf[48:], 0xffff-10-10-inner.UDP)
	if err := p.CompleteChecksum(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.Buf[46:48], []byte{0xff, 0xff}) {
		t.Errorf("checksum % x, want ff ff", p.Buf[46:48])
	}
}

func TestCompleteChecksumRefuses(t *testing.T) {
	p := segmented(t)
	if err := p.CompleteChecksum(); err == nil {
		t.Error("a super-packet got a checksum")
	}
	p.Segment, p.Partial = 0, false
	was := bytes.Clone(p.Buf)
	if err := p.CompleteChecksum(); err != nil || !bytes.Equal(was, p.Buf) {
		t.Errorf("a packet that is whole was changed, %v", err)
	}
}
