package node

import (
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/shim"
)

const (
	// resendPause is the longest that one packet waits for the other.
	resendPause = time.Millisecond
	// resendGrain is the least wait between two bursts: Go's timers are not finer.
	resendGrain = time.Millisecond
)

// A resender sends packets again over the pair under test, spaced as they were at
// first, when it was at the pace of the path, or of the application: so that they
// do not overflow a queue on the way. It is owned by the
// loop.
type resender struct {
	session *shim.Session
	hop     shim.Hop
	// pending are the packets still to go, oldest first, and began when the first
	// one went.
	pending []resent
	began   time.Duration
	// waited is how many of the pending packets had found no pair, the oldest ones.
	waited int
}

type resent struct {
	// after is when it is due, since began.
	after time.Duration
	buf   []byte // the packet at shim.Headroom
	// partial and transport are as in inner.Packet.
	partial   bool
	transport int
}

// resend starts to send again what a asks for. What was being sent again over
// another pair is left: it is part of this.
func (l *looper) resend(p *peer, a shim.Resend) {
	now := l.since(time.Now())
	r := p.resender
	if r == nil || r.hop != a.Hop {
		r = &resender{session: a.Session, hop: a.Hop, began: now}
		p.resender = r
	}
	after := now - r.began
	var last time.Duration
	p.ringMu.Lock()
	r.waited += p.ring.Waiting()
	p.ring.Unconfirmed(a, now, func(at time.Duration, x inner.Packet) {
		if at > 0 {
			if last > 0 {
				after += min(at-last, resendPause)
			}
			last = at
		}
		r.pending = append(r.pending, resent{after, sealable(x.Buf), x.Partial, x.Transport})
	})
	p.ring.Sent()
	p.ringMu.Unlock()
	l.resendDue(p, now)
}

// resendDue sends what is due and returns when the next burst is.
func (l *looper) resendDue(p *peer, now time.Duration) {
	r := p.resender
	if r == nil {
		return
	}
	packets, bytes := 0, 0
	for len(r.pending) > 0 && r.began+r.pending[0].after <= now {
		x := r.pending[0]
		b := x.buf
		r.pending = r.pending[1:]
		p.counters.resent.Add(1)
		packets, bytes = packets+1, bytes+len(b)-shim.Headroom
		pkt := inner.Packet{Buf: b[shim.Headroom:], Transport: x.transport, Partial: x.partial}
		l.sealer.sealOver(p, r.session, r.hop, b, &pkt)
	}
	l.sealer.flush()
	if len(r.pending) == 0 {
		p.resender = nil
	}
	waited := min(r.waited, packets)
	r.waited -= waited
	p.context.Resent(l.base.Add(now), r.hop.Pair, packets, waited, bytes)
}

// next returns when the next packets are to be sent again, zero if none are.
func (r *resender) next(base time.Time, now time.Time) time.Time {
	if r == nil {
		return time.Time{}
	}
	at := base.Add(r.began + r.pending[0].after)
	if soonest := now.Add(resendGrain); at.Before(soonest) {
		return soonest
	}
	return at
}

// sealable returns a copy of pkt with room around it to be sealed in place.
func sealable(pkt []byte) []byte {
	b := make([]byte, shim.Headroom+len(pkt), shim.Headroom+len(pkt)+shim.Tailroom)
	copy(b[shim.Headroom:], pkt)
	return b
}
