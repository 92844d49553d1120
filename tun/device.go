package tun

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/multi6/multi6/inner"
)

// MaxPacket is the longest packet or super-packet that a Device carries, in bytes.
const MaxPacket = 65535

// A Device carries inner packets and super-packets (see package inner).
type Device interface {
	// Read waits for at least one packet, takes what else is there until pkts or
	// buf is used up, and returns how many it put in pkts. They lie in buf one after
	// another, each with headroom bytes before it and tailroom after it, so that it
	// can be rewritten and sealed where it is: the first starts at headroom, the next
	// tailroom + headroom after its end. buf has at least
	// headroom + MaxPacket + tailroom bytes. inner.Packet.Check accepts those that
	// are Partial; others are as the host sent them. Read returns os.ErrClosed after
	// Close, and is for one goroutine.
	Read(buf []byte, pkts []inner.Packet, headroom, tailroom int) (int, error)
	// Write hands packets and super-packets to the host. It returns how many were
	// taken, and the first error; the others are written all the same. The transport
	// checksum fields of Partial ones may be overwritten, and the buffers are the
	// caller's again afterwards. Write returns os.ErrClosed after Close, and is for
	// one goroutine at a time.
	Write(pkts []inner.Packet) (int, error)
	// Close removes the device and ends Read.
	Close() error
}

// plain reports whether p is a packet like any other.
func plain(p *inner.Packet) bool { return !p.Partial && p.Segment == 0 }

// writable returns an error if the host cannot be given p: EINVAL for what is no IP
// packet, as the kernel has it, EMSGSIZE for what is longer than MaxPacket.
func writable(p *inner.Packet) error {
	switch {
	case len(p.Buf) == 0 || p.Buf[0]>>4 != 4 && p.Buf[0]>>4 != 6:
		return syscall.EINVAL
	case len(p.Buf) > MaxPacket:
		return syscall.EMSGSIZE
	case plain(p):
		return nil
	}
	return p.Check()
}

// A placer lays packets out as Device.Read says.
type placer struct {
	buf                []byte
	pkts               []inner.Packet
	headroom, tailroom int

	used int // bytes of buf
	n    int // packets
}

// placing starts a Read.
func placing(buf []byte, pkts []inner.Packet, headroom, tailroom int) (placer, error) {
	p := placer{buf: buf, pkts: pkts, headroom: headroom, tailroom: tailroom}
	switch {
	case headroom < 0 || tailroom < 0:
		return p, fmt.Errorf("tun: headroom %d, tailroom %d: want none negative", headroom, tailroom)
	case len(pkts) == 0:
		return p, errors.New("tun: no packets to read into: want at least one")
	case !p.room():
		return p, fmt.Errorf("tun: buffer of %d bytes, want at least %d", len(buf), headroom+MaxPacket+tailroom)
	}
	return p, nil
}

// room reports whether there is room for another packet of any length.
func (p *placer) room() bool {
	return p.n < len(p.pkts) && len(p.buf)-p.used >= p.headroom+MaxPacket+p.tailroom
}

// space returns where the next packet belongs, with MaxPacket bytes.
func (p *placer) space() []byte { return p.buf[p.used+p.headroom:][:MaxPacket] }

// add takes pkt, whose Buf starts where space does.
func (p *placer) add(pkt inner.Packet) {
	p.pkts[p.n] = pkt
	p.n++
	p.used += p.headroom + len(pkt.Buf) + p.tailroom
}
