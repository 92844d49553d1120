package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

// Our own choices for the uplinks and the stream that fills them, those of the
// demonstration: two cores keep time for daemons and emulator, the shallow queue
// does not hide a stall, and the bulk stream stays below the rate so that the
// losses of TCP's own search for it do not look like failures.
const (
	rate      = 200e6 // bit/s
	queueTime = 15 * time.Millisecond
	bulkRate  = rate * 8 / 10 // bit/s
)

const (
	warmUp     = 600 * time.Millisecond // of a stream before the failure, and a few round trips
	countFor   = 10 * time.Second       // that control packets are counted
	restFor    = time.Second            // before the nodes count as idle
	mostJitter = 20 * time.Millisecond  // of the failure, so that it comes anywhere between two messages
)

// Names of systems.
const (
	systemMulti6 = "multi6"
	// BGP with BFD, 10 ms × 3, by BIRD.
	systemBFD = "bgp+bfd"
	// Multipath TCP with a backup subflow and all that the kernel lets be tuned, and
	// with two subflows in common use.
	systemMPTCPTuned = "mptcp-tuned"
	systemMPTCP      = "mptcp"
	systemTCP        = "tcp"
)

// Options say what to run. Lists are in the order of the runs.
type Options struct {
	// Executable is the program under test: it runs as "Executable up CONFIG".
	Executable string
	Faults     []Fault
	Modes      []Mode
	RTTs       []time.Duration
	// Congestion is TCP's congestion control, as in [lab.Config].
	Congestion string
	Profiles   []string
	Runs       int
	// Outage is how long all paths are dead in F6, Trouble how long F7 and F8 last.
	Outage, Trouble time.Duration
	// Rivals are the other systems to measure, as Rivals names them, with at most
	// CompareRuns runs of each case.
	Rivals      []string
	CompareRuns int
	// Progress, if not nil, is told of each step, one after another.
	Progress func(string)
	// LogDir, if not empty, gets the logs of the daemons when something went
	// wrong.
	LogDir string
}

// A bench measures one group.
type bench struct {
	Options
	lab   *lab.Lab
	rtt   time.Duration
	clock rig.Clock
	sys   system
	group *Group
	skip  func(format string, args ...any) // says that something was not measured
	rng   *rand.Rand
}

// Run measures everything, one lab after another. The Result holds what was
// measured before an error.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := &Result{
		Version: ResultVersion, StartedAt: time.Now(), CPUs: runtime.NumCPU(), Load: load(),
		Congestion: o.Congestion, Rate: rate, Outage: rig.Millis(o.Outage), Groups: []Group{},
	}
	for _, rtt := range o.RTTs {
		for _, profile := range o.Profiles {
			if err := o.inLab(r, rtt, Group{System: systemMulti6, Profile: profile}, func(b *bench) error {
				return b.withDaemons(ctx)
			}); err != nil {
				return r, err
			}
		}
		if err := o.compare(ctx, r, rtt); err != nil {
			return r, err
		}
	}
	return r, nil
}

// load returns the load of the machine, "" if it is not known.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// inLab adds a group to r and lets f measure it in a lab of its own.
func (o Options) inLab(r *Result, rtt time.Duration, g Group, f func(*bench) error) (err error) {
	l, err := lab.New(lab.Config{
		RTT: rtt, Rate: rate, Queue: int(rate / 8 * queueTime.Seconds()), Seed: bulkSeed, Acquainted: true,
		Congestion: o.Congestion,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	g.RTT, g.Cells = rig.Millis(rtt), []Cell{}
	r.Groups = append(r.Groups, g)
	return f(&bench{
		Options: o, lab: l, rtt: rtt, clock: rig.NewClock(), group: &r.Groups[len(r.Groups)-1],
		skip: func(format string, args ...any) { o.skip(r, format, args...) },
		rng:  rand.New(rand.NewPCG(bulkSeed, uint64(rtt))),
	})
}

// withDaemons measures multi6.
func (b *bench) withDaemons(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "multi6-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	duo := rig.NewDuo(b.lab, b.clock, dir)
	b.sys = multi6{duo}
	err = duo.Run(ctx, b.Executable, rig.Settings{Profile: b.group.Profile}, func(ctx context.Context) error {
		b.progress("RTT %v, profile %s: control packets", b.rtt, b.group.Profile)
		if err := b.countControl(ctx); err != nil {
			return err
		}
		return b.cells(ctx)
	})
	if err != nil && b.LogDir != "" {
		if ctx.Err() == nil {
			err = errors.Join(err, duo.KeepLogs(b.LogDir, "bench-"))
		}
	}
	return err
}

// cells measures all faults in all modes.
func (b *bench) cells(ctx context.Context) error {
	for _, m := range b.Modes {
		for _, f := range b.Faults {
			runs, err := b.runs(ctx, f, m)
			if _, ok := errors.AsType[*unsteadyError](err); ok && b.rival() {
				b.skip("%s: %v %v: only %d runs: %v", b.group.title(), m, f, len(runs), err)
			} else if err != nil {
				return err
			}
			if len(runs) == 0 {
				continue
			}
			var target time.Duration
			if !b.rival() {
				target = Target(f, m, b.rtt, b.group.Profile)
			}
			c := newCell(f, m, target, runs)
			b.group.Cells = append(b.group.Cells, c)
			b.progress("%s: %v %v (%s): %s", b.group.title(), m, f, f.Text(), c.summary())
		}
	}
	return nil
}

// runs measures one fault in one mode as often as is asked for. What was measured
// before an error is returned, too.
func (b *bench) runs(ctx context.Context, f Fault, m Mode) (runs []Trial, err error) {
	for n := range b.Runs {
		r, err := b.run(ctx, f, m, n)
		if err != nil {
			return runs, fmt.Errorf("%s: %v %v, run %d: %w", b.group.title(), m, f, n+1, err)
		}
		runs = append(runs, r)
		ended := func(r Trial) bool { return r.Ended }
		if b.rival() && len(runs) == hopeless && !slices.ContainsFunc(runs, ended) {
			break
		}
	}
	return runs, nil
}

func (b *bench) rival() bool { return b.group.System != systemMulti6 }

// fresh is how recent the last arrival of a stream that flows is.
func (b *bench) fresh() time.Duration { return 100*time.Millisecond + 2*b.rtt }

// begin starts a stream and waits until it flows steadily.
func (b *bench) begin(ctx context.Context, m Mode) (*stream, rig.Pairs, error) {
	s, err := startStream(ctx, m, b.sys, b.clock)
	if err != nil {
		return nil, nil, err
	}
	primary, err := steady(ctx, b.sys, s, warmUp+5*b.rtt, b.fresh(), b.clock)
	if err != nil {
		return nil, nil, errors.Join(err, s.abort())
	}
	return s, primary, nil
}

// run measures one failure.
func (b *bench) run(ctx context.Context, f Fault, m Mode, n int) (r Trial, err error) {
	s, primary, err := b.begin(ctx, m)
	if err != nil {
		return r, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.abort())
		}
	}()
	if err = rig.Pause(ctx, time.Duration(b.rng.Int64N(int64(mostJitter)))); err != nil {
		return r, err
	}
	uplink, err := b.sys.victim(f, primary)
	if err != nil {
		return r, err
	}
	before, err := b.sys.counters(ctx)
	if err != nil {
		return r, err
	}
	info := tcpInfo(s.tcp)
	w, err := b.inflict(ctx, f, uplink, n, s)
	if err != nil {
		return r, err
	}
	// A gap that the end of a fault cuts off is waited for.
	if err = b.watch(ctx, s, limit); err != nil {
		return r, err
	}
	after, err := b.sys.counters(ctx)
	if err != nil {
		return r, err
	}
	r.Retransmits, r.RTO = tcpInfo(s.tcp).retransmits-info.retransmits, info.rto
	r.Resent, r.FalseAlarms = after.resent-before.resent, after.falseAlarms-before.falseAlarms
	r.stall(s.arrivals.All(), w, b.clock.Now())
	if m == Bulk && w.returned == 0 {
		r.lost(s.arrivals.All(), w)
	}
	r.moments(b.sys.events(), w, primary)
	r.judge(b.end(s, r.Ended))
	return r, nil
}

// end ends a stream: in order, or at once where it stands still, as the end would
// take too long.
func (b *bench) end(s *stream, flows bool) error {
	if flows || !b.rival() {
		return s.finish()
	}
	return s.abort()
}

// tcpState is what the kernel tells of a connection (tcp(7), TCP_INFO).
type tcpState struct {
	retransmits uint32
	rto         rig.Millis
}

// tcpInfo returns the zero value for nil, and where the kernel does not tell.
func tcpInfo(c *net.TCPConn) (s tcpState) {
	if c == nil {
		return s
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return s
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			s = tcpState{info.Total_retrans, rig.Millis(time.Duration(info.Rto) * time.Microsecond)}
		}
	})
	return s
}

// countControl counts control packets in each mode and then, as nodes that have had
// nothing to say do not know each other yet, while idle.
func (b *bench) countControl(ctx context.Context) error {
	for _, m := range b.Modes {
		s, _, err := b.begin(ctx, m)
		if err != nil {
			return err
		}
		err = b.countWhile(ctx, m.String())
		if err := errors.Join(err, s.finish()); err != nil {
			return fmt.Errorf("%v without failure: %w", m, err)
		}
	}
	if err := rig.Pause(ctx, restFor); err != nil {
		return err
	}
	return b.countWhile(ctx, idle)
}

func (b *bench) countWhile(ctx context.Context, what string) error {
	before, err := b.sys.counters(ctx)
	if err != nil {
		return err
	}
	began := b.clock.Now()
	if err := rig.Pause(ctx, countFor); err != nil {
		return err
	}
	after, err := b.sys.counters(ctx)
	if err != nil {
		return err
	}
	passed := (b.clock.Now() - began).Seconds()
	b.group.Control = append(b.group.Control, Control{
		While: what,
		A:     float64(after.control[0]-before.control[0]) / passed,
		B:     float64(after.control[1]-before.control[1]) / passed,
		Limit: controlLimit(what),
	})
	return nil
}

// skip notes in r that something was not measured.
func (o Options) skip(r *Result, format string, args ...any) {
	r.Skipped = append(r.Skipped, fmt.Sprintf(format, args...))
	o.progress("not measured: "+format, args...)
}

func (o Options) progress(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}
