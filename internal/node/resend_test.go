package node

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// A queueing is a ring and a resender, in virtual time.
type queueing struct {
	t    *testing.T
	now  time.Duration
	ring shim.Ring
	r    *resender
	path *shim.Path
	sent []uint32 // by number, in the order in which they went
	next uint32
}

var (
	firstPair  = locator.Pair{Local: netip.MustParseAddr("2001:db8::1"), Remote: netip.MustParseAddrPort("[2001:db8::2]:1")}
	secondPair = locator.Pair{Local: netip.MustParseAddr("2001:db8:1::1"), Remote: netip.MustParseAddrPort("[2001:db8:1::2]:1")}
)

const resentSize = 1000

func newQueueing(t *testing.T) *queueing {
	return &queueing{t: t, now: time.Second, path: &shim.Path{Hop: shim.Hop{Pair: firstPair}}}
}

// push is what the packet path does with a datagram of its own number.
func (q *queueing) push() {
	b := make([]byte, resentSize)
	b[0] = 0x60
	binary.BigEndian.PutUint32(b[40:], q.next)
	q.next++
	p := inner.Packet{Buf: b}
	if q.r.queues(q.now, q.path.Pair, len(b), &q.ring) {
		q.r.queued += len(b)
		q.ring.Push(q.now, p, true)
		return
	}
	if q.r != nil && q.path.Pair == q.r.hop.Pair {
		q.note(b)
	}
	if second := q.path.Second.Pair; second.IsValid() && !q.r.queues(q.now, second, 0, &q.ring) {
		q.note(b)
	}
	q.ring.Push(q.now, p, false)
}

func (q *queueing) note(b []byte) { q.sent = append(q.sent, binary.BigEndian.Uint32(b[40:])) }

// tick is what the loop does, and returns how many bytes went.
func (q *queueing) tick() (n int) {
	q.r.take(&q.ring, q.path)
	for _, x := range q.r.due(q.now) {
		q.note(x.packet())
		n += x.size()
	}
	q.ring.Sent(q.now, q.r.unsent())
	return n
}

func (q *queueing) begin(limit int, test bool) {
	q.r, _ = newResender(&q.ring, shim.Resend{Hop: shim.Hop{Pair: secondPair}, Limit: limit, Test: test}, q.now)
}

// inOrder fails the test unless all that was pushed has gone, each once.
func (q *queueing) inOrder() {
	q.t.Helper()
	for i, n := range q.sent {
		if n != uint32(i) {
			q.t.Fatalf("packet %d went in place %d of %d", n, i, len(q.sent))
		}
	}
	if len(q.sent) != int(q.next) || q.ring.Waiting() != 0 {
		q.t.Errorf("%d of %d packets went, %d wait", len(q.sent), q.next, q.ring.Waiting())
	}
}

// What comes while packets are sent again queues behind them, whether the pair is under
// test or primary by then; all go in order, little faster than they came.
func TestResendInOrder(t *testing.T) {
	const lost, perTick = 40, 10
	q := newQueueing(t)
	step := func() {
		q.now += time.Millisecond
		for range perTick {
			q.push()
		}
	}
	for range lost {
		step()
	}
	q.begin(math.MaxInt, true)
	q.path = &shim.Path{Hop: shim.Hop{Pair: firstPair}, Second: shim.Hop{Pair: secondPair}}
	total := q.tick()
	for i := 0; len(q.r.pending) > 0; i++ {
		if i == lost {
			q.r.take(&q.ring, q.path)
			q.path = &shim.Path{Hop: shim.Hop{Pair: secondPair}}
		}
		step()
		total += q.tick()
		most := resentSize * (perTick*resendSpeed*float64(i+2+int(resendCredit/resendGrain)) + 1)
		if float64(total) > most {
			t.Fatalf("%d bytes have gone after %d ms, want at most %.0f", total, i+1, most)
		}
		if i > 4*lost/(resendSpeed-1) {
			t.Fatal("never caught up")
		}
	}
	q.inOrder()
}

// Before the pair has answered, no more goes than the limit; then the rest, in order.
func TestResendStallsAtLimit(t *testing.T) {
	q := newQueueing(t)
	for range 20 {
		q.push()
	}
	q.begin(5*resentSize+1, true)
	for range 10 {
		q.tick()
		q.now += time.Millisecond
	}
	if len(q.sent) != 5 || !q.r.stalled() || !q.r.next(time.Now()).IsZero() {
		t.Fatalf("%d packets, want 5 and no more until the pair has answered", len(q.sent))
	}
	q.r.left = math.MaxInt
	for range 20 {
		q.tick()
		q.now += time.Millisecond
	}
	q.inOrder()
}

// Over the primary pair nothing waits for an answer: what is over the limit is left, and what
// came meanwhile goes.
func TestResendLimitOnPrimary(t *testing.T) {
	q := newQueueing(t)
	for range 20 {
		q.push()
	}
	q.path = &shim.Path{Hop: shim.Hop{Pair: secondPair}}
	q.begin(5*resentSize+1, false)
	q.push()
	for range 20 {
		q.now += time.Millisecond
		q.tick()
	}
	if got, want := q.sent, []uint32{0, 1, 2, 3, 4, 20}; !slices.Equal(got, want) {
		t.Errorf("packets %v went, want %v", got, want)
	}
	if len(q.r.pending) > 0 {
		t.Errorf("%d packets are still pending", len(q.r.pending))
	}
}

// The host's packets queue for so long only, and so many of them; what has queued goes.
func TestQueueEnds(t *testing.T) {
	for name, end := range map[string]func(q *queueing){
		"time": func(q *queueing) { q.now += queueFor },
		"bytes": func(q *queueing) {
			for range queueBytes / resentSize {
				q.push()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueueing(t)
			q.push()
			q.begin(math.MaxInt, true)
			q.path = &shim.Path{Hop: shim.Hop{Pair: secondPair}}
			q.push()
			end(q)
			before := len(q.sent)
			for range 3 {
				q.push()
			}
			if got := len(q.sent) - before; got < 2 {
				t.Fatalf("%d packets went at once, want those after the end", got)
			}
			for range 2000 {
				q.tick()
				q.now += time.Millisecond
			}
			if len(q.sent) != int(q.next) || q.ring.Waiting() != 0 {
				t.Errorf("%d packets went of %d, %d wait", len(q.sent), q.next, q.ring.Waiting())
			}
		})
	}
}

// TestResendBurst: what queues behind little has gone when nothing queues any longer.
func TestResendBurst(t *testing.T) {
	q := newQueueing(t)
	for range 5 {
		q.push()
		q.now += 20 * time.Millisecond
	}
	q.begin(math.MaxInt, true)
	q.path = &shim.Path{Hop: shim.Hop{Pair: secondPair}}
	q.tick()
	began := q.now
	for range 600 {
		q.push()
	}
	for len(q.r.pending) > 0 || q.ring.Waiting() > 0 {
		q.now += time.Millisecond
		q.tick()
	}
	if d := q.now - began; d > queueFor {
		t.Errorf("the last of the burst went %v after it came, want at most %v", d, queueFor)
	}
	q.inOrder()
}

// TestResendLate: what the host sends while the loop is on its way to send again goes, too.
func TestResendLate(t *testing.T) {
	q := newQueueing(t)
	q.push()
	q.now += 3 * time.Millisecond
	q.push()
	q.begin(math.MaxInt, true)
	q.path = &shim.Path{Hop: shim.Hop{Pair: firstPair}, Second: shim.Hop{Pair: secondPair}}
	q.push()
	for range 10 {
		q.now += time.Millisecond
		q.tick()
	}
	q.inOrder()
}

// TestResendPace: packets that come one by one when there is no more room to send do not make
// for a slower pace.
func TestResendPace(t *testing.T) {
	q := newQueueing(t)
	for range 10 { // 5 MB/s
		q.now += time.Millisecond
		for range 5 {
			q.push()
		}
	}
	q.begin(math.MaxInt, true)
	want := q.r.rate
	if want < 5e6 || want > 8e6 {
		t.Fatalf("%.0f bytes a second, want 5 million and little more", want)
	}
	q.r = nil
	for range 3 {
		q.now += 10 * time.Millisecond
		q.push()
	}
	q.begin(math.MaxInt, true)
	if q.r.rate < 0.9*want {
		t.Errorf("%.0f bytes a second after three probes, %.0f without", q.r.rate, want)
	}
}

// What has probably arrived goes when nothing else is left to go.
func TestResendPutsOff(t *testing.T) {
	const old, lost, later = 10, 10, 5
	q := newQueueing(t)
	for range old + lost {
		q.now += time.Millisecond
		q.push()
	}
	q.r, _ = newResender(&q.ring, shim.Resend{
		Hop: shim.Hop{Pair: secondPair}, Limit: math.MaxInt, Test: true, First: q.now - lost*time.Millisecond,
	}, q.now)
	q.path = &shim.Path{Hop: shim.Hop{Pair: firstPair}, Second: shim.Hop{Pair: secondPair}}
	for range later {
		q.push()
	}
	for i := 0; len(q.r.pending) > 0; i++ {
		if i > 1000 {
			t.Fatalf("%d packets are still pending", len(q.r.pending))
		}
		q.tick()
		q.now += time.Millisecond
	}
	var want []uint32
	for i := range old + lost + later {
		want = append(want, uint32((i+old)%(old+lost+later)))
	}
	if !slices.Equal(q.sent, want) {
		t.Errorf("packets %v went, want %v", q.sent, want)
	}
}

// All may be put off.
func TestResendPutsOffAll(t *testing.T) {
	q := newQueueing(t)
	for range 3 {
		q.push()
	}
	q.r, _ = newResender(&q.ring, shim.Resend{Hop: shim.Hop{Pair: secondPair}, Limit: math.MaxInt, First: q.now}, q.now)
	q.tick()
	q.now += 100 * time.Millisecond
	q.tick()
	q.inOrder()
}

// A super-packet that queues counts as what it is cut into: when all have gone, none queue.
func TestResendQueuesSuperPacket(t *testing.T) {
	const segment, now = 1000, time.Second
	b := make([]byte, 40+8+2*segment+segment/2)
	b[0], b[6] = 0x60, 17
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	binary.BigEndian.PutUint16(b[44:], uint16(len(b)-40))
	path := &shim.Path{Hop: shim.Hop{Pair: secondPair}, Term: new(shim.Term)}
	p := new(peer)
	p.resender, _ = newResender(&p.ring, shim.Resend{Hop: path.Hop, Limit: math.MaxInt}, now)
	new(Node).newSealer().seal(now, p, path, nil, &inner.Packet{Buf: b, Transport: 40, Segment: segment, Partial: true})
	r := p.resender
	r.take(&p.ring, path)
	if r.queued == 0 || len(r.pending) != 3 {
		t.Fatalf("%d packets with %d bytes queue, want 3", len(r.pending), r.queued)
	}
	for i := range 1000 {
		r.due(now + time.Duration(i)*time.Millisecond)
	}
	if r.queued != 0 || len(r.pending) > 0 {
		t.Errorf("%d packets have not gone, %d bytes queue", len(r.pending), r.queued)
	}
}
