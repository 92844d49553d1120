package fdwait_test

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// TestRoom checks that there is room for who waits to read, once for each descriptor, and
// that it goes with the descriptor.
func TestRoom(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	in, out := pipe(t)
	done := make(chan error)
	for range 2 {
		go func() {
			_, _, err := readAll(in, 1)
			done <- err
		}()
	}
	for end := time.Now().Add(10 * time.Second); runtime.GOMAXPROCS(0) != before+room(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("GOMAXPROCS is %d where somebody waits, was %d", runtime.GOMAXPROCS(0), before)
		}
	}
	out.Close()
	in.Close()
	for range 2 {
		<-done
	}
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("GOMAXPROCS is %d after Close, was %d", got, before)
	}
}

// room is what one waiting thread is given.
func room() int {
	if os.Getenv("GOMAXPROCS") != "" {
		return 0
	}
	return 1
}
