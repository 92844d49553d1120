package wire_test

import (
	"bytes"
	"testing"

	"github.com/multi6/multi6/wire"
)

func FuzzHeader(f *testing.F) {
	for _, test := range headers {
		f.Add(test.h.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := wire.ParseHeader(b)
		if err != nil {
			return
		}
		if !h.Tag.Valid() {
			t.Errorf("tag %v", h.Tag)
		}
		again, err := wire.ParseHeader(h.AppendTo(nil))
		if err != nil || again != h {
			t.Errorf("%+v came back as %+v, %v", h, again, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add(minOpen1.AppendTo(nil))
	f.Add(minOpen2.AppendTo(nil))
	f.Add(retry.AppendTo(nil))
	f.Add(wire.Open{Type: wire.Open1, Tag: 1, Noise: make([]byte, 472)}.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := wire.ParseOpen(b); err == nil {
			if o.Len() != len(b) {
				t.Errorf("Len %d of %d bytes", o.Len(), len(b))
			}
			out := o.AppendTo(nil)
			again, err := wire.ParseOpen(out)
			if err != nil || !sameOpen(again, o) || !bytes.Equal(out[wire.HeaderLen:], b[wire.HeaderLen:]) {
				t.Errorf("%+v came back as %+v, %v", o, again, err)
			}
		}
		if r, err := wire.ParseRetry(b); err == nil {
			out := r.AppendTo(nil)
			again, err := wire.ParseRetry(out)
			if err != nil || again != r || !bytes.Equal(out[wire.HeaderLen:], b[wire.HeaderLen:wire.RetryLen]) {
				t.Errorf("%+v came back as %+v, %v", r, again, err)
			}
		}
	})
}

// FuzzFrames walks over frames and parses each body, also those of a wrong
// type.
func FuzzFrames(f *testing.F) {
	all := wire.AppendControl(nil)
	for _, test := range frames {
		f.Add(test.f.AppendTo(wire.AppendControl(nil)))
		all = wire.AppendPadding(test.f.AppendTo(all), 1)
	}
	f.Add(all)
	f.Add(append(wire.AppendControl(nil), 99, 0, 1, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs, err := wire.ParseControl(b)
		if err != nil {
			return
		}
		for len(fs) > 0 {
			typ, body, rest, err := fs.Next()
			if err != nil {
				return
			}
			if len(rest) >= len(fs) {
				t.Fatal("no progress")
			}
			for typ := range wire.FramePolicy + 1 {
				checkFrame(t, typ, body)
			}
			_ = typ.String()
			fs = rest
		}
	})
}

// checkFrame parses body, and what it appends, as a frame of type typ.
func checkFrame(t *testing.T, typ wire.FrameType, body []byte) {
	fr, err := parseFrame(typ, body)
	if err != nil {
		return
	}
	out := fr.AppendTo(nil)
	if fr.Len() != len(out) || len(out) > wire.FrameHeaderLen+len(body) {
		t.Errorf("%v: Len %d, appended %d, from a body of %d", typ, fr.Len(), len(out), len(body))
	}
	gotTyp, gotBody, rest, err := wire.Frames(out).Next()
	if err != nil || gotTyp != typ || len(rest) != 0 {
		t.Fatalf("%v: Next gave %v, % x, %v", typ, gotTyp, rest, err)
	}
	again, err := parseFrame(typ, gotBody)
	if err != nil || again != fr {
		t.Errorf("%+v came back as %+v, %v", fr, again, err)
	}
}

func FuzzInner(f *testing.F) {
	inner := make([]byte, wire.InnerLen)
	wire.PutInner(inner, ip6Header)
	f.Add(inner, 20)
	f.Add(inner[:5], 0)
	partial := bytes.Clone(inner)
	wire.PutKind(&partial[0], wire.KindRewrittenPartial)
	f.Add(partial, 20)
	f.Add([]byte{0x60, 0, 0, 0, 0, 0}, 65536)
	f.Fuzz(func(t *testing.T, b []byte, payloadLen int) {
		ip6 := make([]byte, wire.IPv6HeaderLen)
		if err := wire.RestoreInner(ip6, b, payloadLen, &source, &destination); err != nil {
			return
		}
		if ip6[0]>>4 != 6 || int(ip6[4])<<8|int(ip6[5]) != payloadLen ||
			[16]byte(ip6[8:]) != source || [16]byte(ip6[24:]) != destination {
			t.Errorf("bad header % x for a payload of %d", ip6, payloadLen)
		}
		got := make([]byte, wire.InnerLen)
		wire.PutInner(got, ip6)
		wire.PutKind(&got[0], wire.Kind(b[0]>>4)) // partial or not, the header is the same
		if !bytes.Equal(got, b[:wire.InnerLen]) {
			t.Errorf("% x came back as % x", b[:wire.InnerLen], got)
		}
	})
}
