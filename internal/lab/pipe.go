package lab

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// batch is how many frames a pipe reads before it looks at what is due.
const batch = 64

// grain is how late frames may be where they follow each other more closely. A
// wake-up for each would cost more than the frames.
const grain = 50 * time.Microsecond

// threadPriority is the nice value of a pipe's thread: a wire takes no part in
// the struggle for the processor.
const threadPriority = -15

// settings are what a pipe does to frames now. They are never changed, but
// replaced.
type settings struct {
	Impairment
	holes int // blackholes set by faults
	cuts  int // faults that let nothing pass, not even neighbour discovery
}

// stops reports whether frames of class c must not pass.
func (s *settings) stops(c class) bool {
	return s.cuts > 0 || (s.Blackhole || s.holes > 0) && c != classNeighbour
}

// A pipe carries frames from one tap to another. Run owns all but the settings,
// the counters and the wake descriptor, which any goroutine may use.
type pipe struct {
	from, to *tap
	settings atomic.Pointer[settings]
	counters counters
	stopping atomic.Bool
	wakeFD   int // eventfd: settings changed, or stop
	// stood is for how long run had no processor, at most, since that was last asked.
	stood atomic.Int64

	line    *line
	queue   *queue
	epoch   time.Time
	scratch []byte // takes frames that find no room
}

func newPipe(from, to *tap, line *line, i Impairment) (*pipe, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("lab: eventfd: %w", err)
	}
	p := &pipe{
		from: from, to: to, wakeFD: fd,
		line: line, queue: newQueue(), epoch: time.Now(), scratch: make([]byte, maxRecord),
	}
	p.settings.Store(&settings{Impairment: i})
	return p, nil
}

// run carries frames until stop is called or a device is gone. It changes the
// thread it runs on: it must be called by onThread.
func (p *pipe) run() {
	// The kernel's default would let timers be 50 µs late. Both settings only
	// make times exact; without them the lab still works.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), threadPriority)
	for !p.stopping.Load() {
		s, began := p.settings.Load(), time.Now()
		more, err := p.pull(s)
		if err != nil {
			return
		}
		p.deliver(s)
		p.standstill(time.Since(began))
		if !more && p.wait() != nil {
			return
		}
	}
}

// pull reads what has come, at most a batch. It reports whether there may be
// more.
func (p *pipe) pull(s *settings) (more bool, err error) {
	for range batch {
		room := p.queue.space()
		full := room == nil
		if full {
			room = p.scratch
		}
		n, err := unix.Read(p.from.fd, room)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			return false, nil
		case err != nil:
			return false, err
		case n < vnetLen:
			continue
		}
		p.accept(room[:n], full, s)
	}
	return true, nil
}

// accept decides what becomes of a record, which lies in the queue's space
// unless full.
func (p *pipe) accept(record []byte, full bool, s *settings) {
	frames, size := wireSize(record)
	e := entry{length: len(record), frames: frames, class: classify(record[vnetLen:])}
	p.counters.offer(e.class, frames, size)
	if s.stops(e.class) {
		p.counters.end(blackholed, frames)
		return
	}
	at, f := p.line.admit(time.Since(p.epoch), size, &s.Impairment)
	if full && f == arrives {
		f = queueFull
	}
	if f != arrives {
		p.counters.end(f, frames)
		return
	}
	e.at = at
	p.queue.push(e)
}

// deliver writes what is due.
func (p *pipe) deliver(s *settings) {
	if p.queue.count == 0 {
		return
	}
	now := time.Since(p.epoch)
	for {
		e, record := p.queue.first()
		if e == nil || e.at > now {
			return
		}
		p.counters.end(p.write(e.class, record, s), e.frames)
		p.queue.pop()
	}
}

func (p *pipe) write(c class, record []byte, s *settings) fate {
	if s.stops(c) {
		return blackholed
	}
	if _, err := unix.Write(p.to.fd, record); err != nil {
		return noReceiver
	}
	return arrives
}

// wait sleeps until a frame comes, one is due, or wake is called. Where frames
// are due closer than a grain it lets them gather for a grain, those that come
// as well as those that go.
func (p *pipe) wait() error {
	fds := [2]unix.PollFd{
		{Fd: int32(p.from.fd), Events: unix.POLLIN},
		{Fd: int32(p.wakeFD), Events: unix.POLLIN},
	}
	var timeout *unix.Timespec
	due := time.Duration(math.MaxInt64)
	if e, _ := p.queue.first(); e != nil {
		now := time.Since(p.epoch)
		until := e.at
		if p.queue.count > 1 && p.queue.second().at < now+grain {
			until = now + grain
			fds[0].Events = 0
		}
		t := unix.NsecToTimespec(max(0, int64(until-now)))
		timeout, due = &t, max(until, now)
	}
	if _, err := unix.Ppoll(fds[:], timeout, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	p.standstill(time.Since(p.epoch) - due)
	if fds[1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(p.wakeFD, count[:])
	}
	if fds[0].Revents&(unix.POLLERR|unix.POLLNVAL) != 0 {
		return unix.ENODEV
	}
	return nil
}

// standstill notes that run took so long for what takes no time, or came so late.
func (p *pipe) standstill(d time.Duration) {
	if int64(d) > p.stood.Load() {
		p.stood.Store(int64(d)) // who asks meanwhile loses at most this
	}
}

// wake makes run look at its settings and at stopping.
func (p *pipe) wake() {
	one := [8]byte{1} // not 0 in either byte order
	_, _ = unix.Write(p.wakeFD, one[:])
}

// stop makes run return.
func (p *pipe) stop() {
	p.stopping.Store(true)
	p.wake()
}

// close lets go of what newPipe made. Run must have returned.
func (p *pipe) close() error { return unix.Close(p.wakeFD) }
