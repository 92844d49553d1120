package tun

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/fdwait"
)

// A reader is the part of a Kernel that belongs to the goroutine that reads.
type reader struct {
	placer
	vector
	err error
	// drain is drainQueue; made once, as a method value allocates.
	drain func(fd uintptr) bool
	// odd is what does not come as a super-packet, often empty. It may go on in the
	// next Read.
	odd odd

	malformed atomic.Uint64
}

// Read implements Device. What the kernel describes in a way that makes no sense is
// dropped and counted, see Malformed. If the interface is removed, Read returns EBADFD.
func (k *Kernel) Read(buf []byte, pkts []inner.Packet, headroom, tailroom int) (int, error) {
	return k.read(k.file.Read, buf, pkts, headroom, tailroom)
}

// TryRead is Read, but does not wait: it returns 0 if there is nothing.
func (k *Kernel) TryRead(buf []byte, pkts []inner.Packet, headroom, tailroom int) (int, error) {
	return k.read(k.file.Try, buf, pkts, headroom, tailroom)
}

// Pending reports whether TryRead has something that the kernel knows nothing of any more.
// It is for who reads.
func (k *Kernel) Pending() bool { return k.reader.odd.more() }

// File is what to wait for before TryRead, unless something is Pending.
func (k *Kernel) File() *fdwait.File { return k.file }

func (k *Kernel) read(drain func(func(uintptr) bool) error, buf []byte, pkts []inner.Packet, headroom, tailroom int) (int, error) {
	r := &k.reader
	err := r.begin(buf, pkts, headroom, tailroom)
	if err == nil && r.n == 0 {
		err = drain(r.drain)
	}
	n := r.n
	r.placer = placer{} // keeps nothing alive
	if n > 0 {
		return n, nil // an error will come again
	}
	return 0, errors.Join(err, r.err)
}

// Malformed returns how many packets were dropped because their virtio-net header
// did not fit them.
func (k *Kernel) Malformed() uint64 { return k.reader.malformed.Load() }

// begin starts a Read, with what the last one had no room for.
func (r *reader) begin(buf []byte, pkts []inner.Packet, headroom, tailroom int) (err error) {
	if r.placer, err = placing(buf, pkts, headroom, tailroom); err != nil {
		return err
	}
	r.err = nil
	r.cutOdd()
	return nil
}

// drainQueue reads until there is nothing more, or no room. It reports whether Read is
// done.
func (r *reader) drainQueue(fd uintptr) bool {
	for r.room() {
		space := r.space()
		n, errno := r.transfer(unix.SYS_READV, fd, space)
		switch errno {
		case 0:
			r.take(space[:max(0, n-vnetLen)])
		case unix.EAGAIN:
			return r.n > 0
		case unix.EINVAL:
			r.malformed.Add(1) // the kernel could not describe the packet, and dropped it
		default:
			r.err = errno
			return true
		}
	}
	return true
}

// take adds pkt, which was read with the header.
func (r *reader) take(pkt []byte) {
	if len(pkt) == 0 {
		r.malformed.Add(1)
		return
	}
	var h vnetHeader
	h.parse(&r.header)
	p, err := h.packet(pkt)
	switch {
	case err == nil:
		r.add(p)
	case err == errOdd && r.odd.begin(&h, pkt) == nil:
		r.cutOdd()
	default:
		r.malformed.Add(1)
	}
}

// cutOdd adds what is left of an odd super-packet, as far as there is room.
func (r *reader) cutOdd() {
	for r.odd.more() && r.room() {
		space := r.space()
		n, err := r.odd.put(space)
		if err != nil {
			r.malformed.Add(1)
			continue
		}
		r.add(inner.Packet{Buf: space[:n]})
	}
}
