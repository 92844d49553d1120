package shim

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/wire"
)

// sessionsOf returns the two ends of a session.
func sessionsOf(t testing.TB, c wire.Ciphers) (a, b *Session) {
	t.Helper()
	w := newWorld(t, setup{ciphersA: c, ciphersB: c})
	w.open()
	return w.a.c.sessions.current, w.b.c.sessions.current
}

func sealed(t testing.TB, s *Session, pkt []byte) []byte {
	t.Helper()
	buf := make([]byte, Headroom+len(pkt)+Tailroom)
	copy(buf[Headroom:], pkt)
	d, ok := s.SealPacket(buf, Headroom, Headroom+len(pkt), false)
	if !ok {
		t.Fatal("cannot seal")
	}
	return d
}

func opened(s *Session, datagram []byte) ([]byte, Opened, Drop) {
	buf := make([]byte, Headroom+len(datagram))
	copy(buf[Headroom:], datagram)
	o, d := s.OpenDatagram(time.Second, buf, Headroom, len(buf))
	return buf[o.From:o.To], o, d
}

var innerAddrs = [2]netip.Addr{netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:2::1")}

func TestSessionRoundTrip(t *testing.T) {
	for _, cipher := range []wire.Ciphers{wire.AES256GCM, wire.ChaCha20Poly1305} {
		a, b := sessionsOf(t, cipher)
		self, peer := netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer)
		for _, c := range []struct {
			name string
			pkt  []byte
			kind wire.Kind
			more int // bytes that the datagram is longer than the packet
		}{
			{"between identifiers", ipv6(17, self, peer, udpBytes("hello")), wire.KindRewritten, 8 + 6 + 16 - 40},
			{"without payload", ipv6(59, self, peer, nil), wire.KindRewritten, 8 + 6 + 16 - 40},
			{"long", ipv6(6, self, peer, make([]byte, 1400)), wire.KindRewritten, 8 + 6 + 16 - 40},
			{"longest", ipv6(6, self, peer, make([]byte, 65535)), wire.KindRewritten, 8 + 6 + 16 - 40},
			{"of another source", ipv6(17, innerAddrs[0], peer, udpBytes("x")), wire.KindIPv6, 8 + 16},
			{"to another destination", ipv6(17, self, innerAddrs[1], udpBytes("x")), wire.KindIPv6, 8 + 16},
			{"the wrong way round", ipv6(17, peer, self, udpBytes("x")), wire.KindIPv6, 8 + 16},
			{"IPv4", ipv4(17, 0, 0, udpBytes("x")), wire.KindIPv4, 8 + 16},
			{"IPv4 with options", ipv4(17, 0, 10, udpBytes("x")), wire.KindIPv4, 8 + 16},
		} {
			d := sealed(t, a, c.pkt)
			if n := len(d) - len(c.pkt); n != c.more {
				t.Errorf("%s: %d bytes more, want %d", c.name, n, c.more)
			}
			// The outer IPv6 and UDP headers come on top.
			if c.kind == wire.KindRewritten && len(d)+40+8 != len(c.pkt)+38 {
				t.Errorf("%s: the overhead is not 38 bytes", c.name)
			}
			if len(c.pkt) > 60 && bytes.Contains(d, c.pkt[len(c.pkt)-16:]) {
				t.Errorf("%s: not encrypted", c.name)
			}
			got, o, drop := opened(b, d)
			if drop != DropNone || o.Kind != c.kind || !bytes.Equal(got, c.pkt) {
				t.Errorf("%s: %v, kind %v, %x", c.name, drop, o.Kind, got)
			}
			if _, _, drop := opened(b, d); drop != DropReplayed {
				t.Errorf("%s: the second time it is %v", c.name, drop)
			}
			if _, _, drop := opened(a, d); drop != DropForged {
				t.Errorf("%s: sent back it is %v", c.name, drop)
			}
		}
	}
}

// A packet is made into a datagram and back where it lies.
func TestSessionWorksInPlace(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	for _, pkt := range [][]byte{
		ipv6(17, netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer), udpBytes("hello")),
		ipv4(17, 0, 0, udpBytes("hello")),
	} {
		buf := make([]byte, Headroom+len(pkt)+Tailroom)
		copy(buf[Headroom:], pkt)
		allocs := testing.AllocsPerRun(10, func() {
			copy(buf[Headroom:], pkt)
			d, ok := a.SealPacket(buf, Headroom, Headroom+len(pkt), false)
			if !ok || &d[len(d)-1] != &buf[len(buf)-1] {
				t.Fatal("the datagram is elsewhere")
			}
			from := len(buf) - len(d)
			o, drop := b.OpenDatagram(time.Second, buf, from, len(buf))
			if drop != DropNone || o.From != Headroom || o.To != Headroom+len(pkt) {
				t.Fatalf("%v, at %d to %d", drop, o.From, o.To)
			}
		})
		if allocs > 0 {
			t.Errorf("%v allocations", allocs)
		}
	}
}

func TestSessionControl(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	frames := wire.LocatorAck{Sequence: 7}.AppendTo(nil)
	d, ok := a.SealControl(frames)
	if !ok {
		t.Fatal("cannot seal")
	}
	got, o, drop := opened(b, d)
	if drop != DropNone || o.Kind != wire.KindControl || !bytes.Equal(got, frames) {
		t.Errorf("%v, kind %v, %x", drop, o.Kind, got)
	}
}

func TestSessionForged(t *testing.T) {
	a, b := sessionsOf(t, wire.ChaCha20Poly1305)
	d := sealed(t, a, ipv6(17, netip.AddrFrom16(a.self), netip.AddrFrom16(a.peer), udpBytes("hello")))
	largest, received := b.largest.Load(), b.received.Load()
	for i := range d {
		for _, bit := range []byte{1, 0x80} {
			f := bytes.Clone(d)
			f[i] ^= bit
			if _, _, drop := opened(b, f); drop == DropNone {
				t.Errorf("byte %d changed: accepted", i)
			}
		}
	}
	for n := range d {
		want := DropForged
		if n < wire.MinTransportLen {
			want = DropMalformed
		}
		if _, _, drop := opened(b, d[:n]); drop != want {
			t.Errorf("cut to %d bytes: %v, want %v", n, drop, want)
		}
	}
	if _, _, drop := opened(b, append(bytes.Clone(d), 0)); drop != DropForged {
		t.Errorf("one byte longer: %v", drop)
	}
	if b.largest.Load() != largest || b.received.Load() != received {
		t.Error("forgeries left a trace")
	}
	if _, _, drop := opened(b, d); drop != DropNone {
		t.Errorf("then the genuine one is %v", drop)
	}
}

func TestSessionReordering(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	first := a.next.Load()
	pkt := ipv4(17, 0, 0, udpBytes("x"))
	const window = 8000 // that wide at least
	var ds [][]byte
	for range window + 400 {
		ds = append(ds, sealed(t, a, pkt))
	}
	check := func(n int, want Drop) {
		t.Helper()
		_, o, drop := opened(b, ds[n])
		if drop != want {
			t.Errorf("packet %d is %v, want %v", n, drop, want)
		}
		if drop == DropNone && o.Number != first+uint64(n) {
			t.Errorf("packet %d has number %d", n, o.Number)
		}
	}
	check(5, DropNone)
	check(4, DropNone)
	check(window, DropNone)
	check(window-1, DropNone)
	check(1, DropNone) // late, but within the window
	check(1, DropReplayed)
	check(window, DropReplayed)
	check(len(ds)-1, DropNone)
	check(2, DropReplayed) // too old
	check(len(ds)-window, DropNone)
}

// One space of numbers for all pairs and kinds: no number is ever used twice.
func TestNumbersAreSharedOverPairs(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	seen := map[uint32]bool{}
	w.chat(200*time.Millisecond, 10*time.Millisecond)
	w.a.perform(w.a.c.Want(w.now, w.a.pair(1, 1), nil))
	w.chat(200*time.Millisecond, 10*time.Millisecond)
	if w.a.path.Pair != w.a.pair(1, 1) {
		t.Fatalf("A did not switch: %v", w)
	}
	pairs := map[netip.AddrPort]bool{}
	for _, f := range w.a.sent {
		h, _ := wire.ParseHeader(f.datagram)
		if f.kind() != wire.Transport || h.Tag != w.a.path.Session.remote {
			continue
		}
		pairs[f.dst] = true
		if seen[h.Number] && w.a.path.Second.Pair.IsValid() {
			t.Errorf("number %d was sent twice", h.Number)
		}
		seen[h.Number] = true
	}
	if len(pairs) < 2 || w.b.drops[DropForged] > 0 {
		t.Errorf("%d pairs; %v", len(pairs), w)
	}
}

// Numbers are 64 bits wide inside; what travels is put back together.
func TestNumbersAreExpanded(t *testing.T) {
	pkt := ipv4(17, 0, 0, udpBytes("x"))
	for _, numbers := range [][]uint64{
		{1<<31 - 2, 1<<31 - 1, 1 << 31, 1<<31 + 1},
		{1 << 20, 1<<32 - 3, 1<<32 - 2, 1<<32 - 1},
		{1<<31 + 5, 1<<31 + 3, 1<<32 - 1},
	} {
		a, b := sessionsOf(t, wire.AES256GCM)
		// Up to there in steps: the peer's view may be at most half of 2^32 off.
		for n := uint64(0); n < numbers[0]; n += 1 << 30 {
			a.next.Store(max(n, 100))
			opened(b, sealed(t, a, pkt))
		}
		for _, n := range numbers {
			a.next.Store(n)
			if _, o, drop := opened(b, sealed(t, a, pkt)); drop != DropNone || o.Number != n {
				t.Errorf("number %d comes as %d: %v", n, o.Number, drop)
			}
		}
	}
}

func TestSessionLimit(t *testing.T) {
	a, b := sessionsOf(t, wire.AES256GCM)
	pkt := ipv4(17, 0, 0, udpBytes("x"))
	a.next.Store(1 << 31)
	opened(b, sealed(t, a, pkt))
	a.next.Store(rejectNumbers - 1)
	if !a.usable(start) {
		t.Error("the last number counts as used")
	}
	if _, _, drop := opened(b, sealed(t, a, pkt)); drop != DropNone {
		t.Errorf("the last packet is %v", drop)
	}
	buf := make([]byte, Headroom+len(pkt)+Tailroom)
	copy(buf[Headroom:], pkt)
	for range 3 {
		if _, ok := a.SealPacket(buf, Headroom, Headroom+len(pkt), false); ok {
			t.Error("a number was sealed with that the cipher does not allow")
		}
		if _, ok := a.SealControl(nil); ok {
			t.Error("a control datagram too")
		}
	}
	if a.usable(start) {
		t.Error("the session counts as usable")
	}
}

// A peer can seal nonsense; it is dropped and counted.
func TestAuthenticNonsense(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload []byte
	}{
		{"kind zero", []byte{0}},
		{"unknown kind", []byte{0x50, 1, 2, 3}},
		{"inner header cut short", []byte{0x10, 0, 0, 0, 17}},
		{"IPv4 with a wrong length", append([]byte{0x45, 0, 0, 99}, make([]byte, 16)...)},
		{"IPv4 cut short", []byte{0x45}},
		{"IPv6 cut short", append([]byte{0x60}, make([]byte, 38)...)},
		{"IPv6 with a wrong length", append([]byte{0x60, 0, 0, 0, 0, 9}, make([]byte, 34)...)},
		{"rewritten, too long", append([]byte{0x10}, make([]byte, 5+65536)...)},
	} {
		a, b := sessionsOf(t, wire.AES256GCM)
		buf := make([]byte, Headroom+wire.HeaderLen+len(c.payload)+Tailroom)
		copy(buf[Headroom+wire.HeaderLen:], c.payload)
		d, _ := a.seal(buf, Headroom, Headroom+wire.HeaderLen+len(c.payload))
		if _, _, drop := opened(b, d); drop != DropMalformed {
			t.Errorf("%s: %v", c.name, drop)
		}
	}
}

// Rekeying loses nothing: what was sealed with the old keys and is on its way
// still counts.
func TestRekeyWithoutLoss(t *testing.T) {
	for _, by := range []string{"age", "numbers"} {
		t.Run(by, func(t *testing.T) {
			w := newWorld(t, setup{})
			w.open()
			old := w.a.path.Session
			if by == "numbers" {
				for n := uint64(1 << 30); n < rekeyNumbers; n += 1 << 30 {
					old.next.Store(n)
					w.a.send(w.a.udp("skip"))
					w.run(50 * time.Millisecond)
				}
				old.next.Store(rekeyNumbers - 10)
				w.a.got, w.b.got = nil, nil
			}
			// Every third packet takes its time.
			n, sent := 0, 0
			w.fate = func(*flight) []time.Duration {
				if n++; n%3 == 0 {
					return []time.Duration{150 * time.Millisecond}
				}
				return []time.Duration{oneWay}
			}
			limit := rekeyAfter + 5*time.Second
			if by == "numbers" {
				limit = 20 * time.Second
			}
			for end := w.now.Add(limit); w.now.Before(end); {
				w.a.send(w.a.udp(fmt.Sprint("packet ", sent)))
				w.b.send(w.b.udp(fmt.Sprint("packet ", sent)))
				sent++
				w.run(40 * time.Millisecond)
			}
			w.run(time.Second)
			if w.a.path.Session == old {
				t.Fatal("no new session")
			}
			w.settled("after rekeying")
			for _, h := range []*host{w.a, w.b} {
				if n := h.distinct(); n < sent {
					t.Errorf("%s got %d of %d packets: %v", h.name, n, sent, w)
				}
			}
			if n := w.a.count(EventSession); n != 1 {
				t.Errorf("%d sessions came into use, want 1", n)
			}
		})
	}
}

// An Open that is lost is sent again, a second later and not at once.
func TestRekeyRetries(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	opens := 0
	w.fate = func(f *flight) []time.Duration {
		if f.kind() == wire.Open1 {
			if opens++; opens <= 3 {
				return nil
			}
		}
		return []time.Duration{oneWay}
	}
	w.chat(rekeyAfter+10*time.Second, 50*time.Millisecond)
	if opens != 4 {
		t.Errorf("%d Opens, want 4", opens)
	}
	w.settled("in the end")
}

func TestRekeyOnlyByActivity(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(rekeyAfter + 30*time.Second)
	if n := len(w.a.sent) + len(w.b.sent); n > 2 {
		t.Errorf("%d datagrams in silence", n)
	}
	old := w.a.path.Session
	w.a.send(w.a.udp("x"))
	w.run(time.Second)
	if w.a.path == nil || w.a.path.Session == old {
		t.Error("activity does not rekey")
	}
}

// The responder's own choice of pair is its own: a rekeying Open over another
// pair does not change it.
func TestRekeyLeavesTheResponderItsPrimary(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.b.perform(w.b.c.Want(w.now, w.b.pair(1, 1), nil))
	w.chat(time.Second, 50*time.Millisecond)
	if w.b.path.Pair != w.b.pair(1, 1) {
		t.Fatalf("B did not switch: %v", w)
	}
	w.a.perform(w.a.c.Want(w.now, w.a.pair(0, 0), nil))
	w.chat(time.Second, 50*time.Millisecond)
	before := w.b.path.Pair
	if w.a.path.Pair == w.a.pair(1, 1) || before != w.b.pair(1, 1) {
		t.Fatalf("the ends do not have different pairs: %v", w)
	}
	old := w.b.path.Session
	w.chat(rekeyAfter, 50*time.Millisecond)
	if w.b.path.Session == old {
		t.Fatal("no rekey")
	}
	if w.b.path.Pair != before {
		t.Errorf("B's primary was %v, after the rekey it is %v", before, w.b.path.Pair)
	}
}

// A session ends when it is too old, though nobody answers; the next packet opens
// anew and is not lost.
func TestSessionExpiresAndReopens(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(rejectAfter + time.Second)
	if w.a.path != nil || w.b.path != nil || len(w.a.tags)+len(w.b.tags) > 0 {
		t.Fatalf("still there: %v", w)
	}
	w.open()
}

// The same while packets keep coming: they do not keep the context from opening
// again.
func TestSessionExpiresUnderSteadyTraffic(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.fate = func(*flight) []time.Duration { return nil }
	for range 1700 {
		w.a.send(w.a.udp("stream"))
		w.run(100 * time.Millisecond)
	}
	for range 4000 {
		w.a.send(w.a.udp("stream"))
		w.run(5 * time.Millisecond)
	}
	w.fate = nil
	w.b.got = nil
	for range 2000 {
		w.a.send(w.a.udp("stream"))
		w.run(5 * time.Millisecond)
		if len(w.b.got) > 0 {
			return
		}
	}
	t.Errorf("the world is well for 10 s, but nothing arrives: %v", w)
}

// The peer says goodbye in the middle of a stream, and comes back: the stream
// finds it.
func TestCloseUnderSteadyTraffic(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	for range 100 {
		w.a.send(w.a.udp("stream"))
		w.run(2 * time.Millisecond)
	}
	w.b.perform(w.b.c.Close(w.now, nil))
	w.b.restart()
	w.b.got = nil
	for range 2500 {
		w.a.send(w.a.udp("stream"))
		w.run(2 * time.Millisecond)
	}
	if len(w.b.got) == 0 {
		t.Errorf("5 s after the restart nothing arrives: %v", w)
	}
}

// A peer that opens again and again, and uses each session, does not have them pile up.
func TestSessionsAreBounded(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	for range 5 * maxUsed {
		w.a.c.rekey(w.a.path.Pair)
		w.a.perform(w.a.c.acts)
		w.run(10 * time.Millisecond)
		w.chat(20*time.Millisecond, 10*time.Millisecond)
	}
	for _, h := range []*host{w.a, w.b} {
		if n := len(h.c.sessions.all); n > maxUsed+maxUnused || h.c.sessions.current == nil {
			t.Errorf("%s has %d sessions", h.name, n)
		}
	}
	if !w.talk(time.Second) {
		t.Error("no packet gets through")
	}
}

func TestSessionExpiresByNumbersUnderTraffic(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	for n := uint64(1 << 30); n < rejectNumbers; n += 1 << 30 {
		w.a.path.Session.next.Store(n)
		w.a.send(w.a.udp("skip"))
		w.until(time.Second, w.idle)
		if w.a.c.sessions.current.next.Load() < 1<<30 {
			break // rekeyed already
		}
	}
	w.a.c.sessions.current.next.Store(rejectNumbers)
	if !w.talk(5 * time.Second) {
		t.Errorf("%v", w)
	}
}

func TestPeerRestarts(t *testing.T) {
	for _, who := range []string{"a", "b"} {
		for _, next := range []string{"a", "b", "both"} {
			w := newWorld(t, setup{})
			w.open()
			w.chat(5*time.Second, 50*time.Millisecond)
			if who == "a" {
				w.a.restart()
			} else {
				w.b.restart()
			}
			w.a.got, w.b.got = nil, nil
			ok := false
			for range 200 {
				if next != "b" {
					w.a.send(w.a.udp("a says"))
				}
				if next != "a" {
					w.b.send(w.b.udp("b says"))
				}
				w.run(50 * time.Millisecond)
				if ok = (next == "b" || len(w.b.got) > 0) && (next == "a" || len(w.a.got) > 0); ok {
					break
				}
			}
			if !ok {
				t.Errorf("%s restarts, then %s sends: not heard after 10 s: %v", who, next, w)
			}
		}
	}
}

func TestClose(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.a.perform(w.a.c.Close(w.now, nil))
	if len(w.a.sent) != 1 {
		t.Fatalf("Close sends %d datagrams", len(w.a.sent))
	}
	w.a.restart()
	w.run(time.Second)
	if w.b.path != nil || len(w.b.tags) > 0 || w.b.count(EventClose) != 1 || w.b.c.Status(w.now).Connected {
		t.Errorf("B: %v", w)
	}
	if n := len(w.b.sent); n > 0 {
		t.Errorf("B answers with %d datagrams", n)
	}
	// Without a path there is nobody to tell.
	w.b.perform(w.b.c.Close(w.now, nil))
	if len(w.b.sent) > 0 {
		t.Error("closing twice sends something")
	}
}

// A Close ends what was open when it was said, not what was opened since.
func TestLateCloseOfAnOldSession(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.fate = func(*flight) []time.Duration { return []time.Duration{300 * time.Millisecond} }
	w.a.perform(w.a.c.Close(w.now, nil))
	w.fate = nil
	w.a.restart()
	w.a.send(w.a.udp("again"))
	w.run(200 * time.Millisecond)
	if w.b.c.sessions.current.remote != w.a.c.sessions.current.local {
		t.Fatalf("not open anew: %v", w)
	}
	w.run(200 * time.Millisecond)
	if w.b.c.sessions.current == nil {
		t.Errorf("the old Close ended the new session: %v", w)
	}
}
