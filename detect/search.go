package detect

import (
	"fmt"
	"time"
)

// A search finds the path MTU of one pair by probes of different sizes: DPLPMTUD (RFC
// 8899 §5). All sizes are those of whole IP packets, in bytes. The states are those of
// its Figure 5:
//
//	              an interface is known
//	DISABLED -----------------------------> BASE <-----------------+
//	                                        |  |                   |
//	                           base passes  |  | base does not     |
//	                +-----------------------+  v                   | what passed does
//	                |                        ERROR                 | not any more
//	                v      base passes         |                   | (black hole)
//	            SEARCHING <--------------------+                   |
//	              |   ^  ------------------------------------------+
//	   found      v   | the raise timer fires                      |
//	        SEARCH_COMPLETE ---------------------------------------+
//
// A size does not pass when maxProbes probes of it went unanswered. That is no more
// than a reason to send shorter packets, and a late answer makes good for it.
//
// It has no clock: step is called when at is due.
type search struct {
	state MTUState
	// least is what ERROR sends, base what every path should carry, max what the
	// interface does (MIN_PLPMTU, BASE_PLPMTU, MAX_PLPMTU).
	least, base, max int
	// size is the largest that is known to pass (PLPMTU), tooBig the least that is
	// not; max+1 if there is none.
	size, tooBig int
	// probe is the size under test, zero if none is, lost how many probes of it went
	// unanswered (PROBE_COUNT).
	probe, lost int
	// at is when the answer to a probe that was sent is overdue, or when the next one
	// is to be sent; zero: never.
	at   time.Time
	sent bool
	// confirms says that size itself is under test, passedAt when it last passed.
	confirms bool
	passedAt time.Time
	// edge says that size is likely to be the path's: so much that just above it is to
	// be tried next. hint is what an ICMP error has said it is.
	edge bool
	hint int
	// wait is the time to the next probe in ERROR.
	wait time.Duration
	// raiseAt is when the raise timer fires, however often size is tested until then.
	raiseAt time.Time
}

// An MTUState is a state of the search for a path MTU (RFC 8899 §5.2).
type MTUState uint8

// The states.
const (
	MTUDisabled MTUState = iota
	MTUBase
	MTUSearching
	MTUComplete
	MTUError
)

var mtuStates = [...]string{
	MTUDisabled: "disabled", MTUBase: "base", MTUSearching: "searching", MTUComplete: "search complete", MTUError: "error",
}

// String returns the RFC's name of the state, in lower case.
func (s MTUState) String() string {
	if int(s) < len(mtuStates) {
		return mtuStates[s]
	}
	return fmt.Sprintf("mtu state(%d)", uint8(s))
}

const (
	// maxProbes is MAX_PROBES (RFC 8899 §5.1.2).
	maxProbes = 3
	// mtuGrain is how near the search comes to the path's MTU.
	mtuGrain = 8
	// raiseAfter is PMTU_RAISE_TIMER (§5.1.1).
	raiseAfter = 600 * time.Second
	// errorFirst and errorLast bound the wait between probes in ERROR, which doubles.
	errorFirst, errorLast = time.Second, time.Minute
)

// commonMTUs are worth a try before all others, in descending order: Ethernet, PPPoE over
// it, and what IPv6 asks of every link.
var commonMTUs = [...]int{1500, 1492, 1280}

// limit sets what the interface carries, zero for not known. What a path of the family
// carries at least is least, what it should base.
func (s *search) limit(now time.Time, least, base, most int) {
	switch {
	case most <= 0:
		*s = search{}
		return
	case most == s.max:
		return
	case s.state == MTUDisabled || min(base, most) != s.base:
		base = min(base, most)
		*s = search{state: MTUBase, least: min(least, base), base: base, max: most, size: base, tooBig: most + 1, at: now}
		return
	}
	untried := s.tooBig > s.max
	s.max = most
	if s.tooBig = min(s.tooBig, most+1); untried {
		s.tooBig = most + 1
	}
	if s.size > most {
		s.size = most // the host itself sends no more; the path has carried it
	}
	s.probe, s.sent, s.confirms, s.hint, s.at = 0, false, false, 0, now
	if s.state == MTUComplete {
		s.state = MTUSearching
	}
	s.settle(now)
}

// settle ends the search when nothing is left to try.
func (s *search) settle(now time.Time) {
	if s.state != MTUSearching || s.size < s.max && (s.tooBig > s.max || s.tooBig-s.size > mtuGrain) {
		return
	}
	s.state, s.probe, s.edge = MTUComplete, 0, false
	s.at = time.Time{}
	if s.size < s.max {
		if !s.raiseAt.After(now) {
			s.raiseAt = now.Add(raiseAfter)
		}
		s.at = s.raiseAt
	}
}

// step does what is due, and returns the size of the probe to send now, zero for none.
// The owner tells by wait how long the answer may take.
func (s *search) step(now time.Time) (size int) {
	if s.sent && due(s.at, now) {
		s.unanswered(now)
	}
	if s.sent || !due(s.at, now) {
		return 0
	}
	if s.state == MTUComplete && !s.confirms {
		s.state, s.tooBig, s.edge = MTUSearching, s.max+1, true
	}
	if s.probe == 0 {
		s.probe, s.lost = s.candidate(), 0
	}
	return s.probe
}

// started says that the probe was sent, and until when its answer may take.
func (s *search) started(until time.Time) { s.sent, s.at = true, until }

// hurries reports whether the next probe need not wait for the answer to the last: while
// packets may be lost for being too long, unless it decides.
func (s *search) hurries() bool { return s.confirms && s.lost < maxProbes-1 }

// candidate returns the size to try next.
func (s *search) candidate() int {
	if s.state != MTUSearching {
		return s.base
	}
	hint, edge := s.hint, s.edge
	s.hint, s.edge = 0, false
	switch {
	case s.size < hint && hint < s.tooBig && hint <= s.max:
		s.edge = true
		return hint
	case edge && s.size+mtuGrain < s.tooBig:
		return min(s.size+mtuGrain, s.max)
	case s.tooBig > s.max:
		return s.max
	}
	for _, c := range commonMTUs {
		switch {
		case c == s.size:
			return min(s.size+mtuGrain, s.max) // likely the path's
		case s.size < c && c < s.tooBig:
			return c
		}
	}
	return s.size + (s.tooBig-s.size)/2
}

// unanswered: the probe under test was not answered in time.
func (s *search) unanswered(now time.Time) {
	s.sent, s.at = false, now
	if s.lost++; s.lost < maxProbes {
		return
	}
	s.fails(now)
}

// fails: the size under test does not pass.
func (s *search) fails(now time.Time) {
	size := s.probe
	s.probe, s.lost, s.sent, s.at = 0, 0, false, now
	switch {
	case s.confirms && size > s.base:
		s.confirms, s.edge = false, false
		s.state, s.size, s.tooBig = MTUBase, s.base, size
	case s.state == MTUSearching && !s.confirms:
		s.tooBig, s.edge = size, false
		s.settle(now)
	case s.confirms, s.state == MTUBase: // BASE itself does not pass, or no more
		s.confirms, s.edge = false, false
		s.state, s.size, s.wait = MTUError, s.least, errorFirst
		s.at = now.Add(s.wait)
	case s.state == MTUError:
		s.wait = min(2*s.wait, errorLast)
		s.at = now.Add(s.wait)
	}
}

// passed: a probe of that size was answered, however late.
func (s *search) passed(now time.Time, size int) {
	if s.state == MTUDisabled || size > s.max || size < s.base {
		return
	}
	if size >= s.size {
		s.size, s.passedAt = size, now
	}
	if size >= s.tooBig {
		s.tooBig = s.max + 1 // it does pass, after all
	}
	if s.probe != 0 && size < s.probe {
		return // late; the one under test is larger
	}
	s.state, s.probe, s.lost, s.sent, s.confirms, s.at = MTUSearching, 0, 0, false, false, now
	s.settle(now)
}

// suspect has size tested anew: packets may be lost for being too long.
func (s *search) suspect(now time.Time) {
	if s.confirms || s.size <= s.least || s.state != MTUSearching && s.state != MTUComplete {
		return
	}
	s.confirms, s.probe, s.lost, s.sent, s.at = true, s.size, 0, false, now
}

// revisitAfter is the age from which on what is known of a pair's MTU is tested when the
// pair becomes primary.
const revisitAfter = 10 * time.Second

// revisit is suspect, if it is long ago that size passed.
func (s *search) revisit(now time.Time) {
	if now.Sub(s.passedAt) > revisitAfter {
		s.suspect(now)
	}
}

// told takes in that an ICMP error says that the path carries mtu and no more. It is
// only a hint (RFC 8899 §4.6): what is known to pass is tested once more, and what is
// being tried is tried no longer. It reports false for an MTU that no path may have.
func (s *search) told(now time.Time, mtu int) bool {
	switch {
	case mtu == 0:
		s.suspect(now) // a router that does not know RFC 1191
	case s.state == MTUDisabled:
	case mtu < s.least:
		return false
	case mtu < s.size:
		s.suspect(now)
		if s.confirms {
			s.hint, s.lost = mtu, maxProbes-1
		}
	case s.state == MTUSearching && s.probe > mtu && !s.confirms:
		s.fails(now)
		s.hint, s.edge = mtu, s.state == MTUSearching && mtu == s.size
	case s.state != MTUComplete && s.size < mtu && mtu < s.tooBig:
		s.hint = mtu
	}
	return true
}

// refused takes in that the host would not send a probe of that size.
func (s *search) refused(now time.Time, size int) {
	if s.sent && size == s.probe {
		s.fails(now)
	}
}
