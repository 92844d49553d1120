package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

const (
	bulkPort = 7001
	rrPort   = 7002

	bulkSeed  = 6
	chunk     = 64 << 10 // bytes per write of the bulk stream
	rrEvery   = 10 * time.Millisecond
	drainTime = 10 * time.Second // for what is under way at the end
)

// A workload is the two streams between A and B.
type workload struct {
	clock    rig.Clock
	bulk, rr rig.Recorder

	connections []rig.Connection
	stopping    chan struct{} // closed when the senders are to end
	sent        atomic.Int64  // bytes of the bulk stream
	asked       atomic.Int64  // messages of the rr stream

	group *errgroup.Group
}

// A streamError says what happened to a stream.
type streamError struct {
	stream string
	err    error
}

func (e *streamError) Error() string { return e.stream + " stream: " + e.err.Error() }

func (e *streamError) Unwrap() error { return e.err }

// startWorkload connects from a to b, at these addresses, and starts the streams.
// They run until finish or until ctx ends. What goes wrong with them ends the
// returned context.
// The bulk stream is sent at no more than rate, bit/s.
func startWorkload(ctx context.Context, l *lab.Lab, a, b netip.Addr, rate int64, c rig.Clock) (*workload, context.Context, error) {
	bulk, err := rig.Connect(ctx, l, a, b, bulkPort)
	if err != nil {
		return nil, nil, err
	}
	if err := bulk.Pace(rate); err != nil {
		bulk.Close()
		return nil, nil, err
	}
	rr, err := rig.Connect(ctx, l, a, b, rrPort)
	if err != nil {
		bulk.Close()
		return nil, nil, err
	}
	w := &workload{clock: c, connections: []rig.Connection{bulk, rr}, stopping: make(chan struct{})}
	g, ctx := errgroup.WithContext(ctx)
	w.group = g
	run := func(stream string, f func() error) {
		g.Go(func() error {
			if err := f(); err != nil {
				return &streamError{stream, err}
			}
			return nil
		})
	}
	context.AfterFunc(ctx, func() { bulk.Close(); rr.Close() }) // Wait ends ctx too
	run("bulk", func() error { return w.sendBulk(bulk.Near) })
	run("bulk", func() error { return w.receiveBulk(bulk.Far) })
	run("rr", func() error { return w.ask(rr.Near) })
	run("rr", func() error { return echo(rr.Far) })
	run("rr", func() error { return w.hearAnswers(rr.Near) })
	return w, ctx, nil
}

// finish ends the streams in order and waits until the receivers have
// everything, but no longer than drainTime.
func (w *workload) finish() error {
	close(w.stopping)
	for _, c := range w.connections {
		c.Limit(time.Now().Add(drainTime))
	}
	return w.group.Wait()
}

// sendBulk sends the stream of bulkSeed until the workload is to end.
func (w *workload) sendBulk(c *net.TCPConn) error {
	pattern, b := rig.NewPattern(bulkSeed), make([]byte, chunk)
	for {
		select {
		case <-w.stopping:
			return c.CloseWrite()
		default:
		}
		pattern.Read(b) // never fails
		n, err := c.Write(b)
		w.sent.Add(int64(n))
		if err != nil {
			return err
		}
	}
}

// receiveBulk checks the stream of bulkSeed.
func (w *workload) receiveBulk(c *net.TCPConn) error {
	check, b := rig.NewChecker(bulkSeed), make([]byte, 4*chunk)
	for {
		n, err := c.Read(b)
		if n > 0 {
			w.bulk.Add(w.clock.Now(), n)
			if err := check.Check(b[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return ended(check.Offset, w.sent.Load(), "bytes")
		}
		if err != nil {
			return err
		}
	}
}

// ask sends a message every rrEvery.
func (w *workload) ask(c *net.TCPConn) error {
	ticker := time.NewTicker(rrEvery)
	defer ticker.Stop()
	for n := uint64(0); ; n++ {
		var b [rig.MessageLen]byte
		rig.PutMessage(&b, n)
		if _, err := c.Write(b[:]); err != nil {
			return err
		}
		w.asked.Add(1)
		select {
		case <-w.stopping:
			return c.CloseWrite()
		case <-ticker.C:
		}
	}
}

// echo sends back what comes, until its end.
func echo(c *net.TCPConn) error {
	if _, err := io.Copy(c, c); err != nil {
		return err
	}
	return c.CloseWrite()
}

// hearAnswers checks what echo sends back.
func (w *workload) hearAnswers(c *net.TCPConn) error {
	for n := uint64(0); ; n++ {
		var b [rig.MessageLen]byte
		switch _, err := io.ReadFull(c, b[:]); {
		case errors.Is(err, io.EOF):
			return ended(int64(n), w.asked.Load(), "answers")
		case err != nil:
			return err
		}
		w.rr.Add(w.clock.Now(), rig.MessageLen)
		if err := rig.CheckMessage(&b, n); err != nil {
			return err
		}
	}
}

// ended says whether all that was sent had arrived when the stream ended.
func ended(got, sent int64, what string) error {
	if got != sent {
		return &rig.WrongError{Text: fmt.Sprintf("ended after %d of %d %s", got, sent, what)}
	}
	return nil
}

// sortError returns what the end of the streams counts as: something wrong or
// missing, or a connection that broke. It is neither if we closed them.
func sortError(err error) (wrong, reset bool) {
	if _, ok := errors.AsType[*streamError](err); !ok || errors.Is(err, net.ErrClosed) {
		return false, false
	}
	_, wrong = errors.AsType[*rig.WrongError](err)
	wrong = wrong || errors.Is(err, os.ErrDeadlineExceeded)
	return wrong, !wrong
}
