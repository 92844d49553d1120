package tun

import (
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/inner"
)

// A writer is the part of a Kernel that belongs to the goroutine that writes.
type writer struct {
	vector
	granted offloads
	pkts    []inner.Packet
	taken   int
	err     error // the first
	// writeAll is writePackets; made once, as a method value allocates.
	writeAll func(fd uintptr)

	split splitter
	buf   []byte // for what is cut in software
}

// Write implements Device. The error is EINVAL for what is no packet, EIO while the
// interface is down, EBADFD if it was removed, and EAGAIN if the host has no room. What the
// kernel has no offload for is done here.
func (k *Kernel) Write(pkts []inner.Packet) (int, error) {
	w := &k.writer
	w.pkts, w.taken, w.err = pkts, 0, nil
	// A host that has no room for a packet drops it: there is nothing to wait for.
	err := k.file.Control(w.writeAll)
	w.pkts = nil
	if err == nil {
		err = w.err
	}
	return w.taken, err
}

func (w *writer) writePackets(fd uintptr) {
	for i := range w.pkts {
		err := w.packet(fd, w.pkts[i])
		switch {
		case err == nil:
			w.taken++
		case w.err == nil:
			w.err = err
		}
	}
}

// packet writes p, whole if the kernel can cut it.
func (w *writer) packet(fd uintptr, p inner.Packet) error {
	if err := writable(&p); err != nil {
		return err
	}
	if p.Segment == 0 || w.granted.cut(&p) {
		return w.single(fd, p)
	}
	if err := w.split.begin(&p); err != nil {
		return err
	}
	if w.buf == nil {
		w.buf = make([]byte, MaxPacket)
	}
	var first error
	for w.split.more() {
		n := w.split.put(w.buf)
		err := w.single(fd, inner.Packet{Buf: w.buf[:n], Transport: p.Transport, Partial: true})
		if first == nil {
			first = err
		}
	}
	return first
}

// single writes p as it is.
func (w *writer) single(fd uintptr, p inner.Packet) error {
	if p.Partial && w.granted&unix.TUN_F_CSUM == 0 {
		if err := p.CompleteChecksum(); err != nil {
			return err
		}
	}
	var h vnetHeader
	h.describe(&p)
	h.put(&w.header)
	if _, errno := w.transfer(unix.SYS_WRITEV, fd, p.Buf); errno != 0 {
		return errno
	}
	return nil
}
