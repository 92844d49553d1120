package fdwait

import (
	"os"
	"runtime"
	"sync"
)

var room sync.Mutex // held while GOMAXPROCS is changed

// MakeRoom lets that many more threads run Go at a time, or fewer if it is negative, on
// behalf of threads that wait in system calls: one that waits keeps its place for a while,
// and where there is none left, what is due waits for the runtime to take one away, for up
// to 10 ms. Who sets GOMAXPROCS in the environment has the last word.
func MakeRoom(threads int) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	room.Lock()
	defer room.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + threads)
}
