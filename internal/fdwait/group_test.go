package fdwait_test

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/fdwait"
)

func say(t *testing.T, f *fdwait.File) {
	t.Helper()
	if err := f.Control(func(fd uintptr) { unix.Write(int(fd), []byte("x")) }); err != nil {
		t.Fatal(err)
	}
}

// TestGroup waits for two pipes, of which one and then both say something.
func TestGroup(t *testing.T) {
	in0, out0 := pipe(t)
	in1, out1 := pipe(t)
	g := fdwait.NewGroup(in0, in1)
	wait := func(want0, want1 bool) {
		t.Helper()
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if g.Ready(0) != want0 || g.Ready(1) != want1 {
			t.Errorf("ready: %v and %v, want %v and %v", g.Ready(0), g.Ready(1), want0, want1)
		}
	}
	waited := make(chan struct{})
	go func() {
		<-waited
		unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil) // so that Wait most likely waits
		out1.Control(func(fd uintptr) { unix.Write(int(fd), []byte("x")) })
	}()
	close(waited)
	wait(false, true)
	wait(false, true) // it was not read
	say(t, out0)
	wait(true, true)
	var buf [1]byte
	tries := 0
	for range 2 {
		in1.Try(func(fd uintptr) bool { unix.Read(int(fd), buf[:]); tries++; return false })
	}
	if tries != 2 {
		t.Errorf("tried %d times, want once a call", tries)
	}
	wait(true, false)
	if n := testing.AllocsPerRun(100, func() { _ = g.Wait() }); n != 0 {
		t.Errorf("%v allocations to wait, want none", n)
	}
}

// Close of any of the files ends waiting, and gives its room back.
func TestCloseEndsGroup(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	for i := range 2 {
		in0, _ := pipe(t)
		in1, _ := pipe(t)
		g, ended := fdwait.NewGroup(in0, in1), make(chan error)
		go func() { ended <- g.Wait() }()
		[]*fdwait.File{in0, in1}[i].Close()
		for range 2 { // again, and it is closed already
			if err := <-ended; !errors.Is(err, os.ErrClosed) {
				t.Errorf("Wait: %v, want os.ErrClosed", err)
			}
			go func() { ended <- g.Wait() }()
		}
		<-ended
		in0.Close()
		in1.Close()
		if got := runtime.GOMAXPROCS(0); got != before {
			t.Errorf("GOMAXPROCS is %d after Close, was %d", got, before)
		}
	}
}
