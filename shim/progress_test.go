package shim

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
)

// A flowTest drives a Term with TCP segments of one connection. Times are in
// milliseconds.
type flowTest struct {
	t    *testing.T
	h    *host
	term *Term
	s    *Session
	m    Marks
}

func newFlowTest(t *testing.T) *flowTest {
	return &flowTest{t: t, h: newWorld(t, setup{}).a, term: &Term{}, s: &Session{}}
}

func (f *flowTest) sent(ms int, s tcp) {
	f.term.Sent(time.Duration(ms)*time.Millisecond, &f.m, f.s, f.h.tcp(s), 1)
}

// acked has an ACK come and checks whether it confirms, and with what round trip
// (-1: none).
func (f *flowTest) acked(ms int, number uint32, confirms bool, rtt int) {
	f.t.Helper()
	s := tcp{}.back()
	s.ack = number
	f.received(ms, s, confirms, rtt)
}

func (f *flowTest) received(ms int, s tcp, confirms bool, rtt int) {
	f.t.Helper()
	f.term.confirmed.Store(0)
	f.term.sample.Store(0)
	f.term.Received(time.Duration(ms)*time.Millisecond, &f.m, f.h.other().tcp(s))
	if got := f.term.confirmed.Load() != 0; got != confirms {
		f.t.Errorf("at %d ms, ack %d: confirms %v, want %v", ms, s.ack, got, confirms)
	}
	want := max(0, int64(rtt)*int64(time.Millisecond))
	if got := f.term.sample.Load(); got != want {
		f.t.Errorf("at %d ms, ack %d: round trip %v, want %v", ms, s.ack, time.Duration(got), time.Duration(want))
	}
}

func data(seq uint32, n int) tcp { return tcp{seq: seq, length: n, flags: ack} }

// sackOption is an option with one SACK block (RFC 2018 §3), padded.
func sackOption(left, right uint32) []byte {
	o := []byte{1, 1, 5, 10}
	o = binary.BigEndian.AppendUint32(o, left)
	return binary.BigEndian.AppendUint32(o, right)
}

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(f *flowTest)
	}{
		{"a new ACK", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.acked(25, 1100, true, 15)
		}},
		{"part of what was sent", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.acked(25, 1050, true, 15)
			f.acked(27, 1100, true, 17)
		}},
		{"a duplicate ACK", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.acked(25, 1100, true, 15)
			f.acked(26, 1100, false, -1)
			f.acked(27, 1099, false, -1)
		}},
		{"an ACK for nothing new", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.acked(25, 1000, false, -1)
		}},
		{"an ACK of what an earlier term sent", func(f *flowTest) {
			f.sent(10, data(5000, 100))
			f.acked(25, 3000, false, -1)
			f.acked(26, 5000, false, -1)
			f.acked(27, 5001, true, 17)
		}},
		{"an ACK beyond what was sent", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.acked(25, 1101, false, -1)
			f.acked(26, math.MaxUint32, false, -1)
			f.acked(27, 1100, true, 17)
		}},
		{"no ACK flag", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			s := tcp{}.back()
			s.ack, s.flags = 1100, 0
			f.received(20, s, false, -1)
		}},
		{"wrap-around", func(f *flowTest) {
			f.sent(10, data(math.MaxUint32-49, 100))
			f.acked(20, math.MaxUint32-49, false, -1)
			f.acked(25, 50, true, 15)
			f.acked(26, math.MaxUint32, false, -1)
			f.sent(30, data(50, 100))
			f.acked(40, 150, true, 10)
		}},
		{"SYN and FIN count one each", func(f *flowTest) {
			f.sent(10, tcp{seq: 99, flags: syn})
			f.acked(20, 100, true, 10)
			f.sent(30, tcp{seq: 100, flags: fin | ack, length: 10})
			f.acked(40, 110, true, 10)
			f.acked(41, 111, true, 11)
		}},
		{"a retransmission is not timed, but counts", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.sent(210, data(1000, 100))
			f.acked(225, 1100, true, -1)
			f.sent(230, data(1100, 100))
			f.acked(240, 1200, true, 10)
		}},
		{"a retransmission of what an earlier term sent", func(f *flowTest) {
			f.sent(10, data(5000, 100))
			f.sent(20, data(1000, 100))
			f.acked(30, 1100, true, -1)
		}},
		{"a retransmission that is longer", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.sent(20, data(1000, 200))
			f.acked(30, 1200, true, -1)
		}},
		{"nothing is timed that was sent before a retransmission", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.sent(20, data(1100, 100))
			f.sent(30, data(1200, 100))
			f.sent(400, data(1000, 100))
			f.acked(410, 1100, true, -1)
			f.acked(412, 1200, true, -1)
			f.acked(414, 1300, true, -1)
			f.sent(420, data(1300, 100))
			f.acked(430, 1400, true, 10)
		}},
		{"what waited at the receiver behind a hole is not timed", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.sent(20, data(1100, 100))
			s := tcp{}.back()
			s.ack, s.options = 1000, sackOption(1100, 1200)
			f.received(30, s, true, -1)
			f.acked(400, 1200, true, -1)
			f.sent(410, data(1200, 100))
			f.acked(420, 1300, true, 10)
		}},
		{"what has waited for longest is timed", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			f.sent(15, data(1100, 100))
			f.acked(30, 1200, true, 20)
		}},
		{"an inbound segment with data", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			s := tcp{}.back()
			s.ack, s.length = 1100, 500
			f.received(20, s, true, 10)
		}},
		{"another connection", func(f *flowTest) {
			f.sent(10, data(1000, 100))
			s := tcp{sport: 2001, dport: 1000, flags: ack, ack: 1100}
			f.received(20, s, false, -1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.do(newFlowTest(t)) })
	}
}

func TestProgressWithAnyOptions(t *testing.T) {
	sack := []byte{1, 1, 5, 10, 0, 0, 4, 76, 0, 0, 4, 176}
	timestamp := []byte{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}
	for words := range 11 {
		options := slices.Concat(sack, timestamp, make([]byte, 16))[:4*words]
		f := newFlowTest(t)
		s := data(1000, 100)
		s.options = options
		f.sent(10, s)
		if segments, _ := f.term.unconfirmed(time.Second); segments == 0 {
			t.Errorf("data offset %d: not stamped", 5+words)
		}
		r := tcp{}.back()
		r.ack, r.options = 1100, options
		f.received(20, r, true, 10)
		if f.m.owedTCP.Load() != 0 {
			t.Errorf("data offset %d: options count as data", 5+words)
		}
	}
}

func TestParseSegment(t *testing.T) {
	h := newWorld(t, setup{}).a
	a, b := h.id.Public.Identifier(), h.cfg.Peer.Identifier()
	whole := data(7, 3).bytes()
	offset := func(n byte) []byte {
		p := slices.Clone(whole)
		p[12] = n << 4
		return p
	}
	for _, c := range []struct {
		name string
		pkt  []byte
		tcp  bool
	}{
		{"IPv6", ipv6(6, a, b, whole), true},
		{"IPv6, UDP", ipv6(17, a, b, whole), false},
		{"IPv6, extension header", ipv6(0, a, b, append([]byte{6, 0, 0, 0, 0, 0, 0, 0}, whole...)), false},
		{"IPv6, fragment header", ipv6(44, a, b, append([]byte{6, 0, 0, 0, 0, 0, 0, 0}, whole...)), false},
		{"IPv6, empty", ipv6(6, a, b, nil), false},
		{"IPv6, header cut short", ipv6(6, a, b, whole[:19]), false},
		{"data offset 4", ipv6(6, a, b, offset(4)), false},
		{"data offset 0", ipv6(6, a, b, offset(0)), false},
		{"data offset beyond the end", ipv6(6, a, b, offset(6)), false},
		{"IPv4", ipv4(6, 0, 0, whole), true},
		{"IPv4, don't fragment", ipv4(6, 0x4000, 0, whole), true},
		{"IPv4 with options", ipv4(6, 0, 10, whole), true},
		{"IPv4, UDP", ipv4(17, 0, 0, whole), false},
		{"IPv4, first fragment", ipv4(6, 0x2000, 0, whole), false},
		{"IPv4, middle fragment", ipv4(6, 0x2005, 0, whole), false},
		{"IPv4, last fragment", ipv4(6, 5, 0, whole), false},
		{"IPv4, header cut short", ipv4(6, 0, 3, whole[:12]), false},
	} {
		if CheckInner(c.pkt) != DropNone {
			t.Fatalf("%s: bad test", c.name)
		}
		s, ok := parseSegment(c.pkt, false)
		if ok != c.tcp {
			t.Errorf("%s: TCP %v, want %v", c.name, ok, c.tcp)
		}
		if ok && (s.sequence != 7 || s.length != 3 || !s.ack) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

// Both directions are one flow; other ports and addresses are others.
func TestFlowKey(t *testing.T) {
	h := newWorld(t, setup{}).a
	a, _ := parseSegment(h.tcp(tcp{sport: 1, dport: 2}), false)
	b, _ := parseSegment(h.other().tcp(tcp{sport: 2, dport: 1}), true)
	c, _ := parseSegment(h.tcp(tcp{sport: 1, dport: 3}), false)
	d, _ := parseSegment(ipv6(6, h.id.Public.Identifier(), innerAddrs[0], tcp{sport: 1, dport: 2}.bytes()), false)
	if a.flow != b.flow {
		t.Error("the two directions are different flows")
	}
	if a.flow == c.flow || a.flow == d.flow {
		t.Error("different flows have one key")
	}
}

// colliding returns two connections that fall on one slot.
func colliding(t *testing.T, h *host) (a, b tcp) {
	slots := map[uint64]tcp{}
	for p := uint16(1); p < 1000; p++ {
		s := tcp{sport: p, dport: 80, seq: 1000, length: 10, flags: ack}
		seg, _ := parseSegment(h.tcp(s), false)
		if o, ok := slots[seg.flow>>1%numFlows]; ok {
			return o, s
		}
		slots[seg.flow>>1%numFlows] = s
	}
	t.Fatal("no two connections share a slot")
	return
}

func TestFlowsThatShareASlot(t *testing.T) {
	f := newFlowTest(t)
	a, b := colliding(t, f.h)
	b.seq = 900
	answer := func(s tcp) tcp {
		r := s.back()
		r.ack = s.seq + uint32(s.length)
		return r
	}
	f.sent(10, a)
	f.sent(20, b)
	f.received(30, answer(a), false, -1) // a had to make room
	f.received(31, answer(b), true, 11)
	f.sent(40, a)
	f.received(50, answer(a), true, 10)
	f.received(51, answer(b), false, -1)
}

func TestStamps(t *testing.T) {
	f := newFlowTest(t)
	check := func(what string, segments, others int) {
		t.Helper()
		gotSegments, gotOthers := f.term.unconfirmed(100 * time.Millisecond)
		if ms := int(gotSegments.Milliseconds()); ms != segments {
			t.Errorf("%s: TCP is unconfirmed since %d ms, want %d", what, ms, segments)
		}
		if ms := int(gotOthers.Milliseconds()); ms != others {
			t.Errorf("%s: other packets are unconfirmed since %d ms, want %d", what, ms, others)
		}
	}
	f.sent(10, tcp{flags: ack})
	check("a pure ACK", 0, 0)
	f.sent(20, data(1000, 10))
	f.sent(30, data(1010, 10))
	check("TCP data", 20, 0)
	f.term.Sent(40*time.Millisecond, &f.m, f.s, f.h.udp("x"), 1)
	f.term.Sent(50*time.Millisecond, &f.m, f.s, f.h.udp("x"), 1)
	check("UDP", 20, 40)
	f.acked(60, 1010, true, 40)
	check("an ACK of the first segment", 30, 40)
	f.sent(65, data(1020, 10))
	f.acked(70, 1030, true, 40)
	check("an ACK of all", 0, 0)
}

func TestOwed(t *testing.T) {
	f := newFlowTest(t)
	in := tcp{sport: 2000, dport: 1000, flags: ack, length: 10}
	pure := tcp{sport: 2000, dport: 1000, flags: ack}
	var none *Term
	none.Received(5*time.Millisecond, &f.m, f.h.other().tcp(pure))
	if f.m.owedTCP.Load() != 0 || f.m.owedOther.Load() != 0 {
		t.Error("a pure ACK is owed something")
	}
	none.Received(10*time.Millisecond, &f.m, f.h.other().tcp(in))
	none.Received(12*time.Millisecond, &f.m, f.h.other().udp("x"))
	if f.m.owedTCP.Load() != int64(10*time.Millisecond) || f.m.owedOther.Load() != int64(12*time.Millisecond) {
		t.Errorf("owed since %v and %v", f.m.owedTCP.Load(), f.m.owedOther.Load())
	}
	f.sent(15, tcp{seq: 1, flags: syn}) // no ACK
	if f.m.owedTCP.Load() == 0 {
		t.Error("a segment without ACK clears what is owed")
	}
	f.sent(20, tcp{flags: ack})
	if f.m.owedTCP.Load() != 0 {
		t.Error("our TCP's ACK does not clear what is owed")
	}
	if f.m.owedOther.Load() == 0 {
		t.Error("it clears what only a Report can confirm")
	}
}

func TestTouch(t *testing.T) {
	var m Marks
	if !m.Touch() || m.Touch() {
		t.Error("the first packet wakes the loop, the next does not")
	}
	if !m.look() || m.Touch() {
		t.Error("after activity the loop stays awake")
	}
	if !m.look() || m.look() {
		t.Error("look tells of packets once")
	}
	if !m.Touch() {
		t.Error("a packet after silence does not wake the loop")
	}
}

// One goroutine sends, one receives, the loop looks: with -race.
func TestMarksConcurrently(t *testing.T) {
	h := newWorld(t, setup{}).a
	term, m, s := &Term{}, &Marks{}, &Session{}
	wakes := make(chan bool, 1)
	var packets, loop sync.WaitGroup
	packets.Go(func() {
		for i := range 3000 {
			now := time.Duration(i+1) * time.Microsecond
			term.Sent(now, m, s, h.tcp(tcp{sport: uint16(i%200 + 1), dport: 80, seq: uint32(i) * 10, length: 10, flags: ack}), 1)
			term.Sent(now, m, s, h.udp("x"), 1)
			if m.Touch() {
				wakes <- true
			}
		}
	})
	packets.Go(func() {
		for i := range 3000 {
			now := time.Duration(i+1) * time.Microsecond
			term.Received(now, m, h.other().tcp(tcp{sport: 80, dport: uint16(i%200 + 1), ack: uint32(i)*10 + 10, flags: ack, length: 1}))
			term.Received(now, m, h.other().udp("x"))
			if m.Touch() {
				wakes <- true
			}
		}
	})
	loop.Go(func() {
		for range wakes {
			for m.look() {
				term.sample.Swap(0)
				term.unconfirmed(time.Second)
			}
		}
	})
	packets.Wait()
	close(wakes)
	loop.Wait()
	if m.active.Load() {
		t.Error("the loop sleeps though packets have passed")
	}
}

// What a Report confirms.
func TestReports(t *testing.T) {
	w := newWorld(t, setup{})
	w.open()
	w.run(time.Second)
	a := w.a
	confirmations := func() string {
		w.t.Helper()
		c := a.c.term.confirmed.Load()
		return fmt.Sprint(c != 0 && c == int64(a.since()))
	}
	s := a.path.Session
	report := func(largest uint64) string {
		w.now = w.now.Add(time.Millisecond)
		w.b.tell(wireReport(s, largest))
		return confirmations()
	}
	for range 5 {
		a.send(a.udp("x"))
	}
	w.until(oneWay, w.idle)
	last := s.next.Load() - 1
	for _, c := range []struct {
		name    string
		largest uint64
		want    string
	}{
		{"the last but one", last - 1, "true"},
		{"the same again", last - 1, "false"},
		{"an older one", last - 3, "false"},
		{"one never sent", last + 1000, "false"},
		{"the greatest number", math.MaxUint64, "false"},
		{"the last", last, "true"},
	} {
		if got := report(c.largest); got != c.want {
			t.Errorf("%s: confirms %s, want %s", c.name, got, c.want)
		}
	}
	// A new term: what was sent before it says nothing of it.
	a.send(a.udp("before"))
	before := s.next.Load() - 1
	old := a.c.term
	a.c.newTerm()
	a.c.setPath()
	a.perform(a.c.leave())
	if a.c.term == old {
		t.Fatal("no new term")
	}
	if got := report(before); got != "false" {
		t.Error("a packet of the last term confirms this one")
	}
	a.send(a.udp("after"))
	if got := report(s.next.Load() - 1); got != "true" {
		t.Error("a packet of this term does not confirm it")
	}
}

// A new connection between the same ports begins anew, wherever its numbers begin.
func TestPortsUsedAgain(t *testing.T) {
	w := settled(t, setup{})
	w.a.send(w.a.tcp(tcp{seq: 3_000_000_000, length: 1000, flags: ack}))
	w.run(oneWay)
	s := tcp{}.back()
	s.ack = 3_000_001_000
	w.b.send(w.b.tcp(s))
	w.run(oneWay)
	w.a.send(w.a.tcp(tcp{seq: 1_000_000_000, flags: syn}))
	pkt := w.a.tcp(tcp{seq: 1_000_000_001, length: 1000, flags: ack})
	w.a.send(pkt)
	if w.a.path.Term.Arrived(pkt) {
		t.Error("what was only just sent has arrived")
	}
}
