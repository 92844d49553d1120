package shim

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// setLocals gives h other operational locators, some of those it began with.
func (h *host) setLocals(ls ...locator.Local) { h.perform(h.c.SetLocals(h.w.now, ls, nil)) }

// knows returns the addresses that h has of its peer.
func (h *host) knows() (out []netip.Addr) {
	for _, r := range h.c.remotes.list() {
		out = append(out, r.Addr.Addr())
	}
	return out
}

func TestLocatorsAreAnnouncedOnce(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	w.a.sent, w.b.sent = nil, nil
	w.a.setLocals(w.a.locals[0])
	if len(w.a.sent) != 1 {
		t.Fatalf("%d datagrams tell of the change", len(w.a.sent))
	}
	w.run(time.Minute)
	if len(w.a.sent) != 1 || len(w.b.sent) != 1 {
		t.Errorf("A sent %d, B %d datagrams, want one each: the set and its acknowledgement", len(w.a.sent), len(w.b.sent))
	}
	if got := w.b.knows(); !slices.Equal(got, localsA[:1]) {
		t.Errorf("B knows %v", got)
	}
	if w.b.count(EventLocators) != 1 {
		t.Errorf("B tells %d times of it", w.b.count(EventLocators))
	}
}

// "Note that this does not usually result in any immediate action, unless we are
// currently lacking an operational primary pair" (draft §5.2, Add pair).
func TestAddedLocatorIsAnnouncedAndNotTested(t *testing.T) {
	w := newWorld(t, setup{})
	w.a.setLocals(w.a.locals[0])
	w.open()
	w.run(time.Second)
	w.a.sent, w.b.sent, w.a.events, w.b.events = nil, nil, nil, nil
	w.a.setLocals(w.a.locals...)
	w.run(time.Minute)
	if got := w.b.knows(); !slices.Equal(got, localsA) {
		t.Errorf("B knows %v", got)
	}
	if a, b := len(w.a.sent), len(w.b.sent); a != 1 || b != 1 {
		t.Errorf("A sent %d control datagrams, B %d, want one each: the set and its acknowledgement", a, b)
	}
	if n := w.a.count(EventTest) + w.b.count(EventTest); n != 0 {
		t.Errorf("%d tests", n)
	}
}

func TestLocatorsAreAnnouncedUntilAcknowledged(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	w.a.sent = nil
	lost := true
	w.fate = func(f *flight) []time.Duration {
		if lost && f.from == w.b {
			return nil
		}
		return []time.Duration{oneWay}
	}
	began := w.now
	var at []time.Duration
	w.a.setLocals(w.a.locals[0])
	for seen := 0; w.now.Sub(began) < 30*time.Second; {
		for ; seen < len(w.a.sent); seen++ {
			at = append(at, w.now.Sub(began))
		}
		w.run(10 * time.Millisecond)
	}
	if len(at) < 6 || len(at) > 14 {
		t.Fatalf("sent at %v", at)
	}
	for i := 2; i < len(at); i++ {
		before, now := at[i-1]-at[i-2], at[i]-at[i-1]
		if now < before-20*time.Millisecond || now > announceLast+20*time.Millisecond {
			t.Errorf("no back-off: sent at %v", at)
			break
		}
	}
	lost = false
	w.run(2 * announceLast)
	n := len(w.a.sent)
	w.run(time.Minute)
	if len(w.a.sent) != n || w.a.c.announce.pending {
		t.Error("still sent after the acknowledgement")
	}
}

// Without a primary the set goes with the Polls.
func TestLocatorsGoWithPolls(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	dead := w.a.path.Pair
	w.fate = func(f *flight) []time.Duration {
		if f.between(dead.Local, dead.Remote.Addr()) || f.between(dead.Remote.Addr(), dead.Local) {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.a.setLocals(w.a.locals[1]) // takes the primary away
	if !w.until(2*time.Second, func() bool { return w.a.path != nil && slices.Equal(w.b.knows(), localsA[1:]) && w.idle() }) {
		t.Fatalf("B knows %v: %v", w.b.knows(), w)
	}
	if w.a.c.announce.pending {
		w.run(200 * time.Millisecond)
	}
	if w.a.c.announce.pending {
		t.Error("not acknowledged")
	}
	if !w.talk(time.Second) || w.b.path.Pair.Remote.Addr() != localsA[1] {
		t.Errorf("%v", w)
	}
}

// Where routes vanish before the address does, the test of another pair is under way when
// the locators change. Who is told then looks for no more answers where there are none.
func TestLocatorsFollowTheTest(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.talk(time.Second)
	gone := w.a.path.Pair.Local
	routes := true
	w.a.c.cfg.Order.Routable = func(l locator.Local, _ netip.Addr) bool { return routes || l.Addr != gone }
	w.a.sent, w.a.events = nil, nil
	routes = false
	w.a.perform(w.a.c.HandleRoutes(w.now, nil))
	if len(w.a.sent) != 1 || w.a.path.Pair.Local == gone {
		t.Fatalf("%d datagrams, by %v", len(w.a.sent), w.a.path)
	}
	w.a.setLocals(slices.DeleteFunc(slices.Clone(w.a.locals), func(l locator.Local) bool { return l.Addr == gone })...)
	if len(w.a.sent) != 2 {
		t.Fatalf("%d datagrams, want the test, and the locators", len(w.a.sent))
	}
	w.run(oneWay)
	if slices.Contains(w.b.knows(), gone) {
		t.Error("B knows of it only by the answer")
	}
	w.run(time.Minute)
	if w.a.c.announce.pending {
		t.Error("not acknowledged")
	}
}

func TestDeletedLocatorMovesThePrimary(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	was := w.b.path.Pair
	var left []locator.Local
	for _, l := range w.a.locals {
		if l.Addr != was.Remote.Addr() {
			left = append(left, l)
		}
	}
	w.a.setLocals(left...)
	w.run(time.Second)
	if w.b.path == nil || w.b.path.Pair.Remote.Addr() == was.Remote.Addr() || w.a.path == nil {
		t.Fatalf("%v", w)
	}
	if w.a.path.Interface != left[0].Interface {
		t.Errorf("interface %d, want %d", w.a.path.Interface, left[0].Interface)
	}
	w.b.got = nil
	w.a.send(w.a.udp("x"))
	w.run(oneWay)
	if len(w.b.got) != 1 {
		t.Errorf("data does not flow: %v", w)
	}
	// Gone altogether, and back.
	w.a.setLocals()
	if w.a.path != nil {
		t.Error("A has a path without a locator")
	}
	w.run(10 * time.Second)
	w.a.setLocals(w.a.locals...)
	if !w.talk(5 * time.Second) {
		t.Errorf("A's locators are back: %v", w)
	}
}

// An interface that is renumbered gives a new snapshot.
func TestInterfaceOfThePrimaryChanges(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	ls := slices.Clone(w.a.locals)
	for i := range ls {
		ls[i].Interface += 10
	}
	w.a.setLocals(ls...)
	if w.a.path == nil || w.a.path.Interface < 10 {
		t.Errorf("%+v", w.a.path)
	}
}

func set(sequence uint32, as ...netip.Addr) wire.LocatorSet {
	s := wire.LocatorSet{Sequence: sequence}
	for _, a := range ports(as) {
		if err := s.Locators.Add(wire.Locator{AddrPort: a}); err != nil {
			panic(err)
		}
	}
	return s
}

func TestOldLocatorSetsAreIgnored(t *testing.T) {
	one, two := localsA[:1], localsA[1:]
	for _, c := range []struct {
		name          string
		first, second uint32
		taken         bool
	}{
		{"newer", 5, 6, true},
		{"older", 6, 5, false},
		{"much newer", 5, 5 + 1<<31 - 1, true},
		{"wrapped", 1<<32 - 1, 0, true},
		{"before the wrap", 0, 1<<32 - 1, false},
	} {
		r := newRemotes(nil)
		if !r.announced(set(c.first, one...)) {
			t.Errorf("%s: the first set is not taken", c.name)
		}
		if got := r.announced(set(c.second, two...)); got != c.taken {
			t.Errorf("%s: taken %v, want %v", c.name, got, c.taken)
		}
		want := one
		if c.taken {
			want = two
		}
		if l := r.list(); len(l) != 1 || l[0].Addr.Addr() != want[0] {
			t.Errorf("%s: known are %v", c.name, l)
		}
	}
}

// A LocatorSet that is overtaken by a newer one does no harm.
func TestLocatorSetsOutOfOrder(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	late := true
	w.fate = func(f *flight) []time.Duration {
		if late && f.from == w.a {
			late = false
			return []time.Duration{50 * time.Millisecond}
		}
		return []time.Duration{oneWay}
	}
	w.a.setLocals(w.a.locals[0])
	w.a.setLocals(w.a.locals...)
	w.run(40 * time.Millisecond)
	if len(w.b.knows()) != 2 {
		t.Fatalf("B knows %v", w.b.knows())
	}
	w.run(time.Second)
	if len(w.b.knows()) != 2 {
		t.Errorf("the older set took over: B knows %v", w.b.knows())
	}
}

func TestRemotes(t *testing.T) {
	r := newRemotes(ports(localsB))
	if len(r.list()) != 2 {
		t.Fatalf("configured: %v", r.list())
	}
	if r.heard(ports(localsB)[0], 100, unused) {
		t.Error("a configured locator is news")
	}
	// What the peer has once announced, it can take back; the other stays.
	r.announced(set(1, localsB[0]))
	r.announced(set(2))
	if l := r.list(); len(l) != 1 || l[0].Addr != ports(localsB)[1] {
		t.Errorf("after the peer took one back: %v", l)
	}
	// Unannounced ones: the latest four.
	for i := range byte(10) {
		a := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 15: i + 1}), 1000)
		if !r.heard(a, 100, unused) || r.heard(a, 100, unused) {
			t.Errorf("%v is news once", a)
		}
		if n := len(r.fromAfar); n > maxHeard {
			t.Fatalf("%d unannounced locators", n)
		}
	}
	if got := r.fromAfar[maxHeard-1].addr.Addr().As16()[15]; got != 10 {
		t.Errorf("the latest is %d", got)
	}
	// Announced, it is no longer from afar.
	s := wire.LocatorSet{Sequence: 3}
	if err := s.Locators.Add(wire.Locator{AddrPort: r.fromAfar[0].addr, Preference: 9, Deprecated: true}); err != nil {
		t.Fatal(err)
	}
	r.announced(s)
	if len(r.fromAfar) != maxHeard-1 || r.list()[0].Preference != 9 || !r.list()[0].Deprecated {
		t.Errorf("%v", r.list())
	}
}

func unused(netip.AddrPort) bool { return false }

// What makes room for another locator that nobody announced: hearsay first, then what has not
// answered; never what is in use.
func TestRemotesMakeRoom(t *testing.T) {
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), 1000)
	}
	var r remotes
	for i := range maxHeard {
		if i%2 == 0 {
			r.heard(at(i), 100, unused)
		} else {
			r.hinted(at(i), 100, unused)
		}
	}
	r.verify(at(0))
	has := func(want ...int) {
		t.Helper()
		var got []int
		for _, f := range r.fromAfar {
			got = append(got, int(f.addr.Addr().As16()[15]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v are kept, want %v", got, want)
		}
	}
	r.heard(at(10), 100, unused)
	has(0, 2, 3, 4, 5, 6, 7, 10)
	r.hinted(at(11), 100, unused)
	has(0, 2, 4, 5, 6, 7, 10, 11)
	for i := 12; i < 15; i++ {
		r.heard(at(i), 100, unused)
	}
	has(0, 2, 4, 6, 10, 12, 13, 14)
	if r.hinted(at(15), 100, unused) {
		t.Error("hearsay drives out what packets came from")
	}
	r.heard(at(16), 100, func(a netip.AddrPort) bool { return a == at(2) })
	has(0, 2, 6, 10, 12, 13, 14, 16)
	for _, f := range r.fromAfar {
		r.verify(f.addr)
	}
	r.heard(at(17), 100, func(a netip.AddrPort) bool { return a == at(0) })
	has(0, 6, 10, 12, 13, 14, 16, 17)
}

// The primary stays, however many other addresses the peer is heard from and answers at.
func TestManyMappingsLeavePrimary(t *testing.T) {
	w := newNATWorld(t, time.Hour, KeepaliveOff)
	w.open()
	was := w.b.path.Pair
	for range 2 * maxHeard {
		w.nat.port++
		p := was
		p.Remote = netip.AddrPortFrom(w.nat.public, w.nat.port)
		w.nat.mappings = append(w.nat.mappings, &mapping{ports(privateA)[0], p.Remote, ports(publicB)[0], w.now})
		b, _ := w.a.path.Session.SealControl(wire.Poll{ID: uint64(w.nat.port), Answer: true}.AppendTo(nil))
		w.b.receive(p, b)
		w.b.c.remotes.verify(p.Remote)
	}
	if n := len(w.b.c.remotes.fromAfar); n != maxHeard || !w.b.c.remotes.has(was.Remote) {
		t.Errorf("B keeps %d locators: %v, which %v is one of: %v", n, w.b.knows(), was.Remote, w.b.c.remotes.has(was.Remote))
	}
}

// A peer that is not known where may have any number of locators, behind a NAT or not.
func TestOpenFromManyLocators(t *testing.T) {
	for n := 1; n <= 20; n++ {
		for _, behind := range []bool{false, true} {
			var as []netip.Addr
			for i := range n {
				as = append(as, netip.AddrFrom4([4]byte{10, 0, byte(i), 2}))
			}
			w := newWorld(t, setup{localsA: as, localsB: publicB, noLocatorsOfA: true})
			if behind {
				w.nat = &natBox{w: w, public: netip.MustParseAddr("203.0.113.1"), lifetime: time.Minute, port: 40000}
			}
			w.a.send(w.a.udp("open"))
			w.run(100 * time.Millisecond)
			if w.a.c.sessions.current == nil {
				t.Errorf("with %d locators, behind a NAT: %v: no session", n, behind)
			}
		}
	}
}

// A node that starts with its clock behind is believed about its locators once the clock is
// right, though the peer knows a set from before.
func TestClockWasBehind(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(2 * mostBehind)
	right := w.now
	w.now = right.Add(-time.Hour)
	w.a.locals = w.a.locals[:1]
	w.a.restart()
	w.now = right
	w.a.cfg.Base = right
	w.a.send(w.a.udp("open"))
	w.run(10 * time.Second)
	if got := w.b.knows(); !slices.Equal(got, localsA[:1]) {
		t.Errorf("B knows %v after the Open", got)
	}
	w.a.setLocals(locator.Local{Addr: localsA[1], Interface: 2})
	w.run(time.Second)
	if got := w.b.knows(); !slices.Equal(got, localsA[1:]) {
		t.Errorf("B knows %v", got)
	}
	if w.a.c.announce.pending {
		t.Error("B does not acknowledge it")
	}
	// A newer number alone is no news.
	w.b.events = nil
	w.chat(10*time.Minute, time.Second)
	if n := w.b.count(EventLocators); n != 0 {
		t.Errorf("B tells %d times of locators that did not change", n)
	}
}

// Of more locators than can be announced those go that are liked best.
func TestBestLocatorsAreAnnounced(t *testing.T) {
	w := newWorld(t, setup{})
	var all []locator.Local
	for i := range byte(20) {
		all = append(all, locator.Local{
			Addr: netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xa, i, 15: 1}), Interface: 1,
			Preference: 100 + i/18, Deprecated: i < 3,
		})
	}
	w.a.setLocals(all...)
	s := w.a.c.announce.set(w.a.c)
	var got []byte
	for _, l := range s.Locators.All() {
		got = append(got, l.AddrPort.Addr().As16()[5])
	}
	if want := []byte{18, 19, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}; !slices.Equal(got, want) {
		t.Errorf("announced: %v, want %v", got, want)
	}
}

// A Poll from an address nobody announced makes a candidate, which is tested
// before it is used. Others' addresses are bounded.
func TestPollFromUnannouncedAddress(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	was := w.b.path.Pair
	for i := range uint16(10) {
		p := was
		p.Remote = netip.AddrPortFrom(netip.MustParseAddr("2001:db8:ffff::1"), 40000+i)
		b, _ := w.a.path.Session.SealControl(wire.Poll{ID: uint64(i), Answer: true, Move: true}.AppendTo(nil))
		if d := w.b.receive(p, b); d != DropNone {
			t.Fatal(d)
		}
		if w.b.path.Pair != was {
			t.Fatalf("B uses %v before a test", w.b.path.Pair)
		}
	}
	if n := len(w.b.c.remotes.fromAfar); n != maxHeard {
		t.Errorf("%d unannounced locators are kept", n)
	}
	w.fate = func(f *flight) []time.Duration {
		if f.dst.Port() >= 40000 {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.run(5 * time.Second)
	if w.b.path == nil || w.b.path.Pair.Remote.Port() >= 40000 {
		t.Errorf("B uses what never answered: %v", w)
	}
}

func TestDeprecatedAndPreferenceAreTold(t *testing.T) {
	w := newWorld(t, setup{})
	w.a.locals[0].Deprecated, w.a.locals[1].Preference = true, 7
	w.a.restart()
	w.open()
	for _, r := range w.b.c.remotes.list() {
		if want := r.Addr.Addr() == localsA[0]; r.Deprecated != want || (r.Preference == 7) == want {
			t.Errorf("B knows %+v", r)
		}
	}
	if w.a.path.Pair.Local != localsA[1] {
		t.Errorf("A prefers %v", w.a.path.Pair)
	}
}

// TestPairsWaitForThePeer: while nobody talks to a peer, what changes costs nothing, and
// the pairs are made anew when they are looked at or used.
func TestPairsWaitForThePeer(t *testing.T) {
	for _, open := range []string{"A", "B"} {
		w := newWorld(t, setup{})
		asked := 0
		gone := w.a.locals[0].Addr
		w.a.c.cfg.Order.Routable = func(l locator.Local, _ netip.Addr) bool { asked++; return l.Addr != gone }
		w.a.perform(w.a.c.HandleRoutes(w.now, nil))
		w.a.setLocals(w.a.locals[1:]...)
		w.a.setLocals(w.a.locals...)
		if asked != 0 {
			t.Errorf("asked for %d routes to a peer that nobody talks to", asked)
		}
		if open == "A" {
			w.open()
		} else {
			w.b.send(w.b.udp("hello"))
			w.run(time.Second)
		}
		for _, p := range w.a.c.Status(w.now).Pairs {
			if p.Pair.Local == gone {
				t.Errorf("%s opens: A has a pair that has no route, %v", open, p.Pair)
			}
		}
		if w.a.path == nil || w.a.path.Pair.Local == gone {
			t.Errorf("%s opens: path %v", open, w.a.path)
		}
	}
}

func TestRefresh(t *testing.T) {
	w := newWorld(t, setup{})
	w.a.setLocals(w.a.locals[0])
	w.a.perform(w.a.c.Refresh(w.now, nil))
	for _, p := range w.a.c.Status(w.now).Pairs {
		if p.Pair.Local != w.a.locals[0].Addr {
			t.Errorf("there is the pair %v still", p.Pair)
		}
	}
}

// The end of this node, or of a budget, is nothing to a peer that nobody talks to.
func TestCloseAndSpentAskForNoRoutes(t *testing.T) {
	for name, do := range map[string]func(c *Context, now time.Time) []Action{
		"Close":    func(c *Context, now time.Time) []Action { return c.Close(now, nil) },
		"SetSpent": func(c *Context, now time.Time) []Action { return c.SetSpent(now, true, nil) },
	} {
		w := newWorld(t, setup{})
		asked := 0
		w.a.c.cfg.Order.Routable = func(locator.Local, netip.Addr) bool { asked++; return true }
		w.a.perform(w.a.c.HandleRoutes(w.now, nil))
		w.a.perform(do(w.a.c, w.now))
		if asked != 0 {
			t.Errorf("%s asks for %d routes", name, asked)
		}
	}
}
