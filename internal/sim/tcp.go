package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// A TCP is one end of a connection between two stacks. What it sends is a
// pseudo-random stream that the other end compares byte by byte. Its methods
// may be called from any goroutine.
type TCP struct {
	stack *Stack
	conn  *conn // guarded by stack.mu
}

// TCPStats is what there is to know of one end of a connection.
type TCPStats struct {
	Established bool // the handshake is complete, whatever came later
	Done        bool // both sides have closed in peace

	Err     error // why the connection was reset: ErrTimeout, ErrReset or ErrAborted
	Corrupt error // the first byte received that is not what was sent

	Written, Acked, Received int64 // bytes of the application

	SRTT            time.Duration // smoothed round-trip time; 0 if not measured
	Retransmits     int           // segments sent again
	Timeouts        int           // times that the retransmission timer expired
	FastRetransmits int           // losses found by three duplicate acknowledgements
}

// Write sends n more bytes of the stream, now and as the window opens.
func (t *TCP) Write(n int64) {
	t.do(func(now time.Time) [][]byte { return t.conn.write(now, n, nil) })
}

// Close ends what this side sends. The other side may go on.
func (t *TCP) Close() {
	t.do(func(now time.Time) [][]byte { return t.conn.shut(now, nil) })
}

// Abort resets the connection.
func (t *TCP) Abort() {
	t.do(func(time.Time) [][]byte { return t.conn.abort(nil) })
}

// do runs a step of the connection.
func (t *TCP) do(step func(now time.Time) [][]byte) {
	t.stack.mu.Lock()
	defer t.stack.mu.Unlock()
	t.stack.apply(step(time.Now()))
}

// LocalAddr returns the identifier and the port of this end.
func (t *TCP) LocalAddr() netip.AddrPort { return t.conn.local }

// RemoteAddr returns the identifier and the port of the other end.
func (t *TCP) RemoteAddr() netip.AddrPort { return t.conn.remote }

// Stats returns the state of now.
func (t *TCP) Stats() TCPStats {
	t.stack.mu.Lock()
	defer t.stack.mu.Unlock()
	return t.stats()
}

// stats is Stats with the stack locked.
func (t *TCP) stats() TCPStats {
	c := t.conn
	return TCPStats{
		Established:     c.send.una > 0 && c.recv.next > 0,
		Done:            c.err == nil && c.send.finished() && c.recv.finished(),
		Err:             c.err,
		Corrupt:         c.recv.corrupt,
		Written:         c.send.written,
		Acked:           c.send.acked(),
		Received:        c.recv.received(),
		SRTT:            c.rto.srtt,
		Retransmits:     c.send.retransmits,
		Timeouts:        c.timeouts,
		FastRetransmits: c.fasts,
	}
}

// Wait blocks until cond holds, for at most timeout. The error is nil if it
// does, else that of the connection, ErrClosed, or one that tells how far it
// came.
func (t *TCP) Wait(timeout time.Duration, cond func(TCPStats) bool) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		t.stack.mu.Lock()
		st, changed := t.stats(), t.stack.changed
		t.stack.mu.Unlock()
		switch {
		case st.Corrupt != nil:
			return st.Corrupt
		case cond(st):
			return nil
		case st.Err != nil:
			return st.Err
		}
		select {
		case <-changed:
		case <-t.stack.done:
			return ErrClosed
		case <-timer.C:
			return fmt.Errorf("sim: no change after %v: %+v", timeout, st)
		}
	}
}

// WaitReceived waits until n bytes, counted from the beginning, were received.
func (t *TCP) WaitReceived(timeout time.Duration, n int64) error {
	return t.Wait(timeout, func(s TCPStats) bool { return s.Received >= n })
}

// WaitDone waits until both sides have closed in peace.
func (t *TCP) WaitDone(timeout time.Duration) error {
	return t.Wait(timeout, func(s TCPStats) bool { return s.Done })
}

// Deliveries returns when the application here received how much, oldest first.
// The caller owns the slice.
func (t *TCP) Deliveries() []Delivery {
	t.stack.mu.Lock()
	defer t.stack.mu.Unlock()
	return slices.Clone(t.conn.recv.deliveries)
}

// LongestStall returns the longest time within [from, to] without a delivery,
// and when it began.
func LongestStall(ds []Delivery, from, to time.Time) (at time.Time, stall time.Duration) {
	last := from
	see := func(t time.Time) {
		if d := t.Sub(last); d > stall {
			at, stall = last, d
		}
		last = t
	}
	for _, d := range ds {
		if !d.At.Before(from) && !d.At.After(to) {
			see(d.At)
		}
	}
	see(to)
	return at, stall
}
