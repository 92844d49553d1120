package shim

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// The exchange, message by message, as the package comment tells it.
func TestOpenMessageByMessage(t *testing.T) {
	w := newWorld(t, setup{})
	a, b := w.a, w.b
	if n := w.next(); !n.IsZero() {
		t.Fatalf("something is due at %v though nobody wants anything", n)
	}

	a.send(a.udp("hello"))
	if len(a.sent) != 1 || a.sent[0].kind() != wire.Open1 || a.path != nil {
		t.Fatalf("the first packet leads to %v", w)
	}
	if n := len(a.sent[0].datagram); n < 512 {
		t.Errorf("Open 1 has %d bytes", n)
	}
	if bytes.Contains(a.sent[0].datagram, a.id.Public[:]) {
		t.Error("Open 1 shows who calls")
	}

	w.step(w.now.Add(oneWay)) // Open 1 arrives
	if len(b.sent) != 2 || b.sent[0].kind() != wire.Open2 || b.sent[1].kind() != wire.Transport || b.path != nil {
		t.Fatalf("Open 1 leads to %v", w)
	}
	if n, m := len(b.sent[0].datagram), len(a.sent[0].datagram); n > m {
		t.Errorf("Open 2 has %d bytes, Open 1 %d", n, m)
	}
	if !slices.Equal(b.c.remotes.list(), remotesOf(localsA)) {
		t.Errorf("B knows A's locators as %v", b.c.remotes.list())
	}

	w.step(w.now.Add(oneWay)) // Open 2 arrives
	if a.path == nil || a.path.Pair != a.pair(0, 0) || !a.path.Session.Used() {
		t.Fatalf("Open 2 leads to %v", w)
	}
	want := remotesOf(localsB)
	for i := range want {
		want[i].Link = uint8(i + 1) // each on an interface of its own
		want[i].Preference = 0      // as A was told
	}
	if !slices.Equal(a.c.remotes.list(), want) {
		t.Errorf("A knows B's locators as %v", a.c.remotes.list())
	}
	if len(a.sent) != 2 || a.ring.Waiting() != 0 {
		t.Fatalf("the packet that waited was not sent: %v", w)
	}

	w.run(time.Second)
	if b.path == nil || b.path.Pair != b.pair(0, 0) {
		t.Fatalf("B has no path: %v", w)
	}
	if len(b.got) != 1 || !bytes.Equal(b.got[0], a.udp("hello")) {
		t.Errorf("B got %x", b.got)
	}
	if a.path.Session.Tag() == b.path.Session.Tag() || a.path.Session.remote != b.path.Session.local || b.path.Session.remote != a.path.Session.local {
		t.Error("the ends use different sessions")
	}
	for _, h := range []*host{a, b} {
		for d := DropNone + 1; d < NumDrops; d++ {
			if h.drops[d] > 0 {
				t.Errorf("%s dropped %d for %v", h.name, h.drops[d], d)
			}
		}
		if h.count(EventSession) != 1 || h.count(EventSwitch) != 1 {
			t.Errorf("%s tells of %v", h.name, h.events)
		}
		if st := h.c.Status(w.now); !st.Connected || st.State != detect.PrimaryOperational || st.SessionAge <= 0 || len(st.Pairs) != 4 {
			t.Errorf("%s: status %+v", h.name, st)
		}
	}
	// Sealed from the first packet on.
	for _, h := range []*host{a, b} {
		for _, f := range h.sent {
			if bytes.Contains(f.datagram, []byte("hello")) || f.kind() != wire.Open1 && f.kind() != wire.Open2 && f.kind() != wire.Transport {
				t.Errorf("%s sent %x", h.name, f.datagram)
			}
		}
	}
}

func remotesOf(as []netip.Addr) (out []locator.Remote) {
	for _, a := range ports(as) {
		out = append(out, locator.Remote{Addr: a, Preference: locator.DefaultPreference, Vouched: true})
	}
	return out
}

// Silence is free: nothing is sent without need, and in the end nothing is due.
func TestIdleContextIsSilent(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	n := len(w.a.sent) + len(w.b.sent)
	w.run(time.Hour)
	if m := len(w.a.sent) + len(w.b.sent); m != n {
		t.Errorf("%d datagrams in an idle hour", m-n)
	}
	if next := w.next(); !next.IsZero() {
		t.Errorf("something is due at %v", next.Sub(w.now))
	}
	if w.a.path != nil || len(w.a.tags) != 0 || len(w.b.tags) != 0 {
		t.Errorf("sessions did not end: %v", w)
	}
	w.open() // and the next packet opens anew
}

func TestOpenCiphers(t *testing.T) {
	const both = wire.AES256GCM | wire.ChaCha20Poly1305
	for _, c := range []struct {
		name  string
		a, b  wire.Ciphers
		opens bool
	}{
		{"both can both", both, both, true},
		{"AES only at A", wire.AES256GCM, both, true},
		{"ChaCha only at B", both, wire.ChaCha20Poly1305, true},
		{"none in common", wire.AES256GCM, wire.ChaCha20Poly1305, false},
		{"unknown bits", both | 0x80, both, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, setup{ciphersA: c.a, ciphersB: c.b})
			w.a.send(w.a.udp("x"))
			w.run(2 * time.Second)
			if got := w.a.path != nil && w.b.path != nil && len(w.b.got) == 1; got != c.opens {
				t.Errorf("opens: %v; %v", got, w)
			}
		})
	}
}

func TestOpenRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		s     setup
		atA   Drop
		atB   Drop
		quiet bool // B answers nothing at all
	}{
		{name: "wrong pre-shared key", s: setup{pskA: PresharedKey(key(5)), pskB: PresharedKey(key(6))}, atA: DropForged},
		{name: "pre-shared key at one end", s: setup{pskA: PresharedKey(key(5))}, atA: DropForged},
		{name: "wrong key of the responder", s: setup{wrongKeyOfB: true}, atB: DropForged, quiet: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.s)
			w.a.send(w.a.udp("x"))
			w.run(3 * time.Second)
			if w.a.path != nil || w.b.path != nil || len(w.b.got) > 0 {
				t.Fatalf("opened: %v", w)
			}
			if c.atA != 0 && w.a.drops[c.atA] == 0 || c.atB != 0 && w.b.drops[c.atB] == 0 {
				t.Errorf("not counted: %v", w)
			}
			if c.quiet && len(w.b.sent) > 0 {
				t.Errorf("B answers with %v", w.b.sent[0].kind())
			}
		})
	}
}

func TestOpenSamePresharedKey(t *testing.T) {
	w := newWorld(t, setup{pskA: PresharedKey(key(5)), pskB: PresharedKey(key(5))})
	w.open()
}

func TestOpenOfUnknownPeer(t *testing.T) {
	w := newWorld(t, setup{})
	w.b.cfg.Peer = key(77).Public()
	w.a.send(w.a.udp("x"))
	w.run(time.Second)
	if w.b.drops[DropUnknownPeer] == 0 || len(w.b.sent) > 0 {
		t.Errorf("%v", w)
	}
}

// firstOpen makes a world whose A has sent one Open 1 that is still to arrive.
func firstOpen(t testing.TB, s setup) (*world, *flight) {
	t.Helper()
	w := newWorld(t, s)
	w.a.send(w.a.udp("x"))
	return w, w.a.lastSent(wire.Open1)
}

// arrive has f arrive now, whatever its fate was.
func (w *world) arrive(f *flight) Drop {
	w.t.Helper()
	return f.to.receive(locator.Pair{Local: f.dst.Addr(), Remote: f.src}, f.datagram)
}

func TestOpen1Replayed(t *testing.T) {
	w, f := firstOpen(t, setup{})
	w.open2()
	sent, tags := len(w.b.sent), len(w.b.tags)
	for range 3 {
		if d := w.arrive(f); d != DropStaleOpen {
			t.Errorf("a replay is %v", d)
		}
	}
	if len(w.b.sent) != sent || len(w.b.tags) != tags {
		t.Errorf("a replay changed something: %v", w)
	}
}

// open2 runs until the context is open at both ends.
func (w *world) open2() {
	w.t.Helper()
	if !w.until(5*time.Second, func() bool { return w.a.path != nil && w.b.path != nil && w.idle() }) {
		w.t.Fatalf("does not open: %v", w)
	}
}

func TestOpen1OlderThanOneSeen(t *testing.T) {
	w := newWorld(t, setup{})
	w.fate = func(*flight) []time.Duration { return nil }
	w.a.send(w.a.udp("x"))
	older := w.a.lastSent(wire.Open1)
	w.run(300 * time.Millisecond)
	newer := w.a.lastSent(wire.Open1)
	if newer == older {
		t.Fatal("only one Open was sent")
	}
	if d := w.arrive(newer); d != DropNone {
		t.Fatalf("the newer Open is %v", d)
	}
	sent := len(w.b.sent)
	if d := w.arrive(older); d != DropStaleOpen || len(w.b.sent) != sent {
		t.Errorf("the older Open is %v", d)
	}
}

// Timestamps grow even where the wall clock does not.
func TestTimestampsGrow(t *testing.T) {
	w := newWorld(t, setup{})
	c := w.a.c
	var last uint64
	for _, d := range []time.Duration{0, 0, time.Hour, -2 * time.Hour, 0} {
		c.now = c.now.Add(d)
		if at := c.timestamp(); at <= last {
			t.Fatalf("%d after %d", at, last)
		} else {
			last = at
		}
	}
}

func TestOpen2Replayed(t *testing.T) {
	w, _ := firstOpen(t, setup{})
	w.open2()
	f, s := w.b.lastSent(wire.Open2), w.a.c.sessions.current
	d := w.arrive(f)
	if d != DropStaleOpen && d != DropUnknownTag {
		t.Errorf("a replay of Open 2 is %v", d)
	}
	if w.a.c.sessions.current != s || len(w.a.c.sessions.all) != 1 {
		t.Error("a replay of Open 2 made a session")
	}
}

func TestOpen2ForNothing(t *testing.T) {
	w, f := firstOpen(t, setup{})
	o := wire.Open{Type: wire.Open2, Tag: 0x99, Noise: make([]byte, 60)}
	raw := seal(o, w.a.id.Public)
	o, _ = wire.ParseOpen(raw)
	if _, d := w.a.c.HandleOpen2(w.now, w.a.pair(0, 0), raw, o, nil); d != DropStaleOpen {
		t.Errorf("an Open 2 for nothing is %v", d)
	}
	// For an Open of ours, but by someone who knows only our public key.
	h, _ := wire.ParseHeader(f.datagram)
	o.Tag = h.Tag
	raw = seal(o, w.a.id.Public)
	if d := w.a.receive(w.a.pair(0, 0), raw); d != DropForged {
		t.Errorf("a made up Open 2 is %v", d)
	}
	w.open2()
}

// Changing any bit of Open 1 leads to nothing; the genuine one is still welcome.
func TestOpen1Tampered(t *testing.T) {
	w, f := firstOpen(t, setup{})
	covered := len(f.datagram) - wire.MACLen // mac2 is not ours to check
	for i := range covered {
		g := *f
		g.datagram = bytes.Clone(f.datagram)
		g.datagram[i] ^= 1 << (i % 8)
		if d := w.arrive(&g); d == DropNone {
			t.Errorf("byte %d changed: accepted", i)
		}
	}
	for n := range f.datagram {
		g := *f
		g.datagram = f.datagram[:n]
		if d := w.arrive(&g); d == DropNone {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
	if len(w.b.sent) > 0 || len(w.b.tags) > 0 || w.b.c.opened != 0 || w.b.c.machine.Connected() {
		t.Fatalf("forgeries changed something: %v", w)
	}
	w.open2()
}

// The same with mac1 made right, as anyone can who knows B's public key.
func TestOpen1TamperedByWhoKnowsTheKey(t *testing.T) {
	w, f := firstOpen(t, setup{})
	for i := wire.HeaderLen - 7; i < len(f.datagram)-2*wire.MACLen; i++ {
		if i >= 4 && i < wire.HeaderLen {
			continue // the number, zero in an Open and not looked at
		}
		g := *f
		g.datagram = bytes.Clone(f.datagram)
		g.datagram[i] ^= 0x10
		wire.SetMAC1(g.datagram, mac1(w.b.id.Public, wire.CoveredByMAC1(g.datagram)))
		if d := w.arrive(&g); d == DropNone {
			t.Errorf("byte %d changed: accepted", i)
		}
	}
	if len(w.b.sent) > 0 || len(w.b.tags) > 0 || w.b.c.opened != 0 {
		t.Fatalf("forgeries changed something: %v", w)
	}
	w.open2()
}

func TestOpen2Tampered(t *testing.T) {
	w, f := firstOpen(t, setup{})
	w.fate = func(*flight) []time.Duration { return nil }
	w.arrive(f)
	w.flights = nil
	f = w.b.lastSent(wire.Open2)
	for i := range len(f.datagram) - wire.MACLen {
		for _, mac := range []bool{false, true} {
			if mac && (i >= 4 && i < wire.HeaderLen || i >= len(f.datagram)-2*wire.MACLen) {
				continue
			}
			g := *f
			g.datagram = bytes.Clone(f.datagram)
			g.datagram[i] ^= 0x10
			if mac {
				wire.SetMAC1(g.datagram, mac1(w.a.id.Public, wire.CoveredByMAC1(g.datagram)))
			}
			if d := w.arrive(&g); d == DropNone {
				t.Errorf("byte %d changed, mac1 made right %v: accepted", i, mac)
			}
		}
	}
	if len(w.a.c.sessions.all) > 0 || w.a.path != nil || len(w.a.c.initiations) != 1 {
		t.Fatalf("forgeries changed something: %v", w)
	}
	if d := w.arrive(f); d != DropNone || w.a.path == nil {
		t.Errorf("the genuine Open 2 is %v", d)
	}
}

func TestOpen2Lost(t *testing.T) {
	w, _ := firstOpen(t, setup{})
	lost := 0
	w.fate = func(f *flight) []time.Duration {
		if f.kind() == wire.Open2 && lost < 3 {
			lost++
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.open2()
	if lost != 3 || !w.talk(time.Second) {
		t.Errorf("%d lost; %v", lost, w)
	}
}

// Late is an Open 2 that was held back: the responder may have forgotten the
// session, so it must not replace one that works.
func TestOpen2TooLate(t *testing.T) {
	w, _ := firstOpen(t, setup{})
	first := true
	w.fate = func(f *flight) []time.Duration {
		if f.kind() == wire.Open2 && first {
			first = false
			return nil
		}
		return []time.Duration{oneWay}
	}
	var held *flight
	w.until(time.Second, func() bool { return len(w.b.sent) > 0 })
	held = w.b.sent[0]
	w.open2()
	w.chat(initiationFor+5*time.Second, 50*time.Millisecond)
	s := w.a.c.sessions.current
	if d := w.arrive(held); d == DropNone {
		t.Errorf("an Open 2 that took %v counts, though answers count for %v", initiationFor+5*time.Second, initiationFor)
	}
	if w.a.c.sessions.current != s {
		t.Error("it replaced the session in use")
	}
}

// An answer counts even if no other test is waited for any more; then its pair
// is primary at once, though it brings new locators.
func TestOpenOverLongPath(t *testing.T) {
	w := newWorld(t, setup{})
	w.a.cfg.Locators = ports(localsB[:1]) // B's other locator is news
	w.a.restart()
	w.fate = func(*flight) []time.Duration { return []time.Duration{400 * time.Millisecond} }
	w.a.send(w.a.udp("x"))
	if !w.until(5*time.Second, func() bool { return len(w.a.c.sessions.all) > 0 }) {
		t.Fatal("no Open 2 comes")
	}
	if w.a.path == nil {
		t.Errorf("Open 2 came, but the pair it answers for is not primary: %v", w)
	}
}

// The answer may come back on any pair.
func TestOpenAnsweredOnAnotherPair(t *testing.T) {
	w := newWorld(t, setup{})
	w.fate = func(f *flight) []time.Duration {
		if f.from == w.b {
			p := w.b.pair(1, 1)
			f.src, f.dst = netip.AddrPortFrom(p.Local, locator.DefaultPort), p.Remote
		}
		return []time.Duration{oneWay}
	}
	w.a.send(w.a.udp("x"))
	if !w.until(time.Second, func() bool { return w.a.path != nil && len(w.a.c.sessions.all) > 0 }) {
		t.Fatalf("%v", w)
	}
	if w.a.path.Pair != w.a.pair(0, 0) {
		t.Errorf("A's primary is %v, the test was of %v", w.a.path.Pair, w.a.pair(0, 0))
	}
}

// Each direction works on one pair only, any pair.
func TestOpenInOneWayWorlds(t *testing.T) {
	for p := range 4 {
		for q := range 4 {
			w := newWorld(t, setup{})
			ab, ba := w.a.pair(p/2, p%2), w.b.pair(q/2, q%2)
			w.fate = only(w, ab, ba)
			w.a.send(w.a.udp("x"))
			if !w.until(20*time.Second, func() bool { return w.a.path != nil && w.b.path != nil }) {
				t.Errorf("%v, %v: does not open: %v", ab, ba, w)
				continue
			}
			if !w.talk(2 * time.Second) {
				t.Errorf("%v, %v: data does not flow: %v", ab, ba, w)
				continue
			}
			if w.a.path.Pair != ab || w.b.path.Pair != ba {
				t.Errorf("primaries are %v and %v, want %v and %v", w.a.path.Pair, w.b.path.Pair, ab, ba)
			}
			if w.a.path.Session.remote != w.b.path.Session.local {
				t.Errorf("%v, %v: two sessions in use", ab, ba)
			}
		}
	}
}

// Many pairs, few of which work, and a long way: the answer must find that its
// Open is remembered.
func TestOpenAmongManyPairs(t *testing.T) {
	var as, bs []netip.Addr
	for i := range byte(4) {
		as = append(as, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xa, i, 15: 1}))
		bs = append(bs, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xb, i, 15: 1}))
	}
	for _, c := range []struct {
		name   string
		timers detect.Timers
		delay  time.Duration
	}{
		{"balanced, 100 ms", detect.Balanced, 50 * time.Millisecond},
		{"balanced, 600 ms", detect.Balanced, 300 * time.Millisecond},
		{"fast, 600 ms", detect.Fast, 300 * time.Millisecond},
	} {
		for p := range 16 {
			w := newWorld(t, setup{timers: c.timers, localsA: as, localsB: bs})
			ab, ba := w.a.pair(p/4, p%4), w.b.pair(p%4, p/4)
			fate := only(w, ab, ba)
			w.fate = func(f *flight) []time.Duration {
				if fate(f) == nil {
					return nil
				}
				return []time.Duration{c.delay}
			}
			if !w.talk(time.Minute) {
				t.Errorf("%s: pair %d: no data after a minute: %v", c.name, p, w)
				break
			}
		}
	}
}

func TestOpenByPeerWithoutLocators(t *testing.T) {
	w := newWorld(t, setup{noLocatorsOfA: true})
	w.b.send(w.b.udp("wait for it"))
	w.run(10 * time.Second)
	if len(w.b.sent) > 0 {
		t.Fatalf("B sends to nowhere: %v", w.b.sent[0].dst)
	}
	w.a.send(w.a.udp("x"))
	if !w.until(time.Second, func() bool { return len(w.a.got) > 0 && len(w.b.got) > 0 }) {
		t.Errorf("%v", w)
	}
}

// An Open from an address that nobody announced (a NAT) is answered to there, and
// data flows back.
func TestOpenFromUnannouncedAddress(t *testing.T) {
	nat := netip.MustParseAddrPort("[2001:db8:ffff::1]:40000")
	w := newWorld(t, setup{noLocatorsOfA: true})
	w.fate = func(f *flight) []time.Duration {
		if f.from == w.a {
			f.src = nat
			return []time.Duration{oneWay}
		}
		if f.dst != nat {
			return nil
		}
		f.dst = netip.AddrPortFrom(localsA[0], locator.DefaultPort)
		return []time.Duration{oneWay}
	}
	w.a.send(w.a.udp("x"))
	if !w.talk(5*time.Second) || w.b.path.Pair.Remote != nat {
		t.Errorf("%v", w)
	}
}

// A replayed or spoofed source must not make B an amplifier: not more than three
// times what came from there goes there before an answer (return routability).
func TestOpenIsNoAmplifier(t *testing.T) {
	victim := netip.MustParseAddrPort("[2001:db8:ffff::1]:40000")
	w, f := firstOpen(t, setup{noLocatorsOfA: true})
	f.src = victim
	w.fate = func(*flight) []time.Duration { return nil }
	w.flights = nil
	w.a.restart() // A says no more
	w.arrive(f)
	w.run(time.Minute)
	bytes := 0
	for _, g := range w.b.sent {
		if g.dst == victim {
			bytes += len(g.datagram)
		}
	}
	if limit := 3 * len(f.datagram); bytes > limit {
		t.Errorf("%d bytes go to the victim for %d that came from there, at most %d may", bytes, len(f.datagram), limit)
	}
}

func TestOpenOverUnknownLocalAddressIsNotAnswered(t *testing.T) {
	w, f := firstOpen(t, setup{})
	f.dst = netip.MustParseAddrPort("[2001:db8:b9::1]:6110")
	w.flights = nil
	w.arrive(f)
	if len(w.b.sent) > 0 {
		t.Errorf("answered from an address that may not be used: %v", w.b.sent[0].src)
	}
}

// An authenticated peer that sends nonsense does not break anything.
func TestOpenGreetings(t *testing.T) {
	params := wire.Params{Tag: 5, Timestamp: 1, Ciphers: wire.AES256GCM}.AppendTo(nil)
	for _, c := range []struct {
		name    string
		payload []byte
		ok      bool
	}{
		{"empty", nil, false},
		{"padding only", make([]byte, 9), false},
		{"params", params, true},
		{"truncated frame", append(bytes.Clone(params), 1, 0), false},
		{"short params", []byte{1, 0, 2, 0, 0}, false},
		{"bad locator set", append(bytes.Clone(params), 2, 0, 1, 9), false},
		{"unknown frame", append(bytes.Clone(params), 77, 0, 1, 9), true},
	} {
		if _, err := parseGreeting(c.payload); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestOpen1TagsDiffer(t *testing.T) {
	w := newWorld(t, setup{})
	g := greeting{params: wire.Params{Tag: 5, Timestamp: 1, Ciphers: wire.AES256GCM}}
	_, raw, err := writeOpen1(w.a.id, w.random, w.b.id.Public, &PresharedKey{}, g)
	if err != nil {
		t.Fatal(err)
	}
	wire.PutHeader(raw, wire.Header{Type: wire.Open1, Tag: 6})
	wire.SetMAC1(raw, mac1(w.b.id.Public, wire.CoveredByMAC1(raw)))
	if d := w.b.receive(w.b.pair(0, 0), raw); d != DropForged {
		t.Errorf("tags differ: %v", d)
	}
}

// A responder that chooses what was not offered is refused, and asking again
// does no harm.
func TestOpen2WithWrongCipher(t *testing.T) {
	for _, chosen := range []wire.Ciphers{0, wire.AES256GCM | wire.ChaCha20Poly1305, 0x40, wire.ChaCha20Poly1305} {
		w, f := firstOpen(t, setup{ciphersA: wire.AES256GCM})
		o, _ := wire.ParseOpen(f.datagram)
		in, err := ReadOpen1(w.b.id, w.random, f.datagram, o)
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := in.writeOpen2(&PresharedKey{}, greeting{params: wire.Params{Tag: 5, Ciphers: chosen}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if d := w.a.receive(w.a.pair(0, 0), raw); d == DropNone || len(w.a.c.sessions.all) > 0 {
				t.Errorf("cipher %#x was accepted", chosen)
			}
		}
		w.flights = nil
		if !w.talk(10 * time.Second) {
			t.Errorf("cipher %#x: no way back: %v", chosen, w)
		}
	}
}

// A peer whose key is no good is tried in vain, without a panic.
func TestOpenToBadKey(t *testing.T) {
	w := newWorld(t, setup{})
	w.a.cfg.Peer = PublicKey{} // a point of small order
	w.a.restart()
	w.a.send(w.a.udp("x"))
	w.run(10 * time.Second)
	if w.a.path != nil || w.a.count(EventTestFailed) == 0 {
		t.Errorf("%v", w)
	}
}

// As many locators as there can be: Open 1 fits, and its answer is not longer.
func TestOpenWithAllLocators(t *testing.T) {
	var as, bs []netip.Addr
	for i := range byte(20) {
		as = append(as, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xa, i, 15: 1}))
		bs = append(bs, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xb, i, 15: 1}))
	}
	w := newWorld(t, setup{localsA: as, localsB: bs})
	w.a.send(w.a.udp("x"))
	w.open2()
	if n, m := len(w.b.lastSent(wire.Open2).datagram), len(w.a.sent[0].datagram); n > m || m > wire.MaxOpenLen {
		t.Errorf("Open 1 has %d bytes, Open 2 %d", m, n)
	}
	if n := len(w.b.c.remotes.set); n != wire.MaxLocators {
		t.Errorf("B knows %d locators", n)
	}
}

// Where each direction works on one pair only, the ends stay on those pairs: no
// outage, no doubt and no Open without need.
func TestOneWayWorldIsCalm(t *testing.T) {
	for _, timers := range []detect.Timers{detect.Balanced, detect.Fast} {
		for p := range 2 { // by symmetry, the other pairs are like these
			for q := range 4 {
				w := newWorld(t, setup{timers: timers})
				ab, ba := w.a.pair(p/2, p%2), w.b.pair(q/2, q%2)
				w.fate = only(w, ab, ba)
				if !w.talk(20 * time.Second) {
					t.Errorf("%v, %v: does not open: %v", ab, ba, w)
					continue
				}
				w.chat(5*time.Second, 50*time.Millisecond)
				w.a.events, w.b.events = nil, nil
				outages := w.a.c.Status(w.now).Stats.Outages + w.b.c.Status(w.now).Stats.Outages
				w.chat(10*time.Second, 50*time.Millisecond)
				if n := w.a.count(EventSession) + w.b.count(EventSession); n > 0 {
					t.Errorf("floor %v: %v, %v: %d sessions came into use in 10 s", timers.Floor, ab, ba, n)
				}
				if n := w.a.c.Status(w.now).Stats.Outages + w.b.c.Status(w.now).Stats.Outages - outages; n > 0 {
					t.Errorf("floor %v: %v, %v: %d outages in 10 s", timers.Floor, ab, ba, n)
				}
			}
		}
	}
}
