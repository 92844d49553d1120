package lab

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/multi6/multi6/internal/fdwait"
)

// A Direction of an uplink.
type Direction uint8

const (
	// AtoB is outbound from A.
	AtoB Direction = iota
	// BtoA is inbound to A.
	BtoA
	directions
)

// String returns "A to B" or "B to A".
func (d Direction) String() string {
	switch d {
	case AtoB:
		return "A to B"
	case BtoA:
		return "B to A"
	}
	return fmt.Sprintf("direction %d", uint8(d))
}

// A Link is an emulated uplink of A. Its methods may be called at any time.
type Link struct {
	near, far *tap // at A and at its router
	pipes     [directions]*pipe
	running   sync.WaitGroup

	mu     sync.Mutex // guards changes of settings, and closed
	closed bool
}

// newLink makes the devices of a link, down, and sets it running. Both
// directions are given i; their chances follow from seed.
func newLink(a, router *Host, name string, mtu int, i Impairment, seed uint64) (l *Link, err error) {
	l = &Link{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.near, err = newTap(a, name, mtu); err != nil {
		return nil, err
	}
	if l.far, err = newTap(router, name, mtu); err != nil {
		return nil, err
	}
	ends := [directions][2]*tap{AtoB: {l.near, l.far}, BtoA: {l.far, l.near}}
	for d, e := range ends {
		p, err := newPipe(e[0], e[1], newLine(seed, uint64(d)), i)
		if err != nil {
			return nil, err
		}
		l.pipes[d] = p
		if err := e[0].setSuperFrames(i.superFrames()); err != nil {
			return nil, err
		}
	}
	for _, p := range l.pipes {
		l.running.Add(1)
		fdwait.MakeRoom(1)
		onThread(func() {
			defer l.running.Done()
			defer fdwait.MakeRoom(-1)
			p.run()
		})
	}
	return l, nil
}

// Set changes what direction d does to frames from now on. Frames under way
// arrive when they would have. Faults in force stay so.
func (l *Link) Set(d Direction, i Impairment) error {
	if err := i.Validate(); err != nil {
		return err
	}
	return l.change(d, func(s *settings) { s.Impairment = i })
}

// SetBoth is Set in both directions.
func (l *Link) SetBoth(i Impairment) error {
	return errors.Join(l.Set(AtoB, i), l.Set(BtoA, i))
}

// Impairment returns what was last set for direction d.
func (l *Link) Impairment(d Direction) Impairment { return l.pipes[d].settings.Load().Impairment }

// Count returns what direction d has carried since the link was made.
func (l *Link) Count(d Direction) Count { return l.pipes[d].counters.count() }

// Stood returns for how long either direction has carried nothing, at most, since this was
// last called, as the machine gave it no processor: an outage that nobody asked for.
func (l *Link) Stood() time.Duration {
	var most int64
	for _, p := range l.pipes {
		most = max(most, p.stood.Swap(0))
	}
	return time.Duration(most)
}

// change replaces the settings of direction d by a changed copy.
func (l *Link) change(d Direction, edit func(*settings)) error {
	if d >= directions {
		return fmt.Errorf("lab: no %v", d)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	p := l.pipes[d]
	old := p.settings.Load()
	s := *old
	edit(&s)
	p.settings.Store(&s)
	p.wake()
	if s.superFrames() == old.superFrames() {
		return nil
	}
	return p.from.setSuperFrames(s.superFrames())
}

// close stops the link and removes its devices. It does nothing the second
// time.
func (l *Link) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	for _, p := range l.pipes {
		if p != nil {
			p.stop()
		}
	}
	l.running.Wait()
	for _, p := range l.pipes {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	for _, t := range []*tap{l.near, l.far} {
		if t != nil {
			errs = append(errs, t.close())
		}
	}
	return errors.Join(errs...)
}

// cut adds to the number of faults that let nothing pass.
func (l *Link) cut(by int) error {
	edit := func(s *settings) { s.cuts += by }
	return errors.Join(l.change(AtoB, edit), l.change(BtoA, edit))
}

// setCarrier sets the carrier at both ends.
func (l *Link) setCarrier(near, far bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	return errors.Join(l.near.setCarrier(near), l.far.setCarrier(far))
}
