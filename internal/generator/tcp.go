package generator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

const (
	blockLen = 128 << 10 // bytes of a write or read
	// streamSeed is that of all verified streams, as which one is accepted first is not
	// known.
	streamSeed = 6
)

// Times that bound what would otherwise wait for ever.
const (
	connectTime = 10 * time.Second
	drainTime   = 10 * time.Second // for what is under way when the sender ends
)

// streams are one end of some connections.
type streams struct {
	listener net.Listener // of the receiver
	verify   bool
	bytes    atomic.Int64
	stop     atomic.Bool
	running  sync.WaitGroup

	mu    sync.Mutex
	first error
}

func (s *streams) address() (a netip.AddrPort) {
	if s.listener != nil {
		a = s.listener.Addr().(*net.TCPAddr).AddrPort()
	}
	return a
}

func (s *streams) total() Tally { return Tally{Bytes: s.bytes.Load()} }

func (s *streams) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

// fail keeps the first error.
func (s *streams) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		s.first = err
	}
}

// A sender connects and sends.
type sender struct{ streams }

func sendTCP(j Job) (traffic, error) {
	s := &sender{streams{verify: j.Verify}}
	for range j.Streams {
		d := net.Dialer{Timeout: connectTime, Control: lab.WithCongestion(j.Congestion)}
		d.SetMultipathTCP(false)
		c, err := d.Dial("tcp", j.Address.String())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("generator: connecting to %s: %w", j.Address, err), s.finish())
		}
		conn, err := newSocket(c.(*net.TCPConn))
		if err != nil {
			return nil, errors.Join(err, s.finish())
		}
		s.running.Go(func() { s.send(conn) })
	}
	return s, nil
}

// send sends until it is told to stop. What it has sent arrives.
func (s *sender) send(c *socket) {
	defer c.close() // FIN, after what is not acknowledged yet
	block := make([]byte, blockLen)
	pattern := rig.NewPattern(streamSeed)
	var left []byte // of the block
	for !s.stop.Load() {
		if len(left) == 0 {
			if s.verify {
				pattern.Read(block) // never fails
			}
			left = block
		}
		n, err := c.write(left)
		if err != nil {
			s.fail(fmt.Errorf("generator: sending: %w", err))
			return
		}
		s.bytes.Add(int64(n))
		left = left[n:]
	}
}

func (s *sender) finish() error {
	s.stop.Store(true)
	s.running.Wait()
	return s.err()
}

// A receiver listens and receives.
type receiver struct {
	streams
	ended chan struct{} // closed when all streams have
}

func receiveTCP(j Job) (traffic, error) {
	lc := net.ListenConfig{Control: lab.WithCongestion(j.Congestion)}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", j.Address.String())
	if err != nil {
		return nil, fmt.Errorf("generator: listening on %s: %w", j.Address, err)
	}
	r := &receiver{streams{listener: l, verify: j.Verify}, make(chan struct{})}
	go r.accept(j.Streams)
	return r, nil
}

// accept takes in so many connections and waits for their end.
func (r *receiver) accept(n int) {
	defer close(r.ended)
	defer r.running.Wait()
	for range n {
		c, err := r.listener.Accept()
		if err != nil {
			r.fail(fmt.Errorf("generator: accepting: %w", err))
			return
		}
		conn, err := newSocket(c.(*net.TCPConn))
		if err != nil {
			r.fail(err)
			return
		}
		r.running.Go(func() { r.receive(conn) })
	}
}

// receive receives until the stream's end.
func (r *receiver) receive(c *socket) {
	defer c.close()
	block := make([]byte, blockLen)
	check := rig.NewChecker(streamSeed)
	for !r.stop.Load() {
		n, waited, err := c.read(block)
		switch {
		case waited:
			continue
		case err == nil && n == 0: // end of the stream
			return
		case err == nil && r.verify:
			err = check.Check(block[:n])
		}
		if err != nil {
			r.fail(fmt.Errorf("generator: receiving: %w", err))
			return
		}
		r.bytes.Add(int64(n))
	}
	r.fail(fmt.Errorf("generator: receiving: %w after %v", io.ErrUnexpectedEOF, drainTime))
}

// finish waits for the ends of the streams, which the other end sends.
func (r *receiver) finish() error {
	select {
	case <-r.ended:
	case <-time.After(drainTime):
	}
	r.stop.Store(true)
	r.listener.Close()
	<-r.ended
	return r.err()
}
