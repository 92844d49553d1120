package shim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

const (
	// maxInitiations is how many Opens of ours may be unanswered before the
	// oldest is forgotten; initiationFor is for how long an answer counts.
	maxInitiations = 64
	initiationFor  = 10 * time.Second
	// rekeyRetry is the wait before an unanswered rekeying Open is repeated.
	rekeyRetry = time.Second
)

// greet returns what this end says in an Open over p.
func (c *Context) greet(p locator.Pair, tag wire.Tag, ciphers wire.Ciphers) greeting {
	c.announce.reportDelay = c.machine.ReportDelay()
	c.announce.date(c.now.Add(-mostBehind))
	return greeting{
		addresses: c.addresses(p),
		params: wire.Params{
			Tag: tag, Ciphers: ciphers, Timestamp: c.timestamp(),
			ReportDelay: c.announce.reportDelay, ReportWanted: c.cfg.Timers.ReportDelay,
		},
		locators: c.announce.set(c),
	}
}

// timestamp returns one that is greater than all before, whatever the wall clock
// does.
func (c *Context) timestamp() uint64 {
	c.stamped = max(c.stamped+1, uint64(c.now.UnixNano()))
	return c.stamped
}

// sendOpen1 opens over pair p, standing for the Poll named poll.
func (c *Context) sendOpen1(p locator.Pair, poll uint64, rekey bool) {
	g := c.greet(p, c.cfg.NewTag(), c.cfg.Ciphers)
	hs, b, err := writeOpen1(c.cfg.Identity, c.cfg.Random, c.cfg.Peer, &c.cfg.PresharedKey, g)
	if err != nil {
		// Only a public key that is no point of the curve's large subgroup.
		c.event(Event{Kind: EventTestFailed, Pair: p, Detail: err.Error()})
		return
	}
	c.forgetInitiations()
	c.initiations = append(c.initiations, &initiation{
		noise: hs, tag: g.params.Tag, poll: poll, stamp: g.params.Timestamp, rekey: rekey,
		over: p, at: c.now, sequence: c.announce.sequence,
	})
	c.do(Register{Tag: g.params.Tag})
	c.send(p, b)
}

// forgetInitiations makes room for one more.
func (c *Context) forgetInitiations() {
	for len(c.initiations) > 0 {
		if i := c.initiations[0]; len(c.initiations) < maxInitiations && c.now.Sub(i.at) < initiationFor {
			return
		}
		c.do(Unregister{c.initiations[0].tag})
		c.initiations = slices.Delete(c.initiations, 0, 1)
	}
}

// rekeyIfStale opens anew over the primary pair if there is something to send and
// the session in use is old.
func (c *Context) rekeyIfStale() {
	p, s := c.machine.Primary(), c.sessions.current
	if p.IsValid() && s.usable(c.now) && s.stale(c.now) && c.rekeyAt.IsZero() {
		c.rekey(p)
	}
}

// rekey opens anew over p.
func (c *Context) rekey(p locator.Pair) {
	c.rekeyAt = c.now.Add(rekeyRetry)
	c.sendOpen1(p, 0, true)
}

// HandleOpen1 answers an Open of the peer that came over the reverse of p. Its
// reason is DropNone unless the Open is not to be answered.
func (c *Context) HandleOpen1(now time.Time, p locator.Pair, in *Incoming, acts []Action) ([]Action, Drop) {
	c.enter(now, acts)
	g := in.greeting
	chosen := chooseCipher(g.params.Ciphers, c.cfg.Ciphers)
	if g.params.Timestamp <= c.opened || chosen == 0 {
		return c.leave(), DropStaleOpen
	}
	c.opened = g.params.Timestamp
	tag := c.cfg.NewTag()
	answer := c.greet(p, tag, chosen)
	b, k, err := in.writeOpen2(&c.cfg.PresharedKey, answer)
	if err != nil {
		return c.leave(), DropForged
	}
	s := c.newSession(tag, g.params.Tag, chosen, k)
	s.open2, s.sequence = b, c.announce.sequence
	s.greeting, s.over, s.stamp, s.answered = &g, p, g.params.Timestamp, answer.params.Timestamp
	c.sessions.add(c, s)
	c.hear(p, in)
	c.answerOpen(p, s)
	return c.leave(), DropNone
}

// hear takes in where the peer may be, by an Open 1 that may be a replay: enough
// to answer it, but not to believe it.
func (c *Context) hear(p locator.Pair, in *Incoming) {
	news := c.remotes.heard(p.Remote, len(in.raw), c.inUse)
	for _, l := range in.greeting.locators.Locators.All() {
		news = c.remotes.hinted(l.AddrPort, len(in.raw), c.inUse) || news
	}
	if news {
		c.setCandidates()
	}
}

// inUse reports whether packets go to that locator of the peer, or are about to.
func (c *Context) inUse(remote netip.AddrPort) bool {
	for _, p := range []locator.Pair{c.machine.Primary(), c.machine.Testing(), c.second, c.untrusted} {
		if p.IsValid() && p.Remote == remote {
			return true
		}
	}
	return false
}

// answerOpen sends Open 2: alone over the pair it came by if that is all right,
// else as the first test of a search of our own.
func (c *Context) answerOpen(p locator.Pair, s *Session) {
	if !c.known(p) {
		return // not a pair that may be used
	}
	if c.machine.Connected() && c.machine.Primary() == p {
		c.send(p, s.open2)
		return
	}
	c.perform(c.machine.HandleOpen(c.now, p, nil))
}

func (c *Context) known(p locator.Pair) bool {
	_, ok := c.machine.Interface(p)
	return ok
}

// HandleOpen2 takes in the answer to an Open of ours.
func (c *Context) HandleOpen2(now time.Time, p locator.Pair, raw []byte, o wire.Open, acts []Action) ([]Action, Drop) {
	c.enter(now, acts)
	at := -1
	for n, i := range c.initiations {
		if i.tag == o.Tag {
			at = n
		}
	}
	if at < 0 || now.Sub(c.initiations[at].at) > initiationFor {
		return c.leave(), DropStaleOpen
	}
	i := c.initiations[at]
	g, k, err := i.readOpen2(c.cfg.Identity, raw, o)
	if err != nil {
		return c.leave(), DropForged
	}
	if chosen := g.params.Ciphers; chosen&(chosen-1) != 0 || chosen&c.cfg.Ciphers == 0 {
		return c.leave(), DropMalformed
	}
	s := c.newSession(i.tag, g.params.Tag, g.params.Ciphers, k)
	c.initiations = slices.Delete(c.initiations, at, at+1)
	s.initiated, s.stamp, s.answered = true, i.stamp, g.params.Timestamp
	s.used.Store(true)
	c.sessions.add(c, s)
	c.announce.acked(i.sequence)
	c.adopt(s)
	if i.rekey {
		c.rekeyAt = time.Time{}
	} else {
		c.perform(c.machine.HandleAnswer(now, i.poll, nil))
	}
	c.remotes.heard(p.Remote, len(raw), c.inUse)
	if p != i.over {
		g.addresses = wire.Addresses{} // it was made for that pair
	}
	c.learn(p, g)
	return c.leave(), DropNone
}

// learn takes in what the peer says of itself in an Open that came over the reverse
// of p.
func (c *Context) learn(p locator.Pair, g greeting) {
	c.machine.SetReports(g.params.ReportDelay, min(g.params.ReportWanted, c.cfg.Timers.ReportDelay))
	said := slices.Clone(c.remotes.set)
	if c.remotes.announced(g.locators) && !sameLocators(said, c.remotes.set) {
		c.event(Event{Kind: EventLocators, Detail: "the peer's"})
	}
	c.setCandidates()
	if g.addresses.Source.IsValid() {
		c.handleAddresses(p, g.addresses)
	}
}

func (c *Context) newSession(local, remote wire.Tag, cipher wire.Ciphers, k keys) *Session {
	s := &Session{
		local: local, remote: remote, created: c.now,
		self: addr16(c.cfg.Identity.Public.Identifier()), peer: addr16(c.cfg.Peer.Identifier()),
	}
	s.sealer.cipher, s.sealer.secret = cipher, k.seal
	s.opener.cipher, s.opener.secret = cipher, k.open
	return s
}
