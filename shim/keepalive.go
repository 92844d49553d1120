package shim

import (
	"slices"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// Keepalives hold the mapping of a NAT on our side open, so that the peer can reach
// us when we have been silent. They are sent only behind a NAT, unless the user
// asks for them, and as seldom as will do: for how long the mapping lasts is found
// out by trying longer intervals. A trial is an Echo whose reply the peer holds back
// for the interval on trial; if it comes and nothing else has passed meanwhile, the
// mapping has lasted.

// Modes of Config.Keepalive besides an interval.
const (
	// KeepaliveAuto: only behind a NAT, as seldom as will do.
	KeepaliveAuto time.Duration = 0
	// KeepaliveOff: never.
	KeepaliveOff time.Duration = -1
)

const (
	// keepaliveFirst is the interval to begin with: short, so that the mapping lasts
	// for sure.
	keepaliveFirst = time.Second
	// keepaliveMost is the longest that is tried: RFC 4787 §4.3 wants mappings to last
	// two minutes at least, but twice in the life of a session costs less than once,
	// as then each would have to open a new one.
	keepaliveMost = 85 * time.Second
	// keepaliveGrace is how much later than held back a reply may come.
	keepaliveGrace = 2 * time.Second
	// keepaliveMisses is how many replies in a row must be missing: one may be lost.
	keepaliveMisses = 2
	// keepaliveIdle bounds the wait between attempts to reach a peer that does not
	// answer.
	keepaliveIdle = 15 * time.Minute
	// maxEchoes is how many replies may be held back for the peer, and maxEchoDelay
	// for how long.
	maxEchoes    = 4
	maxEchoDelay = 10 * time.Minute
)

// A keepalive is the state of it for one peer. The zero keepalive has just begun.
type keepalive struct {
	// sentAt is when something last passed.
	sentAt time.Time
	// proven is an interval that the mapping is known to outlast, failing one that
	// it does not; zero: none is known.
	proven, failing time.Duration
	// trial is the interval under trial, zero for none; id names its Echo, and
	// replyBy is when its reply should have come.
	trial   time.Duration
	id      uint64
	replyBy time.Time
	misses  int
	// lost says that a trial has failed, so that the mapping is likely to be
	// another one.
	lost bool
	// failures counts attempts in a row to reach the peer.
	failures int
}

// forget begins anew: it is another NAT.
func (k *keepalive) forget() { *k = keepalive{sentAt: k.sentAt} }

// remapped takes in that the mapping is another one. Unless a trial has led to that,
// it does not last for as long as was believed.
func (k *keepalive) remapped() {
	if !k.lost {
		k.forget()
	}
	k.lost = false
}

// interval returns the time between two keepalives.
func (k *keepalive) interval(mode time.Duration) time.Duration {
	if mode > 0 {
		return mode
	}
	return max(k.proven, keepaliveFirst)
}

// next returns the interval to try next, zero if what is known is exact enough.
func (k *keepalive) next() time.Duration {
	proven := max(k.proven, keepaliveFirst)
	switch {
	case k.failing == 0 && proven < keepaliveMost:
		return min(2*proven, keepaliveMost)
	case k.failing > proven*5/4:
		return (proven + k.failing) / 2
	}
	return 0
}

// passed notes that something else passes, which keeps the mapping alive, too.
func (k *keepalive) passed(now time.Time) { k.sentAt, k.trial = now, 0 }

// disturbed notes that something came in, after which a reply says nothing.
func (k *keepalive) disturbed() { k.trial = 0 }

// replied takes in the reply to an Echo.
func (k *keepalive) replied(id uint64) {
	if k.trial == 0 || id != k.id {
		return
	}
	k.proven, k.trial, k.misses = k.trial, 0, 0
	if k.failing <= k.proven {
		k.failing = 0
	}
}

// missed notes that no reply has come in time.
func (k *keepalive) missed() {
	if k.misses++; k.misses >= keepaliveMisses {
		k.failing, k.misses = k.trial, 0
		if k.proven >= k.failing {
			k.proven = k.failing / 2
		}
	}
	k.trial, k.lost = 0, true
}

// news: there is a pair that was not there before, by which a peer that did not answer may be
// reached at once.
func (k *keepalive) news(now time.Time, mode time.Duration) {
	if k.failures == 0 {
		return
	}
	k.failures = 0
	if at := now.Add(-k.interval(mode)); at.Before(k.sentAt) {
		k.sentAt = at
	}
}

// keepsAlive reports whether keepalives are to be sent.
func (c *Context) keepsAlive() bool {
	switch mode := c.cfg.Keepalive; {
	case mode < 0 || c.machine.Count() == 0:
		return false
	case mode > 0:
		return true
	}
	p := c.primaryOrLast()
	return p.IsValid() && c.behindNAT(p.Local)
}

// primaryOrLast returns the primary pair or, if there is none, the last one.
func (c *Context) primaryOrLast() locator.Pair {
	if p := c.machine.Primary(); p.IsValid() {
		return p
	}
	return c.last
}

// keepaliveAt returns when the next keepalive is due, zero for never.
func (c *Context) keepaliveAt() time.Time {
	k := &c.keepalive
	switch {
	case !c.keepsAlive():
		return time.Time{}
	case k.trial > 0:
		return k.replyBy
	case c.sparing():
		return k.sentAt.Add(keepaliveIdle)
	case k.failures > 0:
		return k.sentAt.Add(min(k.interval(c.cfg.Keepalive)<<min(k.failures, 10), keepaliveIdle))
	}
	return k.sentAt.Add(k.interval(c.cfg.Keepalive))
}

// keepAliveIfDue sends a keepalive, or whatever else serves as one.
func (c *Context) keepAliveIfDue() {
	k := &c.keepalive
	if !due(c.keepaliveAt(), c.now) {
		return
	}
	if k.trial > 0 {
		k.missed()
	}
	p, s := c.machine.Primary(), c.sessions.current
	switch {
	case !c.machine.Connected():
		k.sentAt = c.now
		k.failures++
		c.perform(c.machine.ConnectQuietly(c.now, c.last, nil))
	case !p.IsValid() || !s.usable(c.now) || c.sparing():
		k.sentAt = c.now // a search is under way, or there is no budget
	case !s.usable(c.now.Add(k.wait(c.cfg.Keepalive))) && c.rekeyAt.IsZero():
		c.rekey(p)
		// With the new session there is time for a trial.
		k.sentAt = c.now.Add(keepaliveFirst - k.interval(c.cfg.Keepalive))
	default:
		c.sendKeepalive(p, s)
	}
}

// wait returns how long nothing is sent after a keepalive, at most.
func (k *keepalive) wait(mode time.Duration) time.Duration {
	if mode == KeepaliveAuto {
		return max(k.interval(mode), k.next()) + keepaliveGrace
	}
	return k.interval(mode)
}

// sendKeepalive sends a trial if one is wanted, else the least there is.
func (c *Context) sendKeepalive(p locator.Pair, s *Session) {
	k := &c.keepalive
	frames := wire.AppendPadding(nil, 1)
	var trial time.Duration
	if c.cfg.Keepalive == KeepaliveAuto {
		trial = k.next()
	}
	if trial > 0 {
		k.id = c.random()
		frames = wire.Echo{ID: k.id, After: trial}.AppendTo(nil)
	}
	c.sendFrames(p, s, frames)
	k.sentAt, k.trial, k.replyBy = c.now, trial, c.now.Add(trial+keepaliveGrace)
}

// An echo is a reply that is held back.
type echo struct {
	id   uint64
	at   time.Time
	pair locator.Pair
}

// handleEcho notes that the peer wants a reply later.
func (c *Context) handleEcho(p locator.Pair, f wire.Echo) {
	if len(c.echoes) < maxEchoes && f.After <= maxEchoDelay {
		c.echoes = append(c.echoes, echo{f.ID, c.now.Add(f.After), p})
	}
}

// echoAt returns when the next reply is due, zero for none.
func (c *Context) echoAt() (at time.Time) {
	for _, e := range c.echoes {
		at = earliest(at, e.at)
	}
	return at
}

// echoIfDue sends the replies that are due.
func (c *Context) echoIfDue() {
	c.echoes = slices.DeleteFunc(c.echoes, func(e echo) bool {
		if !due(e.at, c.now) {
			return false
		}
		if c.known(e.pair) {
			c.sendFrames(e.pair, c.sessions.current, wire.EchoReply{ID: e.id}.AppendTo(nil))
		}
		return true
	})
}
