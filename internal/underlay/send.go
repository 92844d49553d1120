package underlay

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

const (
	// maxRuns is how many system-call messages one Send builds at a time.
	maxRuns = 64
	// maxSegments is how many datagrams UDP_SEGMENT cuts from one (Linux
	// UDP_MAX_SEGMENTS), and maxRun their length in all, with room for headers.
	maxSegments = 64
	maxRun      = 65000
)

// A run is one message to the kernel: a datagram, or several of one length.
type run struct {
	first, count int // in the caller's messages
}

// outbox holds what a Send needs, so that it need not allocate.
type outbox struct {
	messages []ipv6.Message
	runs     []run
	control  [maxRuns][controlLen]byte
	addrs    [maxRuns]net.UDPAddr
}

var outboxes = sync.Pool{New: func() any {
	return &outbox{messages: make([]ipv6.Message, maxRuns), runs: make([]run, 0, maxRuns)}
}}

// Send sends msgs in order. It sets Err on each message that could not be sent,
// and returns how many were and the first error.
func (c *Conn) Send(msgs []Message) (sent int, err error) {
	o := outboxes.Get().(*outbox)
	defer outboxes.Put(o)
	for at := 0; at < len(msgs); {
		s := c.forMessage(&msgs[at])
		if s == nil {
			msgs[at].Err = syscall.EAFNOSUPPORT
			if err == nil {
				err = msgs[at].Err
			}
			at++
			continue
		}
		next := o.gather(c, s, msgs, at)
		n, ferr := o.flush(s, msgs)
		sent += n
		if s.device != 0 && errors.Is(ferr, unix.ENODEV) {
			c.exits.forget(s)
		}
		if err == nil {
			err = ferr
		}
		at = next
	}
	return sent, err
}

// gather builds runs from msgs[at:], all for c's socket s, and returns the index
// of the first message not taken. The one at at is for s.
func (o *outbox) gather(c *Conn, s *socket, msgs []Message, at int) int {
	o.runs = o.runs[:0]
	for at < len(msgs) && len(o.runs) < maxRuns && (len(o.runs) == 0 || c.forMessage(&msgs[at]) == s) {
		r := run{first: at, count: 1}
		if s.segment.Load() && msgs[at].Segment == 0 {
			r.count = runLength(msgs[at:])
		}
		for k := range r.count {
			msgs[at+k].Err = nil
		}
		o.put(s, msgs, len(o.runs), r)
		o.runs = append(o.runs, r)
		at += r.count
	}
	return at
}

// runLength returns how many messages from the first on can leave as one: over
// the same pair, all of the first one's length but the last, which may be
// shorter.
func runLength(msgs []Message) int {
	head, total := &msgs[0], len(msgs[0].Buf)
	n := 1
	for n < len(msgs) && n < maxSegments {
		m := &msgs[n]
		total += len(m.Buf)
		if m.Segment != 0 || m.Remote != head.Remote || m.Local != head.Local || m.Interface != head.Interface ||
			m.TrafficClass != head.TrafficClass || len(m.Buf) > len(head.Buf) || total > maxRun {
			break
		}
		n++
		if len(m.Buf) < len(head.Buf) {
			break
		}
	}
	return n
}

// put fills slot i of the outbox with run r.
func (o *outbox) put(s *socket, msgs []Message, i int, r run) {
	head, m := &msgs[r.first], &o.messages[i]
	m.Buffers = m.Buffers[:0]
	for k := range r.count {
		m.Buffers = append(m.Buffers, msgs[r.first+k].Buf)
	}
	segment := head.Segment
	if r.count > 1 {
		segment = len(head.Buf)
	}
	addr := &o.addrs[i]
	ip := head.Remote.Addr().As16()
	addr.IP = append(addr.IP[:0], ip[:]...)
	addr.Port = int(head.Remote.Port())
	m.Addr = addr
	m.OOB = appendControl(o.control[i][:0], s.is6, head, segment)
	m.N = 0
}

// cannotSegment reports whether err says that the device does not do UDP_SEGMENT
// (EIO: no checksum offload), and remembers it.
func (s *socket) cannotSegment(err error) bool {
	if !errors.Is(err, unix.EIO) {
		return false
	}
	s.segment.Store(false)
	return true
}

// flush hands the runs to the kernel. A run that fails does not hold up others;
// one that fails for its segments is sent again one datagram at a time.
func (o *outbox) flush(s *socket, msgs []Message) (sent int, err error) {
	for at := 0; at < len(o.runs); {
		n, werr := s.write(o.messages[at:len(o.runs)])
		n = max(n, 0)
		for _, r := range o.runs[at : at+n] {
			sent += r.count
		}
		at += n
		if werr == nil {
			continue
		}
		r := o.runs[at]
		switch {
		case errors.Is(werr, syscall.EINTR):
			continue
		case r.count > 1 && (s.cannotSegment(werr) || errors.Is(werr, unix.EMSGSIZE) || errors.Is(werr, unix.EINVAL)):
			n, werr = o.single(s, msgs, r)
			sent += n
		default:
			for k := range r.count {
				msgs[r.first+k].Err = werr
			}
		}
		if err == nil {
			err = werr
		}
		at++
	}
	return sent, err
}

// single sends the messages of a run one by one.
func (o *outbox) single(s *socket, msgs []Message, r run) (sent int, err error) {
	one := outboxes.Get().(*outbox)
	defer outboxes.Put(one)
	for k := range r.count {
		i := r.first + k
		one.put(s, msgs, 0, run{first: i, count: 1})
		if _, werr := s.write(one.messages[:1]); werr != nil {
			msgs[i].Err = werr
			if err == nil {
				err = werr
			}
			continue
		}
		sent++
	}
	return sent, err
}

// write hands messages to the kernel and returns how many it took.
func (s *socket) write(messages []ipv6.Message) (int, error) {
	n, err := s.batch.WriteBatch(messages, 0)
	if s.device != 0 && errors.Is(err, net.ErrClosed) {
		// Another Send has found that the interface has gone. The Conn is not closed.
		err = unix.ENODEV
	}
	return n, err
}
