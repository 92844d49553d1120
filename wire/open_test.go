package wire_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/multi6/multi6/wire"
)

// count returns the n bytes first, first+1, …
func count(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

var (
	minOpen1 = wire.Open{
		Type: wire.Open1, Tag: 0x010203, Noise: count(1, 96),
		MAC1: [16]byte(count(0xa0, 16)), MAC2: [16]byte(count(0xb0, 16)),
	}
	minOpen2 = wire.Open{
		Type: wire.Open2, Tag: 0x040506, Noise: count(1, 48),
		MAC1: [16]byte(count(0xa0, 16)), MAC2: [16]byte(count(0xb0, 16)),
	}
	retry = wire.RetryMessage{
		Tag: 0x070809, Nonce: [24]byte(count(0x40, 24)), Cookie: [32]byte(count(0x80, 32)),
	}
)

func sameOpen(a, b wire.Open) bool {
	return a.Type == b.Type && a.Tag == b.Tag && a.MAC1 == b.MAC1 && a.MAC2 == b.MAC2 && bytes.Equal(a.Noise, b.Noise)
}

func TestOpenBytes(t *testing.T) {
	tests := []struct {
		o    wire.Open
		want []byte
	}{
		{minOpen1, slices.Concat(
			[]byte{0x12, 1, 2, 3, 0, 0, 0, 0}, // header
			count(1, 32+48+16),                // e, s and its tag, tag of the payload
			count(0xa0, 16),                   // mac1
			count(0xb0, 16),                   // mac2
		)},
		{minOpen2, slices.Concat(
			[]byte{0x22, 4, 5, 6, 0, 0, 0, 0}, // header
			count(1, 32+16),                   // e, tag of the payload
			count(0xa0, 16),                   // mac1
			count(0xb0, 16),                   // mac2
		)},
	}
	for _, test := range tests {
		t.Run(test.o.Type.String(), func(t *testing.T) {
			b := test.o.AppendTo(nil)
			if !bytes.Equal(b, test.want) {
				t.Errorf("AppendTo:\n% x, want\n% x", b, test.want)
			}
			if test.o.Len() != len(b) {
				t.Errorf("Len %d, appended %d", test.o.Len(), len(b))
			}
			got, err := wire.ParseOpen(b)
			if err != nil || !sameOpen(got, test.o) {
				t.Errorf("ParseOpen: %+v, %v", got, err)
			}
			// An Open has no length of its own: only of the shortest is every
			// prefix too short.
			for n := range b {
				if _, err := wire.ParseOpen(b[:n]); !errors.Is(err, wire.ErrTruncated) {
					t.Errorf("prefix of %d bytes: %v", n, err)
				}
			}
		})
	}
}

func TestOpenLengths(t *testing.T) {
	if wire.MinOpen1Len != 136 || wire.MinOpen2Len != 88 || wire.RetryLen != 64 || wire.MaxOpenLen != 1232 {
		t.Error("lengths differ from the format's")
	}
	o := minOpen1
	o.Noise = count(0, wire.MaxOpenLen-o.Len()+len(o.Noise))
	if got, err := wire.ParseOpen(o.AppendTo(nil)); err != nil || !sameOpen(got, o) {
		t.Errorf("the longest: %v", err)
	}
	o.Noise = append(o.Noise, 0)
	_, err := wire.ParseOpen(o.AppendTo(nil))
	if !errors.Is(err, wire.ErrTooLong) || err.Error() != "wire: open 1 too long: 1233 bytes, at most 1232" {
		t.Errorf("one more: %v", err)
	}
	_, err = wire.ParseOpen(minOpen2.AppendTo(nil)[:80])
	if err == nil || err.Error() != "wire: open 2 truncated: 80 of 88 bytes" {
		t.Errorf("one short: %v", err)
	}
}

func TestOpenNoiseEndsBeforeMACs(t *testing.T) {
	b := minOpen1.AppendTo(nil)
	o, err := wire.ParseOpen(b)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(o.Noise, 0xff) // must not reach mac1
	if !bytes.Equal(b, minOpen1.AppendTo(nil)) {
		t.Error("appending to Noise changed the datagram")
	}
}

func TestOpenMACs(t *testing.T) {
	b := wire.Open{Type: wire.Open1, Tag: 1, Noise: count(1, 96)}.AppendTo(nil)
	covered1, covered2 := wire.CoveredByMAC1(b), wire.CoveredByMAC2(b)
	if want := b[:8+96]; !bytes.Equal(covered1, want) {
		t.Errorf("mac1 covers %d bytes, want %d", len(covered1), len(want))
	}
	if want := b[:8+96+16]; !bytes.Equal(covered2, want) {
		t.Errorf("mac2 covers %d bytes, want %d", len(covered2), len(want))
	}
	wire.SetMAC1(b, minOpen1.MAC1)
	wire.SetMAC2(b, minOpen1.MAC2)
	o, err := wire.ParseOpen(b)
	if err != nil || o.MAC1 != minOpen1.MAC1 || o.MAC2 != minOpen1.MAC2 || !bytes.Equal(o.Noise, count(1, 96)) {
		t.Errorf("after setting: %+v, %v", o, err)
	}
	if len(wire.CoveredByMAC1(b[:31])) != 0 || len(wire.CoveredByMAC2(b[:15])) != 0 {
		t.Error("a datagram too short for its MACs has something to cover")
	}
}

func TestOpenPadding(t *testing.T) {
	tests := []struct {
		n, least int
		class    int // 0: none
	}{
		{0, 0, 256}, {255, 0, 256}, {256, 0, 256}, {257, 0, 512},
		{136, 512, 512}, {512, 512, 512}, {513, 512, 1232}, {1232, 512, 1232},
		{100, 257, 512}, {100, 1232, 1232},
		{1233, 0, 0}, {100, 1233, 0},
	}
	for _, test := range tests {
		pad, ok := wire.OpenPadding(test.n, test.least)
		if ok != (test.class != 0) || ok && test.n+pad != test.class || !ok && pad != 0 {
			t.Errorf("OpenPadding(%d, %d) = %d, %v; want class %d", test.n, test.least, pad, ok, test.class)
		}
	}
}

func TestRetryBytes(t *testing.T) {
	want := slices.Concat(
		[]byte{0x32, 7, 8, 9, 0, 0, 0, 0}, // header
		count(0x40, 24),                   // nonce
		count(0x80, 32),                   // sealed cookie
	)
	b := retry.AppendTo(nil)
	if !bytes.Equal(b, want) || retry.Len() != len(want) {
		t.Errorf("AppendTo:\n% x, want\n% x", b, want)
	}
	for _, tail := range []string{"", "tail"} {
		if got, err := wire.ParseRetry(append(bytes.Clone(b), tail...)); err != nil || got != retry {
			t.Errorf("ParseRetry with tail %q: %+v, %v", tail, got, err)
		}
	}
	for n := range b {
		if _, err := wire.ParseRetry(b[:n]); !errors.Is(err, wire.ErrTruncated) {
			t.Errorf("prefix of %d bytes: %v", n, err)
		}
	}
}

func TestParseRefusesOtherTypes(t *testing.T) {
	for typ := range wire.Type(16) {
		b := append([]byte{byte(typ)<<4 | wire.Version, 0, 0, 1}, make([]byte, 300)...)
		if _, err := wire.ParseOpen(b); errors.Is(err, wire.ErrType) == (typ == wire.Open1 || typ == wire.Open2) {
			t.Errorf("ParseOpen of %v: %v", typ, err)
		}
		if _, err := wire.ParseRetry(b); errors.Is(err, wire.ErrType) == (typ == wire.Retry) {
			t.Errorf("ParseRetry of %v: %v", typ, err)
		}
	}
}
