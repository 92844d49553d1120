// Package fdwait waits for descriptors that packets come by, in the thread that asks.
//
// Go's own poller (epoll, edge-triggered) is told of every arrival, whether or not
// anybody waits, and wakes a thread for it that finds a goroutine for another thread to
// run. A packet path reads until there is nothing left and seldom waits; when it does,
// the thread that is woken had better be the one that goes on. So it calls poll(2), and
// Go's poller knows nothing of its descriptors. See docs/decisions/0012-own-waiting.md.
package fdwait
