package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/multi6/multi6/internal/rig"
)

const (
	messageEvery  = 10 * time.Millisecond // rr; and pp, after each answer
	datagramEvery = 5 * time.Millisecond
	chunk         = 64 << 10 // bytes per write of the bulk stream
	bulkSeed      = 6
	drainTime     = 20 * time.Second // for what is under way at the end
)

// A stream is the traffic of one run.
type stream struct {
	clock    rig.Clock
	arrivals rig.Recorder
	tcp      *net.TCPConn // A's end; nil for datagrams
	stopping chan struct{}
	sent     atomic.Int64 // bytes, messages or datagrams
	ctx      context.Context
	close    func()
	limit    func(time.Time)
	group    *errgroup.Group
}

// startStream connects and starts the traffic of a mode. It runs until finish or
// abort.
func startStream(ctx context.Context, m Mode, sys system, c rig.Clock) (*stream, error) {
	s := &stream{clock: c, stopping: make(chan struct{})}
	if m == UDP {
		near, far, err := sys.packets()
		if err != nil {
			return nil, err
		}
		s.close = func() { near.Close(); far.Close() }
		s.limit = func(time.Time) { _ = far.SetReadDeadline(time.Now()) } // what is lost will not come
		s.run(ctx, func() error { return s.sendDatagrams(near) }, func() error { return s.receiveDatagrams(far) })
		return s, nil
	}
	conn, err := sys.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.tcp, s.close, s.limit = conn.Near, conn.Close, conn.Limit
	switch m {
	case Bulk:
		s.run(ctx, func() error { return s.sendBulk(conn.Near) }, func() error { return s.receiveBulk(conn.Far) })
	case RR:
		s.run(ctx, func() error { return s.ask(conn.Near) }, func() error { return echo(conn.Far) },
			func() error { return s.hearAnswers(conn.Near) })
	case PP:
		s.run(ctx, func() error { return s.pingPong(conn.Near) }, func() error { return echo(conn.Far) })
	}
	return s, nil
}

func (s *stream) run(ctx context.Context, parts ...func() error) {
	s.group, s.ctx = errgroup.WithContext(ctx)
	context.AfterFunc(s.ctx, s.close) // Wait ends the context too
	for _, f := range parts {
		s.group.Go(f)
	}
}

// flowing reports whether something has arrived lately.
func (s *stream) flowing(within time.Duration) bool {
	as := s.arrivals.All()
	return len(as) > 0 && as[len(as)-1].At > s.clock.Now()-within
}

// finish ends the stream in order, and waits until all that was sent has come,
// but no longer than drainTime. Datagrams are not waited for.
func (s *stream) finish() error {
	close(s.stopping)
	s.limit(time.Now().Add(drainTime))
	defer s.close()
	return s.group.Wait()
}

// abort ends the stream where it is. What went wrong before is returned.
func (s *stream) abort() error {
	close(s.stopping)
	s.close()
	if err := s.group.Wait(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (s *stream) sendBulk(c *net.TCPConn) error {
	pattern, b := rig.NewPattern(bulkSeed), make([]byte, chunk)
	for {
		select {
		case <-s.stopping:
			return c.CloseWrite()
		default:
		}
		pattern.Read(b) // never fails
		n, err := c.Write(b)
		s.sent.Add(int64(n))
		if err != nil {
			return err
		}
	}
}

func (s *stream) receiveBulk(c *net.TCPConn) error {
	check, b := rig.NewChecker(bulkSeed), make([]byte, 4*chunk)
	for {
		n, err := c.Read(b)
		if n > 0 {
			s.arrivals.Add(s.clock.Now(), n)
			if err := check.Check(b[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return s.ended(check.Offset, "bytes")
		}
		if err != nil {
			return err
		}
	}
}

// ask sends a message every messageEvery.
func (s *stream) ask(c *net.TCPConn) error {
	ticker := time.NewTicker(messageEvery)
	defer ticker.Stop()
	for n := uint64(0); ; n++ {
		if err := s.send(c, n); err != nil {
			return err
		}
		select {
		case <-s.stopping:
			return c.CloseWrite()
		case <-ticker.C:
		}
	}
}

func (s *stream) send(w io.Writer, n uint64) error {
	var b [rig.MessageLen]byte
	rig.PutMessage(&b, n)
	_, err := w.Write(b[:])
	if err == nil {
		s.sent.Add(1)
	}
	return err
}

// echo sends back what comes, until its end.
func echo(c *net.TCPConn) error {
	if _, err := io.Copy(c, c); err != nil {
		return err
	}
	return c.CloseWrite()
}

// hearAnswers checks what echo sends back.
func (s *stream) hearAnswers(c *net.TCPConn) error {
	for n := uint64(0); ; n++ {
		switch err := s.hear(c, n); {
		case errors.Is(err, io.EOF):
			return s.ended(int64(n), "answers")
		case err != nil:
			return err
		}
	}
}

func (s *stream) hear(c *net.TCPConn, n uint64) error {
	var b [rig.MessageLen]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	s.arrivals.Add(s.clock.Now(), rig.MessageLen)
	return rig.CheckMessage(&b, n)
}

// pingPong sends a message messageEvery after the answer to the one before.
func (s *stream) pingPong(c *net.TCPConn) error {
	for n := uint64(0); ; n++ {
		if err := s.send(c, n); err != nil {
			return err
		}
		if err := s.hear(c, n); err != nil {
			return err
		}
		select {
		case <-s.stopping:
			return c.CloseWrite()
		case <-time.After(messageEvery):
		}
	}
}

// sendDatagrams sends a datagram every datagramEvery. Where the path is gone the
// kernel may refuse some: they are lost.
func (s *stream) sendDatagrams(c net.Conn) error {
	ticker := time.NewTicker(datagramEvery)
	defer ticker.Stop()
	for n := uint64(0); ; n++ {
		_ = s.send(c, n)
		select {
		case <-s.stopping:
			return nil
		case <-ticker.C:
		}
	}
}

// receiveDatagrams checks that each datagram is one that was sent. It ends when
// the stream does.
func (s *stream) receiveDatagrams(c net.PacketConn) error {
	var b [rig.MessageLen + 1]byte
	for {
		n, _, err := c.ReadFrom(b[:])
		select {
		case <-s.stopping:
			return nil
		default:
		}
		if err != nil {
			return err
		}
		s.arrivals.Add(s.clock.Now(), n)
		if err := checkDatagram(b[:n]); err != nil {
			return err
		}
	}
}

// checkDatagram checks a datagram against the number it bears.
func checkDatagram(b []byte) error {
	if len(b) != rig.MessageLen {
		return &rig.WrongError{Text: fmt.Sprintf("datagram of %d bytes, not %d", len(b), rig.MessageLen)}
	}
	m := [rig.MessageLen]byte(b)
	return rig.CheckMessage(&m, rig.MessageNumber(&m))
}

// ended says whether all that was sent had arrived when the stream ended.
func (s *stream) ended(got int64, what string) error {
	if sent := s.sent.Load(); got != sent {
		return &rig.WrongError{Text: fmt.Sprintf("ended after %d of %d %s", got, sent, what)}
	}
	return nil
}

// sortError returns what the end of a stream counts as: something wrong or missing,
// or a connection that broke.
func sortError(err error) (wrong, reset bool) {
	if err == nil || errors.Is(err, net.ErrClosed) {
		return false, false
	}
	_, wrong = errors.AsType[*rig.WrongError](err)
	wrong = wrong || errors.Is(err, os.ErrDeadlineExceeded)
	return wrong, !wrong
}
