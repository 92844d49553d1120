package alarms

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// base is the instant that virtual time counts from.
var base = time.Unix(1_800_000_000, 0)

// A world is two ends, the links between them and virtual time. It has no goroutines
// and no clock: whoever calls run moves it.
type world struct {
	setting Setting
	random  *rand.Rand
	now     time.Duration
	a, b    *end
	queue   queue
	// links are by direction (from A, from B), uplink of the sender and of the receiver.
	links [2][uplinks][uplinks]link
	// app is when A's application acts next, zero for never.
	app time.Duration

	// switches counts changes of a primary that was there, those that left none as well;
	// joined those of them to which a Poll of the other end led.
	switches, joined uint64
	// watch, if not nil, is told what happens.
	watch func(*end, shim.Event)
}

// newWorld returns a world where nothing has happened yet.
func newWorld(s Setting, seed, stream uint64) *world {
	w := &world{setting: s, random: rand.New(rand.NewPCG(seed, stream)), now: time.Second}
	w.a, w.b = newEnd(w, "a", "b", s.Timers), newEnd(w, "b", "a", s.Timers)
	w.a.peer, w.b.peer = w.b, w.a
	w.a.port, w.b.port = portA, portB
	for _, e := range []*end{w.a, w.b} {
		e.tcp = s.Traffic.tcp(s.RTT)
		e.busy = busy{on: s.Busy, random: w.fork()}
	}
	for d := range w.links {
		for i := range uplinks {
			for j := range uplinks {
				w.links[d][i][j] = link{
					random: w.fork(), delay: s.RTT / 2, jitter: s.Jitter, shape: s.Shape, loss: s.Loss, bursts: s.Bursts,
				}
				if d == 0 && s.Traffic == Bulk {
					w.links[d][i][j].service = bulkService
				}
			}
		}
	}
	w.app = w.now + time.Duration(w.random.Int64N(int64(messageEvery)))
	w.a.start()
	w.b.start()
	return w
}

func (w *world) fork() *rand.Rand { return rand.New(rand.NewPCG(w.random.Uint64(), w.random.Uint64())) }

func (w *world) bytes() (b [32]byte) {
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], w.random.Uint64())
	}
	return b
}

func (w *world) time() time.Time { return base.Add(w.now) }

func (w *world) link(from *end, local, remote int) *link {
	d := 0
	if from == w.b {
		d = 1
	}
	return &w.links[d][local][remote]
}

// note takes in what a Context tells.
func (w *world) note(e *end, ev shim.Event) {
	switch ev.Kind {
	case shim.EventState:
		e.state = ev.To
	case shim.EventSwitch:
		e.primary = ev.Pair
		if !ev.Old.IsValid() {
			break
		}
		w.switches++
		if strings.HasPrefix(ev.Cause, detect.PeerPoll.String()) {
			w.joined++
		}
	}
	if w.watch != nil {
		w.watch(e, ev)
	}
}

// settled reports whether both ends have a primary that is known to work.
func (w *world) settled() bool {
	return w.a.state == detect.PrimaryOperational && w.b.state == detect.PrimaryOperational
}

// block breaks or heals an uplink of A, both ways.
func (w *world) block(uplink int, broken bool) {
	for i := range uplinks {
		w.links[0][uplink][i].blocked = broken
		w.links[1][i][uplink].blocked = broken
	}
}

// over reports whether p, seen from e, uses that uplink of A.
func (w *world) over(e *end, p locator.Pair, uplink int) bool {
	if !p.IsValid() {
		return false
	}
	if e == w.a {
		return uplinkOf(p.Local) == uplink
	}
	return uplinkOf(p.Remote.Addr()) == uplink
}

// run lets time pass until limit.
func (w *world) run(limit time.Duration) {
	for w.step(limit) {
	}
	w.now = limit
}

// until is run, but stops as soon as ok holds, and reports whether it does.
func (w *world) until(limit time.Duration, ok func() bool) bool {
	for !ok() {
		if !w.step(limit) {
			w.now = limit
			return ok()
		}
	}
	return true
}

// What happens at one instant, in this order: what has arrived is read before silence
// is judged.
const (
	nothing = iota
	arrives
	acts
	tcpOfA
	tcpOfB
	contextOfA
	contextOfB
)

// step does what is due next, if that is until limit. It reports false if not.
func (w *world) step(limit time.Duration) bool {
	what, at := nothing, limit+1
	see := func(kind int, t time.Duration) {
		if t != 0 && t < at {
			what, at = kind, t
		}
	}
	if t, ok := w.queue.next(); ok {
		see(arrives, t)
	}
	see(acts, w.app)
	see(tcpOfA, w.a.tcp.deadline())
	see(tcpOfB, w.b.tcp.deadline())
	see(contextOfA, w.a.deadline)
	see(contextOfB, w.b.deadline)
	if what == nothing {
		return false
	}
	w.now = max(w.now, at)
	w.do(what)
	return true
}

// do does what is due, or puts it off until the end's processor is free.
func (w *world) do(what int) {
	switch what {
	case arrives:
		f := w.queue.pop()
		if free := f.to.busy.free(w.now); free > w.now {
			f.at = free
			w.queue.push(f)
			return
		}
		f.to.receive(f)
		w.queue.release(f)
		f.to.flush()
	case acts:
		if w.app = w.a.busy.free(w.now); w.app == w.now {
			w.act()
		}
	case tcpOfA:
		w.a.tcp.timeout(w.now)
		w.a.flush()
	case tcpOfB:
		w.b.tcp.timeout(w.now)
		w.b.flush()
	case contextOfA:
		w.a.wake()
	case contextOfB:
		w.b.wake()
	}
}

// wake has the Context look at the time, if the processor is free.
func (e *end) wake() {
	if free := e.busy.free(e.world.now); free > e.world.now {
		e.deadline = free
		return
	}
	e.timeout()
}
