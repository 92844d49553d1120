package underlay

import "syscall"

// An envelope is what the kernel is told with each datagram of a pair, and the
// socket that it leaves by.
type envelope struct {
	pair
	socket *socket
	// exits is the state of the exits that socket was chosen by.
	exits   *map[uint32]exit
	name    sockaddr
	nameLen uint32
	control [controlLen]byte
	length  int // of control
}

// put has h go to the envelope's remote, from its source.
func (e *envelope) put(h *mmsghdr) {
	h.Name, h.Namelen = e.name.bytes(), e.nameLen
	h.Control = nil
	if e.length > 0 {
		h.Control = &e.control[0]
	}
	h.SetControllen(e.length)
}

// putRun is put for a run of datagrams. The control messages are in control.
func (e *envelope) putRun(h *mmsghdr, segment int, control *[controlLen]byte) {
	e.put(h)
	b := appendSegment(append(control[:0], e.control[:e.length]...), segment)
	h.Control = &b[0]
	h.SetControllen(len(b))
}

// envelopes are a ring of them, the newest of which is kept for more of its pair.
// A turn takes as many pairs as there may be in one system call.
type envelopes struct {
	ring   [maxRuns]envelope
	newest int
}

// of returns the envelope for m. The error is EAFNOSUPPORT if there is no socket
// for it.
func (es *envelopes) of(c *Conn, m *Message) (*envelope, error) {
	p := m.pair()
	wild := c.wild(&p)
	if wild == nil {
		return nil, syscall.EAFNOSUPPORT
	}
	exits := wild.exits.open.Load()
	if e := &es.ring[es.newest]; e.pair == p && e.socket != nil && e.exits == exits {
		return e, nil
	}
	s := wild.sender(&p)
	if p.by != 0 && s.device == 0 {
		exits = nil // A socket of that interface is still wanted: ask again.
	}
	es.newest = (es.newest + 1) % len(es.ring)
	e := &es.ring[es.newest]
	e.pair, e.socket, e.exits = p, s, exits
	e.nameLen = e.name.set(p.remote)
	e.length = len(appendControl(e.control[:0], s.is6, &p))
	return e, nil
}
