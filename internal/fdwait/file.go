package fdwait

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A File is a descriptor that is waited for by poll(2). Any number of goroutines may
// use it at the same time.
type File struct {
	fd int
	// bell is an eventfd that is readable from Close on.
	bell   int
	closed atomic.Bool
	// use is held for reading while the descriptors are in use.
	use sync.RWMutex
	// reads says that somebody has waited to read, for whom there is room.
	reads atomic.Bool
}

// New takes over fd, which must not block, and closes it if it fails.
func New(fd int) (*File, error) {
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(fd))
	}
	return &File{fd: fd, bell: bell}, nil
}

// Control calls do once. It returns os.ErrClosed after Close, and no other error.
func (f *File) Control(do func(fd uintptr)) error {
	f.use.RLock()
	defer f.use.RUnlock()
	if f.closed.Load() {
		return os.ErrClosed
	}
	do(uintptr(f.fd))
	return nil
}

// Read calls do until it reports that it is done, and in between waits until there
// is something to read, or an error. It returns os.ErrClosed after Close, and no other
// error.
func (f *File) Read(do func(fd uintptr) (done bool)) error { return f.until(unix.POLLIN, -1, do) }

// Try calls do once. It returns os.ErrClosed after Close, and no other error.
func (f *File) Try(do func(fd uintptr) (done bool)) error {
	return f.Control(func(fd uintptr) { do(fd) })
}

// Write is like Read, and waits until there is room to write, each time for at most that
// long: then it calls do once more, and that was the last time.
func (f *File) Write(most time.Duration, do func(fd uintptr) (done bool)) error {
	return f.until(unix.POLLOUT, int(most.Milliseconds()), do)
}

func (f *File) until(events int16, timeout int, do func(fd uintptr) bool) error {
	f.use.RLock()
	defer f.use.RUnlock()
	for !f.closed.Load() {
		if do(uintptr(f.fd)) {
			return nil
		}
		if events == unix.POLLIN && !f.reads.Swap(true) {
			MakeRoom(1)
		}
		ready := [...]unix.PollFd{{Fd: int32(f.fd), Events: events}, {Fd: int32(f.bell), Events: unix.POLLIN}}
		switch n, err := unix.Poll(ready[:], timeout); {
		case err != nil && err != unix.EINTR:
			panic("fdwait: poll: " + err.Error()) // ENOMEM
		case err == nil && n == 0:
			do(uintptr(f.fd))
			return nil
		}
	}
	return os.ErrClosed
}

// Close ends all waiting, and the descriptor when nobody uses it any more. It may be
// called again.
func (f *File) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	_, err := unix.Write(f.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	f.use.Lock()
	defer f.use.Unlock()
	if f.reads.Swap(false) {
		MakeRoom(-1)
	}
	return errors.Join(os.NewSyscallError("write", err), os.NewSyscallError("close", unix.Close(f.fd)), unix.Close(f.bell))
}
