package shim

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/wire"
)

func TestDropNames(t *testing.T) {
	seen := map[string]Drop{}
	for d := range NumDrops {
		s := d.String()
		if o, again := seen[s]; again || s == "" {
			t.Errorf("reason %d is called %q, as is %d", d, s, o)
		}
		seen[s] = d
	}
	if s := NumDrops.String(); s != "drop(22)" {
		t.Errorf("an unknown reason is called %q", s)
	}
	for k := EventState; k <= EventClose; k++ {
		if s := k.String(); s == "" || s[len(s)-1] == ')' {
			t.Errorf("event %d is called %q", uint8(k), s)
		}
	}
	if EventKind(0).String() != "event(0)" || EventKind(99).String() != "event(99)" {
		t.Error("unknown events")
	}
}

func TestCheckInner(t *testing.T) {
	a, b := innerAddrs[0], innerAddrs[1]
	v6, v4, v4options := ipv6(17, a, b, udpBytes("x")), ipv4(17, 0, 0, udpBytes("x")), ipv4(17, 0, 10, nil)
	change := func(p []byte, i int, v byte) []byte {
		c := append([]byte(nil), p...)
		c[i] = v
		return c
	}
	for _, c := range []struct {
		name string
		pkt  []byte
		ok   bool
	}{
		{"nothing", nil, false},
		{"one byte", []byte{0x60}, false},
		{"IPv6", v6, true},
		{"IPv6 without payload", ipv6(59, a, b, nil), true},
		{"IPv6 cut short", v6[:39], false},
		{"IPv6, one byte less", v6[:len(v6)-1], false},
		{"IPv6, one byte more", append(v6[:len(v6):len(v6)], 0), false},
		{"IPv6, wrong length", change(v6, 5, 1), false},
		{"IPv4", v4, true},
		{"IPv4 with options", v4options, true},
		{"IPv4 cut short", v4[:19], false},
		{"IPv4, one byte less", v4[:len(v4)-1], false},
		{"IPv4, one byte more", append(v4[:len(v4):len(v4)], 0), false},
		{"IPv4, header of 4 words", change(v4, 0, 0x44), false},
		{"IPv4, header longer than the packet", change(v4, 0, 0x4f), false},
		{"version 5", change(v4, 0, 0x55), false},
		{"version 0", change(v6, 0, 0), false},
	} {
		if got := CheckInner(c.pkt) == DropNone; got != c.ok {
			t.Errorf("%s: accepted %v", c.name, got)
		}
	}
}

// What CheckInner accepts, the rest can work on.
func FuzzCheckInner(f *testing.F) {
	f.Add(ipv6(6, innerAddrs[0], innerAddrs[1], data(1, 5).bytes()))
	f.Add(ipv4(6, 0, 3, data(1, 5).bytes()))
	f.Add(ipv4(6, 0x2000, 10, nil))
	a, b := sessionsOf(f, wire.ChaCha20Poly1305)
	term, m := &Term{}, &Marks{}
	f.Fuzz(func(t *testing.T, pkt []byte) {
		if CheckInner(pkt) != DropNone {
			return
		}
		length := int(binary.BigEndian.Uint16(pkt[2:]))
		if pkt[0]>>4 == 6 {
			length = 40 + int(binary.BigEndian.Uint16(pkt[4:]))
		}
		if len(pkt) != length {
			t.Fatalf("%d bytes, but the header says %d", len(pkt), length)
		}
		if s, ok := parseSegment(pkt, false); ok && int(s.length) > len(pkt) {
			t.Fatalf("a segment of %d bytes in %d", s.length, len(pkt))
		}
		term.Sent(1, m, a, pkt, 1)
		term.Received(2, m, pkt)
		got, _, drop := opened(b, sealed(t, a, pkt))
		if drop != DropNone || string(got) != string(pkt) {
			t.Fatalf("%v: %x comes as %x", drop, pkt, got)
		}
	})
}

// Frames that are malformed are dropped and counted; those before were acted on.
func TestMalformedFrames(t *testing.T) {
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	short := func(typ wire.FrameType, n byte) []byte { return append([]byte{byte(typ), 0, n}, make([]byte, n)...) }
	for _, c := range []struct {
		name   string
		frames []byte
		want   Drop
	}{
		{"none", nil, DropNone},
		{"padding", make([]byte, 5), DropNone},
		{"unknown", []byte{99, 0, 2, 1, 2}, DropNone},
		{"params, which belong in an Open", wire.Params{Tag: 4}.AppendTo(nil), DropNone},
		{"header cut short", []byte{4, 0}, DropMalformed},
		{"longer than the datagram", cut(wire.Poll{ID: 1}.AppendTo(nil)), DropMalformed},
		{"short Poll", short(wire.FramePoll, 3), DropMalformed},
		{"short Report", short(wire.FrameReport, 3), DropMalformed},
		{"short LocatorSet", short(wire.FrameLocatorSet, 3), DropMalformed},
		{"short LocatorAck", short(wire.FrameLocatorAck, 3), DropMalformed},
		{"short Close", short(wire.FrameClose, 0), DropMalformed},
		{"Report of an unknown tag", wire.Report{Tag: 0xabcdef, Largest: 1}.AppendTo(nil), DropNone},
		{"acknowledgement of nothing", wire.LocatorAck{Sequence: 1}.AppendTo(nil), DropNone},
	} {
		w := newWorld(t, setup{})
		w.open()
		path := w.b.path
		if d := w.a.tell(c.frames); d != c.want {
			t.Errorf("%s: %v, want %v", c.name, d, c.want)
		}
		if w.b.path != path {
			t.Errorf("%s: the path changed", c.name)
		}
		if d := w.a.tell(append(wire.LocatorSet{Sequence: w.b.c.remotes.sequence + 1}.AppendTo(nil), c.frames...)); d != c.want || len(w.b.c.remotes.set) != 0 {
			t.Errorf("%s: after a LocatorSet: %v, peer's locators %v", c.name, d, w.b.c.remotes.set)
		}
	}
}

// A fingerprint of what an unauthenticated datagram must not change.
type fingerprint struct {
	opened, sequence    uint64
	sessions, initiated int
	tags, sent, events  int
	path                *Path
	current             *Session
	largest, received   uint64
	remotes             int
	deadline            time.Time
}

func (h *host) fingerprint() fingerprint {
	c := h.c
	f := fingerprint{
		opened: c.opened, sequence: uint64(c.remotes.sequence), sessions: len(c.sessions.all), initiated: len(c.initiations),
		tags: len(h.tags), sent: len(h.sent), events: len(h.events), path: h.path, current: c.sessions.current,
		remotes: len(c.remotes.list()), deadline: c.Deadline(),
	}
	if s := c.sessions.current; s != nil {
		f.largest, f.received = s.largest.Load(), s.received.Load()
	}
	return f
}

// Whatever comes: no panic, and nothing changes by what is not authenticated.
// The first byte says which genuine datagram the rest is xored over, the second
// how much of that is kept.
func FuzzContext(f *testing.F) {
	w := newWorld(f, setup{})
	w.open()
	w.run(time.Second)
	genuine := [][]byte{nil}
	w.a.sent = nil
	w.fate = func(*flight) []time.Duration { return nil }
	w.a.send(w.a.udp("data"))
	w.a.c.now = w.now
	w.a.c.sendOpen1(w.a.pair(0, 0), 7, false)
	w.a.perform(w.a.c.leave())
	b, _ := w.a.path.Session.SealControl(wire.Poll{ID: 1, Answer: true}.AppendTo(nil))
	genuine = append(genuine, w.a.sent[0].datagram, w.a.lastSent(wire.Open1).datagram, b)
	// And an Open 2 that B waits for.
	w.b.c.now = w.now
	w.b.c.sendOpen1(w.b.pair(0, 0), 7, false)
	w.b.perform(w.b.c.leave())
	open1 := w.b.lastSent(wire.Open1).datagram
	o, _ := wire.ParseOpen(open1)
	in, err := ReadOpen1(w.a.id, w.random, open1, o)
	if err != nil {
		f.Fatal(err)
	}
	open2, _, err := in.writeOpen2(&PresharedKey{}, greeting{params: wire.Params{Tag: 9, Ciphers: wire.AES256GCM}})
	if err != nil {
		f.Fatal(err)
	}
	genuine = append(genuine, open2)
	for i := range genuine {
		f.Add(byte(i), byte(255), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
		f.Add(byte(i), byte(9), []byte{1})
		f.Add(byte(i), byte(255), []byte{0x10})
	}
	f.Add(byte(0), byte(0), open2)
	f.Add(byte(0), byte(0), make([]byte, 3000))
	f.Fuzz(func(t *testing.T, which, keep byte, noise []byte) {
		w.t = t
		g := genuine[int(which)%len(genuine)]
		d := append([]byte(nil), g[:len(g)*(int(keep)+1)/256]...)
		same := true
		for i, x := range noise {
			if i < len(d) {
				d[i] ^= x
			} else {
				d = append(d, x)
			}
		}
		for _, x := range genuine {
			// mac2 is not looked at; of an Open, nor is the number.
			if string(x) == string(d) || len(x) == len(d) && len(x) > 0 && x[0]>>4 != byte(wire.Transport) {
				same = false
			}
		}
		p := w.b.pair(0, 0)
		p.Remote = netip.AddrPortFrom(p.Remote.Addr(), 6110+uint16(which))
		before := w.b.fingerprint()
		if !same {
			// Perhaps genuine: it may act, but only once, so it is not fed here
			// unless it differs where it is authenticated.
			h, err := wire.ParseHeader(d)
			if err != nil || h.Type == wire.Transport {
				return
			}
			for _, x := range genuine {
				if len(x) == len(d) && string(x[8:max(8, len(x)-16)]) == string(d[8:max(8, len(d)-16)]) {
					return
				}
			}
		}
		if drop := w.b.receive(p, d); drop == DropNone {
			t.Fatalf("accepted: %x", d)
		}
		if after := w.b.fingerprint(); after != before {
			t.Fatalf("%x changed\n%+v to\n%+v", d, before, after)
		}
	})
}

// The frames of an authenticated peer may be nonsense, but must not break
// anything.
func FuzzControl(f *testing.F) {
	f.Add(wire.Poll{ID: 1, Answer: true, Move: true}.AppendTo(nil))
	f.Add(wire.Report{Tag: 0x102, Largest: 3, Received: 4}.AppendTo(nil))
	f.Add(set(1<<31, localsA...).AppendTo(nil))
	f.Add(set(1 << 30).AppendTo(nil))
	f.Add(wire.Close{}.AppendTo(wire.LocatorAck{Sequence: 1}.AppendTo(nil)))
	f.Fuzz(func(t *testing.T, frames []byte) {
		w := newWorld(t, setup{})
		w.open()
		w.a.tell(frames)
		w.run(time.Second)
		w.a.send(w.a.udp("x"))
		w.b.send(w.b.udp("x"))
		w.run(time.Second)
	})
}
