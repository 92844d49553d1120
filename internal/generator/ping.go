package generator

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/rig"
)

// lostAfter is for how long an answer is waited for.
const lostAfter = time.Second

// A worker is a goroutine with a socket that runs until it fails or is to stop.
type worker struct {
	local  netip.AddrPort
	socket *socket
	stop   atomic.Bool
	ended  chan struct{}
	first  atomic.Pointer[error]
}

func (w *worker) err() error {
	if p := w.first.Load(); p != nil {
		return *p
	}
	return nil
}

func (w *worker) address() netip.AddrPort { return w.local }

func (w *worker) finish() error {
	w.stop.Store(true)
	<-w.ended
	return w.err()
}

// run calls do until it fails or is to stop.
func (w *worker) run(do func() error) {
	defer close(w.ended)
	defer w.socket.close()
	for !w.stop.Load() {
		if err := do(); err != nil {
			err = fmt.Errorf("generator: %w", err)
			w.first.Store(&err)
			return
		}
	}
}

// A pinger sends a message, waits for its answer, and sends the next.
type pinger struct {
	worker
	number uint64 // of the last message

	mu    sync.Mutex // guards what follows
	times []time.Duration
	sum   Tally
}

func startPinger(j Job) (traffic, error) {
	c, err := dialUDP(j.Address)
	if err != nil {
		return nil, err
	}
	p := &pinger{times: make([]time.Duration, 0, 1<<20)}
	p.ended = make(chan struct{})
	if p.socket, err = newSocket(c); err != nil {
		return nil, err
	}
	go p.run(p.ping)
	return p, nil
}

// ping makes one round trip, unless the message or its answer is lost.
func (p *pinger) ping() error {
	p.number++
	var b [rig.MessageLen]byte
	rig.PutMessage(&b, p.number)
	began := time.Now()
	if _, err := p.socket.write(b[:]); err != nil {
		return err
	}
	for !p.stop.Load() {
		n, waited, err := p.socket.read(b[:])
		took := time.Since(began)
		switch {
		case err != nil:
			return err
		case took > lostAfter:
			p.lost()
			return nil
		case waited:
			continue
		case n != len(b):
			return &rig.WrongError{Text: fmt.Sprintf("an answer has %d bytes", n)}
		case rig.MessageNumber(&b) < p.number: // of one that was taken for lost
			continue
		}
		if err := rig.CheckMessage(&b, p.number); err != nil {
			return err
		}
		p.answered(took)
		return nil
	}
	return nil
}

func (p *pinger) lost() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum.Lost++
}

func (p *pinger) answered(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times = append(p.times, took)
	p.sum.Packets++
}

func (p *pinger) total() Tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.times)
	p.sum.P50, p.sum.P99 = quantile(p.times, 50), quantile(p.times, 99)
	p.times = p.times[:0]
	return p.sum
}

// quantile returns a percentile by nearest rank, 0 of nothing.
func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}

// An echo sends back what comes, all to the first that something came from.
type echo struct {
	worker
	packets atomic.Int64
	buffer  [2 * rig.MessageLen]byte
	peer    bool // is known
}

func startEcho(j Job) (traffic, error) {
	e, err := newEcho(j.Address)
	if err != nil {
		return nil, err
	}
	go e.run(e.answer)
	return e, nil
}

// newEcho returns an echo that listens.
func newEcho(at netip.AddrPort) (*echo, error) {
	c, err := listenUDP(at)
	if err != nil {
		return nil, err
	}
	e := &echo{}
	e.local, e.ended = localAddress(c), make(chan struct{})
	e.socket, err = newSocket(c)
	return e, err
}

// answer answers one message, if one comes in time. The other end may be gone when the
// last answer arrives, and its kernel refuse it.
func (e *echo) answer() error {
	n, waited, err := e.receive()
	if err == nil && !waited {
		e.packets.Add(1)
		_, err = e.socket.write(e.buffer[:n])
	}
	if err == unix.ECONNREFUSED {
		return nil
	}
	return err
}

// receive receives the next message. The first one connects the socket: what needs
// no address is cheaper.
func (e *echo) receive() (n int, waited bool, err error) {
	if e.peer {
		return e.socket.read(e.buffer[:])
	}
	n, from, err := unix.Recvfrom(e.socket.fd, e.buffer[:], 0)
	if err == unix.EAGAIN || err == unix.EINTR {
		return 0, true, nil
	}
	if err == nil {
		err = unix.Connect(e.socket.fd, from)
		e.peer = err == nil
	}
	return n, false, err
}

func (e *echo) total() Tally { return Tally{Packets: e.packets.Load()} }
