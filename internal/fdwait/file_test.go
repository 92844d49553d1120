package fdwait_test

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/fdwait"
)

// pipe returns the ends of a pipe, both of which end with the test.
func pipe(t *testing.T) (in, out *fdwait.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	files := [2]*fdwait.File{}
	for i, fd := range fds {
		f, err := fdwait.New(fd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files[i] = f
	}
	return files[0], files[1]
}

// readAll adds what comes by f to got until want bytes are there, or f is closed.
func readAll(f *fdwait.File, want int) (got []byte, waits int, err error) {
	buf := make([]byte, 1000)
	for len(got) < want && err == nil {
		err = f.Read(func(fd uintptr) bool {
			n, err := unix.Read(int(fd), buf)
			if err == unix.EAGAIN {
				waits++
				return false
			}
			got = append(got, buf[:max(n, 0)]...)
			return true
		})
	}
	return got, waits, err
}

// More goes through than the pipe holds, so that both sides have to wait.
func TestReadAndWrite(t *testing.T) {
	in, out := pipe(t)
	const size = 4 << 20
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	waits := 0
	var writer sync.WaitGroup
	writer.Go(func() {
		for rest := sent; len(rest) > 0; {
			err := out.Write(time.Minute, func(fd uintptr) bool {
				n, err := unix.Write(int(fd), rest)
				if err == unix.EAGAIN {
					waits++
					return false
				}
				rest = rest[max(n, 0):]
				return true
			})
			if err != nil {
				t.Errorf("Write: %v", err)
				return
			}
		}
	})
	got, _, err := readAll(in, size)
	writer.Wait()
	if err != nil || string(got) != string(sent) {
		t.Errorf("got %d bytes, %v; want the %d that were sent", len(got), err, size)
	}
	if waits == 0 {
		t.Error("the writer never had to wait for room")
	}
}

// Close ends those who wait, and nobody uses the descriptor afterwards.
func TestCloseEndsWaiting(t *testing.T) {
	in, _ := pipe(t)
	waiting, ended := make(chan struct{}, 4), make(chan error, 4)
	for range 4 {
		go func() {
			first := true
			ended <- in.Read(func(uintptr) bool {
				if first {
					waiting <- struct{}{}
					first = false
				}
				return false
			})
		}()
	}
	for range 4 {
		<-waiting
	}
	if err := in.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 4 {
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v, want os.ErrClosed", err)
		}
	}
	never := func(uintptr) { t.Error("called after Close") }
	if err := in.Control(never); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Control after Close: %v, want os.ErrClosed", err)
	}
	if err := in.Read(func(uintptr) bool { never(0); return true }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close: %v, want os.ErrClosed", err)
	}
	if err := in.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// Waiting does not allocate.
func TestReadAllocatesNothing(t *testing.T) {
	in, out := pipe(t)
	var buf [1]byte
	write := func(fd uintptr) { unix.Write(int(fd), buf[:]) }
	asked := false
	read := func(fd uintptr) bool {
		if asked = !asked; asked {
			return false // so that it waits, for what is there already
		}
		n, _ := unix.Read(int(fd), buf[:])
		return n == 1
	}
	allocs := testing.AllocsPerRun(100, func() {
		out.Control(write)
		in.Read(read)
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}
