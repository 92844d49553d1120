package shim

import (
	"slices"
	"time"

	"github.com/multi6/multi6/detect"
)

// maxUnused is how many sessions may be there that the peer has not used yet, maxUsed how
// many of those that it has: one takes over from another long before that ends.
const maxUnused, maxUsed = 4, 8

// sessions are the keys shared with a peer, oldest first.
type sessions struct {
	all []*Session
	// current is the one that packets are sealed with.
	current *Session
}

// add keeps a session, and tells the node where its packets go. The oldest make room, but
// not the current one.
func (ss *sessions) add(c *Context, s *Session) {
	unused, used := 0, 0
	for i := len(ss.all) - 1; i >= 0; i-- {
		n, most := &unused, maxUnused
		if ss.all[i].Used() {
			n, most = &used, maxUsed
		}
		if *n++; *n >= most && ss.all[i] != ss.current {
			ss.remove(c, i)
		}
	}
	ss.all = append(ss.all, s)
	c.do(Register{Tag: s.local, Session: s})
}

func (ss *sessions) remove(c *Context, i int) {
	c.do(Unregister{ss.all[i].local})
	ss.all = slices.Delete(ss.all, i, i+1)
}

// forTest returns the session that a Poll goes out in: the current one; but if
// that is gone or silent since the peer opened anew, the peer may have lost it,
// and it is the one that the peer asked for.
func (ss *sessions) forTest(now time.Time) *Session {
	for i := len(ss.all) - 1; i >= 0; i-- {
		s := ss.all[i]
		if s.Used() || now.Sub(s.created) > initiationFor {
			continue
		}
		if cur := ss.current; !cur.usable(now) || cur.heardAt.Before(s.created) {
			return s
		}
	}
	if ss.current.usable(now) {
		return ss.current
	}
	return nil
}

// expiry returns when the oldest session ends, zero if there is none.
func (ss *sessions) expiry() time.Time {
	if len(ss.all) == 0 {
		return time.Time{}
	}
	return ss.all[0].created.Add(rejectAfter)
}

// expire forgets sessions that are too old. An idle machine without any is at its
// start again, and the next packet connects.
func (c *Context) expire() {
	ss := &c.sessions
	for len(ss.all) > 0 && c.now.Sub(ss.all[0].created) >= rejectAfter {
		ss.remove(c, 0)
	}
	if ss.current == nil || ss.current.usable(c.now) {
		return
	}
	ss.current = nil
	// A search goes on, with Opens for its tests.
	if c.machine.State() == detect.PrimaryOperational {
		c.perform(c.machine.Disconnect(c.now, nil))
	}
}

// HandleUsed takes in that the peer has sealed a packet with s for the first
// time.
func (c *Context) HandleUsed(now time.Time, s *Session, acts []Action) []Action {
	c.enter(now, acts)
	c.used(s)
	return c.leave()
}

// used notes that the peer has used s. It reports false if s is no longer one of
// ours: its datagram has waited for too long.
func (c *Context) used(s *Session) bool {
	if !slices.Contains(c.sessions.all, s) {
		return false
	}
	s.heardAt = c.now
	if s.initiated || s.open2 == nil {
		return true
	}
	s.used.Store(true)
	s.open2 = nil
	c.announce.acked(s.sequence)
	c.adopt(s)
	c.learn(s.over, *s.greeting)
	s.greeting = nil
	return true
}

// adopt makes s the session that packets are sealed with, unless the current one
// is younger, or the Opens of the two have crossed: then both ends keep the one
// whose initiator has the lesser key.
func (c *Context) adopt(s *Session) {
	if cur := c.sessions.current; cur.usable(c.now) {
		switch mineWins := c.cfg.Identity.Public.Less(c.cfg.Peer); {
		case cur.initiated == s.initiated && s.stamp < cur.stamp:
			return
		case crossed(cur, s) && s.initiated != mineWins:
			return
		}
	}
	s.adoptedAt = c.now
	c.sessions.current = s
	c.event(Event{Kind: EventSession, Detail: s.local.String()})
	if c.term != nil {
		c.setPath()
	}
}

// crossed reports whether the Opens of two sessions have: either end had sent its
// own before it answered the other's. Both ends come to the same result.
func crossed(a, b *Session) bool {
	ours, peers := a, b
	if b.initiated {
		ours, peers = b, a
	}
	return ours.initiated && !peers.initiated &&
		ours.stamp < peers.answered && peers.stamp < ours.answered
}
