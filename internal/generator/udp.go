package generator

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/rig"
)

const (
	// datagrams is how many go with a system call (sendmmsg, recvmmsg).
	datagrams = 64
	// bufferLen is how many bytes may wait at the receiver, in the kernel's accounts: some
	// 5000 small datagrams. The default is full after 300, less than a scheduler's slice.
	bufferLen = 4 << 20
)

// flood is one end of many datagrams, all alike.
type flood struct {
	conn    *net.UDPConn
	packets atomic.Int64
	stop    atomic.Bool
	ended   chan struct{}
	first   atomic.Pointer[error]
}

func newFlood(c *net.UDPConn) *flood { return &flood{conn: c, ended: make(chan struct{})} }

func (f *flood) address() netip.AddrPort { return localAddress(f.conn) }

func (f *flood) total() Tally { return Tally{Packets: f.packets.Load()} }

func (f *flood) err() error {
	if p := f.first.Load(); p != nil {
		return *p
	}
	return nil
}

func (f *flood) finish() error {
	f.stop.Store(true)
	_ = f.conn.SetDeadline(time.Now()) // fails on a closed connection only
	<-f.ended
	return errors.Join(f.err(), f.conn.Close())
}

// run calls do until it fails or is to stop.
func (f *flood) run(do func() (int, error)) {
	defer close(f.ended)
	for !f.stop.Load() {
		n, err := do()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue // it is to stop
		case errors.Is(err, unix.ENOBUFS):
			continue // a queue on the way is full, as it may be
		case err != nil:
			err = fmt.Errorf("generator: %w", err)
			f.first.Store(&err)
			return
		}
		f.packets.Add(int64(n))
	}
}

// datagram is what they all are.
func datagram() []byte {
	var b [rig.MessageLen]byte
	rig.PutMessage(&b, 0)
	return b[:]
}

// messages returns space for a system call, of size bytes each.
func messages(size int) []ipv6.Message {
	ms := make([]ipv6.Message, datagrams)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, size)}
	}
	return ms
}

func sendUDP(j Job) (traffic, error) {
	c, err := dialUDP(j.Address)
	if err != nil {
		return nil, err
	}
	ms := messages(rig.MessageLen)
	for _, m := range ms {
		copy(m.Buffers[0], datagram())
	}
	f, p := newFlood(c), ipv6.NewPacketConn(c)
	go f.run(func() (int, error) { return p.WriteBatch(ms, 0) })
	return f, nil
}

func receiveUDP(j Job) (traffic, error) {
	c, err := listenUDP(j.Address)
	if err != nil {
		return nil, err
	}
	if err := enlarge(c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	want := string(datagram())
	ms := messages(2 * rig.MessageLen) // so that one which is too long shows
	f, p := newFlood(c), ipv6.NewPacketConn(c)
	go f.run(func() (int, error) {
		n, err := p.ReadBatch(ms, 0)
		for _, m := range ms[:max(n, 0)] {
			if string(m.Buffers[0][:m.N]) != want {
				return 0, &rig.WrongError{Text: fmt.Sprintf("a datagram of %d bytes is not what was sent", m.N)}
			}
		}
		return n, err
	})
	return f, nil
}

// enlarge makes the receive buffer larger than users may, for which it needs
// CAP_NET_ADMIN, or as large as they may.
func enlarge(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferLen)
	})
	if errors.Is(set, unix.EPERM) {
		set = c.SetReadBuffer(bufferLen)
	}
	return errors.Join(err, set)
}
