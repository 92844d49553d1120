package tun

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A file is the kernel's side of a device. It waits by the runtime's poller; nothing
// else of this package knows how.
type file struct {
	os     *os.File
	raw    syscall.RawConn
	closed atomic.Bool
}

// newFile takes fd over, which does not block.
func newFile(fd int) (*file, error) {
	f := &file{os: os.NewFile(uintptr(fd), cloneDevice)}
	var err error
	if f.raw, err = f.os.SyscallConn(); err != nil {
		f.os.Close()
		return nil, err
	}
	return f, nil
}

// read calls do until it reports that it is done, and in between waits until there is
// something to read.
func (f *file) read(do func(fd uintptr) bool) error {
	err := f.raw.Read(do)
	if err == nil {
		return nil
	}
	if f.closed.Load() {
		return os.ErrClosed
	}
	// The poller gives up on an interface that was removed; the read tells why.
	var done bool
	if e := f.raw.Control(func(fd uintptr) { done = do(fd) }); e != nil || !done {
		return errors.Join(err, e)
	}
	return nil
}

// write calls do once. It does not wait: a host that has no room for a packet drops it.
func (f *file) write(do func(fd uintptr) bool) error {
	err := f.raw.Write(do)
	if err != nil && f.closed.Load() {
		return os.ErrClosed
	}
	return err
}

// close ends read. It may be called again.
func (f *file) close() error {
	if f.closed.Swap(true) {
		return nil
	}
	return f.os.Close()
}

// A vector is a header and a packet to be read or written at once. It does not
// allocate when it is used again.
type vector struct {
	header [vnetLen]byte
	iov    [2]unix.Iovec
}

// transfer performs readv or writev with the header and pkt, which is not empty.
func (v *vector) transfer(call, fd uintptr, pkt []byte) (int, syscall.Errno) {
	v.iov[0].Base = &v.header[0]
	v.iov[0].SetLen(vnetLen)
	v.iov[1].Base = &pkt[0]
	v.iov[1].SetLen(len(pkt))
	for {
		n, _, errno := unix.Syscall(call, fd, uintptr(unsafe.Pointer(&v.iov[0])), uintptr(len(v.iov)))
		if errno != unix.EINTR {
			v.iov[1].Base = nil // keeps nothing alive
			return int(n), errno
		}
	}
}
