package node

import "time"

// restAfter is for how long a quiet peer keeps what memory it can do without: the ring,
// and what shim.Context.Rest gives back.
const restAfter = 5 * time.Second

// planRest sets when p is to rest, if it stays as quiet as it is.
func (p *peer) planRest(now time.Time) {
	switch {
	case !p.context.Quiet():
		p.restAt = time.Time{}
	case p.restAt.IsZero() && p.holds():
		p.restAt = now.Add(restAfter)
	}
}

func (p *peer) holds() bool {
	p.ringMu.Lock()
	defer p.ringMu.Unlock()
	return p.ring.Len() > 0 || p.context.Holds()
}

// rest gives back the memory of p if it is time.
func (l *looper) rest(p *peer, now time.Time) {
	if p.restAt.IsZero() || now.Before(p.restAt) {
		return
	}
	p.restAt = time.Time{}
	p.ringMu.Lock() // nobody sends meanwhile
	if p.context.Quiet() {
		p.ring.Release()
		l.acts = p.context.Rest(now, l.acts[:0])
	}
	p.ringMu.Unlock()
	l.perform(p)
}
