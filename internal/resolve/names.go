package resolve

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// maxLookups bounds the lookups that run at a time.
	maxLookups = 4
	// minAge is how old an answer is at least before the name is asked for again.
	minAge = 5 * time.Second
)

// A LookupFunc is Resolver.Lookup, or something in its place. It returns soon after
// ctx ends.
type LookupFunc func(ctx context.Context, host string) Answer

// Names asks for names when they are wanted, and tells what changes. Its methods may
// be called from any goroutine, and do not wait.
type Names struct {
	lookup LookupFunc
	out    chan Answer
	bell   chan struct{} // wakes Run

	mu      sync.Mutex
	all     map[string]*name
	waiting []*name // to be looked up, first come first served
	running int     // lookups
	news    []*name // to be told, without repetition
}

// A name is one host. Names.mu guards it.
type name struct {
	host string
	busy bool // waiting or being looked up
	// last is the last answer, of the time at; zero: none yet.
	last Answer
	at   time.Time
	// told is what the receiver knows, if wasTold.
	told    Answer
	wasTold bool
}

// NewNames returns Names that use lookup.
func NewNames(lookup LookupFunc) *Names {
	return &Names{
		lookup: lookup,
		out:    make(chan Answer),
		bell:   make(chan struct{}, 1),
		all:    make(map[string]*name),
	}
}

// Want asks for host unless the last answer still holds, or is younger than 5 s.
// It is meant to be called again and again for as long as the peer is in use or
// cannot be reached: nothing is asked otherwise.
func (n *Names) Want(host string) {
	n.ask(host, func(last Answer) time.Duration { return max(last.TTL, minAge) })
}

// Refresh asks for host, whose addresses do not work, even if the last answer still
// holds, unless it is younger than 5 s.
func (n *Names) Refresh(host string) {
	n.ask(host, func(Answer) time.Duration { return minAge })
}

// Answers returns the channel of answers: for each name the first, and then those
// with other addresses, the first failure after success, and the first success after
// failure. A failure does not mean that the addresses told before are wrong. Of several
// answers that were not received, the last counts. The channel is never closed.
func (n *Names) Answers() <-chan Answer { return n.out }

// Run looks up and tells until ctx ends, and returns nil after all lookups have. It
// may be called once.
func (n *Names) Run(ctx context.Context) error {
	var lookups sync.WaitGroup
	defer lookups.Wait()
	for {
		for _, m := range n.take() {
			lookups.Go(func() { n.answered(ctx, m, n.lookup(ctx, m.host)) })
		}
		m, a, out := n.tell()
		select {
		case <-ctx.Done():
			return nil
		case <-n.bell:
		case out <- a:
			n.wasTold(m, a)
		}
	}
}

// ask queues host if its last answer is older than fresh says.
func (n *Names) ask(host string, fresh func(last Answer) time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.all[host]
	if m == nil {
		m = &name{host: host}
		n.all[host] = m
	}
	if m.busy || !m.at.IsZero() && time.Since(m.at) < fresh(m.last) {
		return
	}
	m.busy = true
	n.waiting = append(n.waiting, m)
	n.ring()
}

// ring wakes Run, which looks at everything then.
func (n *Names) ring() {
	select {
	case n.bell <- struct{}{}:
	default:
	}
}

// take returns the names whose lookups may start now.
func (n *Names) take() []*name {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := min(len(n.waiting), maxLookups-n.running)
	next := slices.Clone(n.waiting[:count])
	n.waiting = slices.Delete(n.waiting, 0, count)
	n.running += count
	return next
}

// answered enters what a lookup of m returned. An answer that came of Run's end means
// nothing.
func (n *Names) answered(ctx context.Context, m *name, a Answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running--
	m.busy = false
	if ctx.Err() == nil {
		a.Host = m.host
		m.last, m.at = a, time.Now()
		n.announce(m)
	}
	n.ring()
}

// announce queues m for the receiver if there is something to tell.
func (n *Names) announce(m *name) {
	if m.changed() && !slices.Contains(n.news, m) {
		n.news = append(n.news, m)
	}
}

// tell returns what to tell next, and the channel for it: nil if there is nothing.
func (n *Names) tell() (*name, Answer, chan<- Answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	// What changed and changed back before it was told is no news.
	n.news = slices.DeleteFunc(n.news, func(m *name) bool { return !m.changed() })
	if len(n.news) == 0 {
		return nil, Answer{}, nil
	}
	return n.news[0], n.news[0].last, n.out
}

// wasTold notes that the receiver has a, the answer of m, which was first in line.
func (n *Names) wasTold(m *name, a Answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.told, m.wasTold = a, true
	n.news = slices.DeleteFunc(n.news, func(other *name) bool { return other == m })
	n.announce(m) // It may have changed meanwhile.
}

// changed reports whether the receiver should hear of the last answer.
func (m *name) changed() bool {
	return !m.wasTold || (m.last.Err == nil) != (m.told.Err == nil) || !slices.Equal(m.last.Addrs, m.told.Addrs)
}
