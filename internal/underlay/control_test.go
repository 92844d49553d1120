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
			Message{Local: netip.MustParseAddr("2001:db8::1"), Interface: 70000, TrafficClass: 0xb9},
		},
		{"IPv6 interface", true, Message{Interface: 3}, Message{Local: netip.IPv6Unspecified(), Interface: 3}},
		// What is sent as source comes back in the field before.
		{"IPv4 interface", false, Message{Interface: 3}, Message{Local: netip.IPv4Unspecified(), Interface: 3}},
		{"zone", true, Message{Local: netip.MustParseAddr("fe80::1%eth0"), Interface: 2}, Message{Local: netip.MustParseAddr("fe80::1"), Interface: 2}},
		{"IPv6 class alone", true, Message{TrafficClass: 2}, Message{TrafficClass: 2}},
		{"IPv4 class alone", false, Message{TrafficClass: 0xff}, Message{TrafficClass: 0xff}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.m.pair()
			got := Message{Segment: 7}
			parseControl(appendControl(make([]byte, 0, controlLen), c.is6, &p), &got)
			if got.pair() != c.want.pair() {
				t.Errorf("%+v, want %+v", got.pair(), c.want.pair())
			}
			if got.Segment != 7 {
				t.Errorf("segment size %d, want it left alone", got.Segment)
			}
		})
	}
}

// TestControlAgainstSyscall: the kernel's view of what is built, by the standard
// parser.
func TestControlAgainstSyscall(t *testing.T) {
	p := pair{local: netip.MustParseAddr("192.0.2.1"), by: 5, class: 0xb8}
	b := appendSegment(appendControl(make([]byte, 0, controlLen), false, &p), 1200)
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
	for local, is6 := range map[string]bool{"2001:db8::1": true, "192.0.2.1": false} {
		p := pair{local: netip.MustParseAddr(local), by: 5, class: 0xff}
		b := appendControl(make([]byte, 0, 2*controlLen), is6, &p)
		if all := appendSegment(b, 1200); len(all) > controlLen || len(all) != len(b)+segmentLen {
			t.Errorf("%d bytes, %d of them for the segment size; want at most %d and %d", len(all), len(all)-len(b), controlLen, segmentLen)
		}
	}
}

// received is control data as a kernel hands it over: destination, traffic class
// and segment size.
func received(is6 bool) []byte {
	b := make([]byte, 0, controlLen)
	if is6 {
		b = appendControl(b, true, &pair{local: netip.MustParseAddr("2001:db8::9"), by: 4, class: 0xb9})
	} else {
		b = appendMessage(b, unix.IPPROTO_IP, unix.IP_PKTINFO, []byte{4, 0, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9})
		b = appendMessage(b, unix.IPPROTO_IP, unix.IP_TOS, []byte{0xb9})
	}
	return appendMessage(b, unix.IPPROTO_UDP, unix.UDP_GRO, []byte{0xb0, 0x04, 0, 0})
}

func TestParseReceivedControl(t *testing.T) {
	for is6, want := range map[bool]string{true: "2001:db8::9", false: "192.0.2.9"} {
		var m Message
		parseControl(received(is6), &m)
		if m.Local.String() != want || m.Interface != 4 || m.TrafficClass != 0xb9 || m.Segment != 1200 {
			t.Errorf("%+v, want %s by 4, class 0xb9, in 1200", m, want)
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
		m := Message{Segment: -1}
		parseControl(b[:len(b):len(b)], &m)
		if !bytes.Equal(b, in) {
			t.Error("the input was changed")
		}
		if m.Segment < -1 || m.Segment > 65535 {
			t.Errorf("segment size %d", m.Segment)
		}
		if m.Buf != nil || m.Full != nil || m.Remote.IsValid() || m.Err != nil {
			t.Errorf("%+v: more than control data tells", m)
		}
	})
}
