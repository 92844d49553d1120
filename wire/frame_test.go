package wire_test

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/wire"
)

// A frame is what every frame can do.
type frame interface {
	AppendTo(b []byte) []byte
	Len() int
}

// parseFrame parses a body of a known type.
func parseFrame(typ wire.FrameType, body []byte) (frame, error) {
	switch typ {
	case wire.FrameParams:
		return wire.ParseParams(body)
	case wire.FrameLocatorSet:
		return wire.ParseLocatorSet(body)
	case wire.FrameLocatorAck:
		return wire.ParseLocatorAck(body)
	case wire.FramePoll:
		return wire.ParsePoll(body)
	case wire.FrameReport:
		return wire.ParseReport(body)
	case wire.FrameClose:
		return wire.ParseClose(body)
	case wire.FrameAddresses:
		return wire.ParseAddresses(body)
	case wire.FrameEcho:
		return wire.ParseEcho(body)
	case wire.FrameEchoReply:
		return wire.ParseEchoReply(body)
	case wire.FramePolicy:
		return wire.ParsePolicy(body)
	}
	return nil, errors.New("no such frame")
}

func okList(oks ...wire.OK) (l wire.OKList) {
	for _, ok := range oks {
		if err := l.Add(ok); err != nil {
			panic(err)
		}
	}
	return l
}

func locatorList(locators ...wire.Locator) (l wire.LocatorList) {
	for _, loc := range locators {
		if err := l.Add(loc); err != nil {
			panic(err)
		}
	}
	return l
}

var frames = []struct {
	name string
	typ  wire.FrameType
	f    frame
	b    []byte
}{
	{"params", wire.FrameParams, wire.Params{
		Tag: 0xabcdef, Timestamp: 0x0102030405060708, Ciphers: wire.AES256GCM | wire.ChaCha20Poly1305,
		ReportDelay: 25 * time.Millisecond, ReportWanted: time.Second,
	}, []byte{
		1, 0, 21, // type, length
		0, 0xab, 0xcd, 0xef, // tag
		1, 2, 3, 4, 5, 6, 7, 8, // timestamp
		3,                // ciphers
		0, 0, 0x61, 0xa8, // report delay, µs
		0, 0x0f, 0x42, 0x40, // report wanted, µs
	}},
	{"locator set", wire.FrameLocatorSet, wire.LocatorSet{
		Sequence: 0x01020304,
		Locators: locatorList(
			wire.Locator{AddrPort: netip.MustParseAddrPort("192.0.2.1:6110"), Preference: 9, Link: 3, Metered: true},
			wire.Locator{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:258"), Deprecated: true},
		),
	}, []byte{
		2, 0, 37, // type, length
		1, 2, 3, 4, // sequence
		2,                   // count
		4, 2, 9, 3, 23, 222, // family, flags: metered, preference, link, port
		192, 0, 2, 1, // address
		6, 1, 0, 0, 1, 2, // family, flags: deprecated, preference, link, port
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // address
	}},
	{"locator set", wire.FrameLocatorSet, wire.LocatorSet{}, []byte{
		2, 0, 5, // type, length
		0, 0, 0, 0, // sequence
		0, // count
	}},
	{"locator ack", wire.FrameLocatorAck, wire.LocatorAck{Sequence: 0x01020304}, []byte{
		3, 0, 4, // type, length
		1, 2, 3, 4, // sequence
	}},
	{"poll", wire.FramePoll, wire.Poll{ID: 0x0102030405060708, Answer: true}, []byte{
		4, 0, 10, // type, length
		1, 2, 3, 4, 5, 6, 7, 8, // id
		1, // flags: answer
		0, // count
	}},
	{"poll", wire.FramePoll, wire.Poll{
		ID: 5, Move: true, Wish: true,
		OK: okList(wire.OK{ID: 4, Held: 258 * time.Microsecond, Came: 0x0a0b0c0d}, wire.OK{ID: 1 << 63}),
	}, []byte{
		4, 0, 42, // type, length
		0, 0, 0, 0, 0, 0, 0, 5, // id
		6,                      // flags: move, wish
		2,                      // count
		0, 0, 0, 0, 0, 0, 0, 4, // id
		0, 0, 1, 2, // held, µs
		10, 11, 12, 13, // came
		0x80, 0, 0, 0, 0, 0, 0, 0, // id
		0, 0, 0, 0, // held, µs
		0, 0, 0, 0, // came
	}},
	{"report", wire.FrameReport, wire.Report{
		Tag: 7, Largest: 0x0102030405060708, Held: 3 * time.Microsecond, Received: 9, Missing: 77,
	}, []byte{
		5, 0, 25, // type, length
		0, 0, 0, 7, // tag
		1, 2, 3, 4, 5, 6, 7, 8, // largest
		0, 0, 0, 3, // held, µs
		0, 0, 0, 0, 0, 0, 0, 9, // received
		77, // missing
	}},
	{"close", wire.FrameClose, wire.Close{Reason: 200}, []byte{
		6, 0, 1, // type, length
		200, // reason
	}},
	{"addresses", wire.FrameAddresses, wire.Addresses{
		Source: netip.MustParseAddrPort("192.0.2.1:6110"), Destination: netip.MustParseAddrPort("198.51.100.2:258"),
	}, []byte{
		7, 0, 13, // type, length
		4,                     // family
		23, 222, 192, 0, 2, 1, // source: port, address
		1, 2, 198, 51, 100, 2, // destination: port, address
	}},
	{"addresses", wire.FrameAddresses, wire.Addresses{
		Source: netip.MustParseAddrPort("[2001:db8::1]:1"), Destination: netip.MustParseAddrPort("[2001:db8::2]:2"),
	}, []byte{
		7, 0, 37, // type, length
		6,                                                                // family
		0, 1, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // source: port, address
		0, 2, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, // destination: port, address
	}},
	{"echo", wire.FrameEcho, wire.Echo{ID: 0x0102030405060708, After: time.Second}, []byte{
		8, 0, 12, // type, length
		1, 2, 3, 4, 5, 6, 7, 8, // id
		0, 0x0f, 0x42, 0x40, // after, µs
	}},
	{"echo reply", wire.FrameEchoReply, wire.EchoReply{ID: 0x0102030405060708}, []byte{
		9, 0, 8, // type, length
		1, 2, 3, 4, 5, 6, 7, 8, // id
	}},
	{"policy", wire.FramePolicy, wire.Policy{ReportDelay: 25 * time.Millisecond}, []byte{
		10, 0, 5, // type, length
		0, 0, 0x61, 0xa8, // report delay, µs
		0, // flags
	}},
	{"policy", wire.FramePolicy, wire.Policy{Wishes: true}, []byte{
		10, 0, 5, // type, length
		0, 0, 0, 0, // report delay, µs
		1, // flags: wishes
	}},
}

func TestFrameBytes(t *testing.T) {
	for _, test := range frames {
		t.Run(test.name, func(t *testing.T) {
			b := test.f.AppendTo(nil)
			if !bytes.Equal(b, test.b) {
				t.Errorf("AppendTo:\n% x, want\n% x", b, test.b)
			}
			if test.f.Len() != len(test.b) {
				t.Errorf("Len %d, want %d", test.f.Len(), len(test.b))
			}
			typ, body, rest, err := wire.Frames(test.b).Next()
			if err != nil || typ != test.typ || typ.String() != test.name || len(rest) != 0 {
				t.Fatalf("Next: %v, rest % x, %v", typ, rest, err)
			}
			for _, tail := range []string{"", "\x00", "future"} {
				got, err := parseFrame(typ, append(bytes.Clone(body), tail...))
				if err != nil || got != test.f {
					t.Errorf("with tail %q: %+v, %v", tail, got, err)
				}
			}
		})
	}
}

func TestFramePrefixesFail(t *testing.T) {
	for _, test := range frames {
		for n := range test.b {
			if _, _, _, err := wire.Frames(test.b[:n]).Next(); !errors.Is(err, wire.ErrTruncated) {
				t.Errorf("%s, %d bytes: %v", test.name, n, err)
			}
		}
		body := test.b[wire.FrameHeaderLen:]
		for n := range body {
			if f, err := parseFrame(test.typ, body[:n]); !errors.Is(err, wire.ErrTruncated) {
				t.Errorf("%s, body of %d bytes: %+v, %v", test.name, n, f, err)
			}
		}
	}
}

func TestFrameErrors(t *testing.T) {
	tests := []struct {
		name string
		typ  wire.FrameType
		body []byte
		is   error
		text string
	}{
		{"poll cut in its list", wire.FramePoll, slices.Concat(make([]byte, 9), []byte{1, 0, 0}), wire.ErrTruncated,
			"wire: poll truncated: 12 of 26 bytes"},
		{"poll with too many OKs", wire.FramePoll, slices.Concat(make([]byte, 9), []byte{9}, make([]byte, 9*16)), wire.ErrTooLong,
			"wire: poll too long: at most 8 OKs"},
		{"params without tag", wire.FrameParams, make([]byte, 21), wire.ErrTag, "wire: params: bad tag 0x0"},
		{"params with wide tag", wire.FrameParams, append([]byte{1, 0, 0, 0}, make([]byte, 17)...), wire.ErrTag,
			"wire: params: bad tag 0x1000000"},
		{"report without tag", wire.FrameReport, make([]byte, 25), wire.ErrTag, "wire: report: bad tag 0x0"},
		{"locator of no family", wire.FrameLocatorSet, append([]byte{0, 0, 0, 0, 1, 5}, make([]byte, 30)...), wire.ErrAddress,
			"wire: locator: bad address of family 5"},
		{"addresses of no family", wire.FrameAddresses, append([]byte{5}, make([]byte, 40)...), wire.ErrAddress,
			"wire: addresses: bad address of family 5"},
		{"addresses without port", wire.FrameAddresses, []byte{4, 0, 0, 192, 0, 2, 1, 0, 1, 192, 0, 2, 2}, wire.ErrAddress,
			"wire: locator: bad address 192.0.2.1:0"},
		{"mapped addresses", wire.FrameAddresses,
			append([]byte{6, 0, 1}, append(make([]byte, 10), 0xff, 0xff, 192, 0, 2, 1, 0, 1, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)...), wire.ErrAddress,
			"wire: locator: bad address [::ffff:192.0.2.1]:1"},
		{"too many locators", wire.FrameLocatorSet,
			append([]byte{0, 0, 0, 0, 17}, bytes.Repeat([]byte{4, 0, 0, 0, 0, 1, 192, 0, 2, 1}, 17)...), wire.ErrTooLong,
			"wire: locator set too long: at most 16 locators"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseFrame(test.typ, test.body)
			if !errors.Is(err, test.is) || err.Error() != test.text {
				t.Errorf("got error %v, want %s", err, test.text)
			}
		})
	}
}

func TestFrameUnknownBitsAreIgnored(t *testing.T) {
	poll, err := wire.ParsePoll([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0xf8, 0})
	if want := (wire.Poll{ID: 1}); err != nil || poll != want {
		t.Errorf("poll: %+v, %v", poll, err)
	}
	set, err := wire.ParseLocatorSet([]byte{0, 0, 0, 0, 1, 4, 0xfc, 0, 0, 0, 1, 192, 0, 2, 1})
	if err != nil || set.Locators.All()[0].Deprecated {
		t.Errorf("locator set: %+v, %v", set, err)
	}
	if f, err := wire.ParseControl([]byte{0x2f, 0}); err != nil || !bytes.Equal(f, []byte{0}) {
		t.Errorf("control: % x, %v", f, err)
	}
}

func TestFramesIterate(t *testing.T) {
	b := wire.AppendControl(nil)
	b = wire.Close{Reason: 1}.AppendTo(b)
	b = append(b, 99, 0, 2, 7, 7) // a frame of the future
	b = wire.AppendPadding(b, 3)
	b = append(b, 98, 0, 0) // another, empty
	b = wire.LocatorAck{Sequence: 4}.AppendTo(b)
	b = wire.AppendPadding(b, 1)

	type item struct {
		typ  wire.FrameType
		body string
	}
	want := []item{
		{wire.FrameClose, "\x01"}, {99, "\x07\x07"}, {wire.FramePadding, "\x00\x00\x00"}, {98, ""},
		{wire.FrameLocatorAck, "\x00\x00\x00\x04"}, {wire.FramePadding, "\x00"},
	}
	var got []item
	f, err := wire.ParseControl(b)
	if err != nil {
		t.Fatal(err)
	}
	for len(f) > 0 {
		typ, body, rest, err := f.Next()
		if err != nil {
			t.Fatal(err)
		}
		if cap(body) != len(body) {
			t.Errorf("the body of %v can grow into what follows", typ)
		}
		got = append(got, item{typ, string(body)})
		f = rest
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFramesErrors(t *testing.T) {
	tests := []struct {
		b    string
		text string
	}{
		{"", "wire: frame header truncated: 0 of 3 bytes"},
		{"\x04\x00", "wire: frame header truncated: 2 of 3 bytes"},
		{"\x04\x00\x0a1234", "wire: poll frame truncated: 7 of 13 bytes"},
		{"\x63\xff\xff", "wire: unknown (99) frame truncated: 3 of 65538 bytes"},
	}
	for _, test := range tests {
		_, _, rest, err := wire.Frames(test.b).Next()
		if !errors.Is(err, wire.ErrTruncated) || err.Error() != test.text || len(rest) != 0 {
			t.Errorf("%q: error %v, rest %q; want %s", test.b, err, rest, test.text)
		}
	}
	if _, err := wire.ParseControl(nil); !errors.Is(err, wire.ErrTruncated) {
		t.Errorf("empty control: %v", err)
	}
	if _, err := wire.ParseControl([]byte{0x60}); !errors.Is(err, wire.ErrKind) {
		t.Errorf("control of another kind: %v", err)
	}
}

func TestFramesDoNotAllocate(t *testing.T) {
	var b []byte
	for _, test := range frames {
		b = test.f.AppendTo(b)
	}
	buf := make([]byte, 0, 256)
	poll := wire.Poll{ID: 1, OK: okList(wire.OK{ID: 2})}
	allocs := testing.AllocsPerRun(100, func() {
		for f := wire.Frames(b); len(f) > 0; {
			typ, body, rest, err := f.Next()
			if err != nil {
				t.Error(err)
				return
			}
			if typ == wire.FramePoll {
				if _, err := wire.ParsePoll(body); err != nil {
					t.Error(err)
				}
			}
			f = rest
		}
		buf = wire.AppendPadding(poll.AppendTo(buf[:0]), 100)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestAppendPadding(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 300} {
		dirty := bytes.Repeat([]byte{0xff}, 10)
		got := wire.AppendPadding(dirty[:2], n)
		if want := append([]byte{0xff, 0xff}, make([]byte, max(0, n))...); !bytes.Equal(got, want) {
			t.Errorf("%d: % x", n, got)
		}
	}
}

func TestDurationsSaturate(t *testing.T) {
	const most = math.MaxUint32 * time.Microsecond
	for held, want := range map[time.Duration]time.Duration{
		-time.Second: 0, 0: 0, 999: 0, 1999: time.Microsecond, most: most, most + time.Microsecond: most, math.MaxInt64: most, math.MinInt64: 0,
	} {
		b := wire.Report{Tag: 1, Held: held}.AppendTo(nil)
		r, err := wire.ParseReport(b[wire.FrameHeaderLen:])
		if err != nil || r.Held != want {
			t.Errorf("%v came back as %v, want %v (%v)", held, r.Held, want, err)
		}
	}
}
