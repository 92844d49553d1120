package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
)

// A Connection is both ends of one.
type Connection struct {
	Near, Far *net.TCPConn
	// listener, if not nil, is open as long as the connection.
	listener net.Listener
}

const (
	portTime  = time.Second // how long a port may be in use still
	portPause = 5 * time.Millisecond
)

// Connect connects plain TCP from a, an address of host A, to b at host B.
func Connect(ctx context.Context, l *lab.Lab, a, b netip.Addr, port uint16) (c Connection, err error) {
	to := netip.AddrPortFrom(b, port)
	listener, err := listen(ctx, func() (net.Listener, error) { return l.B.Listen("tcp6", to.String()) })
	if err != nil {
		return c, fmt.Errorf("listening on %s: %w", to, err)
	}
	return Join(ctx, listener, func() (net.Conn, error) { return l.A.DialFrom(ctx, "tcp6", a, to.String()) })
}

// listen waits until an earlier listener is gone: a program that is being started holds what it
// inherits for a moment.
func listen(ctx context.Context, try func() (net.Listener, error)) (net.Listener, error) {
	for began := time.Now(); ; {
		listener, err := try()
		if !errors.Is(err, unix.EADDRINUSE) || time.Since(began) > portTime {
			return listener, err
		}
		if err := Pause(ctx, portPause); err != nil {
			return nil, err
		}
	}
}

// Join dials and accepts. It closes the listener, at once if it fails and else with
// the connection: Multipath TCP needs it, as further subflows go to it.
func Join(ctx context.Context, listener net.Listener, dial func() (net.Conn, error)) (c Connection, err error) {
	defer func() {
		if err != nil {
			listener.Close()
		}
	}()
	near, err := dial()
	if err != nil {
		return c, fmt.Errorf("connecting to %s: %w", listener.Addr(), err)
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	far, err := listener.Accept()
	if err != nil {
		near.Close()
		return c, fmt.Errorf("accepting on %s: %w", listener.Addr(), err)
	}
	return Connection{near.(*net.TCPConn), far.(*net.TCPConn), listener}, nil
}

// Close closes both ends, and the listener.
func (c Connection) Close() {
	c.Near.Close()
	c.Far.Close()
	if c.listener != nil {
		c.listener.Close()
	}
}

// Limit sets when reads and writes end with os.ErrDeadlineExceeded. It only
// fails on closed connections, whose reads and writes fail as well.
func (c Connection) Limit(t time.Time) {
	_ = c.Near.SetDeadline(t)
	_ = c.Far.SetDeadline(t)
}

// Pace bounds the rate, bit/s, at which Near's kernel sends (SO_MAX_PACING_RATE,
// socket(7)).
func (c Connection) Pace(rate int64) error {
	raw, err := c.Near.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, int(rate/8))
	})
	if err = errors.Join(err, set); err != nil {
		return fmt.Errorf("pacing: %w", err)
	}
	return nil
}
