package node

import (
	"math"
	"slices"
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

const (
	// resendGrain is the least wait between two bursts: Go's timers are not finer.
	resendGrain = time.Millisecond
	// resendCredit is for how long a resender that is late may catch up at once.
	resendCredit = 4 * resendGrain
	// resendSpeed is how much faster packets go than they came, so that there comes an
	// end to those that queue behind; little, since they may have filled the link.
	resendSpeed = 1.1
	// resendWithin is how long they may take, if nothing queued behind.
	resendWithin = 250 * time.Millisecond
	// resendLeast is the least rate, in bytes a second: a packet in a millisecond.
	resendLeast = 1.5e6
	// fewOlder is how many of those that have probably arrived go before what is new.
	fewOlder = 16
	// queueFor and queueBytes bound how long, and how much of what comes meanwhile,
	// queues behind what is sent again.
	queueFor   = 600 * time.Millisecond
	queueBytes = 1 << 20
)

// A resender sends packets again over a pair, at the pace at which they were sent at first
// or little faster, so that they do not overflow a queue on the way. What the host sends
// meanwhile queues behind: it would add to the load, and TCP would see holes where there
// is but delay. It is owned by the loop, and guarded by the peer's ringMu.
type resender struct {
	session *shim.Session
	hop     shim.Hop
	// term knows what has arrived since.
	term  *shim.Term
	began time.Duration
	// pending are the packets still to go, in order. left is how many bytes that were sent
	// before may go again.
	pending []resent
	left    int
	// older are those that have probably arrived: they follow when none is pending.
	older []resent
	// test says that the pair is under test: what is over the limit waits until it has
	// answered, else it is left.
	test bool
	// first is the number of the first packet in the ring that was pushed since it began,
	// taken of the first that is not yet pending. What has the number until or a later one
	// did not queue.
	first, taken, until uint64
	// queued is how many bytes queue that were never sent.
	queued int
	// rate is in bytes a second; clear is when the next packet may go.
	rate  float64
	clear time.Duration
	// seen is when that was last looked at.
	seen time.Duration
	// before is, while a pair is under test, what is left to go over the primary one, should
	// that prove to work.
	before *resender
}

type resent struct {
	shim.Kept // Buf is empty
	buf       []byte
}

func (x *resent) packet() []byte { return x.buf[shim.Headroom:] }

func (x *resent) size() int { return len(x.packet()) }

// urgent reports whether it need not be spaced: a pure acknowledgement.
func (x *resent) urgent() bool { return x.At == 0 }

// paced reports whether it was sent before, at some pace.
func (x *resent) paced() bool { return !x.urgent() && !x.Waiting }

// resend starts to send again what a asks for. What was being sent again over
// another pair is left: it is part of this. But what is to go over the primary pair still is,
// when the pair under test has proved to be none.
func (l *looper) resend(p *peer, a shim.Resend) {
	now := l.since(time.Now())
	p.ringMu.Lock()
	r, path := p.resender, p.path.Load()
	var late int
	p.resender, late = newResender(&p.ring, a, now)
	l.drops[shim.DropLate].Add(uint64(late))
	switch {
	case r == nil || !a.Test:
	case r.over(path):
		r.take(&p.ring, path)
		p.resender.before = r
	default:
		p.resender.before = r.before
	}
	p.ringMu.Unlock()
	l.resendDue(p, now)
}

// resendRest goes on without a limit over a pair that has answered.
func (l *looper) resendRest(p *peer, over locator.Pair) {
	p.ringMu.Lock()
	r := p.resender
	if r != nil && r.hop.Pair == over {
		r.left = math.MaxInt
	}
	p.ringMu.Unlock()
	l.resendDue(p, l.since(time.Now()))
}

// newResender returns one for what a asks for, and how many packets of it have waited for too
// long.
func newResender(ring *shim.Ring, a shim.Resend, now time.Duration) (_ *resender, late int) {
	r := &resender{
		session: a.Session, hop: a.Hop, term: a.Term, test: a.Test, began: now, clear: now, left: a.Limit,
		first: ring.Pushed(), taken: ring.Pushed(), until: math.MaxUint64,
	}
	a.Limit = math.MaxInt
	late = ring.Unconfirmed(a, now, r.add)
	r.rate = paceOf(r.pending)
	r.putOff(a.First)
	return r, late
}

// putOff has what was sent until then go when nothing else is left to go.
func (r *resender) putOff(until time.Duration) {
	late := func(x resent) bool { return x.paced() && x.At <= until }
	for _, x := range r.pending {
		if late(x) {
			r.older = append(r.older, x)
		}
	}
	r.pending = slices.DeleteFunc(r.pending, late)
	r.goOn()
}

// paceOf returns at which rate packets were sent at first, and somewhat more, in bytes a
// second: up to where it was highest, but at least half of them. Who has no more room to send
// adds a probe now and then, which says nothing of the rate.
func paceOf(pending []resent) float64 {
	all, total := 0, 0
	for i := range pending {
		all += pending[i].size()
		if pending[i].paced() {
			total += pending[i].size()
		}
	}
	var from time.Duration
	sent, burst, most := 0, 0, 0.0 // burst are those sent within the first grain
	for i := range pending {
		x := &pending[i]
		if !x.paced() {
			continue
		}
		if from == 0 {
			from = x.At
		}
		sent += x.size()
		span, after := x.At-from, sent-burst
		if span < resendGrain {
			span, after, burst = resendGrain, sent, sent
		}
		if 2*sent >= total {
			most = max(most, float64(after)/span.Seconds())
		}
	}
	return max(resendSpeed*most, float64(all)/resendWithin.Seconds(), resendLeast)
}

func (r *resender) add(k shim.Kept) {
	x := resent{k, sealable(k.Buf)}
	x.Buf = nil
	r.pending = append(r.pending, x)
}

// queues reports whether a packet of n bytes that is pushed now and goes over that pair
// has to queue behind the others.
func (r *resender) queues(now time.Duration, pair locator.Pair, n int, ring *shim.Ring) bool {
	if r == nil || r.hop.Pair != pair || r.until < math.MaxUint64 {
		return false
	}
	if now-r.began < queueFor && r.queued+n <= queueBytes {
		return true
	}
	r.until = ring.Pushed()
	return false
}

// over reports whether the pair is the primary one by path, which may be nil.
func (r *resender) over(path *shim.Path) bool { return path != nil && path.Pair == r.hop.Pair }

// known reports whether packets go over the pair by path, which may be nil.
func (r *resender) known(path *shim.Path) bool {
	return path != nil && (path.Pair == r.hop.Pair || path.Second.Pair == r.hop.Pair)
}

// take makes pending what has queued. path is the one by which it was pushed: on the
// primary pair what did not have to wait has gone.
func (r *resender) take(ring *shim.Ring, path *shim.Path) {
	primary := r.over(path)
	ring.After(r.taken, func(k shim.Kept) {
		if k.Waiting || !primary && k.Number < r.until {
			r.add(k)
		}
	})
	r.taken = ring.Pushed()
}

// stalled reports whether no more may go until the pair has answered.
func (r *resender) stalled() bool { return len(r.pending) > 0 && r.limited(&r.pending[0]) }

func (r *resender) limited(x *resent) bool { return !x.Waiting && !x.urgent() && r.left < x.size() }

// due takes those packets from the pending ones that may go now.
func (r *resender) due(now time.Duration) (due []resent) {
	r.seen, r.clear = now, max(r.clear, now-resendCredit)
	r.hurry(now)
	rest := r.pending[:0]
	for _, x := range r.pending {
		switch {
		case x.urgent():
		case !r.test && r.limited(&x):
			continue
		case r.clear > now || r.limited(&x):
			rest = append(rest, x)
			continue
		case !x.Waiting && r.term.Arrived(x.packet()):
			continue
		default:
			r.clear += time.Duration(float64(x.size()) / r.rate * float64(time.Second))
			r.charge(&x)
		}
		due = append(due, x)
	}
	clear(r.pending[len(rest):])
	r.pending = rest
	r.goOn()
	return due
}

// goOn has some of the older packets pending when no others are.
func (r *resender) goOn() {
	if len(r.pending) == 0 {
		n := min(len(r.older), fewOlder)
		r.pending, r.older = r.older[:n:n], r.older[n:]
	}
}

// hurry has what queues gone by the time when nothing queues any longer: what comes then would
// overtake it.
func (r *resender) hurry(now time.Duration) {
	if r.queued <= 0 {
		return
	}
	all := 0
	for i := range r.pending {
		all += r.pending[i].size()
	}
	left := max(r.began+queueFor-now, resendCredit)
	r.rate = max(r.rate, float64(all)/left.Seconds())
}

func (r *resender) charge(x *resent) {
	if !x.Waiting {
		r.left -= x.size()
	} else if x.Number >= r.first {
		r.queued -= x.size()
	}
}

// unsent returns the number before which no packet waits any longer.
func (r *resender) unsent() uint64 {
	for i := range r.pending {
		if r.pending[i].Waiting {
			return r.pending[i].Number
		}
	}
	return r.taken
}

// resendDue sends what is due.
func (l *looper) resendDue(p *peer, now time.Duration) {
	r := p.resender
	if r == nil {
		return
	}
	p.ringMu.Lock()
	path := p.path.Load()
	r.take(&p.ring, path)
	if path != nil {
		r.term = path.Term // the one of a pair that is gone hears of no arrivals
	}
	due := r.due(now)
	l.sendAgain(p, r, due, now)
	p.ring.Sent(now, r.unsent())
	if len(r.pending) == 0 && r.before == nil && (r.known(path) || now > r.began) {
		p.resender = nil
	}
	p.ringMu.Unlock()
	packets, waited, bytes := r.count(due)
	p.counters.resent.Add(uint64(packets))
	p.context.Resent(l.base.Add(now), r.hop.Pair, packets, waited, bytes)
}

func (l *looper) sendAgain(p *peer, r *resender, due []resent, now time.Duration) {
	path := p.path.Load()
	for i := range due {
		x := &due[i]
		if x.Waiting && r.over(path) {
			path.Term.Sent(now, &p.context.Marks, r.session, x.packet(), 1)
		}
		pkt := inner.Packet{Buf: x.packet(), Transport: x.Transport, Partial: x.Partial}
		l.sealer.sealOver(p, r.session, r.hop, x.buf, &pkt)
	}
	l.sealer.flush()
}

// count returns how many packets go again, or had found no pair, but not those that only
// queued behind them.
func (r *resender) count(due []resent) (packets, waited, bytes int) {
	for i := range due {
		if x := &due[i]; x.Number < r.first {
			packets++
			bytes += x.size()
			if x.Waiting {
				waited++
			}
		}
	}
	return packets, waited, bytes
}

// next returns when the resender is to be seen to again, zero for never.
func (r *resender) next(base time.Time) time.Time {
	if r == nil || r.stalled() {
		return time.Time{}
	}
	return base.Add(max(r.clear, r.seen+resendGrain))
}

// sealable returns a copy of pkt with room around it to be sealed in place.
func sealable(pkt []byte) []byte {
	b := make([]byte, shim.Headroom+len(pkt), shim.Headroom+len(pkt)+shim.Tailroom)
	copy(b[shim.Headroom:], pkt)
	return b
}
