package shim

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/multi6/multi6/wire"
)

// openPart opens a datagram of a part with s, and returns the whole payload if it was the
// last to come.
func openPart(t interface{ Fatalf(string, ...any) }, s *Session, datagram []byte) ([]byte, Drop) {
	buf := append(make([]byte, Headroom), datagram...)
	payload, number, d := s.Open(time.Second, make([]byte, 0, len(datagram)), buf, Headroom, len(buf))
	if d != DropNone || wire.Kind(payload[0]>>4) != wire.KindPart {
		t.Fatalf("no part: %v, % x", d, payload)
	}
	return s.Assemble(number, payload)
}

// A packet of any length travels in parts, none too long, and is whole again in whatever
// order they come; while parts of others come, too.
func TestPartsProperties(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	rapid.Check(t, func(t *rapid.T) {
		var all [][]byte
		want := map[string]int{}
		for range rapid.IntRange(1, 4).Draw(t, "packets") {
			room := rapid.IntRange(100, 9000).Draw(t, "room")
			data := bytes.Repeat([]byte{byte(len(want))}, rapid.IntRange(0, min(65000, wire.MaxParts*(room-60))).Draw(t, "data"))
			pkt := ipv6(59, netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer), data)
			if rapid.Bool().Draw(t, "IPv4") {
				pkt = ipv4(200, 0, 0, data)
			}
			buf := append(make([]byte, Headroom), pkt...)
			datagrams, d := a.SealParts(buf, Headroom, len(buf), false, room)
			if d != DropNone {
				t.Fatalf("%d bytes do not go in parts of %d: %v", len(pkt), room, d)
			}
			for _, d := range datagrams {
				if len(d) > room {
					t.Errorf("a part of %d bytes, room for %d", len(d), room)
				}
			}
			all = append(all, datagrams...)
			want[string(pkt)]++
		}
		rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed"))).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, d := range all {
			whole, drop := openPart(t, b, d)
			if drop != DropNone {
				t.Fatalf("%v", drop)
			}
			if whole == nil {
				continue
			}
			buf := append(make([]byte, Headroom), whole...)
			o, drop := b.Restore(buf, Headroom, len(buf), 0)
			got := string(buf[o.From:o.To])
			if drop != DropNone || want[got] == 0 {
				t.Fatalf("another packet came of %d bytes: %v", len(got), drop)
			}
			want[got]--
		}
		for pkt, n := range want {
			if n > 0 {
				t.Errorf("a packet of %d bytes did not come", len(pkt))
			}
		}
	})
}

// What takes too many parts is not sent.
func TestTooManyParts(t *testing.T) {
	a, _ := sessionsOf(t, wire.AES256GCM)
	pkt := ipv4(200, 0, 0, make([]byte, 8*1000))
	buf := append(make([]byte, Headroom), pkt...)
	if _, d := a.SealParts(buf, Headroom, len(buf), false, 1000); d != DropOversize {
		t.Errorf("more than eight parts: %v", d)
	}
	a.next.Store(rejectNumbers - 1)
	if _, d := a.SealParts(buf, Headroom, Headroom+1000, false, 500); d != DropNoSession {
		t.Errorf("no numbers left: %v", d)
	}
}

// Parts that a peer should not send are dropped, and what is lost does not pile up.
func TestBadParts(t *testing.T) {
	_, s := sessionsOf(t, wire.AES256GCM)
	for name, c := range map[string]struct {
		number uint64
		part   []byte
	}{
		"empty":                {5, wire.Part{}.AppendTo(nil)},
		"before the first":     {2, append(wire.Part{Index: 3}.AppendTo(nil), 1)},
		"control in parts":     {6, append(wire.Part{}.AppendTo(nil), byte(wire.KindControl)<<4)},
		"parts in parts":       {7, append(wire.Part{}.AppendTo(nil), byte(wire.KindPart)<<4)},
		"longer than a packet": {8, append(wire.Part{}.AppendTo(nil), bytes.Repeat([]byte{0x60}, maxSuper+1)...)},
	} {
		if whole, d := s.Assemble(c.number, c.part); whole != nil || d != DropMalformed {
			t.Errorf("%s: %d bytes, %v", name, len(whole), d)
		}
	}
	for i := range uint64(100) {
		if whole, d := s.Assemble(100+10*i, append(wire.Part{More: true}.AppendTo(nil), 0x60)); whole != nil || d != DropNone {
			t.Errorf("half a packet: %v, %v", whole, d)
		}
	}
	// More than a packet can be, in parts that are each well: nothing of it is kept.
	for i := range wire.MaxParts {
		part := append(wire.Part{Index: i, More: true}.AppendTo(nil), bytes.Repeat([]byte{0x60}, maxSuper/4)...)
		whole, d := s.Assemble(1500+uint64(i), part)
		if want := i == 4; whole != nil || (d == DropMalformed) != want {
			t.Errorf("part %d of too many bytes: %v", i, d)
		}
	}
	for i, a := range s.assemblies.Load().slots {
		size := 0
		for _, part := range a.parts {
			size += len(part)
		}
		if size > maxSuper {
			t.Errorf("assembly %d holds %d bytes", i, size)
		}
	}
	// Two ends of one packet.
	s.Assemble(2000, append(wire.Part{More: true}.AppendTo(nil), 0x61))
	s.Assemble(2002, append(wire.Part{Index: 2}.AppendTo(nil), 3))
	if whole, _ := s.Assemble(2001, append(wire.Part{Index: 1}.AppendTo(nil), 2)); len(whole) > 2 {
		t.Errorf("% x", whole)
	}
}

// TestPartsAtRest: a session at rest holds no part of a packet whose others are lost.
func TestPartsAtRest(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	pkt := ipv4(200, 0, 0, make([]byte, 2000))
	parts := func() [][]byte {
		buf := append(make([]byte, Headroom), pkt...)
		ds, d := a.SealParts(buf, Headroom, len(buf), false, 1500)
		if d != DropNone || len(ds) != 2 {
			t.Fatalf("%d parts: %v", len(ds), d)
		}
		return ds
	}
	openPart(t, b, parts()[0])
	b.window.Store(nil)
	b.opener.rest()
	if !b.holds() {
		t.Error("a part is nothing to give back")
	}
	b.rest()
	if b.holds() || b.assemblies.Load() != nil {
		t.Error("a session at rest holds a part")
	}
	openPart(t, b, parts()[0])
	ds := parts()
	openPart(t, b, ds[0])
	if whole, d := openPart(t, b, ds[1]); len(whole) == 0 || d != DropNone {
		t.Errorf("after the rest no packet comes in parts: %v", d)
	}
}

// TestMayPart: what its sender could make shorter has to be so.
func TestMayPart(t *testing.T) {
	a, b := netip.AddrFrom16([16]byte{0xfd, 1}), netip.AddrFrom16([16]byte{0xfd, 2})
	for name, c := range map[string]struct {
		pkt  []byte
		want bool
	}{
		"IPv6, 1280 bytes":     {ipv6(17, a, b, make([]byte, 1240)), true},
		"IPv6, 1281 bytes":     {ipv6(17, a, b, make([]byte, 1241)), false},
		"IPv4":                 {ipv4(17, 0, 0, make([]byte, 5000)), true},
		"IPv4, don't fragment": {ipv4(17, dontFragment, 0, make([]byte, 100)), false},
		"IPv4, a fragment":     {ipv4(17, 0x2001, 0, make([]byte, 5000)), true},
	} {
		if got := MayPart(c.pkt); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
