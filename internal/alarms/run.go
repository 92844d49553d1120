package alarms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options says what to run.
type Options struct {
	Settings []Setting
	// Time is how long, in virtual time, each setting runs in peace, and Failures how
	// often its path fails besides.
	Time     time.Duration
	Failures int
	Seed     uint64
	// Progress, if not nil, is told now and then how far it is. It is called by one
	// goroutine at a time.
	Progress func(string)
	// Journal, if not nil, has worlds that need not be run again, and gets the others.
	Journal *Journal

	// piece is how long a world lasts in which nothing fails; zero is longestPiece.
	piece time.Duration
}

// failuresPerWorld is how many failures one world goes through.
const failuresPerWorld = 20

// A job is a world to run, and of which setting.
type job struct {
	setting int
	stream  uint64
	// length is how long it runs in peace; zero: failures, so many.
	length   time.Duration
	failures int
}

// An outcome is what a job came to.
type outcome struct {
	job
	counts     counts
	detections []detection
}

// jobs cuts what is to be done into worlds. Each has its own random stream, so that the
// result does not depend on who runs it; their order is shuffled, so that what is done
// when someone interrupts is of all settings. Failures, which take little, come first.
func (o Options) jobs() (all []job) {
	piece := cmp.Or(o.piece, longestPiece)
	for i := range o.Settings {
		for left := o.Time; left > 0; left -= piece {
			all = append(all, job{setting: i, length: min(left, piece)})
		}
		for left := o.Failures; left > 0; left -= failuresPerWorld {
			all = append(all, job{setting: i, failures: min(left, failuresPerWorld)})
		}
	}
	for i := range all {
		all[i].stream = uint64(i)
	}
	rand.New(rand.NewPCG(o.Seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b job) int { return cmp.Compare(b.failures, a.failures) })
	return all
}

// virtual returns about how long j lasts in virtual time.
func (j job) virtual() time.Duration {
	return settle + j.length + time.Duration(j.failures)*(pauseLeast+pauseSpread+pauseAfter)
}

func (o Options) do(j job) outcome {
	out := outcome{job: j}
	s := o.Settings[j.setting]
	if j.length > 0 {
		out.counts = peaceful(s, o.Seed, j.stream, j.length)
	} else {
		out.detections = failures(s, o.Seed, j.stream, j.failures)
	}
	return out
}

// sampled is how many settings Estimate tries, each for sampleTime.
const (
	sampled    = 8
	sampleTime = 15 * time.Second
)

// Virtual returns the virtual time that Run is to simulate, and Estimate about how long
// that takes on this machine, which it finds out by running a little of it.
func (o Options) Virtual() (d time.Duration) {
	_, left := o.Journal.split(o.jobs())
	for _, j := range left {
		d += j.virtual()
	}
	return d
}

// Estimate returns about how long Run takes; see Virtual.
func (o Options) Estimate() time.Duration {
	step := max(len(o.Settings)/sampled, 1)
	began, ran := time.Now(), time.Duration(0)
	for i := 0; i < len(o.Settings); i += step {
		peaceful(o.Settings[i], o.Seed, 1<<32, sampleTime)
		ran += sampleTime + settle
	}
	if ran == 0 {
		return 0
	}
	slowness := float64(time.Since(began)) / float64(ran)
	return time.Duration(slowness * float64(o.Virtual()) / float64(runtime.GOMAXPROCS(0)))
}

// Run runs all settings on all processors. When ctx ends, it returns what is done so far
// and ctx's error.
func Run(ctx context.Context, o Options) (*Result, error) {
	began := time.Now()
	had, jobs := o.Journal.split(o.jobs())
	r := newResult(o)
	for _, out := range had {
		r.add(out)
	}
	todo, done := make(chan job), make(chan outcome)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		for _, j := range jobs {
			select {
			case todo <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	workers := runtime.GOMAXPROCS(0)
	ended := make(chan struct{}, workers)
	for range workers {
		g.Go(func() error {
			defer func() { ended <- struct{}{} }()
			for j := range todo {
				done <- o.do(j)
			}
			return nil
		})
	}
	finished, told := 0, began
	var lost error
	for workers > 0 {
		select {
		case out := <-done:
			r.add(out)
			lost = cmp.Or(lost, o.Journal.add(out))
			if finished++; o.Progress != nil && time.Since(told) > 10*time.Second {
				told = time.Now()
				left := time.Since(began) * time.Duration(len(jobs)-finished) / time.Duration(finished)
				o.Progress(fmt.Sprintf("%d of %d worlds, about %v left", finished, len(jobs), left.Round(time.Second)))
			}
		case <-ended:
			workers--
		}
	}
	r.finish(time.Since(began))
	return r, errors.Join(g.Wait(), lost)
}
