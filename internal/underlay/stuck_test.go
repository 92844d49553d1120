package underlay

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/fdwait"
)

// TestStuckSocketIsWaitedForOnce: a socket that has no room holds up who sends once, until it
// has taken something, in however many runs the datagrams come.
func TestStuckSocketIsWaitedForOnce(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	file, err := fdwait.New(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s, by := new(Conn).NewSender(), &socket{file: file}
	buf := make([]byte, 1000)
	v := iovec(buf)
	send := func() error {
		h := make([]mmsghdr, 1)
		h[0].Iov = &v
		h[0].SetIovlen(1)
		_, err := s.write(by, h)
		return err
	}
	for err == nil {
		err = send()
	}
	if !errors.Is(err, unix.EAGAIN) || !by.stuck.Load() {
		t.Fatalf("%v, stuck %v", err, by.stuck.Load())
	}
	const times = 200
	began := time.Now()
	for range times {
		if err := send(); !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
	}
	if d := time.Since(began); d > times*writeWait/2 {
		t.Errorf("%d datagrams for a stuck socket hold up who sends for %v", times, d)
	}
	if _, err := unix.Read(fds[1], buf); err != nil {
		t.Fatal(err)
	}
	if err := send(); err != nil || by.stuck.Load() {
		t.Errorf("with room again: %v, stuck %v", err, by.stuck.Load())
	}
}
