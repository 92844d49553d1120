package detect

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A mtuPath is a path under search: what is longer than mtu is lost, and so is what lose
// says.
type mtuPath struct {
	search
	now  time.Time
	mtu  int
	lose func() bool
	// tells says that a router sends ICMP errors.
	tells  bool
	probes int
}

const probeWait = 100 * time.Millisecond

func newMTUPath(most, mtu int) *mtuPath {
	p := &mtuPath{now: epoch, mtu: mtu, lose: func() bool { return false }}
	p.limit(p.now, baseMTU6, baseMTU6, most)
	return p
}

// probe does what is due next, and reports whether it was a probe.
func (p *mtuPath) probe() bool {
	if p.at.After(p.now) {
		p.now = p.at
	}
	size := p.step(p.now)
	if size == 0 {
		return false
	}
	p.probes++
	p.started(p.now.Add(probeWait))
	switch lost := p.lose(); {
	case size > p.mtu && p.tells:
		p.told(p.now, p.mtu)
	case size <= p.mtu && !lost:
		p.now = p.now.Add(probeWait / 2)
		p.passed(p.now, size)
	}
	return true
}

// settled lets the search run until it waits for the raise timer, or for ever.
func (p *mtuPath) settled(t tb) {
	t.Helper()
	for range 1000 {
		if p.state == MTUComplete && !p.confirms || p.state == MTUError {
			return
		}
		p.probe()
	}
	t.Fatalf("no end: %+v", p.search)
}

// TestSearchStates goes through the transitions of RFC 8899 Figure 5.
func TestSearchStates(t *testing.T) {
	complete := func(most, mtu int) func() *mtuPath {
		return func() *mtuPath {
			p := newMTUPath(most, mtu)
			p.settled(t)
			return p
		}
	}
	tests := []struct {
		from   MTUState
		event  string
		path   func() *mtuPath
		do     func(p *mtuPath)
		to     MTUState
		size   int
		probes int // from event on
	}{
		{MTUDisabled, "no interface", func() *mtuPath { return &mtuPath{} }, func(p *mtuPath) { p.suspect(p.now) }, MTUDisabled, 0, 0},
		{MTUDisabled, "an interface", func() *mtuPath { return &mtuPath{} }, func(p *mtuPath) { p.limit(epoch, 1280, 1280, 1500) }, MTUBase, 1280, 0},
		{MTUBase, "base passes", func() *mtuPath { return newMTUPath(1500, 1500) }, func(p *mtuPath) { p.probe() }, MTUSearching, 1280, 1},
		{MTUBase, "that is all there is", func() *mtuPath { return newMTUPath(1280, 1280) }, func(p *mtuPath) { p.probe() }, MTUComplete, 1280, 1},
		{MTUBase, "base does not pass", func() *mtuPath { return newMTUPath(1500, 1279) }, func(p *mtuPath) { p.settled(t) }, MTUError, 1280, 3},
		{MTUBase, "a PTB", func() *mtuPath { return newMTUPath(1500, 1500) }, func(p *mtuPath) { p.told(p.now, 1300) }, MTUBase, 1280, 0},
		{MTUError, "base passes", func() *mtuPath {
			p := newMTUPath(1500, 1279)
			p.settled(t)
			return p
		}, func(p *mtuPath) { p.mtu = 1500; p.probe() }, MTUSearching, 1280, 1},
		{MTUSearching, "the interface's MTU passes", func() *mtuPath {
			p := newMTUPath(9000, 9000)
			p.probe()
			return p
		}, func(p *mtuPath) { p.probe() }, MTUComplete, 9000, 1},
		{MTUSearching, "it does not, 1500 does", func() *mtuPath {
			p := newMTUPath(9000, 1500)
			p.probe()
			return p
		}, func(p *mtuPath) { p.settled(t) }, MTUComplete, 1500, 3 + 1 + 3},
		{MTUSearching, "it does not, a router tells", func() *mtuPath {
			p := newMTUPath(9000, 1400)
			p.tells = true
			p.probe()
			return p
		}, func(p *mtuPath) { p.settled(t) }, MTUComplete, 1400, 1 + 1 + 1},
		{MTUComplete, "the raise timer, to no avail", complete(9000, 1500), func(p *mtuPath) { p.probe(); p.settled(t) }, MTUComplete, 1500, 3},
		{MTUComplete, "the raise timer, a wider path", complete(9000, 1500), func(p *mtuPath) { p.mtu = 9000; p.probe(); p.settled(t) }, MTUComplete, 9000, 2},
		{MTUComplete, "suspicion, size passes", complete(1500, 1500), func(p *mtuPath) { p.suspect(p.now); p.settled(t) }, MTUComplete, 1500, 1},
		{MTUComplete, "a black hole", complete(1500, 1500), func(p *mtuPath) {
			p.mtu = 1400
			p.suspect(p.now)
			for p.confirms {
				p.probe()
			}
		}, MTUSearching, 1280, 3 + 1},
		{MTUComplete, "PTB, and size does not pass", complete(1500, 1500), func(p *mtuPath) {
			p.mtu, p.tells = 1400, true
			p.told(p.now, 1400)
			p.settled(t)
		}, MTUComplete, 1400, 1 + 1 + 1 + 1},
		{MTUComplete, "PTB, but size passes", complete(1500, 1500), func(p *mtuPath) { p.told(p.now, 1400); p.settled(t) }, MTUComplete, 1500, 1},
		{MTUComplete, "PTB below base", complete(1500, 1500), func(p *mtuPath) {
			if p.told(p.now, 1279) {
				t.Error("an MTU of 1279 was taken in")
			}
		}, MTUComplete, 1500, 0},
		{MTUComplete, "a smaller interface", complete(9000, 9000), func(p *mtuPath) { p.limit(p.now, 1280, 1280, 1500) }, MTUComplete, 1500, 0},
		{MTUComplete, "a larger interface", complete(1500, 9000), func(p *mtuPath) { p.limit(p.now, 1280, 1280, 9000); p.settled(t) }, MTUComplete, 9000, 1},
		{MTUComplete, "no interface", complete(1500, 1500), func(p *mtuPath) { p.limit(p.now, 1280, 1280, 0) }, MTUDisabled, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.from.String()+", "+tt.event, func(t *testing.T) {
			p := tt.path()
			if p.state != tt.from {
				t.Fatalf("begins in %v", p.state)
			}
			before := p.probes
			tt.do(p)
			if p.state != tt.to || p.size != tt.size || p.probes-before != tt.probes {
				t.Errorf("%v with %d after %d probes, want %v with %d after %d", p.state, p.size, p.probes-before, tt.to, tt.size, tt.probes)
			}
		})
	}
}

// A late answer counts: the size passes after all.
func TestSearchLateAnswer(t *testing.T) {
	p := newMTUPath(1500, 1400)
	p.settled(t)
	p.passed(p.now, 1500)
	if p.state != MTUComplete || p.size != 1500 || !p.at.IsZero() {
		t.Errorf("%v with %d, next at %v", p.state, p.size, p.at)
	}
}

// TestSuspicionsDoNotPutOffTheRaise: where loss has size tested again and again, the search
// for more goes on all the same.
func TestSuspicionsDoNotPutOffTheRaise(t *testing.T) {
	p := newMTUPath(9000, 1500)
	p.settled(t)
	raise := p.at
	for range 3 {
		p.now = p.now.Add(raiseAfter / 4)
		p.suspect(p.now)
		p.settled(t)
		if !p.at.Equal(raise) {
			t.Fatalf("put off by %v", p.at.Sub(raise))
		}
	}
	p.mtu = 9000
	p.probe()
	p.settled(t)
	if p.size != 9000 {
		t.Errorf("found %d in the end", p.size)
	}
}

// TestSearchBelowBase: an IPv4 path may carry less than BASE, and come to do so.
func TestSearchBelowBase(t *testing.T) {
	for _, mtu := range []int{1500, baseMTU4} {
		p := &mtuPath{now: epoch, mtu: mtu, lose: func() bool { return false }}
		p.limit(p.now, leastMTU4, baseMTU4, 1500)
		p.settled(t)
		if p.size != mtu {
			t.Fatalf("found %d, want %d", p.size, mtu)
		}
		p.mtu = 1000
		if !p.told(p.now, p.mtu) || p.told(p.now, leastMTU4-1) {
			t.Error("1000 is no hint for IPv4, or 575 is one")
		}
		p.settled(t)
		if p.state != MTUError || p.size != leastMTU4 {
			t.Errorf("from %d to 1000: %v, packets of %d", mtu, p.state, p.size)
		}
		p.mtu = mtu
		for p.state == MTUError {
			p.probe()
		}
		p.settled(t)
		if p.size > mtu || p.size+mtuGrain < mtu {
			t.Errorf("back at %d, found %d", mtu, p.size)
		}
	}
}

// TestSearchHintBeforeSearching: what an ICMP error says while BASE is tested still is.
func TestSearchHintBeforeSearching(t *testing.T) {
	p := newMTUPath(9000, 1400)
	if !p.told(p.now, 1400) {
		t.Error("1400 is no hint")
	}
	p.settled(t)
	// BASE and the hint pass, thrice the size above it does not.
	if p.size != 1400 || p.probes != 2+maxProbes {
		t.Errorf("found %d by %d probes", p.size, p.probes)
	}
}

// In ERROR probes go out ever less often.
func TestSearchErrorBacksOff(t *testing.T) {
	p := newMTUPath(1500, 1000)
	for p.state != MTUError {
		p.probe()
	}
	from, before := p.now, p.probes
	for p.now.Sub(from) < 10*time.Minute {
		p.probe()
	}
	if n := p.probes - before; n < 10 || n > 3*(6+10) {
		t.Errorf("%d probes in ten minutes", n)
	}
}

// The search ends just below the path's MTU, never above, whatever it is, and in few
// probes.
func TestSearchProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mtu := rapid.IntRange(1280, 9000).Draw(t, "path")
		most := rapid.SampledFrom([]int{1500, 1472, 4352, 9000, 9216, 65535}).Draw(t, "interface")
		p := newMTUPath(most, mtu)
		p.tells = rapid.Bool().Draw(t, "tells")
		sent, every := 0, rapid.IntRange(10, 20).Draw(t, "one lost of")
		p.lose = func() bool { sent++; return sent%every == 0 }
		p.settled(t)
		checkFound(t, p)
		if p.probes > 3*20 {
			t.Errorf("%d probes", p.probes)
		}
	})
}

// With losses at random, what is missed is found later, and black holes are, on the way.
func TestSearchRandomLossProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newMTUPath(9000, rapid.IntRange(1280, 9000).Draw(t, "path"))
		seed := rapid.Uint64().Draw(t, "seed") | 1
		p.lose = func() bool {
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			return seed%10 == 0
		}
		p.settle(p.now)
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			p.mtu = rapid.IntRange(1280, 9000).Draw(t, "path then")
			p.suspect(p.now)
			// Every time the raise timer fires, chance is one in a thousand for a miss.
			for range 4 {
				p.probe()
				for p.state != MTUComplete || p.confirms {
					p.probe()
				}
			}
			checkFound(t, p)
		}
	})
}

func checkFound(t *rapid.T, p *mtuPath) {
	if most := min(p.mtu, p.max); p.size > most || p.size <= most-mtuGrain {
		t.Errorf("found %d of %d", p.size, most)
	}
}
