package throughput

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/multi6/multi6/internal/generator"
	"github.com/multi6/multi6/internal/rig"
)

// Our own choices.
const (
	warmUp = 250 * time.Millisecond // of traffic before it counts: TCP's slow start, buffers that grow
	// checkFor is how long streams are verified before a system is measured.
	checkFor = 200 * time.Millisecond
	// answerTime is for how much longer the first answer is waited for.
	answerTime = 10 * time.Second
	// stuckTime is what a measurement may take beyond its time.
	stuckTime = 30 * time.Second
)

// A Measurement is what one run of traffic yields, by its name in flags.
type Measurement string

// Measurements returns all of them, in order.
func Measurements() []Measurement {
	return []Measurement{"tcp1", "tcp4", "reverse", "udp", "idle", "loaded"}
}

// ParseMeasurement checks a name.
func ParseMeasurement(name string) (Measurement, error) {
	if slices.Contains(Measurements(), Measurement(name)) {
		return Measurement(name), nil
	}
	return "", fmt.Errorf("unknown measurement %q; one of tcp1, tcp4, reverse, udp, idle, loaded", name)
}

// measure measures one system once.
func (b *bench) measure(ctx context.Context, m Measurement, w way) (map[Metric]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, b.Time+stuckTime)
	defer cancel()
	switch m {
	case "tcp1":
		return b.tcp(ctx, w, 1, [...]Metric{TCP1, TCP1CPU, TCP1Soft})
	case "tcp4":
		return b.tcp(ctx, w, 4, [...]Metric{TCP4, TCP4CPU, TCP4Soft})
	case "reverse":
		return b.tcp(ctx, w.reversed(), 1, [...]Metric{Reverse, ReverseCPU, ReverseSoft})
	case "udp":
		return b.udp(ctx, w)
	case "idle":
		return b.idle(ctx, w)
	case "loaded":
		return b.loaded(ctx, w)
	}
	return nil, fmt.Errorf("throughput: no measurement %q", m)
}

// tcp measures some streams: throughput, CPU time, soft interrupts.
func (b *bench) tcp(ctx context.Context, w way, streams int, ms [3]Metric) (map[Metric]float64, error) {
	f, err := b.begin(ctx, w, tcpJobs(streams, false))
	if err != nil {
		return nil, err
	}
	far, used, err := b.window(ctx, f)
	if err := errors.Join(err, f.finish()); err != nil {
		return nil, err
	}
	gbit := gbits(far)
	values := map[Metric]float64{ms[0]: gbit / far.Elapsed.Seconds()}
	if gbit > 0 { // else a stall took all of the time
		values[ms[1]] = used.own.Seconds() / gbit
		values[ms[2]] = used.machine.soft.Seconds() / gbit
	}
	return values, nil
}

func (b *bench) udp(ctx context.Context, w way) (map[Metric]float64, error) {
	f, err := b.begin(ctx, w, jobs{generator.SendUDP, generator.ReceiveUDP, 0, false})
	if err != nil {
		return nil, err
	}
	far, _, err := b.window(ctx, f)
	if err := errors.Join(err, f.finish()); err != nil {
		return nil, err
	}
	return map[Metric]float64{UDP: float64(far.Packets) / far.Elapsed.Seconds()}, nil
}

// idle measures round trips on their own.
func (b *bench) idle(ctx context.Context, w way) (map[Metric]float64, error) {
	p50, p99, err := b.ping(ctx, w)
	return map[Metric]float64{IdleP50: p50, IdleP99: p99}, err
}

// loaded measures round trips beside a stream.
func (b *bench) loaded(ctx context.Context, w way) (map[Metric]float64, error) {
	f, err := b.begin(ctx, w, tcpJobs(1, false))
	if err != nil {
		return nil, err
	}
	if _, err := f.far.Tally(); err != nil {
		return nil, errors.Join(err, f.finish())
	}
	p50, p99, err := b.ping(ctx, w)
	beside, err1 := f.far.Tally()
	if err := errors.Join(err, err1, f.finish()); err != nil {
		return nil, err
	}
	return map[Metric]float64{LoadedP50: p50, LoadedP99: p99, LoadedTCP: gbits(beside) / beside.Elapsed.Seconds()}, nil
}

// ping returns quantiles of the round-trip time, µs.
func (b *bench) ping(ctx context.Context, w way) (p50, p99 float64, err error) {
	f, err := b.begin(ctx, w, jobs{generator.Ping, generator.Echo, 0, false})
	if err != nil {
		return 0, 0, err
	}
	if err := b.let(ctx, f.near); err != nil {
		return 0, 0, errors.Join(err, f.finish())
	}
	t, err := f.near.Tally()
	for deadline := time.Now().Add(answerTime); err == nil && t.Packets == 0 && time.Now().Before(deadline); {
		if err = rig.Pause(ctx, polling); err == nil {
			t, err = f.near.Tally()
		}
	}
	if err := errors.Join(err, f.finish()); err != nil {
		return 0, 0, err
	}
	if t.Packets == 0 {
		return 0, 0, fmt.Errorf("no answer in %v", b.Time+answerTime)
	}
	return micros(t.P50), micros(t.P99), nil
}

// let lets a generator warm up, and then work for the time of a measurement.
func (b *bench) let(ctx context.Context, c *generator.Child) error {
	if err := rig.Pause(ctx, warmUp); err != nil {
		return err
	}
	if _, err := c.Tally(); err != nil {
		return err
	}
	return rig.Pause(ctx, b.Time)
}

// window returns what the far end receives in the time of a measurement, and the CPU
// time that it takes.
func (b *bench) window(ctx context.Context, f *flow) (far generator.Tally, used usage, err error) {
	pids := slices.Concat(f.way.pids, b.soft, []int{f.near.PID(), f.far.PID()})
	if err := rig.Pause(ctx, warmUp); err != nil {
		return far, used, err
	}
	before, err := readUsage(pids)
	if err != nil {
		return far, used, err
	}
	if _, err := f.far.Tally(); err != nil {
		return far, used, err
	}
	if err := rig.Pause(ctx, b.Time); err != nil {
		return far, used, err
	}
	if far, err = f.far.Tally(); err != nil {
		return far, used, err
	}
	after, err := readUsage(pids)
	if err != nil {
		return far, used, err
	}
	used = after.since(before)
	b.used = b.used.add(used)
	return far, used, nil
}

// check sends verified streams both ways at once.
func (b *bench) check(ctx context.Context, w way) error {
	ctx, cancel := context.WithTimeout(ctx, checkFor+stuckTime)
	defer cancel()
	there, err := b.begin(ctx, w, tcpJobs(1, true))
	if err != nil {
		return err
	}
	back, err := b.begin(ctx, w.reversed(), tcpJobs(1, true))
	if err != nil {
		return errors.Join(err, there.finish())
	}
	err = rig.Pause(ctx, checkFor)
	return errors.Join(err, there.finish(), back.finish())
}

func gbits(t generator.Tally) float64 { return float64(t.Bytes) * 8 / 1e9 }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
