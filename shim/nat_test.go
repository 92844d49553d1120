package shim

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// A natBox translates A's source addresses. A mapping goes when A has sent nothing
// over it for the lifetime; what then comes for it is dropped. The nil natBox lets
// everything through.
type natBox struct {
	w        *world
	public   netip.Addr
	lifetime time.Duration
	port     uint16
	mappings []*mapping
	// expired counts what came too late.
	expired int
}

type mapping struct {
	inside, outside, remote netip.AddrPort
	usedAt                  time.Time
}

func (n *natBox) alive(m *mapping) bool { return n.w.now.Sub(m.usedAt) < n.lifetime }

// passes translates what A sends.
func (n *natBox) passes(from *host, f *flight) bool {
	if n == nil || from != n.w.a {
		return true
	}
	for _, m := range n.mappings {
		if m.inside == f.src && m.remote == f.dst && n.alive(m) {
			m.usedAt, f.src = n.w.now, m.outside
			return true
		}
	}
	n.port++
	m := &mapping{f.src, netip.AddrPortFrom(n.public, n.port), f.dst, n.w.now}
	n.mappings = append(n.mappings, m)
	f.src = m.outside
	return true
}

// lets translates back what comes for A, at the NAT, which is next to A.
func (n *natBox) lets(f *flight) bool {
	if n == nil || f.to != n.w.a {
		return true
	}
	for _, m := range n.mappings {
		if m.outside == f.dst && m.remote == f.src {
			if !n.alive(m) {
				n.expired++
				return false
			}
			f.dst = m.inside
			return true
		}
	}
	n.expired++
	return false
}

// rebind forgets all mappings, as a NAT that is restarted does.
func (n *natBox) rebind() { n.mappings = nil }

// bytesOf returns how many bytes h has sent, IPv4 and UDP headers included.
func bytesOf(h *host) (n int) {
	for _, f := range h.sent {
		n += 20 + 8 + len(f.datagram)
	}
	return n
}

var privateA = []netip.Addr{netip.MustParseAddr("10.0.0.2")}
var publicB = []netip.Addr{netip.MustParseAddr("198.51.100.1")}

// behindNAT is a world in which A is behind a NAT, and B does not know where it is.
func newNATWorld(t *testing.T, lifetime, keepalive time.Duration) *world {
	t.Helper()
	w := newWorld(t, setup{localsA: privateA, localsB: publicB, noLocatorsOfA: true, keepaliveA: keepalive})
	w.nat = &natBox{w: w, public: netip.MustParseAddr("203.0.113.1"), lifetime: lifetime, port: 40000}
	return w
}

func TestNATIsFound(t *testing.T) {
	w := newNATWorld(t, time.Minute, KeepaliveAuto)
	w.open()
	if at := w.a.c.outside[privateA[0]]; at != netip.MustParseAddrPort("203.0.113.1:40001") {
		t.Errorf("A is seen as %v", at)
	}
	if len(w.b.c.outside) != 0 || w.b.c.keepsAlive() {
		t.Errorf("B believes to be behind a NAT: %v", w.b.c.outside)
	}
	w.a.setLocals(locator.Local{Addr: privateA[0], Interface: 1, Preference: 7, Metered: true})
	w.run(time.Second)
	i := slices.IndexFunc(w.b.c.remotes.list(), func(r locator.Remote) bool { return r.Addr.Port() == 40001 })
	if i < 0 {
		t.Fatalf("B knows %v", w.b.c.remotes.list())
	}
	if r := w.b.c.remotes.list()[i]; r.Preference != 7 || !r.Metered || !r.Vouched {
		t.Errorf("beyond the NAT, A's locator is %+v", r)
	}
}

// TestOpen2ElsewhereIsNoNAT: the answer to an Open names the addresses that it was made
// for. That it came over others is no work of a NAT.
func TestOpen2ElsewhereIsNoNAT(t *testing.T) {
	w := newWorld(t, setup{})
	w.fate = only(w, w.a.pair(0, 0), w.b.pair(1, 1))
	w.a.send(w.a.udp("open"))
	if !w.until(time.Minute, func() bool { return w.a.c.sessions.current != nil }) {
		t.Fatalf("the context does not open: %v", w)
	}
	if n := w.a.count(EventNAT); n != 0 || len(w.a.c.outside) != 0 {
		t.Errorf("%d times a NAT was seen, now %v", n, w.a.c.outside)
	}
	w.fate = nil
	w.chat(time.Minute, 100*time.Millisecond)
	if n := w.a.count(EventNAT) + w.b.count(EventNAT); n != 0 || len(w.a.c.outside) != 0 {
		t.Errorf("%d times a NAT was seen in the end, now %v", n, w.a.c.outside)
	}
}

func TestNoNATNoKeepalives(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	w.a.sent, w.b.sent = nil, nil
	w.run(time.Hour)
	if n := len(w.a.sent) + len(w.b.sent); n != 0 {
		t.Errorf("%d datagrams in an idle hour", n)
	}
}

// Behind a NAT, A can be reached after any time of silence; the interval found is
// not much shorter than the mapping lasts.
func TestKeepaliveFindsInterval(t *testing.T) {
	for _, lifetime := range []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute} {
		t.Run(lifetime.String(), func(t *testing.T) {
			w := newNATWorld(t, lifetime, KeepaliveAuto)
			w.open()
			w.run(20 * time.Minute)
			got := w.a.c.keepalive.interval(KeepaliveAuto)
			if least := min(lifetime*3/4, keepaliveMost); got < least || got > lifetime {
				t.Errorf("interval %v, mapping %v", got, lifetime)
			}
			w.nat.expired = 0
			w.a.sent, w.b.sent = nil, nil
			w.run(time.Hour)
			if w.nat.expired != 0 {
				t.Errorf("%d datagrams came too late", w.nat.expired)
			}
			bytes := bytesOf(w.a) + bytesOf(w.b)
			t.Logf("interval %v: %d bytes a day both ways, headers included", got, 24*bytes)
			if lifetime >= 10*time.Second && 24*bytes > 1e6 {
				t.Error("more than 1 MB a day")
			}
			w.a.got = nil
			w.b.send(w.b.udp("are you there?"))
			w.run(2 * oneWay)
			if len(w.a.got) != 1 {
				t.Errorf("B's packet did not reach A: %v", w)
			}
		})
	}
}

// A trial that something disturbs says nothing, nor does one lost reply.
func TestKeepaliveTrials(t *testing.T) {
	w := newNATWorld(t, time.Hour, KeepaliveAuto)
	w.open()
	k := &w.a.c.keepalive
	if !w.until(time.Minute, func() bool { return k.trial == 8*time.Second }) {
		t.Fatalf("%+v", k)
	}
	w.run(time.Second)
	w.b.send(w.b.udp("x"))
	w.run(time.Second)
	if k.trial != 0 || k.proven != 4*time.Second {
		t.Errorf("a disturbed trial goes on: %+v", k)
	}
	if !w.until(time.Minute, func() bool { return k.trial == 8*time.Second }) {
		t.Fatalf("%+v", k)
	}
	w.fate = func(f *flight) []time.Duration {
		if f.from == w.b {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.run(12 * time.Second)
	if k.failing != 0 || k.misses != 1 {
		t.Errorf("after one lost reply: %+v", k)
	}
	w.fate = nil
	w.run(10 * time.Minute)
	if k.proven != keepaliveMost || k.failing != 0 {
		t.Errorf("in the end: %+v", k)
	}
}

func TestKeepaliveOff(t *testing.T) {
	w := newNATWorld(t, 30*time.Second, KeepaliveOff)
	w.open()
	w.run(time.Second)
	w.a.sent, w.b.sent = nil, nil
	w.run(time.Hour)
	if n := len(w.a.sent) + len(w.b.sent); n != 0 {
		t.Errorf("%d datagrams in an idle hour", n)
	}
}

// With an interval, A makes itself known before anybody has something to say, and
// again when the peer has been away.
func TestKeepaliveInterval(t *testing.T) {
	w := newNATWorld(t, 30*time.Second, 20*time.Second)
	w.run(10 * time.Minute)
	w.b.send(w.b.udp("hello"))
	w.run(2 * oneWay)
	if len(w.a.got) != 1 {
		t.Fatalf("A cannot be reached: %v", w)
	}
	away := true
	w.fate = func(*flight) []time.Duration {
		if away {
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.run(time.Minute)
	w.a.sent = nil
	w.run(24 * time.Hour)
	bytes := bytesOf(w.a)
	if bytes > 1e6 {
		t.Errorf("%d bytes in a day towards a peer that is away", bytes)
	}
	t.Logf("%d bytes in a day towards a peer that is away", bytes)
	away = false
	w.run(keepaliveIdle + time.Second)
	w.a.got = nil
	w.b.send(w.b.udp("again"))
	w.run(2 * oneWay)
	if len(w.a.got) != 1 {
		t.Errorf("A is not back: %v", w)
	}
}

// A NAT that gives A another port in mid-traffic costs no more than a failover.
func TestNATRebinding(t *testing.T) {
	w := newNATWorld(t, time.Minute, KeepaliveAuto)
	w.open()
	w.chat(time.Second, 10*time.Millisecond)
	w.nat.rebind()
	w.a.got, w.b.got = nil, nil
	var back time.Duration
	for i := range 100 {
		w.chat(10*time.Millisecond, 10*time.Millisecond)
		if len(w.a.got) > 0 {
			back = time.Duration(i) * 10 * time.Millisecond
			break
		}
	}
	t.Logf("B's packets arrive again after %v, RTT %v", back, 2*oneWay)
	if back == 0 || back > 150*time.Millisecond {
		t.Errorf("B's packets arrive again after %v", back)
	}
	w.chat(time.Second, 10*time.Millisecond)
	if a, b := len(w.a.got), len(w.b.got); a < 90 || b < 90 {
		t.Errorf("A got %d packets, B %d: %v", a, b, w)
	}
}

// Nothing but tests goes to a new address before it has answered, and no more than
// three times what came from it.
func TestNewAddressGetsNoData(t *testing.T) {
	w := newNATWorld(t, time.Minute, KeepaliveAuto)
	w.open()
	w.chat(time.Second, 10*time.Millisecond)
	// What A sends seems to come from a victim, which does not answer.
	victim := netip.MustParseAddrPort("192.0.2.66:6110")
	var from, to int
	w.fate = func(f *flight) []time.Duration {
		if f.from == w.a {
			f.src = victim
			from += len(f.datagram)
		}
		if f.dst == victim {
			to += len(f.datagram)
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.a.send(w.a.udp("one packet"))
	w.run(oneWay)
	w.fate = func(f *flight) []time.Duration {
		if f.dst == victim {
			to += len(f.datagram)
			return nil
		}
		return []time.Duration{oneWay}
	}
	w.chat(2*time.Second, 10*time.Millisecond)
	if to == 0 || to > amplification*from {
		t.Errorf("%d bytes went to the victim, %d came", to, from)
	}
	if w.b.path == nil || w.b.path.Pair.Remote == victim {
		t.Errorf("%v", w)
	}
}

func TestEchoesAreBounded(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	w.b.sent = nil
	for i := range uint64(10) {
		w.a.tell(wire.Echo{ID: i, After: time.Second}.AppendTo(nil))
	}
	w.a.tell(wire.Echo{ID: 99, After: 2 * maxEchoDelay}.AppendTo(nil))
	w.run(time.Hour)
	if n := len(w.b.sent); n != maxEchoes {
		t.Errorf("%d replies, want %d", n, maxEchoes)
	}
}

// Over a metered pair Reports are rarer, and the peer is told, who waits longer.
func TestMeteredReportsAreTold(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	for i := range w.a.locals {
		w.a.locals[i].Metered = true
	}
	w.a.setLocals(w.a.locals...)
	w.run(time.Second)
	for _, h := range []*host{w.a, w.b} {
		if d := h.c.machine.ReportDelay(); d < 200*time.Millisecond {
			t.Errorf("%s reports within %v", h.name, d)
		}
		if h.c.announce.pending {
			t.Errorf("%s: not acknowledged", h.name)
		}
	}
	w.a.events, w.b.sent = nil, nil
	for range 100 { // one-way
		w.a.send(w.a.udp("x"))
		w.run(10 * time.Millisecond)
	}
	if n := len(w.b.sent); n < 2 || n > 5 {
		t.Errorf("%d Reports in a second", n)
	}
	if n := w.a.count(EventState); n != 0 {
		t.Errorf("%d changes of state: %v", n, w.a.events)
	}
}

// When the budget is spent there are no keepalives to speak of.
func TestSpentBudgetSendsNoKeepalives(t *testing.T) {
	w := newNATWorld(t, 10*time.Second, KeepaliveAuto)
	w.a.locals[0].Metered = true
	w.a.setLocals(w.a.locals...)
	w.open()
	w.run(time.Second)
	w.a.perform(w.a.c.SetSpent(w.now, true, nil))
	w.a.sent = nil
	w.run(time.Hour)
	if n := bytesOf(w.a); n > 10000 {
		t.Errorf("%d bytes in an idle hour", n)
	}
}

func TestSetConfigured(t *testing.T) {
	w := newWorld(t, setup{noLocatorsOfA: true})
	w.b.send(w.b.udp("waits"))
	w.run(time.Second)
	if len(w.b.sent) != 0 {
		t.Fatal("sent to nowhere")
	}
	w.b.perform(w.b.c.SetConfigured(w.now, ports(localsA), nil))
	w.run(100 * time.Millisecond)
	if len(w.a.got) != 1 {
		t.Fatalf("%v", w)
	}
	// What the peer has announced stays, whatever its name says.
	w.b.perform(w.b.c.SetConfigured(w.now, ports(localsB[:1]), nil))
	if got := w.b.knows(); !slices.Equal(got, append(slices.Clone(localsA), localsB[0])) {
		t.Errorf("B knows %v", got)
	}
}

// Who can be reached only by its own keepalives, and has been where nothing gets out, is
// reachable as soon as it is elsewhere.
func TestKeepaliveElsewhere(t *testing.T) {
	w := newNATWorld(t, time.Minute, 25*time.Second)
	w.open()
	w.run(30 * time.Second)
	w.fate = func(*flight) []time.Duration { return nil }
	w.run(50 * time.Minute)
	w.fate = nil
	w.a.setLocals(locator.Local{Addr: netip.MustParseAddr("10.1.0.2"), Interface: 2, Preference: 100})
	w.run(5 * time.Second)
	w.a.got = nil
	w.b.send(w.b.udp("are you there?"))
	w.run(5 * time.Second)
	if len(w.a.got) == 0 {
		t.Errorf("A cannot be reached: %v", w)
	}
}

// Behind a NAT the peer is away until its session has expired, and then the only uplink. When
// both are back, keepalives go on: nobody else can begin.
func TestKeepaliveAfterUplinkIsBack(t *testing.T) {
	w := newNATWorld(t, time.Minute, KeepaliveAuto)
	w.open()
	w.run(30 * time.Second)
	w.fate = func(*flight) []time.Duration { return nil }
	w.run(20 * time.Minute)
	all := w.a.locals
	w.a.setLocals()
	w.run(time.Minute)
	w.fate = nil
	w.a.setLocals(all...)
	w.run(2 * time.Hour)
	w.a.got = nil
	w.b.send(w.b.udp("are you there?"))
	w.run(10 * time.Second)
	if len(w.a.got) == 0 {
		t.Errorf("A cannot be reached: %v", w)
	}
}
