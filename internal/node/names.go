package node

import (
	"net/netip"
	"slices"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/resolve"
)

// Names of peers are resolved when they are needed: at the start, and again while
// the peer is in use or cannot be reached. An idle node asks nothing.

// namesEvery is how often names in use are asked for. The resolver passes on only what
// is no longer fresh.
const namesEvery = 30 * time.Second

// askNames asks for all names at the start, and returns where answers come.
func (l *looper) askNames() <-chan resolve.Answer {
	if l.edges.Names == nil {
		return nil
	}
	for _, p := range l.peers {
		l.names(p, time.Now())
	}
	return l.edges.Names.Answers()
}

// names asks for the names of p if that is due.
func (l *looper) names(p *peer, now time.Time) {
	if l.edges.Names == nil || len(p.Names) == 0 || now.Before(p.namesAt) {
		return
	}
	p.namesAt = now.Add(namesEvery)
	s := p.context.Status(now)
	for _, n := range p.Names {
		if s.Connected && s.State == detect.NoPrimary {
			l.edges.Names.Refresh(n.Host)
		} else {
			l.edges.Names.Want(n.Host)
		}
	}
}

// namesDue returns when names of p are to be asked for next, zero if p is idle.
func (p *peer) namesDue() time.Time {
	if len(p.Names) == 0 || p.context.Quiet() {
		return time.Time{}
	}
	return p.namesAt
}

// resolved takes in what a name resolves to. A failure changes nothing: what was
// known is the best guess.
func (l *looper) resolved(a resolve.Answer) {
	if a.Err != nil {
		l.log.Warn("a peer's name does not resolve", "name", a.Host, "err", a.Err)
		return
	}
	l.log.Info("name", "name", a.Host, "addresses", a.Addrs)
	for _, p := range l.peers {
		if !slices.ContainsFunc(p.Names, func(n Name) bool { return n.Host == a.Host }) {
			continue
		}
		if p.resolved == nil {
			p.resolved = make(map[string][]netip.Addr)
		}
		p.resolved[a.Host] = a.Addrs
		l.acts = p.context.SetConfigured(time.Now(), p.configured(), l.acts[:0])
		l.perform(p)
	}
}

// configured returns the locators of p that are configured, names resolved.
func (p *peer) configured() []netip.AddrPort {
	all := slices.Clone(p.Locators)
	for _, n := range p.Names {
		for _, a := range p.resolved[n.Host] {
			if ap := netip.AddrPortFrom(a, n.Port); !slices.Contains(all, ap) {
				all = append(all, ap)
			}
		}
	}
	return all
}
