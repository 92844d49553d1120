package shim

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// A Node is what all Contexts of a node have in common, but for secrets.
type Node struct {
	// Port is this node's UDP port, told to the peer with each local locator.
	Port uint16
	// MTU is how long inner packets are at most, zero for not known.
	MTU int
	// Ciphers are those this end can use.
	Ciphers wire.Ciphers
	Timers  detect.Timers
	// Order says which pairs are legal, and in what order to try them.
	Order locator.Order
	// Random yields unpredictable bytes; it must not fail.
	Random io.Reader
	// NewTag returns a tag that no other context of the node uses.
	NewTag func() wire.Tag
	// Base is the instant that stamps are relative to.
	Base time.Time
}

// Config is what a Context is made of.
type Config struct {
	*Node
	Identity     Identity
	Peer         PublicKey
	PresharedKey PresharedKey
	// Locators are the peer's as configured. There may be none: the peer calls.
	Locators []netip.AddrPort
	// Keepalive is KeepaliveAuto, KeepaliveOff or an interval.
	Keepalive time.Duration
}

// A Context is this node's relation to one peer, on the control side. The node's
// loop owns it; but Marks may be touched from anywhere.
//
// Every method that takes acts appends to it what is to be done, and returns it.
type Context struct {
	Marks Marks

	cfg     Config
	machine *detect.Machine
	term    *Term
	// seen is the confirmation of term that the machine was last told.
	seen int64
	// outageSince is, at the end of the last term, since when packets may have been
	// lost.
	outageSince time.Duration
	// last is the pair that last was primary.
	last locator.Pair
	// second is the pair under test that packets go over too, untrusted one that
	// they are to go over once it has answered.
	second, untrusted locator.Pair
	// doubtSince is since when packets may have been lost on the primary, as known when
	// it came into doubt.
	doubtSince time.Duration
	// brokenSince is since when the primary pair has failed at this end, as far as the
	// peer's packets show; zero: it has not.
	brokenSince time.Duration

	locals  []locator.Local
	remotes remotes
	// outside is how the peer sees local locators, where a NAT is in between. It is made
	// when there is one.
	outside map[netip.Addr]netip.AddrPort
	// doubled says that there was a second pair since the primary one was last known
	// to work.
	doubled bool
	// tests says that what is being sent is a test.
	tests bool
	// vouched says that a locator is known to be the peer's by more than its word
	// now, so that the pairs are to be ordered anew.
	vouched bool
	// stale says that the pairs are to be made anew before anybody uses them: see postpone.
	stale bool
	// spent says that the budget for tests over metered locators is used up.
	spent bool
	// newestSet says that the datagram being taken in has the peer's newest
	// LocatorSet.
	newestSet bool

	sessions    sessions
	initiations []*initiation
	// opened is the greatest timestamp of the peer's Opens, stamped that of ours.
	opened, stamped uint64
	rekeyAt         time.Time

	history history
	// prompt is what is behind an exploration that begins now.
	prompt Prompt

	announce  announcement
	keepalive keepalive
	echoes    []echo
	strays    strays
	// tallies count what goes out over each pair, and samples are the Polls of which
	// the peer may still say how much had come with them.
	tallies []*tally
	samples []sample
	// came is Arrivals' count with that datagram.
	came uint32

	now  time.Time
	acts []Action
}

// New returns the Context of a peer, with no session.
func New(cfg Config, now time.Time) *Context {
	c := &Context{cfg: cfg, remotes: newRemotes(cfg.Locators)}
	c.machine = detect.New(&cfg.Timers, c.random)
	c.announce.sequence = uint32(now.Unix())
	return c
}

// random draws 64 unpredictable bits.
func (c *Context) random() uint64 {
	var b [8]byte
	if _, err := io.ReadFull(c.cfg.Random, b[:]); err != nil {
		panic("shim: no randomness: " + err.Error()) // see Config.Random
	}
	return binary.LittleEndian.Uint64(b[:])
}

// enter begins a method: what the packet path left behind is taken in first, so
// that nothing is judged on half of the evidence.
func (c *Context) enter(now time.Time, acts []Action) {
	c.now, c.acts, c.prompt = now, acts, ""
	if c.stale {
		c.stale = false
		c.setCandidates()
	}
	c.collect()
}

func (c *Context) leave() []Action {
	if c.vouched {
		c.setCandidates()
	}
	acts := c.acts
	c.acts = nil
	return acts
}

func (c *Context) do(a Action) { c.acts = append(c.acts, a) }

// since returns the time of now relative to the base.
func (c *Context) since(now time.Time) time.Duration { return now.Sub(c.cfg.Base) }

// instant returns the time that a stamp stands for, zero for none.
func (c *Context) instant(stamp int64) time.Time {
	if stamp == 0 {
		return time.Time{}
	}
	return c.cfg.Base.Add(time.Duration(stamp))
}

// collect hands the marks of the packet path to the machine.
func (c *Context) collect() {
	active := c.Marks.look()
	e := detect.Evidence{
		Active:  active,
		Owed:    c.instant(c.Marks.owedOther.Load()),
		OwedTCP: c.instant(c.Marks.owedTCP.Load()),
	}
	e.Unconfirmed, e.Unreported = c.unconfirmed()
	c.machine.Observe(c.now, e)
	c.feedBack()
	if active {
		c.keepalive.passed(c.now)
		c.reportLoss()
		// The loop may have been awake all the time since there was no session.
		c.perform(c.machine.Connect(c.now, c.last, nil))
		c.rekeyIfStale()
	}
}

// feedBack hands on what confirmations the packet path has seen.
func (c *Context) feedBack() {
	t := c.term
	if t == nil {
		return
	}
	if at := t.confirmed.Load(); at != c.seen {
		c.seen = at
		c.history.confirmed(c.confirmation(c.instant(at)))
		sample := time.Duration(t.sample.Swap(0))
		c.perform(c.machine.HandleFeedback(c.now, c.instant(at), sample, nil))
		c.setGrain()
	}
}

// HandleWake is called when Marks.Touch asks for it: packets pass again, or wait
// for a path.
func (c *Context) HandleWake(now time.Time, acts []Action) []Action {
	c.enter(now, acts)
	c.perform(c.machine.Connect(now, c.last, nil))
	return c.leave()
}

// Deadline returns when HandleTimeout is to be called, zero for never.
func (c *Context) Deadline() time.Time {
	d := earliest(c.machine.Deadline(), c.announce.resendAt)
	d = earliest(d, earliest(c.keepaliveAt(), c.echoAt()))
	return earliest(d, earliest(c.rekeyAt, c.sessions.expiry()))
}

// HandleTimeout does what is due at now.
func (c *Context) HandleTimeout(now time.Time, acts []Action) []Action {
	c.enter(now, acts)
	c.perform(c.machine.HandleTimeout(now, nil))
	if due(c.rekeyAt, now) {
		c.rekeyAt = time.Time{} // the next packet asks again
	}
	c.expire()
	c.announceIfDue()
	c.echoIfDue()
	c.keepAliveIfDue()
	return c.leave()
}

// SetLocals tells which local locators are operational.
func (c *Context) SetLocals(now time.Time, locals []locator.Local, acts []Action) []Action {
	if c.postpone() {
		c.locals = locals
		c.announce.change(now)
		return acts
	}
	c.enter(now, acts)
	c.locals = locals
	c.announce.change(now)
	c.setCandidates()
	c.announceIfDue()
	return c.leave()
}

// HandleRoutes takes in that what Config.Order.Routable says may have changed.
func (c *Context) HandleRoutes(now time.Time, acts []Action) []Action {
	if c.postpone() {
		return acts
	}
	c.enter(now, acts)
	c.setCandidates()
	return c.leave()
}

// postpone reports whether nobody talks to the peer, and has the pairs made anew by
// whoever comes next: a link that goes is news to thousands of peers, and an uplink that
// comes would have each ask the kernel for routes.
func (c *Context) postpone() bool {
	keeps := c.cfg.Keepalive > 0 || c.cfg.Keepalive == KeepaliveAuto && len(c.outside) > 0 // once there is an uplink
	alone := !keeps && c.Deadline().IsZero() && !c.machine.Connected() && len(c.sessions.all) == 0 && c.Quiet()
	c.stale = c.stale || alone
	return c.stale
}

// Refresh makes up for what was put off while nobody talked to the peer, so that Status
// tells the pairs as they are.
func (c *Context) Refresh(now time.Time, acts []Action) []Action {
	if !c.stale {
		return acts
	}
	c.enter(now, acts)
	return c.leave()
}

// setCandidates makes the pairs anew and tells the machine.
func (c *Context) setCandidates() {
	c.vouched = false
	cs := c.candidates()
	c.limitMTUs(cs)
	if !c.machine.Connected() && slices.ContainsFunc(cs, func(x locator.Candidate) bool { return !c.known(x.Pair) }) {
		c.keepalive.news(c.now, c.cfg.Keepalive)
	}
	c.perform(c.machine.SetCandidates(c.now, cs, nil))
	c.keepTallies()
	c.refreshPath()
	c.tellReportDelay()
}

// candidates returns the pairs by rank, best first. The machine keeps what is needed of
// them while nothing passes, so that an idle peer takes little memory.
func (c *Context) candidates() []locator.Candidate {
	return locator.Pairs(c.locals, c.remotes.list(), c.cfg.Order)
}

// SetConfigured replaces where to look for the peer at first: what its names
// resolve to has changed.
func (c *Context) SetConfigured(now time.Time, at []netip.AddrPort, acts []Action) []Action {
	c.enter(now, acts)
	c.remotes.configure(at)
	c.setCandidates()
	return c.leave()
}

// SetSpent says whether the budget for tests over metered locators is used up.
func (c *Context) SetSpent(now time.Time, spent bool, acts []Action) []Action {
	if c.stale { // nothing passes that it could matter to
		c.spent = spent
		c.machine.SetSpent(spent)
		return acts
	}
	c.enter(now, acts)
	c.spent = spent
	c.machine.SetSpent(spent)
	return c.leave()
}

// sparing reports whether nothing is to be sent over the primary pair without need.
func (c *Context) sparing() bool { return c.spent && c.machine.Metered(c.primaryOrLast()) }

// HandleSendError takes in that the kernel would not send on a pair.
func (c *Context) HandleSendError(now time.Time, p locator.Pair, acts []Action) []Action {
	c.enter(now, acts)
	c.prompt = PromptSendError
	if p == c.machine.Primary() {
		c.breaksHere()
	}
	c.perform(c.machine.HandleSendError(now, p, nil))
	return c.leave()
}

// Want asks for another primary pair; it is tested first.
func (c *Context) Want(now time.Time, p locator.Pair, acts []Action) []Action {
	c.enter(now, acts)
	c.prompt = PromptUser
	c.perform(c.machine.Want(now, p, nil))
	return c.leave()
}

// Switch makes p the primary pair, and has the peer do so, if it answers a test. It
// stays until it fails, or Auto.
func (c *Context) Switch(now time.Time, p locator.Pair, acts []Action) []Action {
	c.enter(now, acts)
	c.prompt = PromptUser
	c.perform(c.machine.Switch(now, p, nil))
	return c.leave()
}

// Auto takes Switch back.
func (c *Context) Auto(now time.Time, acts []Action) []Action {
	c.enter(now, acts)
	c.machine.Auto()
	c.announce.change(now)
	c.announceIfDue()
	return c.leave()
}

// Close tells the peer that this end goes away.
func (c *Context) Close(now time.Time, acts []Action) []Action {
	if c.stale {
		return acts // there is no session
	}
	c.enter(now, acts)
	if p := c.machine.Primary(); p.IsValid() {
		c.sendFrames(p, c.sessions.current, wire.Close{}.AppendTo(nil))
	}
	return c.leave()
}

// setPath tells the packet path what the primary pair, the one under test and the
// session are now. Without a primary, packets go with the test alone.
func (c *Context) setPath() {
	s := c.sessions.current
	p, second := c.hop(c.machine.Primary()), c.hop(c.second)
	if !p.Pair.IsValid() {
		p, second = second, Hop{}
	}
	if !p.Pair.IsValid() || !s.usable(c.now) {
		c.do(SetPath{})
		return
	}
	if c.term == nil {
		c.newTerm()
	}
	c.do(SetPath{&Path{Session: s, Hop: p, Second: second, Term: c.term, BothFamilies: c.machine.BothFamilies()}})
}

// newTerm begins a term with what the session has come to, and what is known to
// have arrived before.
func (c *Context) newTerm() {
	c.seen = 0
	c.term = &Term{session: c.sessions.current, startedAt: c.now}
	raise(&c.term.arrivedSent, c.outageSince)
	raise(&c.term.acknowledged, c.outageSince)
	if s := c.sessions.current; s != nil {
		c.term.first = s.next.Load()
	}
	c.setGrain()
}

// setGrain keeps the term's logs as exact as the round-trip time asks.
func (c *Context) setGrain() {
	if c.term != nil {
		c.term.grain.Store(int64(grainOf(c.machine.RTT())))
		c.term.othersGrain.Store(int64(grainOf(c.machine.ReportRTT())))
	}
}

// refreshPath gives the packet path a new snapshot when the interface of the
// primary's local locator has changed.
func (c *Context) refreshPath() {
	if c.machine.Primary().IsValid() && c.term != nil {
		c.setPath()
	}
}

func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// earliest returns the earlier of two instants of which the zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
