package underlay

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

const (
	// maxRuns is how many runs one system call takes.
	maxRuns = 64
	// maxBuffers is how many Bufs they are made of.
	maxBuffers = 512
)

// A Sender sends by the sockets of a Conn. It is for one goroutine. It keeps what
// it has built for one pair, for more messages over that pair.
type Sender struct {
	conn      *Conn
	call      *call
	envelopes envelopes
	// The first runs are what one system call is to send; alone is for one datagram.
	runs     []run
	headers  [maxRuns]mmsghdr
	controls [maxRuns][controlLen]byte
	alone    [1]mmsghdr
	// buffers are those that the headers point to; the array stays where it is.
	buffers []unix.Iovec
	buffer  unix.Iovec // of alone
	// failed says that a message has its Err set.
	failed bool
}

// NewSender returns a Sender for one goroutine.
func (c *Conn) NewSender() *Sender {
	s := &Sender{
		conn: c, call: newCall("sendmmsg", sendmmsg),
		runs: make([]run, 0, maxRuns), buffers: make([]unix.Iovec, 0, maxBuffers),
	}
	s.alone[0].Iov = &s.buffer
	s.alone[0].SetIovlen(1)
	return s
}

// Send is Sender.Send for any number of goroutines: for what is sent now and then.
func (c *Conn) Send(msgs []Message) (sent int, err error) {
	s := c.senders.Get().(*Sender)
	defer c.senders.Put(s)
	return s.Send(msgs)
}

// Send sends msgs in order. It sets Err on each message of which not all could be
// sent, and returns how many others there are and the first error. The buffers are
// the caller's again afterwards.
func (s *Sender) Send(msgs []Message) (sent int, err error) {
	for i := range msgs {
		msgs[i].Err = nil
	}
	s.failed = false
	for c := (cursor{}); c.at < len(msgs); {
		e, err := s.envelopes.of(s.conn, &msgs[c.at])
		if err != nil {
			s.fail(nil, &msgs[c.at], err)
			c = cursor{at: c.at + 1}
			continue
		}
		c = s.gather(e, msgs, c)
		s.flush(e.socket, msgs)
	}
	if !s.failed {
		return len(msgs), nil
	}
	return tally(msgs)
}

// tally returns how many of msgs have no error, and the first error.
func tally(msgs []Message) (sent int, err error) {
	for i := range msgs {
		switch {
		case msgs[i].Err == nil:
			sent++
		case err == nil:
			err = msgs[i].Err
		}
	}
	return sent, err
}

// gather builds runs from c on, all for the socket of e, and returns what comes
// after them. The first is to go in e.
func (s *Sender) gather(e *envelope, msgs []Message, c cursor) cursor {
	s.runs, s.buffers = s.runs[:0], s.buffers[:0]
	socket := e.socket
	segments := socket.segment.Load()
	for {
		var r run
		r, c = c.next(msgs, segments)
		s.put(e, msgs, r)
		if c.at == len(msgs) || len(s.runs) == maxRuns || len(s.buffers) > maxBuffers-maxSegments {
			return c
		}
		var err error
		if e, err = s.envelopes.of(s.conn, &msgs[c.at]); err != nil || e.socket != socket {
			return c
		}
	}
}

// put appends a run that is to go in e.
func (s *Sender) put(e *envelope, msgs []Message, r run) {
	first := len(s.buffers)
	for i := r.first; i < r.first+r.count; i++ {
		buf := msgs[i].Buf
		if r.count == 1 {
			buf = buf[r.from:r.to]
		}
		s.buffers = append(s.buffers, iovec(buf))
	}
	n := len(s.runs)
	h := &s.headers[n]
	h.Iov = &s.buffers[first]
	h.SetIovlen(r.count)
	if r.segment != 0 {
		e.putRun(h, r.segment, &s.controls[n])
	} else {
		e.put(h)
	}
	s.runs = append(s.runs, r)
}

func iovec(b []byte) (v unix.Iovec) {
	if len(b) > 0 {
		v.Base = &b[0]
	}
	v.SetLen(len(b))
	return v
}

// flush hands the runs to the kernel. A run that fails does not hold up others;
// one that fails for its segments is sent again one datagram at a time.
func (s *Sender) flush(by *socket, msgs []Message) {
	for at := 0; at < len(s.runs); {
		n, err := s.write(by, s.headers[at:len(s.runs)])
		at += n
		if err == nil {
			continue
		}
		r := s.runs[at]
		switch {
		case r.segment != 0 && mayTakeSingly(err):
			if by.cannotSegment(err) {
				s.conn.ring()
			}
			s.singly(by, msgs, at)
		case errors.Is(err, unix.EAGAIN): // for the others there is no room either
			for ; at < len(s.runs); at++ {
				s.failRun(by, msgs, s.runs[at], err)
			}
		default:
			s.failRun(by, msgs, r, err)
		}
		at++
	}
}

// mayTakeSingly reports whether err may be of a run, and not of its datagrams.
func mayTakeSingly(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.EINVAL)
}

// singly sends the datagrams of run i one by one.
func (s *Sender) singly(by *socket, msgs []Message, i int) {
	h := &s.alone[0]
	h.Name, h.Namelen = s.headers[i].Name, s.headers[i].Namelen
	h.Control = s.headers[i].Control
	h.SetControllen(int(s.headers[i].Controllen) - segmentLen)
	for k, datagram := range s.runs[i].datagrams(msgs) {
		s.buffer = iovec(datagram)
		if _, err := s.write(by, s.alone[:]); err != nil {
			s.fail(by, &msgs[k], err)
		}
	}
}

// failRun marks the messages of r.
func (s *Sender) failRun(by *socket, msgs []Message, r run, err error) {
	for i := range r.count {
		s.fail(by, &msgs[r.first+i], err)
	}
}

// fail marks m, of which not all could be sent by a socket.
func (s *Sender) fail(by *socket, m *Message, err error) {
	s.failed = true
	if m.Err == nil {
		m.Err = err
	}
	if by != nil && by.device != 0 && errors.Is(err, unix.ENODEV) {
		by.home.exits.forget(by)
	}
}

// write hands messages to the kernel and returns how many it took. It waits for room, but only
// once until there is some: who sends may have to read the answer to the test of another way.
func (s *Sender) write(by *socket, hs []mmsghdr) (int, error) {
	stuck := by.stuck.Load()
	n, err := s.call.write(by.file, hs, !stuck)
	if full := errors.Is(err, unix.EAGAIN); full != stuck {
		by.stuck.Store(full)
	}
	if by.device != 0 && errors.Is(err, net.ErrClosed) {
		// Another Send has found that the interface has gone. The Conn is not closed.
		err = unix.ENODEV
	}
	return n, err
}
