package underlay

// WithoutSegments has c send as on a kernel that lacks UDP_SEGMENT.
func (c *Conn) WithoutSegments() {
	for _, s := range []*socket{c.v6, c.v4} {
		if s != nil {
			s.segment.Store(false)
		}
	}
}

// Segments reports whether c uses UDP_SEGMENT.
func (c *Conn) Segments() bool { return c.v6 != nil && c.v6.segment.Load() }

// CannotSegment has c meet err when it sends a run.
func (c *Conn) CannotSegment(err error) bool { return c.v6 != nil && c.v6.cannotSegment(err) }
