package underlay

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// inSpace calls f on a thread in the network namespace space, and returns its
// error. It needs privilege only if the program runs in several namespaces.
func inSpace(space netns.NsHandle, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err, home := visit(space, f)
		if home {
			runtime.UnlockOSThread()
		} // Else the thread ends with this goroutine, and no other gets lost in it.
		done <- err
	}()
	return <-done
}

// visit calls f with the locked calling thread in space, and reports whether the
// thread is back where it was.
func visit(space netns.NsHandle, f func() error) (err error, home bool) {
	before, err := netns.Get()
	if err != nil {
		return fmt.Errorf("underlay: cannot tell the network namespace: %w", err), true
	}
	defer before.Close()
	if before.Equal(space) {
		return f(), true
	}
	if err := netns.Set(space); err != nil {
		return fmt.Errorf("underlay: cannot enter the network namespace: %w", err), true
	}
	err = f()
	return err, netns.Set(before) == nil
}
