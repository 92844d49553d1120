package wire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/multi6/multi6/wire"
	"pgregory.net/rapid"
)

var (
	source      = [16]byte{0xfd, 15: 0x0a}
	destination = [16]byte{0xfd, 15: 0x0b}
)

// The header of an IPv6 packet from source to destination, with 20 bytes to
// follow.
var ip6Header = []byte{
	0x6a, 0xbc, 0xde, 0xf1, // version 6, traffic class ab, flow label cdef1
	0, 20, // payload length
	17, // next header: UDP
	64, // hop limit
	0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a,
	0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b,
}

var innerHeader = []byte{
	0x1c,       // kind 1, flow label, top 4 bits
	0xde, 0xf1, // flow label, low 16 bits
	0xab, // traffic class
	17,   // next header
	64,   // hop limit
}

func TestInnerBytes(t *testing.T) {
	got := make([]byte, wire.InnerLen)
	wire.PutInner(got, ip6Header)
	if !bytes.Equal(got, innerHeader) {
		t.Errorf("PutInner: % x, want % x", got, innerHeader)
	}
	restored := bytes.Repeat([]byte{0xff}, wire.IPv6HeaderLen)
	if err := wire.RestoreInner(restored, innerHeader, 20, &source, &destination); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(restored, ip6Header) {
		t.Errorf("RestoreInner:\n% x, want\n% x", restored, ip6Header)
	}
}

// The inner header may lie anywhere in the header that it stands for.
func TestInnerInPlace(t *testing.T) {
	for at := range wire.IPv6HeaderLen - wire.InnerLen + 1 {
		b := bytes.Clone(ip6Header)
		wire.PutInner(b[at:], b)
		if got := b[at : at+wire.InnerLen]; !bytes.Equal(got, innerHeader) {
			t.Errorf("PutInner at %d: % x", at, got)
		}
		clear(b[:at])
		if err := wire.RestoreInner(b, b[at:], 20, &source, &destination); err != nil || !bytes.Equal(b, ip6Header) {
			t.Errorf("RestoreInner at %d: % x, %v", at, b, err)
		}
	}
}

func TestInnerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip6 := rapid.SliceOfN(rapid.Byte(), 40, 40).Draw(t, "header")
		ip6[0] = 0x60 | ip6[0]&0x0f
		b := bytes.Clone(ip6)
		wire.PutInner(b[34:], b)
		src, dst := [16]byte(ip6[8:24]), [16]byte(ip6[24:40])
		err := wire.RestoreInner(b, b[34:], int(ip6[4])<<8|int(ip6[5]), &src, &dst)
		if err != nil || !bytes.Equal(b, ip6) {
			t.Fatalf("% x, want % x (%v)", b, ip6, err)
		}
	})
}

func TestRestoreInnerErrors(t *testing.T) {
	tests := []struct {
		name       string
		inner      []byte
		payloadLen int
		is         error
		text       string
	}{
		{"empty", nil, 0, wire.ErrTruncated, "wire: inner header truncated: 0 of 6 bytes"},
		{"short", innerHeader[:5], 0, wire.ErrTruncated, "wire: inner header truncated: 5 of 6 bytes"},
		{"kind", []byte{0x20, 0, 0, 0, 0, 0}, 0, wire.ErrKind, "wire: wrong kind 2"},
		{"length", innerHeader, 65536, wire.ErrTooLong, "wire: inner header: payload too long: at most 65535 bytes"},
		{"negative", innerHeader, -1, wire.ErrTooLong, "wire: inner header: payload too long: at most 65535 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := make([]byte, wire.IPv6HeaderLen)
			err := wire.RestoreInner(b, test.inner, test.payloadLen, &source, &destination)
			if !errors.Is(err, test.is) || err.Error() != test.text {
				t.Errorf("got error %v, want %s", err, test.text)
			}
			if !bytes.Equal(b, make([]byte, wire.IPv6HeaderLen)) {
				t.Errorf("wrote % x", b)
			}
		})
	}
}

func TestInnerDoesNotAllocate(t *testing.T) {
	b := bytes.Clone(ip6Header)
	src, dst := source, destination
	allocs := testing.AllocsPerRun(100, func() {
		wire.PutInner(b[34:], b)
		k, err := wire.PayloadKind(b[34])
		if err != nil || k != wire.KindRewritten {
			t.Error(k, err)
		}
		if err := wire.RestoreInner(b, b[34:], 20, &src, &dst); err != nil {
			t.Error(err)
		}
		if wire.RestoreInner(b, b[:5], 20, &src, &dst) == nil || wire.RestoreInner(b, b, 20, &src, &dst) == nil ||
			wire.RestoreInner(b, innerHeader, -1, &src, &dst) == nil {
			t.Error("no error")
		}
		if _, err := wire.PayloadKind(0xf0); err == nil {
			t.Error("no error")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestPayloadKind(t *testing.T) {
	names := map[wire.Kind]string{
		wire.KindRewritten: "rewritten", wire.KindControl: "control", wire.KindIPv4: "ipv4", wire.KindIPv6: "ipv6",
		wire.KindRewrittenPartial: "rewritten partial", wire.KindIPv4Partial: "ipv4 partial", wire.KindIPv6Partial: "ipv6 partial",
		wire.KindPart: "part",
	}
	for first := range 256 {
		want := wire.Kind(first >> 4)
		name, known := names[want]
		k, err := wire.PayloadKind(byte(first))
		switch {
		case known && (err != nil || k != want || k.String() != name):
			t.Errorf("%#02x: %v, %v", first, k, err)
		case !known && (!errors.Is(err, wire.ErrKind) || k != 0):
			t.Errorf("%#02x: %v, %v", first, k, err)
		}
	}
	if got := wire.Kind(9).String(); got != "kind 9" {
		t.Errorf("Kind(9): %q", got)
	}
}

func BenchmarkInner(b *testing.B) {
	h := bytes.Clone(ip6Header)
	for b.Loop() {
		wire.PutInner(h[34:], h)
		if err := wire.RestoreInner(h, h[34:], 20, &source, &destination); err != nil {
			b.Fatal(err)
		}
	}
}
