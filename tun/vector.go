package tun

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A vector is a header and a packet to be read or written at once. It does not
// allocate when it is used again. The descriptor does not block, so the runtime need not
// know of the call.
type vector struct {
	header [vnetLen]byte
	iov    [2]unix.Iovec
}

// transfer performs readv or writev with the header and pkt, which is not empty.
func (v *vector) transfer(call, fd uintptr, pkt []byte) (int, unix.Errno) {
	v.iov[0].Base = &v.header[0]
	v.iov[0].SetLen(vnetLen)
	v.iov[1].Base = &pkt[0]
	v.iov[1].SetLen(len(pkt))
	for {
		n, _, errno := unix.RawSyscall(call, fd, uintptr(unsafe.Pointer(&v.iov[0])), uintptr(len(v.iov)))
		if errno != unix.EINTR {
			v.iov[1].Base = nil // keeps nothing alive
			return int(n), errno
		}
	}
}
