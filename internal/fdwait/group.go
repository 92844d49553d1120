package fdwait

import (
	"os"

	"golang.org/x/sys/unix"
)

// A Group waits for several Files at a time. It is for one goroutine.
type Group struct {
	files []*File
	// polls are two for each: the descriptor, and the word that it closes.
	polls []unix.PollFd
}

// NewGroup returns a Group of files, at least one.
func NewGroup(files ...*File) *Group {
	g := &Group{files: files}
	for _, f := range files {
		g.polls = append(g.polls, unix.PollFd{Fd: int32(f.fd), Events: unix.POLLIN}, unix.PollFd{Fd: int32(f.bell), Events: unix.POLLIN})
	}
	return g
}

// Wait waits until there is something to read from one of the files, or an error, and
// returns os.ErrClosed once one is closed. Ready tells of which.
func (g *Group) Wait() error {
	for i, f := range g.files {
		f.use.RLock()
		if f.closed.Load() {
			g.release(i + 1)
			return os.ErrClosed
		}
	}
	defer g.release(len(g.files))
	if first := g.files[0]; !first.reads.Swap(true) {
		MakeRoom(1) // for the one goroutine
	}
	for {
		switch _, err := unix.Poll(g.polls, -1); {
		case err == unix.EINTR:
			continue
		case err != nil:
			panic("fdwait: poll: " + err.Error()) // ENOMEM
		}
		for i := range g.files {
			if g.polls[2*i+1].Revents != 0 {
				return os.ErrClosed
			}
		}
		return nil
	}
}

// release lets go of the first n files.
func (g *Group) release(n int) {
	for _, f := range g.files[:n] {
		f.use.RUnlock()
	}
}

// Ready reports whether the last Wait found something to read from the i-th file.
func (g *Group) Ready(i int) bool { return g.polls[2*i].Revents != 0 }
