package rig

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
)

// Names are the names of the two nodes.
var Names = [...]string{"a", "b"}

// A Duo is two daemons of the program under test, a and b, and what they told.
type Duo struct {
	Lab     *lab.Lab // whose hosts A and B they run in; nil of NewDuoAt
	Daemons [len(Names)]*Daemon
	Clock   Clock

	mu     sync.Mutex
	events []Event
}

// An Event is what a node told.
type Event struct {
	At   Millis     `json:"at_ms"`
	Node string     `json:"node"`
	What node.Event `json:"event"`
}

// NewDuo makes keys for two daemons in hosts A and B of a lab. They keep their files
// in dir; nothing runs yet.
func NewDuo(l *lab.Lab, c Clock, dir string) *Duo {
	u := NewDuoAt([len(Names)]Place{uplinks(l.A), uplinks(l.B)}, c, dir)
	u.Lab = l
	return u
}

// NewDuoAt is NewDuo for hosts that are in no lab.
func NewDuoAt(places [len(Names)]Place, c Clock, dir string) *Duo {
	u := &Duo{Clock: c}
	for i, place := range places {
		u.Daemons[i] = newDaemon(Names[i], place, dir)
	}
	return u
}

// Run runs f while the daemons run, with these settings, and their events are
// collected. The daemons are executable up CONFIG. The context of f ends when a
// daemon does.
func (u *Duo) Run(ctx context.Context, executable string, s Settings, f func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	running, stop := context.WithCancel(ctx)
	defer stop()
	a, b := u.Daemons[0], u.Daemons[1]
	if err := errors.Join(a.configure(s, b), b.configure(s, a)); err != nil {
		return err
	}
	for _, d := range u.Daemons {
		if err := d.start(running, executable); err != nil {
			stop()
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return d.wait(running) })
	}
	g.Go(func() error {
		defer stop()
		for _, d := range u.Daemons {
			if err := d.ready(ctx); err != nil {
				return err
			}
			if err := u.follow(ctx, running, g, d); err != nil {
				return err
			}
		}
		return f(ctx)
	})
	err := g.Wait()
	for _, d := range u.Daemons {
		d.client.Close()
	}
	return err
}

// follow collects the daemon's events while running. It returns when they begin
// to count.
func (u *Duo) follow(ctx, running context.Context, g *errgroup.Group, d *Daemon) error {
	ready := make(chan struct{})
	g.Go(func() error {
		err := d.client.Events(running, func() { close(ready) }, func(e node.Event) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.events = append(u.events, Event{Millis(u.Clock.At(e.At)), d.Name, e})
		})
		if err != nil && running.Err() == nil {
			return fmt.Errorf("events of daemon %s: %w", d.Name, err)
		}
		return nil
	})
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Events returns a copy of the events so far, in order of time.
func (u *Duo) Events() []Event {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := slices.Clone(u.events)
	slices.SortStableFunc(all, func(a, b Event) int { return int(a.At - b.At) })
	return all
}

// Pairs are the primary pairs of both nodes, by name.
type Pairs map[string]node.Pair

// Look returns the primary pairs of both nodes, and what is not as it should be:
// each is to have an operational primary pair and all addresses operational.
func (u *Duo) Look(ctx context.Context) (primary Pairs, trouble string, err error) {
	primary = make(Pairs)
	for _, d := range u.Daemons {
		s, err := d.Status(ctx)
		if err != nil {
			return nil, "", err
		}
		p := s.Peers[0]
		missing := d.missing(s)
		switch {
		case p.Primary == nil || p.State != detect.PrimaryOperational.String():
			trouble = fmt.Sprintf("the state of %s is %s", d.Name, p.State)
		case missing != "":
			trouble = d.Name + ": " + missing
		}
		if p.Primary != nil {
			primary[d.Name] = *p.Primary
		}
	}
	return primary, trouble, nil
}

// Victim returns the uplink that a fault is to break: that of A's primary pair,
// or of B's where what A receives is to be lost. The Duo must be in a lab.
func (u *Duo) Victim(f lab.Fault, primary Pairs) (int, error) {
	address := primary["a"].Local
	if f == lab.BlackholeBtoA {
		p, err := netip.ParseAddrPort(primary["b"].Remote)
		if err != nil {
			return 0, fmt.Errorf("primary pair of b: %w", err)
		}
		address = p.Addr().String()
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return 0, fmt.Errorf("primary pair of a: %w", err)
	}
	uplink, ok := u.Lab.UplinkOf(a)
	if !ok {
		return 0, fmt.Errorf("primary pair uses %s, which is no uplink's", a)
	}
	return uplink, nil
}

// KeepLogs saves the daemons' logs to files of dir that begin with prefix.
func (u *Duo) KeepLogs(dir, prefix string) error {
	var errs []error
	for _, d := range u.Daemons {
		log, err := os.ReadFile(d.file(".log"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, prefix+d.Name+".log"), log, 0o600)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
