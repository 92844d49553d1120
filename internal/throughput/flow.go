package throughput

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/multi6/multi6/internal/generator"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

// A way is how a system leads from one host to the other.
type way struct {
	near, far *lab.Host
	to        netip.Addr // the far host's address, by which the system is chosen
	back      netip.Addr // the near host's
	pids      []int      // of daemons
}

// reversed leads back.
func (w way) reversed() way { return way{w.far, w.near, w.back, w.to, w.pids} }

// jobs are those of the two ends of traffic.
type jobs struct {
	near, far generator.Kind
	streams   int
	verify    bool
}

func tcpJobs(streams int, verify bool) jobs {
	return jobs{generator.SendTCP, generator.ReceiveTCP, streams, verify}
}

// A flow is traffic under way.
type flow struct {
	way       way
	near, far *generator.Child
	complete  bool // all that was sent must arrive
}

// begin starts traffic, whose generators end with ctx. The caller must finish it.
func (b *bench) begin(ctx context.Context, w way, j jobs) (*flow, error) {
	f := &flow{way: w, complete: j.near == generator.SendTCP}
	var err error
	f.far, err = generator.Start(ctx, w.far, b.Executable, generator.Job{
		Kind: j.far, Address: netip.AddrPortFrom(w.to, 0), Streams: j.streams, Verify: j.verify,
	})
	if err != nil {
		return nil, err
	}
	f.near, err = generator.Start(ctx, w.near, b.Executable, generator.Job{
		Kind: j.near, Address: f.far.Address, Streams: j.streams, Verify: j.verify,
	})
	if err != nil {
		_, stopped := f.far.Stop()
		return nil, errors.Join(err, stopped)
	}
	return f, nil
}

// finish ends the traffic, and checks that all has arrived.
func (f *flow) finish() error {
	sent, err1 := f.near.Stop()
	got, err2 := f.far.Stop()
	if err := errors.Join(err1, err2); err != nil || !f.complete {
		return err
	}
	if sent.Bytes != got.Bytes {
		return &rig.WrongError{Text: fmt.Sprintf("%d bytes were sent, %d arrived", sent.Bytes, got.Bytes)}
	}
	return nil
}
