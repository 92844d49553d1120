package node_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/testkit"
)

var (
	saturated = flag.Duration("saturated", 8*time.Second, "how long TestSaturated keeps all processors busy; it fails for a switch from a minute on")
	burners   = flag.Int("burners", runtime.NumCPU(), "how many processes TestSaturated starts for that; 0 if they are busy anyway")
)

// TestSaturated has connections on bad paths while all processors are busy with
// something else: no reason to leave the primary pair. A switch is only told of in a run of
// seconds, which is one among other tests, slowed down by the race detector: what that does to
// a machine is no measure.
func TestSaturated(t *testing.T) {
	testkit.NeedRoot(t)
	burn(t, *saturated+time.Minute)
	for _, c := range []struct {
		name string
		path lab.Config
	}{
		{"10 ms jitter, 0.5 % loss", lab.Config{RTT: 20 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.005}},
		{"5 % loss", lab.Config{RTT: 20 * time.Millisecond, Loss: 0.05}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startNodes(t, c.path, detect.Balanced)
			bulk := startStream(t, p)
			pings := startPings(t, p)
			eventually(t, patience, "traffic", func() bool { return bulk.received.Load() > 64<<10 })
			beforeA, beforeB := counters(p.a), counters(p.b)
			still := newStandstills(p.lab)
			// What must not happen has so long to happen.
			for end := time.Now().Add(*saturated); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				stood := still.lately()
				beforeA = explainSwitches(t, p.a, beforeA, stood)
				beforeB = explainSwitches(t, p.b, beforeB, stood)
			}
			a, b := counters(p.a), counters(p.b)
			bulk.stop()
			pings.stop()
			for _, err := range []error{<-bulk.err, <-bulk.err, <-pings.err} {
				if err != nil {
					t.Error(err)
				}
			}
			t.Logf("%v: %d MB and %d pings; alarms, all false: %d at A, %d at B; late wake-ups %d and %d; no path stood still for longer than %v",
				*saturated, bulk.received.Load()>>20, pings.count, a.FalseAlarms, b.FalseAlarms, a.LateWakes, b.LateWakes, still.most)
		})
	}
}

// tolerated is for how long a path may stand still without a switch: more than the tests of
// the primary pair take on it.
const tolerated = 150 * time.Millisecond

// standstills are for how long the emulated paths stood still in each of the last looks: the
// machine may leave one of their threads without a processor, and the path is dead meanwhile.
type standstills struct {
	links []*lab.Link
	looks [10]time.Duration
	next  int
	most  time.Duration
}

func newStandstills(l *lab.Lab) *standstills {
	s := &standstills{links: l.Uplinks[:]}
	s.lately()
	s.looks, s.most = [10]time.Duration{}, 0
	return s
}

// lately looks, and returns the longest of the last looks.
func (s *standstills) lately() time.Duration {
	s.looks[s.next] = 0
	for _, l := range s.links {
		s.looks[s.next] = max(s.looks[s.next], l.Stood())
	}
	s.most = max(s.most, s.looks[s.next])
	s.next = (s.next + 1) % len(s.looks)
	return slices.Max(s.looks[:])
}

// explainSwitches complains if n has switched since its counters were as before, and shows
// why, unless a path stood still for so long that it was no false one. It returns the counters
// now.
func explainSwitches(t *testing.T, n *node.Node, before node.Counters, stood time.Duration) node.Counters {
	t.Helper()
	now := counters(n)
	if now.Switches == before.Switches {
		return now
	}
	s, _ := n.Status()
	e, err := n.Explain(s.Peers[0].Name)
	must(t, err)
	why, err := json.Marshal(e.Records)
	must(t, err)
	complain := t.Logf
	if *saturated >= time.Minute {
		complain = t.Errorf
	}
	if stood >= tolerated {
		complain = t.Logf
	}
	complain("who has peer %s has switched %d times, after %d false alarms, and a path stood still for %v: %s",
		e.Peer, now.Switches-before.Switches, now.FalseAlarms, stood, why)
	return now
}

// counters returns those of n's only peer.
func counters(n *node.Node) node.Counters {
	s, _ := n.Status()
	return s.Peers[0].Counters
}

// burn keeps all processors busy until the test ends, and no longer than limit,
// whatever becomes of the test.
func burn(t *testing.T, limit time.Duration) {
	t.Helper()
	for range *burners {
		cmd := exec.Command("timeout", strconv.Itoa(int(limit.Seconds())), "sh", "-c", "while :; do :; done")
		must(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		})
	}
}

// pings are messages that are echoed, the next one 10 ms after the last.
type pings struct {
	count int
	err   chan error
	stop  context.CancelFunc
}

func startPings(t *testing.T, p *pairOfNodes) *pings {
	t.Helper()
	l, err := p.lab.B.Listen("tcp", netip.AddrPortFrom(p.idB, 0).String())
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(c, c) // how it ended is seen at the other end
			c.Close()
		}
	}()
	ctx, stop := context.WithCancel(context.Background())
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := p.lab.A.Dial(dialing, "tcp", l.Addr().String())
	must(t, err)
	s := &pings{err: make(chan error, 1), stop: stop}
	go func() { s.err <- s.run(ctx, c) }()
	return s
}

func (s *pings) run(ctx context.Context, c net.Conn) error {
	defer c.Close()
	var msg [64]byte
	for ctx.Err() == nil {
		if err := c.SetDeadline(time.Now().Add(streamEnd)); err != nil {
			return err
		}
		if _, err := c.Write(msg[:]); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, msg[:]); err != nil {
			return err
		}
		s.count++
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}
