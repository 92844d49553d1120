package underlay

import "time"

// WithoutSegments has c send as on a kernel that lacks UDP_SEGMENT.
func (c *Conn) WithoutSegments() {
	for _, s := range []*socket{c.v6, c.v4} {
		if s != nil {
			s.segment.Store(false)
			s.out.segment.Store(false)
		}
	}
	for _, e := range *c.exits.open.Load() {
		e.socket.segment.Store(false)
	}
}

// Exits returns the interfaces that c has sockets bound to.
func (c *Conn) Exits() (indexes []uint32) {
	for i, e := range *c.exits.open.Load() {
		if e.socket != c.v6 {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// FailExits has c meet err whenever it opens a socket bound to an interface, and
// count it; nil has it succeed again.
func (c *Conn) FailExits(err error, count *int) {
	c.exits.bind = func(index uint32) (*socket, error) {
		*count++
		if err != nil {
			return nil, err
		}
		return c.exits.bindIn(index)
	}
}

// RetryExits has the time come at which c tries again.
func (c *Conn) RetryExits() {
	now := make(map[uint32]exit)
	for i, e := range *c.exits.open.Load() {
		if !e.retry.IsZero() {
			e.retry = time.Now()
		}
		now[i] = e
	}
	c.exits.open.Store(&now)
}

// Segments reports whether c uses UDP_SEGMENT.
func (c *Conn) Segments() bool { return c.v6 != nil && c.v6.out.segment.Load() }

// CannotSegment has c meet err when it sends a run.
func (c *Conn) CannotSegment(err error) bool { return c.v6 != nil && c.v6.out.cannotSegment(err) }
