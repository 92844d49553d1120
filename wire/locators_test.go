package wire_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/multi6/multi6/wire"
)

func TestLocatorAddresses(t *testing.T) {
	tests := []struct {
		addr netip.AddrPort
		ok   bool
	}{
		{netip.MustParseAddrPort("192.0.2.1:1"), true},
		{netip.MustParseAddrPort("127.0.0.1:65535"), true},
		{netip.MustParseAddrPort("[2001:db8::1]:6110"), true},
		{netip.MustParseAddrPort("[fe80::1]:6110"), true},
		{netip.AddrPort{}, false},
		{netip.MustParseAddrPort("192.0.2.1:0"), false},
		{netip.MustParseAddrPort("[2001:db8::1]:0"), false},
		{netip.MustParseAddrPort("0.0.0.0:6110"), false},
		{netip.MustParseAddrPort("[::]:6110"), false},
		{netip.MustParseAddrPort("224.0.0.1:6110"), false},
		{netip.MustParseAddrPort("[ff02::1]:6110"), false},
		{netip.MustParseAddrPort("[::ffff:192.0.2.1]:6110"), false},
		{netip.MustParseAddrPort("[fe80::1%eth0]:6110"), false},
	}
	for _, test := range tests {
		var l wire.LocatorList
		err := l.Add(wire.Locator{AddrPort: test.addr})
		if test.ok != (err == nil) || test.ok != (len(l.All()) == 1) || err != nil && !errors.Is(err, wire.ErrAddress) {
			t.Errorf("Add %v: %v", test.addr, err)
		}
		if !test.addr.IsValid() || test.addr.Addr().Zone() != "" {
			continue // has no spelling on the wire
		}
		_, err = wire.ParseLocatorSet(locatorSetBody(test.addr))
		if test.ok != (err == nil) || err != nil && !errors.Is(err, wire.ErrAddress) {
			t.Errorf("Parse %v: %v", test.addr, err)
		}
	}
}

// locatorSetBody encodes a LocatorSet of one address, good or bad.
func locatorSetBody(a netip.AddrPort) []byte {
	family := byte(6)
	if a.Addr().Is4() {
		family = 4
	}
	b := []byte{0, 0, 0, 1, 1, family, 0, 0, 0, byte(a.Port() >> 8), byte(a.Port())}
	return append(b, a.Addr().AsSlice()...)
}

func TestListsAreBounded(t *testing.T) {
	var set wire.LocatorSet
	var poll wire.Poll
	loc := wire.Locator{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:6110")}
	for i := range wire.MaxLocators {
		loc.Preference, loc.Link = uint8(i), uint8(255-i)
		if err := set.Locators.Add(loc); err != nil {
			t.Fatal(err)
		}
	}
	for i := range wire.MaxOK {
		if err := poll.OK.Add(wire.OK{ID: uint64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	fullSet, fullPoll := set, poll
	if err := set.Locators.Add(loc); !errors.Is(err, wire.ErrTooLong) || set != fullSet {
		t.Errorf("one locator too many: %v", err)
	}
	if err := poll.OK.Add(wire.OK{}); !errors.Is(err, wire.ErrTooLong) || poll != fullPoll {
		t.Errorf("one OK too many: %v", err)
	}
	// Full lists travel.
	gotSet, err := wire.ParseLocatorSet(set.AppendTo(nil)[wire.FrameHeaderLen:])
	if err != nil || gotSet != fullSet {
		t.Errorf("full set: %+v, %v", gotSet, err)
	}
	gotPoll, err := wire.ParsePoll(poll.AppendTo(nil)[wire.FrameHeaderLen:])
	if err != nil || gotPoll != fullPoll {
		t.Errorf("full poll: %+v, %v", gotPoll, err)
	}
}

func TestParsedListsDoNotAliasInput(t *testing.T) {
	for _, test := range frames {
		body := bytes.Clone(test.b[wire.FrameHeaderLen:])
		f, err := parseFrame(test.typ, body)
		if err != nil {
			t.Fatal(err)
		}
		for i := range body {
			body[i] ^= 0xff
		}
		if f != test.f {
			t.Errorf("%s changed with its input", test.name)
		}
	}
}
