package lab

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs fn on an operating system thread that runs nothing else before
// fn's end and ends with it, so that fn may change the thread's namespace,
// priority or timer slack for good. It returns at once.
func onThread(fn func()) {
	go func() {
		// A goroutine that ends while locked takes its thread with it.
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			fn()
			return
		}
		// The main thread cannot end before the process does, so it would keep a
		// namespace alive. While it is held here, the next goroutine gets another.
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			fn()
		}()
		<-locked
		runtime.UnlockOSThread()
	}()
}
