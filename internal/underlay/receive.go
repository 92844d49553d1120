package underlay

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/fdwait"
)

// receiveBatch is how many messages one system call can bring; each may be a run
// of datagrams that the kernel has glued (UDP_GRO).
//
// CPU time for one message, received and each of its datagrams encrypted (AES-128),
// by the size of the batch (one shared core, loopback, best of 40):
//
//	messages in the queue                1      4      8     16     32     64
//	1024 of 100 bytes, ns             2140    816    616    482    412    382
//	1024 of 1400 bytes, ns            2542   1175    967    806    708    656
//	4 runs of 44 x 1400 bytes, µs     20.0   18.5   18.3   18.1   18.1   18.2
//	48 runs of 44 x 1400 bytes, µs    22.6   20.8   19.8   19.8   20.2   20.1
//
// So many buffers are best for small ones, and no worse than few for long runs.
const receiveBatch = 64

// slotLen is how far the messages' buffers are from each other. Were it a multiple
// of 4096, the first bytes of all would compete for a few lines of the cache.
const slotLen = 64<<10 + 192

// A Receiver reads one socket. It is for one goroutine.
type Receiver struct {
	socket   *socket
	call     *call
	headers  [receiveBatch]mmsghdr
	iovecs   [receiveBatch]unix.Iovec
	names    [receiveBatch]sockaddr
	controls [receiveBatch][controlLen]byte
	buffer   []byte // a slot for each message; pages that nothing comes to cost nothing
	messages [receiveBatch]Message
	// used is how many headers the kernel has written to.
	used int
	// first says that its goroutine has a thread that goes first.
	first bool
}

func newReceiver(s *socket) *Receiver {
	r := &Receiver{socket: s, call: newCall("recvmmsg", recvmmsg), buffer: make([]byte, receiveBatch*slotLen), used: receiveBatch}
	for i := range r.headers {
		h, v := &r.headers[i], &r.iovecs[i]
		v.Base = &r.slot(i)[Headroom]
		v.SetLen(MaxDatagram)
		h.Iov = v
		h.SetIovlen(1)
		h.Name = r.names[i].bytes()
		h.Control = &r.controls[i][0]
	}
	return r
}

// slot returns the space of message i.
func (r *Receiver) slot(i int) []byte {
	from := i * slotLen
	return r.buffer[from : from+Headroom+MaxDatagram]
}

// receiverNice is the priority of threads that receive. On busy processors an answer that
// nobody has the time to read looks like one that was never sent; of those who wait for
// the processor, whoever reads it goes first.
const receiverNice = -5

// goFirst gives the calling goroutine a thread of its own, for ever, with more priority than
// others, where that is permitted.
func goFirst() {
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, receiverNice) // of the thread
}

// Receive waits for at least one datagram and returns what has come, in runs as the
// kernel has glued them. The messages and their bytes are the Receiver's, and
// valid until the next call. It returns net.ErrClosed after Close. The calling goroutine is
// bound to a thread, which ends with it.
func (r *Receiver) Receive() ([]Message, error) {
	for {
		msgs, err := r.receive(r.call.read)
		if err != nil || len(msgs) > 0 {
			return msgs, err
		}
	}
}

// TryReceive is Receive, but does not wait: it returns none if there are none.
func (r *Receiver) TryReceive() ([]Message, error) {
	msgs, err := r.receive(r.call.tryRead)
	if errors.Is(err, unix.EAGAIN) {
		return nil, nil
	}
	return msgs, err
}

// File is what to wait for before TryReceive.
func (r *Receiver) File() *fdwait.File { return r.socket.file }

// receive receives once. Of what the kernel has brought, nothing may be ours.
func (r *Receiver) receive(read func(*fdwait.File, []mmsghdr) (int, error)) ([]Message, error) {
	if !r.first {
		goFirst()
		r.first = true
	}
	n, err := r.read(read)
	if err != nil {
		return nil, err
	}
	count := 0
	for i := range n {
		if r.headers[i].n == 0 {
			continue // nothing of ours is empty
		}
		r.take(i, &r.messages[count])
		count++
	}
	return r.messages[:count], nil
}

// take makes m of what the kernel has put in slot i.
func (r *Receiver) take(i int, m *Message) {
	h := &r.headers[i]
	full := r.slot(i)[:Headroom+int(h.n)]
	*m = Message{Full: full, Buf: full[Headroom:], Remote: r.names[i].get()}
	parseControl(r.controls[i][:h.Controllen], m)
	if m.Segment >= len(m.Buf) {
		m.Segment = 0
	}
}

// read fills slots from the socket and returns how many.
func (r *Receiver) read(read func(*fdwait.File, []mmsghdr) (int, error)) (int, error) {
	for {
		r.reset()
		n, err := read(r.socket.file, r.headers[:])
		switch {
		case err == nil:
			r.used = n
			return n, nil
		case r.socket.hears.Load() && isICMP(err):
			// It is of what was sent, and in the error queue; the kernel tells it once.
		default:
			return 0, err
		}
	}
}

// reset tells the kernel anew how much room there is, where it has said what it
// used.
func (r *Receiver) reset() {
	for i := range r.used {
		h := &r.headers[i]
		h.Namelen = sockaddrLen
		h.SetControllen(controlLen)
	}
	r.used = 0
}
