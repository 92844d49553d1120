package underlay

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/ipv6"
)

// receiveBatch is how many messages one system call can bring; each may be a run
// of datagrams that the kernel has glued (UDP_GRO).
const receiveBatch = 16

// A Receiver reads one socket. It is for one goroutine.
type Receiver struct {
	socket   *socket
	messages []ipv6.Message
	// got is how many of messages are filled, next the one to hand out, and rest
	// what of it is still to be handed out.
	got, next int
	rest      []byte
	segment   int
	head      Message
}

func newReceiver(s *socket) *Receiver {
	r := &Receiver{socket: s, messages: make([]ipv6.Message, receiveBatch)}
	for i := range r.messages {
		r.messages[i].Buffers = [][]byte{make([]byte, MaxDatagram)}
		r.messages[i].OOB = make([]byte, controlLen)
	}
	return r
}

// Receive waits for at least one datagram and fills msgs, one datagram each,
// whose Buf the caller gives and Receive shortens. A datagram longer than its
// Buf is cut. It returns net.ErrClosed after Close.
func (r *Receiver) Receive(msgs []Message) (int, error) {
	if len(r.rest) == 0 && r.next == r.got {
		if err := r.read(); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(msgs) && r.advance() {
		m := &msgs[n]
		size := len(r.rest)
		if r.segment > 0 {
			size = min(size, r.segment)
		}
		buf := m.Buf
		*m = r.head
		m.Buf = buf[:copy(buf, r.rest[:size])]
		r.rest = r.rest[size:]
		n++
	}
	return n, nil
}

// failPause and failTimes bound how a failing socket is read: so long after a failure,
// and so often one after another.
const (
	failPause = time.Millisecond
	failTimes = 1000
)

// read fills messages from the socket.
func (r *Receiver) read() error {
	for failed := 0; ; {
		for i := range r.messages {
			r.messages[i].OOB = r.messages[i].OOB[:controlLen]
		}
		n, err := r.socket.batch.ReadBatch(r.messages, 0)
		switch {
		case err == nil && n > 0:
			r.got, r.next = n, 0
			return nil
		case err == nil, errors.Is(err, syscall.EINTR):
		case errors.Is(err, net.ErrClosed):
			return net.ErrClosed
		case r.socket.hears.Load() && isICMP(err):
			// It is of what was sent, and in the error queue; the kernel tells it once.
		case r.socket.hears.Load() && failed < failTimes:
			// Go will not read a socket of which it was told nothing but the error, while
			// the send queue was full ("not pollable"), until there is other news.
			failed++
			time.Sleep(failPause)
		default:
			return err
		}
	}
}

// advance makes sure that rest holds something. It reports false when all
// messages are handed out.
func (r *Receiver) advance() bool {
	for len(r.rest) == 0 {
		if r.next == r.got {
			return false
		}
		m := &r.messages[r.next]
		r.next++
		from, ok := m.Addr.(*net.UDPAddr)
		if !ok || m.N == 0 {
			continue // nothing of ours is empty
		}
		a, _ := netip.AddrFromSlice(from.IP)
		r.head = Message{Remote: netip.AddrPortFrom(a.Unmap(), uint16(from.Port))}
		r.segment = 0
		parseControl(m.OOB[:m.NN], &r.head, &r.segment)
		r.rest = m.Buffers[0][:m.N]
	}
	return true
}
