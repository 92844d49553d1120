package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

// loop owns all contexts until ctx ends, or the interface is lost. Then it tells
// the peers.
func (n *Node) loop(ctx context.Context) error {
	l := &looper{Node: n, sealer: n.newSealer(), opener: n.newOpener(), lacking: make(map[string]bool)}
	n.looper = l
	l.tellOffloads()
	answers := l.askNames()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.tellLocals()
		l.expire()
		l.checkBudget()
		timer.Stop()
		if next := l.next(); !next.IsZero() {
			timer.Reset(max(time.Until(next), n.tests.wait(time.Now())))
		}
		select {
		case p := <-n.wakes:
			p.waking.Store(false)
			l.wakeUp(p)
		case d := <-n.control:
			l.datagram(d)
		case facts := <-n.edges.Facts:
			if err := l.facts(facts); err != nil {
				l.goodbye()
				return err
			}
		case a := <-answers:
			l.resolved(a)
		case <-n.edges.RouteNews:
			l.routeNews()
		case <-n.edges.OffloadNews:
			l.tellOffloads()
		case f := <-n.calls:
			f(time.Now())
		case <-timer.C:
		case <-ctx.Done():
			l.goodbye()
			return nil
		}
		l.wakes++
	}
}

// A looper is the Node as its loop sees it.
type looper struct {
	*Node
	sealer *sealer
	opener *opener
	acts   []shim.Action
	locals []locator.Local
	// untold are the peers whose contexts do not know locals yet.
	untold []*peer
	// ownSeen says that our identifier is on the host.
	ownSeen bool
	// wakes counts what the loop has waited for.
	wakes uint64
	// lacking are the offloads of which it was told that they are missing.
	lacking map[string]bool
}

// expire lets every context act whose deadline has come. Time that the loop
// itself took counts. When many peers have tests to send, they have to wait for each
// other, and do not take it for silence, since they see that they are late.
func (l *looper) expire() {
	for {
		now := time.Now()
		next := l.deadlines.first()
		if next.IsZero() || now.Before(next) || l.tests.wait(now) > 0 {
			return
		}
		p := l.deadlines[0]
		l.resendDue(p, l.since(now))
		l.acts = p.context.HandleTimeout(now, l.acts[:0])
		l.perform(p)
		if due := p.namesDue(); !due.IsZero() && !now.Before(due) {
			l.names(p, now)
		}
		l.rest(p, now)
		if !p.lowerAt.IsZero() && !now.Before(p.lowerAt) {
			l.routeMTU(p, p.path.Load(), now)
			p.lowerAt = time.Time{}
			l.schedule(p)
		}
	}
}

// wakeUp looks at a peer to which packets pass again, or cannot be sent.
func (l *looper) wakeUp(p *peer) {
	now := time.Now()
	if pair := p.sendFailed.Swap(nil); pair != nil {
		l.acts = p.context.HandleSendError(now, *pair, l.acts[:0])
		l.perform(p)
	}
	if pair := p.tooLong.Swap(nil); pair != nil {
		l.acts = p.context.HandleTooLong(now, *pair, 0, l.acts[:0])
		l.perform(p)
	}
	l.names(p, now)
	l.acts = p.context.HandleWake(now, l.acts[:0])
	l.perform(p)
}

// run has a context do something, and does what it asks for.
func (l *looper) run(p *peer, f func(acts []shim.Action) []shim.Action) {
	l.acts = f(l.acts[:0])
	l.perform(p)
}

// datagram takes in an Open, control frames or an ICMP error.
func (l *looper) datagram(d datagram) {
	now := time.Now()
	drop := shim.DropNone
	switch {
	case d.raw != nil:
		drop = l.raw(now, d)
	case d.quoted != nil:
		drop = l.undelivered(now, d)
	case d.size > 0:
		l.acts = d.target.peer.context.HandleMove(now, d.pair, d.target.session, d.size, l.acts[:0])
		l.perform(d.target.peer)
	case d.frames == nil:
		l.acts = d.target.peer.context.HandleUsed(now, d.target.session, l.acts[:0])
		l.perform(d.target.peer)
	default:
		l.acts, drop = d.target.peer.context.HandleControl(now, d.pair, d.target.session, d.came, d.frames, l.acts[:0])
		l.perform(d.target.peer)
	}
	if drop != shim.DropNone {
		l.drop(drop)
	}
}

// raw takes in an Open, or what came before its session.
func (l *looper) raw(now time.Time, d datagram) shim.Drop {
	h, err := wire.ParseHeader(d.raw)
	switch {
	case err != nil:
		return shim.DropMalformed
	case h.Type == wire.Transport:
		return l.opener.early(d, h)
	}
	return l.open(now, d)
}

// open takes in an Open.
func (l *looper) open(now time.Time, d datagram) shim.Drop {
	o, err := wire.ParseOpen(d.raw)
	if err != nil {
		return shim.DropMalformed
	}
	var t *target
	if o.Type == wire.Open2 {
		if t = l.tags.find(o.Tag); t == nil {
			return shim.DropUnknownTag
		}
	}
	// First, so that who does not even know our key takes nothing from those who do.
	if !shim.KnowsKey(l.cfg.Identity.Public, d.raw, o) {
		return shim.DropForged
	}
	if !l.opens.allow(now) {
		return shim.DropOpenLimit
	}
	if t != nil {
		p := t.peer
		var drop shim.Drop
		l.acts, drop = p.context.HandleOpen2(now, d.pair, d.raw, o, l.acts[:0])
		l.perform(p)
		return drop
	}
	in, err := shim.ReadOpen1(l.cfg.Identity, l.edges.Random, d.raw, o)
	if err != nil {
		return shim.DropForged
	}
	p := l.byKey[in.Peer]
	if p == nil {
		l.log.Warn("open refused: no such peer", "key", in.Peer.String(), "from", d.pair.Remote.String())
		return shim.DropUnknownPeer
	}
	var drop shim.Drop
	l.acts, drop = p.context.HandleOpen1(now, d.pair, in, l.acts[:0])
	l.perform(p)
	return drop
}

// facts takes in what the host has for addresses now. It is an error if our own
// identifier was among them and is gone: with it go addresses and routes, and
// applications would talk to nobody.
func (l *looper) facts(facts []locator.Fact) error {
	own := l.cfg.Identity.Public.Identifier()
	here := slices.ContainsFunc(facts, func(f locator.Fact) bool { return f.Addr == own })
	if l.ownSeen && !here {
		return fmt.Errorf("interface %s was removed or set down, and its addresses are gone: run it again", l.cfg.Name)
	}
	l.ownSeen = here
	for _, c := range l.table.Update(facts) {
		l.publish(Event{Kind: "locator", At: time.Now(), Locator: c.Addr.String(), State: stateName(c.To), Cause: c.Reason})
		why := []any{"address", c.Addr.String(), "interface", c.Fact.Name, "state", stateName(c.To)}
		if c.Reason != "" {
			why = append(why, "why", c.Reason)
		}
		l.log.Info("locator", why...)
	}
	l.located()
	return nil
}

// located tells all contexts of the local locators if they are others now.
func (l *looper) located() {
	locals := l.table.Operational()
	if slices.Equal(locals, l.locals) {
		return
	}
	l.locals = locals
	l.untold = append(l.untold[:0], l.busyFirst()...)
	l.tellLocals()
}

// tellLocals tells the contexts that do not know yet what the local locators are: each
// may have to test another pair.
func (l *looper) tellLocals() {
	for len(l.untold) > 0 {
		now := time.Now()
		if l.tests.wait(now) > 0 {
			return
		}
		p := l.untold[0]
		l.untold = l.untold[1:]
		l.acts = p.context.SetLocals(now, l.locals, l.acts[:0])
		l.perform(p)
	}
}

// next returns when the loop has something to do, zero for never.
func (l *looper) next() time.Time {
	if len(l.untold) > 0 {
		return time.Now()
	}
	return l.deadlines.first()
}

// routeNews has every context ask anew which pairs have a route.
func (l *looper) routeNews() {
	now := time.Now()
	for _, p := range l.busyFirst() {
		l.acts = p.context.HandleRoutes(now, l.acts[:0])
		l.perform(p)
	}
}

// busyFirst returns all peers, and first those that something is under way to: they may
// have to leave a pair, and there may be thousands of others.
func (l *looper) busyFirst() []*peer {
	all, quiet := make([]*peer, 0, len(l.peers)), []*peer(nil)
	for _, p := range l.peers { // once: packets that pass meanwhile change the answer
		if p.context.Quiet() {
			quiet = append(quiet, p)
		} else {
			all = append(all, p)
		}
	}
	return append(all, quiet...)
}

// checkBudget tells all contexts when the budget for metered locators has come to
// its end, or back.
func (l *looper) checkBudget() {
	now := time.Now()
	if !l.budget.turn(now) {
		return
	}
	l.log.Info("probe budget of metered interfaces", "spent", l.budget.spent)
	for _, p := range l.peers {
		l.acts = p.context.SetSpent(now, l.budget.spent, l.acts[:0])
		l.perform(p)
	}
}

// goodbye tells the peers that this node ends.
func (l *looper) goodbye() {
	for _, p := range l.peers {
		l.acts = p.context.Close(time.Now(), l.acts[:0])
		l.perform(p)
	}
}

// perform does what a context asked for.
func (l *looper) perform(p *peer) {
	// A failed send appends to acts while they are worked on.
	for i := 0; i < len(l.acts); i++ {
		switch a := l.acts[i].(type) {
		case shim.Send:
			l.send(p, a)
		case shim.SetPath:
			l.setPath(p, a.Path)
		case shim.Resend:
			l.resend(p, a)
		case shim.ResendRest:
			l.resendRest(p, a.Pair)
		case shim.Register:
			l.tags.set(&target{tag: a.Tag, peer: p, session: a.Session})
		case shim.Unregister:
			l.tags.remove(a.Tag)
		case shim.Event:
			l.event(p, a)
		}
	}
	clear(l.acts)
	l.sealer.notices.flush(l.Node) // of what was sent again, once the new path is known
	l.schedule(p)
}

// setPath gives the packet path a new snapshot. What is being sent again over a pair that
// packets do not use any longer is left.
func (l *looper) setPath(p *peer, path *shim.Path) {
	p.ringMu.Lock()
	switch r := p.resender; {
	case r == nil:
	case !r.known(path):
		if p.resender = r.before; p.resender != nil && !p.resender.over(path) {
			p.resender = nil
		}
	default:
		r.take(&p.ring, p.path.Load())
		if r.over(path) {
			r.before = nil
		}
	}
	p.path.Store(path)
	waiting := path != nil && p.ring.Waiting() > 0
	p.ringMu.Unlock()
	l.routeMTU(p, path, time.Now())
	switch now := l.since(time.Now()); {
	case p.resender != nil:
		l.resendDue(p, now)
	case waiting: // packets have come while the path was on its way
		l.resend(p, shim.Resend{Session: path.Session, Hop: path.Hop, Term: path.Term, Since: now})
	}
}

// schedule sets when the loop has to see to p again.
func (l *looper) schedule(p *peer) {
	now, d := time.Now(), p.context.Deadline()
	p.planRest(now)
	for _, t := range []time.Time{p.resender.next(l.base), p.restAt, p.lowerAt, p.namesDue()} {
		if d.IsZero() || !t.IsZero() && t.Before(d) {
			d = t
		}
	}
	l.deadlines.set(p, d)
}
