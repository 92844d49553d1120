package sim

import (
	"net"
	"syscall"
	"time"

	"github.com/multi6/multi6/internal/underlay"
)

// socketQueue is how many datagrams wait for Receive: 4 MiB of full packets,
// about what a daemon asks of SO_RCVBUF.
const socketQueue = 2800

// receiveBatch is how many datagrams one Receive yields.
const receiveBatch = 64

// A Socket is the memory twin of the node's outer UDP socket: it sends from any
// address of its host and receives on all. Its methods may be called from any
// goroutine.
type Socket struct {
	host *Host
	port uint16

	// Guarded by host.net.mu.
	queue  []*datagram
	ready  chan struct{} // holds a token while queue may be non-empty
	closed bool
}

// Listen opens a socket on port on all addresses of h, present and future; port
// 0 chooses a free one. The error is EADDRINUSE if the port is taken.
func (h *Host) Listen(port uint16) (*Socket, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.net.closed {
		return nil, net.ErrClosed
	}
	if port == 0 {
		port = 32768
		for h.sockets[port] != nil && port != 0 {
			port++
		}
	}
	if port == 0 || h.sockets[port] != nil {
		return nil, syscall.EADDRINUSE
	}
	s := &Socket{host: h, port: port, ready: make(chan struct{}, 1)}
	h.sockets[port] = s
	return s, nil
}

// Port returns the port that s receives on.
func (s *Socket) Port() uint16 { return s.port }

// Send sends msgs, sets Err on each, returns how many were sent and the first
// error. A message is sent from its Local address, or fails with EADDRNOTAVAIL
// if the host does not have it, with ENETUNREACH if the interface is down or
// there is no route, with EMSGSIZE if a datagram exceeds the interface's MTU.
// What the network then loses is no error. The buffers are the caller's again
// after Send.
func (s *Socket) Send(msgs []underlay.Message) (int, error) {
	sent, first := s.send(msgs)
	s.host.net.deliverDue()
	return sent, first
}

// send does what Send does, but for starting the clock.
func (s *Socket) send(msgs []underlay.Message) (sent int, first error) {
	n := s.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for i := range msgs {
		m := &msgs[i]
		if m.Err = net.ErrClosed; !s.closed {
			m.Err = n.send(now, s, m)
		}
		switch {
		case m.Err == nil:
			sent++
		case first == nil:
			first = m.Err
		}
	}
	return sent, first
}

// Receive blocks until there is a datagram and returns what has come, one datagram
// each, up to receiveBatch. They are the caller's. The error is net.ErrClosed after
// Close.
func (s *Socket) Receive() ([]underlay.Message, error) {
	for {
		msgs, err := s.take()
		if len(msgs) > 0 || err != nil {
			return msgs, err
		}
		<-s.ready
	}
}

// Close ends Receive and frees the port. It may be called again.
func (s *Socket) Close() error {
	s.host.net.mu.Lock()
	defer s.host.net.mu.Unlock()
	s.close()
	return nil
}

// close is Close with the network locked.
func (s *Socket) close() {
	if s.closed {
		return
	}
	s.closed = true
	s.queue = nil
	close(s.ready)
	delete(s.host.sockets, s.port)
}

// push queues d, or reports false if there is no room. The network is locked.
func (s *Socket) push(d *datagram) bool {
	if len(s.queue) >= socketQueue {
		return false
	}
	s.queue = append(s.queue, d)
	s.signal()
	return true
}

// signal wakes a Receive.
func (s *Socket) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// take returns what is in the queue without waiting.
func (s *Socket) take() ([]underlay.Message, error) {
	s.host.net.mu.Lock()
	defer s.host.net.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	msgs := make([]underlay.Message, min(receiveBatch, len(s.queue)))
	for i := range msgs {
		msgs[i] = s.queue[i].message()
	}
	s.queue = s.queue[len(msgs):]
	if len(s.queue) > 0 {
		s.signal() // for another receiver
	}
	return msgs, nil
}

// message returns d as received, in a copy of its own.
func (d *datagram) message() underlay.Message {
	full := make([]byte, underlay.Headroom+len(d.payload))
	copy(full[underlay.Headroom:], d.payload)
	return underlay.Message{
		Full:         full,
		Buf:          full[underlay.Headroom:],
		Local:        d.to.Addr(),
		Interface:    d.nic,
		Remote:       d.from,
		TrafficClass: d.trafficClass,
	}
}
