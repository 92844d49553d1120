package wire_test

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"testing"

	"github.com/multi6/multi6/wire"
	"pgregory.net/rapid"
)

var headers = []struct {
	name string
	h    wire.Header
	b    []byte
}{
	{"open 1", wire.Header{Type: wire.Open1, Tag: 0x010203}, []byte{
		0x12,             // type 1, version 2
		0x01, 0x02, 0x03, // tag
		0, 0, 0, 0, // zero
	}},
	{"open 2", wire.Header{Type: wire.Open2, Tag: 1}, []byte{0x22, 0, 0, 1, 0, 0, 0, 0}},
	{"retry", wire.Header{Type: wire.Retry, Tag: wire.MaxTag}, []byte{0x32, 0xff, 0xff, 0xff, 0, 0, 0, 0}},
	{"transport", wire.Header{Type: wire.Transport, Tag: 0xabcdef, Number: 0x12345678}, []byte{
		0x42,             // type 4, version 2
		0xab, 0xcd, 0xef, // tag
		0x12, 0x34, 0x56, 0x78, // packet number, low 32 bits
	}},
}

func TestHeaderBytes(t *testing.T) {
	for _, test := range headers {
		t.Run(test.name, func(t *testing.T) {
			if got := test.h.AppendTo([]byte{9}); !bytes.Equal(got, append([]byte{9}, test.b...)) {
				t.Errorf("AppendTo: % x, want 09 % x", got, test.b)
			}
			put := bytes.Repeat([]byte{0xff}, wire.HeaderLen+1)
			wire.PutHeader(put, test.h)
			if !bytes.Equal(put, append(bytes.Clone(test.b), 0xff)) {
				t.Errorf("PutHeader: % x, want % x ff", put, test.b)
			}
			got, err := wire.ParseHeader(append(bytes.Clone(test.b), 1, 2, 3))
			if err != nil || got != test.h {
				t.Errorf("ParseHeader: %+v, %v", got, err)
			}
			for n := range test.b {
				if _, err := wire.ParseHeader(test.b[:n]); !errors.Is(err, wire.ErrTruncated) {
					t.Errorf("prefix of %d bytes: %v", n, err)
				}
			}
			if got := test.h.Type.String(); got != test.name {
				t.Errorf("Type.String: %q", got)
			}
		})
	}
}

func TestHeaderNumberOnlyInTransport(t *testing.T) {
	h := wire.Header{Type: wire.Open1, Tag: 5, Number: 7}
	want := []byte{0x12, 0, 0, 5, 0, 0, 0, 0}
	if got := h.AppendTo(nil); !bytes.Equal(got, want) {
		t.Errorf("AppendTo: % x, want % x", got, want)
	}
	got, err := wire.ParseHeader([]byte{0x12, 0, 0, 5, 0, 0, 0, 7})
	if want := (wire.Header{Type: wire.Open1, Tag: 5}); err != nil || got != want {
		t.Errorf("ParseHeader: %+v, %v", got, err)
	}
}

func TestHeaderTagOverflowLeavesTypeAlone(t *testing.T) {
	got := wire.Header{Type: wire.Open2, Tag: math.MaxUint32}.AppendTo(nil)
	if want := []byte{0x22, 0xff, 0xff, 0xff, 0, 0, 0, 0}; !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
}

func TestHeaderErrors(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		is   error
		text string
	}{
		{"empty", nil, wire.ErrTruncated, "wire: header truncated: 0 of 8 bytes"},
		{"short", make([]byte, 7), wire.ErrTruncated, "wire: header truncated: 7 of 8 bytes"},
		{"version 0", []byte{0x40, 0, 0, 1, 0, 0, 0, 0}, wire.ErrVersion, "wire: wrong version 0"},
		{"version 15", []byte{0x4f, 0, 0, 1, 0, 0, 0, 0}, wire.ErrVersion, "wire: wrong version 15"},
		{"type 0", []byte{0x02, 0, 0, 1, 0, 0, 0, 0}, wire.ErrType, "wire: wrong type 0"},
		{"type 5", []byte{0x52, 0, 0, 1, 0, 0, 0, 0}, wire.ErrType, "wire: wrong type 5"},
		{"tag 0", []byte{0x42, 0, 0, 0, 0, 0, 0, 1}, wire.ErrTag, "wire: header: bad tag 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, err := wire.ParseHeader(test.b)
			if !errors.Is(err, test.is) || err.Error() != test.text {
				t.Errorf("got error %v, want %s", err, test.text)
			}
			if h != (wire.Header{}) {
				t.Errorf("header %+v beside an error", h)
			}
		})
	}
}

func TestHeaderDoesNotAllocate(t *testing.T) {
	good := wire.Header{Type: wire.Transport, Tag: 3, Number: 4}.AppendTo(nil)
	bad := [][]byte{good[:3], {0x4f, 0, 0, 1, 0, 0, 0, 0}, {0xf2, 0, 0, 1, 0, 0, 0, 0}, make([]byte, 8)}
	buf := make([]byte, 0, 64)
	var h wire.Header
	var err error
	allocs := testing.AllocsPerRun(100, func() {
		h, err = wire.ParseHeader(good)
		buf = h.AppendTo(buf[:0])
		wire.PutHeader(buf, h)
		for _, b := range bad {
			if _, err := wire.ParseHeader(b); err == nil {
				t.Errorf("no error for % x", b)
			}
		}
	})
	if allocs != 0 || err != nil {
		t.Errorf("%v allocations, error %v", allocs, err)
	}
}

func TestTag(t *testing.T) {
	for tag, want := range map[wire.Tag]bool{0: false, 1: true, wire.MaxTag: true, wire.MaxTag + 1: false, math.MaxUint32: false} {
		if tag.Valid() != want {
			t.Errorf("%v.Valid() = %v", tag, !want)
		}
	}
	if got := wire.Tag(0xabc).String(); got != "000abc" {
		t.Errorf("String: %q", got)
	}
	if got := wire.Type(9).String(); got != "type 9" {
		t.Errorf("Type(9): %q", got)
	}
}

func TestExpandNumber(t *testing.T) {
	tests := []struct {
		name      string
		largest   uint64
		truncated uint32
		want      uint64
	}{
		{"first", 0, 0, 0},
		{"next", 41, 42, 42},
		{"again", 42, 42, 42},
		{"wrap", 0xffff_ffff, 0, 0x1_0000_0000},
		{"late, over a wrap", 0x1_0000_0005, 0xffff_fff0, 0xffff_fff0},
		{"late, before any wrap", 5, 0xffff_fff0, 0xffff_fff0},
		{"half a window ahead", 0x1_0000_0000 - 1, 0x8000_0000, 0x1_8000_0000},
		{"half a window behind is ahead", 0x1_8000_0000 - 1, 0, 0x2_0000_0000},
		{"more than half a window ahead is behind", 0x1_0000_0000 - 1, 0x8000_0001, 0x8000_0001},
		{"top", math.MaxUint64 - 1, 0xffff_ffff, math.MaxUint64},
		{"nothing beyond the top", math.MaxUint64 - 1, 0, 0xffff_ffff_0000_0000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := wire.ExpandNumber(test.largest, test.truncated); got != test.want {
				t.Errorf("ExpandNumber(%#x, %#x) = %#x, want %#x", test.largest, test.truncated, got, test.want)
			}
		})
	}
}

// slowExpand tries the numbers with the right low bits in the window before,
// at and after largest, and keeps the nearest to largest + 1.
func slowExpand(largest uint64, truncated uint32) uint64 {
	expected := new(big.Int).Add(new(big.Int).SetUint64(largest), big.NewInt(1))
	var best uint64
	var bestDistance *big.Int
	for _, step := range []int64{-1, 0, 1} {
		x := new(big.Int).SetUint64(largest >> 32)
		x.Add(x, big.NewInt(step))
		x.Lsh(x, 32)
		x.Add(x, big.NewInt(int64(truncated)))
		if !x.IsUint64() {
			continue
		}
		distance := new(big.Int).Sub(x, expected)
		distance.Abs(distance)
		if bestDistance == nil || distance.Cmp(bestDistance) <= 0 {
			best, bestDistance = x.Uint64(), distance
		}
	}
	return best
}

func TestExpandNumberNearest(t *testing.T) {
	near := rapid.Uint64Range(0, 8)
	edge := rapid.SampledFrom([]uint64{0, 1 << 31, 1 << 32, 3 << 31, 1 << 33, math.MaxUint64 - 1<<32, math.MaxUint64 - 1<<31, math.MaxUint64 - 16})
	number := rapid.OneOf(rapid.Uint64Range(0, math.MaxUint64-1), rapid.Custom(func(t *rapid.T) uint64 {
		return edge.Draw(t, "edge") + near.Draw(t, "offset") - min(4, near.Draw(t, "back"))
	}).Filter(func(n uint64) bool { return n != math.MaxUint64 }))
	rapid.Check(t, func(t *rapid.T) {
		largest := number.Draw(t, "largest")
		truncated := uint32(number.Draw(t, "number"))
		got, want := wire.ExpandNumber(largest, truncated), slowExpand(largest, truncated)
		if got != want {
			t.Fatalf("ExpandNumber(%#x, %#x) = %#x, want %#x", largest, truncated, got, want)
		}
	})
}

func BenchmarkParseHeader(b *testing.B) {
	buf := wire.Header{Type: wire.Transport, Tag: 3, Number: 4}.AppendTo(nil)
	for b.Loop() {
		if _, err := wire.ParseHeader(buf); err != nil {
			b.Fatal(err)
		}
	}
}
