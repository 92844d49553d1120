package underlay

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// offload turns UDP_GRO on, and UDP_SEGMENT where the kernel has it.
func (s *socket) offload() {
	_ = s.control(func(fd int) {
		s.glue = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
		_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		s.segment.Store(err == nil)
	})
}

// cannotSegment reports whether err says that the device does not do UDP_SEGMENT
// (EIO: no checksum offload), and remembers it.
func (s *socket) cannotSegment(err error) bool {
	if !errors.Is(err, unix.EIO) {
		return false
	}
	s.segment.Store(false)
	return true
}

// OffloadNews rings when Offloads may have changed.
func (c *Conn) OffloadNews() <-chan struct{} { return c.news }

func (c *Conn) ring() {
	select {
	case c.news <- struct{}{}:
	default: // it has not been heard yet, and will tell of this too
	}
}

// Offloads names what is done for a whole run of datagrams at once, and what is not: "gso"
// (sending, UDP_SEGMENT) and "gro" (receiving, UDP_GRO). What only some sockets lack is
// in both, and named as missing with their family or interface: "gso (IPv4)",
// "gso (eth0)".
func (c *Conn) Offloads() (used, missing []string) {
	gso, gro := offloadTally{name: "gso"}, offloadTally{name: "gro"}
	for _, s := range []*socket{c.v6, c.v4} {
		if s != nil {
			gso.count(s.out.what(), s.out.segment.Load())
			gro.count(s.what(), s.glue)
			for _, e := range *s.exits.open.Load() {
				if e.socket != s {
					gso.count(e.socket.what(), e.socket.segment.Load())
				}
			}
		}
	}
	return gro.add(gso.add(nil, nil))
}

// what names s by its interface or, if that may be any, by its family.
func (s *socket) what() (name string) {
	if s.device != 0 {
		_ = s.control(func(fd int) { name, _ = unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE) })
		return name
	}
	if s.is6 {
		return "IPv6"
	}
	return "IPv4"
}

// An offloadTally says which sockets have an offload.
type offloadTally struct {
	name    string
	some    bool
	without []string
}

func (t *offloadTally) count(what string, has bool) {
	if has {
		t.some = true
	} else {
		t.without = append(t.without, what)
	}
}

// add adds the offload to those that are used or missing.
func (t *offloadTally) add(used, missing []string) (u, m []string) {
	if !t.some {
		return used, append(missing, t.name)
	}
	slices.Sort(t.without)
	for _, w := range t.without {
		missing = append(missing, t.name+" ("+w+")")
	}
	return append(used, t.name), missing
}
