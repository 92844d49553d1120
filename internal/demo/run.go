package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

// Our own choices for the uplinks and the stream that fills them. The rate leaves
// two cores time for the daemons and the emulator; the queue is shallow so that a
// full one does not hide a stall. The bulk stream keeps below the rate, so that
// the losses of TCP's own search for it do not look like failures.
const (
	DefaultRate = 200e6 // bit/s
	queueTime   = 15 * time.Millisecond
	bulkShare   = 0.8
)

// DefaultFaults are the faults of a run, in order.
func DefaultFaults() []lab.Fault {
	return []lab.Fault{
		lab.Blackhole, lab.BlackholeAtoB, lab.BlackholeBtoA, lab.LinkDown, lab.AddressRemoved, lab.AllDead,
	}
}

// Options say what to run.
type Options struct {
	// Executable is the program under test: it runs as "Executable up CONFIG".
	Executable string
	// Profile is that of both daemons.
	Profile string
	// RTT is that of all paths.
	RTT time.Duration
	// Congestion is TCP's congestion control, as in [lab.Config].
	Congestion string
	// Rate is that of the uplinks, bit/s; zero is DefaultRate.
	Rate int64
	// Faults follow each other, and the whole list Repeat times (0 is 1). None are
	// DefaultFaults.
	Faults []lab.Fault
	Repeat int
	// Progress, if not nil, is told of each step, one after another.
	Progress func(Step)
	// LogDir, if not empty, gets the logs of the daemons when something went
	// wrong.
	LogDir string
}

// A Step is a line for people who wait.
type Step struct {
	Text string
	// Done is false if the next Step tells how this one went.
	Done bool
}

// A runner owns a run.
type runner struct {
	Options
	*rig.Duo
	load   *workload
	result *Result
}

// Run builds everything, runs the demonstration and takes everything down again, also
// when ctx ends. A nil Result means that it did not come to a workload; else
// the Result is what was measured, and an error says why there is not more. Faults that a
// connection did not survive are no error but a matter of Result.Verdict.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if len(o.Faults) == 0 {
		o.Faults = DefaultFaults()
	}
	o.Repeat = max(o.Repeat, 1)
	r := &runner{Options: o}
	dir, err := os.MkdirTemp("", "multi6-demo-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	r.step(false, "building four hosts and their links, RTT %v", o.RTT)
	l, err := lab.New(lab.Config{
		RTT: o.RTT, Rate: o.Rate, Queue: int(float64(o.Rate) / 8 * queueTime.Seconds()), Seed: bulkSeed,
		Congestion: o.Congestion,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()

	r.Duo = rig.NewDuo(l, rig.NewClock(), dir)
	err = r.Duo.Run(ctx, r.Executable, rig.Settings{Profile: r.Profile}, r.run)
	if err != nil || r.result != nil && r.result.Verdict != verdictOK {
		if ctx.Err() == nil {
			err = errors.Join(err, r.keepLogs())
		}
	}
	return r.result, err
}

// run runs the workload and the trials. From here on there is a result.
func (r *runner) run(ctx context.Context) (err error) {
	r.step(true, "two daemons run, profile %s", r.Profile)
	w, ctx, err := startWorkload(ctx, r.Lab, r.Daemons[0].Identifier(), r.Daemons[1].Identifier(),
		int64(bulkShare*float64(r.Rate)), r.Clock)
	if err != nil {
		return err
	}
	r.load = w
	r.result = &Result{
		Version: ResultVersion, StartedAt: r.Clock.Start, Profile: r.Profile,
		RTT: rig.Millis(r.RTT), Rate: r.Rate, Congestion: r.Congestion, Trials: []Trial{},
	}
	err = r.trials(ctx)
	counted := r.count(ctx)
	ends := w.finish()
	r.conclude(ends)
	if wrong, reset := sortError(ends); wrong || reset {
		return nil // the verdict tells
	}
	if err == nil {
		err = errors.Join(counted, ends)
	}
	return err
}

// count adds up the counters of both daemons.
func (r *runner) count(ctx context.Context) error {
	t := &r.result.Totals
	for _, d := range r.Daemons {
		s, err := d.Status(ctx)
		if err != nil {
			return err
		}
		c := s.Peers[0].Counters
		t.Suspicions += c.Suspicions
		t.FalseAlarms += c.FalseAlarms
		t.Switches += c.Switches
	}
	return nil
}

// conclude completes the result when the streams have ended.
func (r *runner) conclude(ends error) {
	res, t := r.result, &r.result.Totals
	res.bulk, res.Events = r.load.bulk.All(), r.Events()
	t.Length = rig.Millis(r.Clock.Now())
	t.Bytes = int64(rig.Total(res.bulk, 0, time.Duration(t.Length)+1))
	t.Messages = len(r.load.rr.All())
	if wrong, reset := sortError(ends); wrong {
		t.Wrong++
	} else if reset {
		t.Resets++
	}
	res.Goodput = series(res.bulk, time.Duration(t.Length))
	res.Verdict = verdict(res, ends)
}

// keepLogs saves the daemons' logs from the temporary directory.
func (r *runner) keepLogs() error {
	if r.LogDir == "" {
		return nil
	}
	return r.KeepLogs(r.LogDir, "demo-")
}

func (r *runner) step(done bool, format string, args ...any) {
	if r.Progress != nil {
		r.Progress(Step{fmt.Sprintf(format, args...), done})
	}
}
