package underlay

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestControlRoundTrip: packet info is laid out alike both ways (RFC 3542 §6.1),
// but for the two addresses of IPv4.
func TestControlRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name string
		is6  bool
		m    Message
		want Message
	}{
		{"nothing", true, Message{}, Message{}},
		{"IPv6 source", true, Message{Local: netip.MustParseAddr("2001:db8::1")}, Message{Local: netip.MustParseAddr("2001:db8::1")}},
		{
			"IPv6 source and interface", true,
			Message{Local: netip.MustParseAddr("2001:db8::1"), Interface: 70000, TrafficClass: 0xb9},
			Message{Local: netip.MustParseAddr("2001:db8::1"), Interface: 70000},
		},
		{"IPv6 interface", true, Message{Interface: 3}, Message{Local: netip.IPv6Unspecified(), Interface: 3}},
		// What is sent as source comes back in the field before.
		{"IPv4 interface", false, Message{Interface: 3}, Message{Local: netip.IPv4Unspecified(), Interface: 3}},
		{"zone", true, Message{Local: netip.MustParseAddr("fe80::1%eth0"), Interface: 2}, Message{Local: netip.MustParseAddr("fe80::1"), Interface: 2}},
		{"class alone", true, Message{TrafficClass: 2}, Message{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := appendControl(make([]byte, 0, controlLen), c.is6, &c.m, 0)
			var got Message
			segment := 7
			parseControl(b, &got, &segment)
			if got.Local != c.want.Local || got.Interface != c.want.Interface {
				t.Errorf("%v by %d, want %v by %d", got.Local, got.Interface, c.want.Local, c.want.Interface)
			}
			if segment != 7 {
				t.Errorf("segment size %d, want it left alone", segment)
			}
		})
	}
}

// TestControlAgainstSyscall: the kernel's view of what is built, by the standard
// parser.
func TestControlAgainstSyscall(t *testing.T) {
	m := Message{Local: netip.MustParseAddr("192.0.2.1"), Interface: 5, TrafficClass: 0xb8}
	b := appendControl(make([]byte, 0, controlLen), false, &m, 1200)
	got, err := unix.ParseSocketControlMessage(b)
	if err != nil || len(got) != 3 {
		t.Fatalf("%d messages, %v; want 3", len(got), err)
	}
	for i, want := range []struct {
		level, typ int32
		data       []byte
	}{
		{unix.IPPROTO_IP, unix.IP_PKTINFO, []byte{5, 0, 0, 0, 192, 0, 2, 1, 0, 0, 0, 0}},
		{unix.IPPROTO_IP, unix.IP_TOS, []byte{0xb8, 0, 0, 0}},
		{unix.IPPROTO_UDP, unix.UDP_SEGMENT, []byte{0xb0, 0x04}},
	} {
		if h := got[i].Header; h.Level != want.level || h.Type != want.typ || !bytes.Equal(got[i].Data[:len(want.data)], want.data) {
			t.Errorf("message %d: level %d, type %d, % x; want %+v", i, h.Level, h.Type, got[i].Data, want)
		}
	}
}

// TestControlFits: the most that one message can need.
func TestControlFits(t *testing.T) {
	m := Message{Local: netip.MustParseAddr("2001:db8::1"), Interface: 5, TrafficClass: 0xff}
	for _, is6 := range []bool{true, false} {
		if !is6 {
			m.Local = netip.MustParseAddr("192.0.2.1")
		}
		if b := appendControl(make([]byte, 0, controlLen), is6, &m, 1200); len(b) > controlLen {
			t.Errorf("%d bytes, more than %d", len(b), controlLen)
		}
	}
}

// received is control data as a kernel hands it over: destination and segment
// size.
func received(is6 bool) []byte {
	b := make([]byte, 0, controlLen)
	if is6 {
		b = appendControl(b, true, &Message{Local: netip.MustParseAddr("2001:db8::9"), Interface: 4}, 0)
	} else {
		b = appendMessage(b, unix.IPPROTO_IP, unix.IP_PKTINFO, []byte{4, 0, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9})
	}
	return appendMessage(b, unix.IPPROTO_UDP, unix.UDP_GRO, []byte{0xb0, 0x04, 0, 0})
}

func TestParseReceivedControl(t *testing.T) {
	for is6, want := range map[bool]string{true: "2001:db8::9", false: "192.0.2.9"} {
		var m Message
		segment := 0
		parseControl(received(is6), &m, &segment)
		if m.Local.String() != want || m.Interface != 4 || segment != 1200 {
			t.Errorf("%v by %d in %d bytes, want %s by 4 in 1200", m.Local, m.Interface, segment, want)
		}
	}
}

// FuzzParseControl: no input does harm, and none is read beyond its end.
func FuzzParseControl(f *testing.F) {
	for _, is6 := range []bool{true, false} {
		b := received(is6)
		f.Add(b)
		for n := range len(b) {
			f.Add(b[:n:n])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		var m Message
		segment := -1
		parseControl(b[:len(b):len(b)], &m, &segment)
		if !bytes.Equal(b, in) {
			t.Error("the input was changed")
		}
		if segment < -1 || segment > 65535 {
			t.Errorf("segment size %d", segment)
		}
		if m.Buf != nil || m.Remote.IsValid() || m.Err != nil {
			t.Errorf("%+v: more than control data tells", m)
		}
	})
}
