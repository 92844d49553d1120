package shim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/multi6/multi6/inner"
)

// blob returns a packet of n bytes, at least 40, that is not TCP and is told from
// others by its number.
func blob(number, n int) []byte {
	b := bytes.Repeat([]byte{byte(number)}, n)
	b[0], b[6] = 6<<4, 17
	binary.BigEndian.PutUint32(b[8:], uint32(number))
	return b
}

// kept returns what r holds, oldest first.
func (r *Ring) kept() (pkts [][]byte) {
	for i := range r.Len() {
		pkts = append(pkts, r.packet(i).Buf)
	}
	return pkts
}

// TestRingModel pushes packets and compares with a list of all of them: the ring
// holds the newest, whole and in order, and drops none that it need not.
func TestRingModel(t *testing.T) {
	type pushed struct {
		at      time.Duration
		pkt     []byte
		waiting bool
	}
	rapid.Check(t, func(t *rapid.T) {
		var r Ring
		var all []pushed // since what is surely gone
		var settled time.Duration
		now, number := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start")), 0
		sizes := rapid.OneOf(rapid.IntRange(40, 200), rapid.IntRange(1000, 1500), rapid.IntRange(40, 60000))
		push := func(t *rapid.T, size int, waiting bool) {
			before, room, records := r.Len(), max(len(r.data), ringFirst), max(len(r.records), ringFirst/256)
			p := pushed{now, blob(number, size), waiting}
			gone := r.Push(now, inner.Packet{Buf: p.pkt}, p.waiting)
			clear(p.pkt[40:]) // the ring has a copy
			p.pkt = blob(number, size)
			number++
			all = append(all, p)
			lost := all[len(all)-1-before : len(all)-r.Len()]
			all = all[len(all)-r.Len():]
			want := 0
			for _, p := range lost {
				if p.waiting {
					want++
				}
			}
			if gone != want {
				t.Fatalf("%d waiting packets made room, want %d", gone, want)
			}
			if len(lost) == 0 {
				return
			}
			held := len(lost[len(lost)-1].pkt)
			for _, p := range all {
				held += len(p.pkt)
			}
			// At the end of the ring up to one packet's length is left over.
			if most := 60000; held <= room-most && r.Len() < records {
				t.Fatalf("dropped a packet though %d bytes fit in %d", held, room)
			}
			for _, p := range lost {
				if (p.waiting || p.at > settled && now-p.at < ringYoung) && len(r.data) < ringLast {
					t.Fatalf("dropped a packet of age %v and has only %d bytes", now-p.at, len(r.data))
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) { push(t, sizes.Draw(t, "size"), rapid.Bool().Draw(t, "waiting")) },
			"burst": func(t *rapid.T) {
				size, waiting := sizes.Draw(t, "size"), rapid.Bool().Draw(t, "waiting")
				for range rapid.IntRange(1, 200).Draw(t, "count") {
					push(t, size, waiting)
				}
			},
			"too large": func(t *rapid.T) {
				before := r.Len()
				r.Push(now, inner.Packet{Buf: make([]byte, ringLast/4+1)}, true)
				if r.Len() != before {
					t.Fatal("a packet of more than a quarter of the ring was taken")
				}
			},
			"wait": func(t *rapid.T) { now += time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond },
			"release": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "release") == 0 {
					r.Release()
					all, settled = nil, 0
				}
			},
			"settle": func(t *rapid.T) {
				settled = now - time.Duration(rapid.IntRange(0, 300).Draw(t, "ms"))*time.Millisecond
				r.Settle(settled)
			},
			"sent": func(t *rapid.T) {
				n := rapid.IntRange(0, len(all)).Draw(t, "sent")
				r.Sent(now, r.Pushed()-uint64(len(all)-n))
				for i := range all[:n] {
					if all[i].waiting {
						all[i].waiting, all[i].at = false, now
					}
				}
			},
			"after": func(t *rapid.T) {
				from := rapid.IntRange(0, len(all)).Draw(t, "from")
				first := r.Pushed() - uint64(len(all)-from)
				n := from
				r.After(first, func(k Kept) {
					if want := all[n]; k.At != want.at || k.Waiting != want.waiting || k.Number != first+uint64(n-from) || !bytes.Equal(k.Buf, want.pkt) {
						t.Fatalf("packet %d of %d differs", n, len(all))
					}
					n++
				})
				if n != len(all) {
					t.Fatalf("%d packets from number %d on, want %d", n-from, first, len(all)-from)
				}
			},
			"": func(t *rapid.T) {
				waiting := 0
				for _, p := range all {
					if p.waiting {
						waiting++
					}
				}
				if r.Waiting() != waiting {
					t.Fatalf("%d wait, want %d", r.Waiting(), waiting)
				}
				if n := len(r.data); n > ringLast || n > 0 && n&(n-1) != 0 {
					t.Fatalf("%d bytes", n)
				}
				got := r.kept()
				if r.Len() != len(all) || len(got) != len(all) {
					t.Fatalf("holds %d packets, gives %d, want %d", r.Len(), len(got), len(all))
				}
				for i, p := range all {
					if !bytes.Equal(got[i], p.pkt) {
						t.Fatalf("packet %d of %d differs", i, len(all))
					}
				}
			},
		})
	})
}

// TestRingGrowth: a burst of young packets makes it grow to its bound; slow
// traffic never does.
func TestRingGrowth(t *testing.T) {
	var fast, slow, settled Ring
	for i := range 4 * ringLast / 1400 {
		fast.Push(time.Duration(i)*time.Microsecond, inner.Packet{Buf: blob(i, 1400)}, false)
		slow.Push(time.Duration(i)*ringYoung, inner.Packet{Buf: blob(i, 1400)}, false)
		settled.Settle(time.Duration(i-40) * time.Microsecond) // so many are under way
		settled.Push(time.Duration(i)*time.Microsecond, inner.Packet{Buf: blob(i, 1400)}, false)
	}
	if len(settled.data) != ringFirst || settled.Len() < 40 {
		t.Errorf("settled: %d packets in %d bytes, want those under way in %d", settled.Len(), len(settled.data), ringFirst)
	}
	if len(fast.data) != ringLast || fast.Len() < ringLast/1400-1 {
		t.Errorf("fast: %d packets in %d bytes, want about %d in %d", fast.Len(), len(fast.data), ringLast/1400, ringLast)
	}
	if len(slow.data) != ringFirst || slow.Len() < ringFirst/1400-1 {
		t.Errorf("slow: %d packets in %d bytes, want about %d in %d", slow.Len(), len(slow.data), ringFirst/1400, ringFirst)
	}
	fast.Release()
	if fast.Len() != 0 || fast.data != nil || fast.records != nil {
		t.Error("Release keeps memory")
	}
	fast.Push(0, inner.Packet{Buf: blob(1, 100)}, false)
	if fast.Len() != 1 {
		t.Error("nothing can be pushed after Release")
	}
}

// TestUnconfirmedModel sends segments of three connections and other packets,
// has some acknowledged, and compares with a look at every pair of packets.
func TestUnconfirmedModel(t *testing.T) {
	h := newWorld(t, setup{}).a
	ports := []uint16{1000, 1001, 1002}
	used := map[uint64]bool{}
	for _, p := range ports {
		s, ok := parseSegment(h.tcp(tcp{sport: p, dport: 80, flags: ack}), false)
		if slot := s.flow >> 1 % numFlows; !ok || used[slot] {
			t.Fatal("choose other ports: two connections share a slot")
		} else {
			used[slot] = true
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var r Ring
		var m Marks
		term := &Term{}
		term.grain.Store(int64(leastGrain))
		start := rapid.Uint32().Draw(t, "sequence")
		next := map[uint16]uint32{}
		acked := map[uint16]uint32{} // offsets from start
		sent := map[uint16][]tcp{}
		var list []modelPacket
		now := time.Second
		waiting, from := false, rapid.IntRange(0, 60).Draw(t, "waiting from")
		out := func(p modelPacket) {
			now += time.Millisecond
			p.at, p.waiting = now, waiting
			if !waiting {
				term.Sent(now, &m, &Session{}, p.pkt, 1)
			}
			r.Push(now, inner.Packet{Buf: p.pkt}, waiting)
			list = append(list, p)
		}
		send := func(s tcp) {
			out(modelPacket{pkt: h.tcp(s), port: s.sport, offset: s.seq - start, length: uint32(s.length)})
		}
		for i := range rapid.IntRange(0, 40).Draw(t, "steps") {
			waiting = i >= from
			port := rapid.SampledFrom(ports).Draw(t, "port")
			switch rapid.SampledFrom([]string{"data", "again", "pure", "acknowledged", "other"}).Draw(t, "step") {
			case "data":
				s := tcp{sport: port, dport: 80, seq: start + next[port], flags: ack, length: rapid.IntRange(1, 1000).Draw(t, "length")}
				next[port] += uint32(s.length)
				sent[port] = append(sent[port], s)
				send(s)
			case "again":
				if old := sent[port]; len(old) > 0 {
					s := rapid.SampledFrom(old).Draw(t, "old")
					s.ack = uint32(len(list)) // a later acknowledgement number tells the copies apart
					send(s)
				}
			case "pure":
				send(tcp{sport: port, dport: 80, seq: start + next[port], ack: uint32(len(list)), flags: ack})
			case "acknowledged":
				if waiting || next[port] == 0 {
					continue // nothing is sent, so nothing comes
				}
				a := uint32(rapid.IntRange(int(acked[port]), int(next[port])).Draw(t, "to"))
				acked[port] = a
				now += time.Millisecond
				term.Received(now, &m, h.other().tcp(tcp{sport: 80, dport: port, ack: start + a, flags: ack}))
			case "other":
				out(modelPacket{pkt: h.udp(fmt.Sprint(len(list))), other: true})
			}
		}
		since := time.Second + time.Duration(rapid.IntRange(0, 45).Draw(t, "since"))*time.Millisecond
		now += rapid.SampledFrom([]time.Duration{0, datagramAge - 10*time.Millisecond, waitingAge - 10*time.Millisecond, time.Hour}).Draw(t, "later")
		limit := rapid.OneOf(rapid.IntRange(0, 5000), rapid.Just(ringLast)).Draw(t, "limit")
		var got []modelPacket
		r.Unconfirmed(Resend{Term: term, Since: since, Limit: limit}, now, func(k Kept) {
			got = append(got, modelPacket{at: k.At, pkt: bytes.Clone(k.Buf)})
		})
		want := unconfirmedModel(list, acked, now, since, limit)
		if !slices.EqualFunc(got, want, func(a, b modelPacket) bool { return a.at == b.at && bytes.Equal(a.pkt, b.pkt) }) {
			t.Fatalf("got %v, want %v", times(got), times(want))
		}
	})
}

// A modelPacket is a packet that was pushed. offset is where its data starts in
// the connection's stream.
type modelPacket struct {
	at             time.Duration
	pkt            []byte
	port           uint16
	offset, length uint32
	other, waiting bool
}

// supersedes reports whether p, the later, makes o needless.
func (p modelPacket) supersedes(o modelPacket) bool {
	if p.other || o.other || p.port != o.port {
		return false
	}
	if p.length == 0 || o.length == 0 {
		return p.length == 0 && o.length == 0
	}
	return p.offset == o.offset
}

func superseded(list []modelPacket, i int) bool {
	return slices.ContainsFunc(list[i+1:], func(p modelPacket) bool { return p.supersedes(list[i]) })
}

func unconfirmedModel(list []modelPacket, acked map[uint16]uint32, now, since time.Duration, limit int) (want []modelPacket) {
	var data []modelPacket
	for i, p := range list {
		worth := datagramAge
		if p.waiting {
			worth = waitingAge
		}
		arrived := !p.other && p.offset+p.length <= acked[p.port]
		switch {
		case superseded(list, i):
		case !p.other && p.length == 0:
			// A pure acknowledgement goes first, unless its connection may be over.
			if p.waiting || now-p.at <= acknowledgementAge {
				p.at = 0
				want = append(want, p)
			}
		case p.other && now-p.at > worth:
		case p.waiting || p.at > since && !arrived:
			data = append(data, p)
		}
	}
	for _, p := range data {
		if !p.waiting && limit < len(p.pkt) {
			continue
		}
		if !p.waiting {
			limit -= len(p.pkt)
		}
		want = append(want, p)
	}
	return want
}

func times(ps []modelPacket) (at []time.Duration) {
	for _, p := range ps {
		at = append(at, p.at)
	}
	return at
}

// TestUnconfirmedWithoutTerm: nothing is known, so everything goes.
func TestUnconfirmedWithoutTerm(t *testing.T) {
	h := newWorld(t, setup{}).a
	var r Ring
	if r.Unconfirmed(Resend{Limit: ringLast}, 0, func(Kept) { t.Error("an empty ring has a packet") }); r.Len() != 0 {
		t.Error("an empty ring has a length")
	}
	r.Push(1, inner.Packet{Buf: h.tcp(tcp{seq: 1, length: 10, flags: ack})}, false)
	r.Push(2, inner.Packet{Buf: h.udp("x")}, false)
	r.Push(3, inner.Packet{Buf: h.tcp(tcp{seq: 11, flags: fin | ack})}, false)
	for _, term := range []*Term{nil, {}} {
		n := 0
		r.Unconfirmed(Resend{Term: term, Limit: ringLast}, 0, func(Kept) { n++ })
		if n != 3 {
			t.Errorf("%d packets, want 3: a FIN is no pure acknowledgement", n)
		}
	}
}

// TestUnconfirmedFromBeforeTheTerm: what was sent before the term's first segment
// has not arrived because that one was sent. It was lost with the pair before, and
// no other than the ring has it.
func TestUnconfirmedFromBeforeTheTerm(t *testing.T) {
	h := newWorld(t, setup{}).a
	var r Ring
	var m Marks
	term := &Term{}
	before, after := h.tcp(data(100, 10)), h.tcp(data(110, 10))
	r.Push(1, inner.Packet{Buf: before}, false)
	term.Sent(2, &m, &Session{}, after, 1)
	r.Push(2, inner.Packet{Buf: after}, false)
	for _, tt := range []struct {
		acked uint32
		want  []time.Duration
	}{
		{100, []time.Duration{1, 2}},
		{110, []time.Duration{1, 2}}, // tells nothing of this term
		{115, []time.Duration{2}},
		{120, nil},
	} {
		s := tcp{}.back()
		s.ack = tt.acked
		term.Received(3, &m, h.other().tcp(s))
		var got []time.Duration
		r.Unconfirmed(Resend{Term: term, Limit: ringLast}, 3, func(k Kept) { got = append(got, k.At) })
		if !slices.Equal(got, tt.want) {
			t.Errorf("after an acknowledgement of %d: packets of %v, want %v", tt.acked, got, tt.want)
		}
	}
}

// TestUnconfirmedLimit: the limit is for what is sent again; what waits goes
// whatever there is of it, for nobody else will send it.
func TestUnconfirmedLimit(t *testing.T) {
	var r Ring
	for i, waiting := range []bool{false, true, false, true, true} {
		r.Push(time.Duration(i+1), inner.Packet{Buf: blob(i, 100)}, waiting)
	}
	for limit, want := range map[int][]time.Duration{0: {2, 4, 5}, 99: {2, 4, 5}, 100: {1, 2, 4, 5}, 199: {1, 2, 4, 5}, 200: {1, 2, 3, 4, 5}} {
		var got []time.Duration
		r.Unconfirmed(Resend{Limit: limit}, 10, func(k Kept) { got = append(got, k.At) })
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: packets of %v, want %v", limit, got, want)
		}
	}
}

// TestRingLongFirst: a ring without packets grows for one that is longer than it.
func TestRingLongFirst(t *testing.T) {
	for _, n := range []int{ringFirst, ringFirst + 1, 65575, ringLast / 4} {
		for _, empty := range []bool{false, true} {
			var r Ring
			if empty {
				r.Push(0, inner.Packet{Buf: blob(0, 40)}, true)
				r.drop()
				r.waiting = 0
			}
			lost := r.Push(time.Second, inner.Packet{Buf: blob(1, n)}, false)
			if lost != 0 || r.Len() != 1 || !bytes.Equal(r.packet(0).Buf, blob(1, n)) {
				t.Errorf("%d bytes: %d lost, %d kept", n, lost, r.Len())
			}
		}
	}
}

// TestUnconfirmedDatagramAge: what is not TCP is too old some time, as nobody
// waits for it any more; TCP does.
func TestUnconfirmedDatagramAge(t *testing.T) {
	h := newWorld(t, setup{}).a
	for _, c := range []struct {
		name string
		pkt  []byte
		age  time.Duration
		wait bool
		want int
	}{
		{"young datagram", h.udp("x"), datagramAge, false, 1},
		{"old datagram", h.udp("x"), datagramAge + 1, false, 0},
		{"waiting datagram", h.udp("x"), waitingAge, true, 1},
		{"old waiting datagram", h.udp("x"), waitingAge + 1, true, 0},
		{"old segment", h.tcp(tcp{seq: 1, length: 10, flags: ack}), time.Hour, false, 1},
		{"old waiting segment", h.tcp(tcp{seq: 1, length: 10, flags: ack}), waitingAge + 1, true, 1},
	} {
		var r Ring
		r.Push(1, inner.Packet{Buf: c.pkt}, c.wait)
		n := 0
		late := r.Unconfirmed(Resend{Limit: ringLast}, 1+c.age, func(Kept) { n++ })
		if n != c.want || (late == 1) != (c.wait && n == 0) {
			t.Errorf("%s: %d packets, %d late, want %d", c.name, n, late, c.want)
		}
		if !c.wait {
			continue
		}
		// What was late then is not young by having been left.
		r.Sent(1+c.age, r.Pushed())
		again := 0
		r.Unconfirmed(Resend{Since: c.age, Limit: ringLast}, 2+c.age, func(Kept) { again++ })
		if again != n || r.Waiting() != 0 {
			t.Errorf("%s: %d packets go again, want %d; %d wait", c.name, again, n, r.Waiting())
		}
	}
}

// TestRingWaiting: packets that wait make the ring grow however old they are,
// and the oldest make room in the end.
func TestRingWaiting(t *testing.T) {
	var r Ring
	lost := 0
	const n = 2 * ringLast / 1400
	for i := range n {
		lost += r.Push(time.Duration(i)*time.Second, inner.Packet{Buf: blob(i, 1400)}, true)
	}
	if len(r.data) != ringLast || r.Waiting() != r.Len() || lost != n-r.Len() {
		t.Errorf("%d wait of %d in %d bytes, %d lost; want all of those kept in %d", r.Waiting(), r.Len(), len(r.data), lost, ringLast)
	}
	r.Sent(0, r.Pushed())
	if r.Waiting() != 0 || r.Len() != n-lost {
		t.Errorf("%d wait of %d after Sent, want none of %d", r.Waiting(), r.Len(), n-lost)
	}
}
