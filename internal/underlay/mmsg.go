package underlay

import (
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/fdwait"
)

// An mmsghdr is one message of sendmmsg(2) and recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	n uint32 // bytes that were sent or received
}

// A call is a sendmmsg or recvmmsg on whatever socket, for one goroutine. Its
// callbacks are made once so that no call allocates.
type call struct {
	// system is the system call, which does not wait.
	system func(fd uintptr, hs []mmsghdr) (int, unix.Errno)
	name   string

	headers []mmsghdr
	n       int
	errno   unix.Errno
	once    func(fd uintptr)
	until   func(fd uintptr) (done bool)
}

func newCall(name string, system func(fd uintptr, hs []mmsghdr) (int, unix.Errno)) *call {
	c := &call{name: name, system: system}
	c.once = func(fd uintptr) { c.n, c.errno = c.system(fd, c.headers) }
	c.until = func(fd uintptr) bool {
		c.once(fd)
		return c.errno != unix.EAGAIN
	}
	return c
}

// read waits until there is something to receive, and returns how many of hs
// are filled.
func (c *call) read(f *fdwait.File, hs []mmsghdr) (int, error) {
	c.headers = hs
	return c.result(f.Read(c.until))
}

// tryRead is read, but does not wait: the error is EAGAIN if there is nothing.
func (c *call) tryRead(f *fdwait.File, hs []mmsghdr) (int, error) {
	c.headers = hs
	return c.result(f.Control(c.once))
}

// writeWait is how long there is no room, at most, before a datagram is dropped: an
// interface that has stopped must not stop who is to move away from it.
const writeWait = 10 * time.Millisecond

// write returns how many of hs the socket took. If it takes none, write may wait for a while.
// If it need not, it is in no other writer's way.
func (c *call) write(f *fdwait.File, hs []mmsghdr, wait bool) (int, error) {
	c.headers = hs
	err := f.Control(c.once)
	if wait && err == nil && c.errno == unix.EAGAIN {
		err = f.Write(writeWait, c.until)
	}
	return c.result(err)
}

func (c *call) result(err error) (int, error) {
	if err != nil {
		return 0, net.ErrClosed // nothing else ends it
	}
	if c.errno != 0 {
		return 0, os.NewSyscallError(c.name, c.errno)
	}
	return c.n, nil
}

func sendmmsg(fd uintptr, hs []mmsghdr) (int, unix.Errno) {
	return mmsg(unix.SYS_SENDMMSG, fd, hs)
}

func recvmmsg(fd uintptr, hs []mmsghdr) (int, unix.Errno) {
	return mmsg(unix.SYS_RECVMMSG, fd, hs)
}

// mmsg does not wait, so the runtime need not know of it.
func mmsg(trap, fd uintptr, hs []mmsghdr) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(hs))), uintptr(len(hs)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}
