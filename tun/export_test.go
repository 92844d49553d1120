package tun

import (
	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/fdwait"
)

// Wishes is how many sets of offloads Open asks the kernel for, one after another.
var Wishes = len(wishes)

// OpenLike is Open on a kernel that refuses the first of them.
func OpenLike(c Config, refused int) (*Kernel, error) { return open(c, wishes[refused:]) }

// SuperPacket is what bounds super-packets.
var SuperPacket = superPacket

// A Reader is the part of a Kernel that reads.
type Reader struct{ reader }

// Read is Kernel.Read, and what comes from the kernel, once, is pkt with that
// virtio-net header; nil for nothing. It returns how many packets there are, and how many
// were malformed.
func (r *Reader) Read(header [vnetLen]byte, pkt, buf []byte, pkts []inner.Packet, headroom, tailroom int) (n int, malformed uint64, err error) {
	if err = r.begin(buf, pkts, headroom, tailroom); err != nil {
		return 0, 0, err
	}
	if pkt != nil {
		r.header = header
		r.take(r.space()[:copy(r.space(), pkt)])
	}
	return r.n, r.malformed.Load(), nil
}

// Goes returns the virtio-net header that p is written with.
func Goes(p inner.Packet) (header [vnetLen]byte) {
	var h vnetHeader
	h.describe(&p)
	h.put(&header)
	return header
}

// NewOn returns a Kernel that reads from f, which is no device.
func NewOn(f *fdwait.File) *Kernel {
	k := &Kernel{file: f}
	k.reader.drain = k.reader.drainQueue
	return k
}
