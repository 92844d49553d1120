package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

const port = 7003

// A system is what is to keep connections alive.
type system interface {
	// connect connects TCP from A to B.
	connect(context.Context) (rig.Connection, error)
	// packets opens a socket at A for datagrams to B, and one at B for all.
	packets() (near net.Conn, far net.PacketConn, err error)
	// look returns the primary pairs, if the system has such, and what is not
	// as it should be.
	look(context.Context) (primary rig.Pairs, trouble string, err error)
	// victim returns the uplink that a fault is to break.
	victim(f Fault, primary rig.Pairs) (int, error)
	// events returns what the nodes have told so far.
	events() []rig.Event
	// counters returns those of A and B added up.
	counters(context.Context) (counters, error)
}

// multi6 is two daemons.
type multi6 struct{ *rig.Duo }

func (s multi6) connect(ctx context.Context) (c rig.Connection, err error) {
	a, b := s.Daemons[0].Identifier(), s.Daemons[1].Identifier()
	if c, err = rig.Connect(ctx, s.Lab, a, b, port); err != nil {
		return c, err
	}
	if err := c.Pace(bulkRate); err != nil {
		c.Close()
		return c, err
	}
	return c, nil
}

func (s multi6) packets() (near net.Conn, far net.PacketConn, err error) {
	return packets(s.Lab, s.Daemons[0].Identifier(), s.Daemons[1].Identifier())
}

func (s multi6) look(ctx context.Context) (rig.Pairs, string, error) { return s.Look(ctx) }

func (s multi6) victim(f Fault, primary rig.Pairs) (int, error) {
	return s.Victim(broken[f], primary)
}

func (s multi6) events() []rig.Event { return s.Events() }

func (s multi6) counters(ctx context.Context) (sum counters, err error) {
	for i, d := range s.Daemons {
		status, err := d.Status(ctx)
		if err != nil {
			return sum, err
		}
		c := status.Peers[0].Counters
		sum.control[i] = c.OutControl
		sum.resent += c.Resent
		sum.falseAlarms += c.FalseAlarms
	}
	return sum, nil
}

// packets opens a socket at a in host A, connected to one at b in host B.
func packets(l *lab.Lab, a, b netip.Addr) (near net.Conn, far net.PacketConn, err error) {
	to := netip.AddrPortFrom(b, port).String()
	if far, err = l.B.ListenPacket("udp6", to); err != nil {
		return nil, nil, fmt.Errorf("listening on %s: %w", to, err)
	}
	if near, err = l.A.DialFrom(context.Background(), "udp6", a, to); err != nil {
		far.Close()
		return nil, nil, fmt.Errorf("connecting to %s: %w", to, err)
	}
	return near, far, nil
}

// counters are those of the nodes that matter here.
type counters struct {
	control             [len(rig.Names)]uint64 // control packets sent by A and B
	resent, falseAlarms uint64
}

const (
	steadyTime = 40 * time.Second      // how long a steady state is waited for
	polling    = 20 * time.Millisecond // how often conditions are looked at; no part of what is measured
)

// An unsteadyError says what kept a system from a steady state.
type unsteadyError struct{ trouble string }

func (e *unsteadyError) Error() string {
	return fmt.Sprintf("not steady after %v: %s", steadyTime, e.trouble)
}

// steady waits until the system has been as it should be, unchanged, and the
// stream has flowed, for the given time. It returns the primary pairs.
func steady(ctx context.Context, sys system, s *stream, long, fresh time.Duration, c rig.Clock) (rig.Pairs, error) {
	var primary rig.Pairs
	began := c.Now()
	since := began
	for {
		now := c.Now()
		next, trouble, err := sys.look(ctx)
		if err != nil {
			return nil, err
		}
		if trouble == "" && !s.flowing(fresh) {
			trouble = "the stream is at rest"
		}
		if trouble != "" || next["a"] != primary["a"] || next["b"] != primary["b"] {
			primary, since = next, now
		}
		if now-since >= long {
			return primary, nil
		}
		if now-began > steadyTime {
			return nil, &unsteadyError{trouble}
		}
		if s.ctx.Err() != nil {
			return nil, context.Cause(s.ctx)
		}
		if err := rig.Pause(ctx, polling); err != nil {
			return nil, err
		}
	}
}
