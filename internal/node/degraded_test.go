package node_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
)

// degradation is how long it may take until a primary is found to be degraded, and
// other pairs have been tried.
const degradation = time.Minute

// TestDegradedPrimaryIsLeft has A's primary uplink lose much of what A sends, and the
// other one nothing: A moves there, and says that it is for this reason.
func TestDegradedPrimaryIsLeft(t *testing.T) {
	t.Parallel() // nearly all of it is waiting
	// Gentle, so that loss does not look like a dead path.
	p := startDegradable(t, detect.Gentle)
	startDatagrams(t, p.pairOfNodes)
	uplink, _ := p.primary(t)
	events, done := p.a.Subscribe()
	defer done()
	began := time.Now()
	p.lose(t, uplink, 0.3, 0)
	eventually(t, degradation, "move to the other uplink", func() bool { now, ok := p.primary(t); return ok && now != uplink })
	t.Logf("left after %v", time.Since(began))
	moved := nextEvent(t, events, "switch", isSwitch)
	if moved.Cause != "degraded, then test ok" {
		t.Errorf("%+v, want the loss to be the reason", moved)
	}
	r := lastRecord(t, p.a)
	if r.Cause != "degraded" || r.Outcome != "switched" || r.Evidence != "test ok" || *r.Old != *moved.Old || *r.New != *moved.Pair {
		t.Errorf("%+v, want it to explain %+v", r, moved)
	}
	p.stream.moves(t, 1<<20, patience)
}

// TestDegradedPrimaryIsLeftByBoth has A's primary uplink lose much both ways, while a
// connection alarms the nodes all the time: either end leaves it, for its own direction.
func TestDegradedPrimaryIsLeftByBoth(t *testing.T) {
	t.Parallel()
	p := startDegradable(t, detect.Balanced)
	uplink, _ := p.primary(t)
	began := time.Now()
	set := p.lab.Uplinks[uplink].Impairment(lab.AtoB)
	set.Loss = 0.3
	must(t, p.lab.Uplinks[uplink].SetBoth(set))
	eventually(t, degradation, "move of both to the other uplink", func() bool {
		s, _ := p.b.Status()
		now, ok := p.primary(t)
		if !ok || now == uplink || s.Peers[0].Primary == nil {
			return false
		}
		to, ok := p.lab.UplinkOf(netip.MustParseAddrPort(s.Peers[0].Primary.Remote).Addr())
		return ok && to != uplink
	})
	t.Logf("left after %v", time.Since(began))
	p.stream.moves(t, 1<<20, patience)
	for _, n := range []*node.Node{p.a, p.b} {
		if s, _ := n.Status(); s.Peers[0].Counters.Outages > 0 {
			t.Errorf("%d outages", s.Peers[0].Counters.Outages)
		}
	}
}

// TestDegradedPrimaryStays has both uplinks lose as much: the other pairs are tried and
// found to be no better.
func TestDegradedPrimaryStays(t *testing.T) {
	t.Parallel()
	p := startDegradable(t, detect.Gentle)
	startDatagrams(t, p.pairOfNodes)
	uplink, _ := p.primary(t)
	events, done := p.a.Subscribe()
	defer done()
	began := time.Now()
	p.lose(t, uplink, 0.3, 0.3)
	const trial = 3 // pairs
	eventually(t, degradation, "trial of other pairs", func() bool { _, others := p.losses(); return len(others) >= trial })
	wantNoSwitch(t, events)
	primary, others := p.losses()
	t.Logf("after %v: the primary loses %.2f, others %.2f", time.Since(began), primary.Loss, others)
}

// TestLittleLossIsTolerated has the primary uplink alone lose a little: no other pair is
// even tried.
func TestLittleLossIsTolerated(t *testing.T) {
	t.Parallel()
	p := startDegradable(t, detect.Gentle)
	startDatagrams(t, p.pairOfNodes)
	uplink, _ := p.primary(t)
	events, done := p.a.Subscribe()
	defer done()
	p.lose(t, uplink, 0.08, 0)
	p.awaitMeasurement(t)
	p.awaitMeasurement(t)
	wantNoSwitch(t, events)
	primary, others := p.losses()
	t.Logf("the primary loses %.3f", primary.Loss)
	if primary.Loss == 0 || len(others) > 0 {
		t.Errorf("the primary loses %v, others %v: want some, and none to be tried", primary.Loss, others)
	}
}

// A degradable is two nodes with a connection that packets are to be lost of.
type degradable struct {
	*pairOfNodes
	stream *stream
}

// startDegradable starts two nodes and a connection from A to B.
func startDegradable(t *testing.T, timers detect.Timers) *degradable {
	t.Helper()
	p := &degradable{pairOfNodes: startNodes(t, lab.Config{RTT: 10 * time.Millisecond, Rate: 20e6}, timers)}
	p.stream = startStream(t, p.pairOfNodes)
	t.Cleanup(func() {
		for _, l := range p.lab.Uplinks {
			set := l.Impairment(lab.AtoB)
			set.Loss = 0
			must(t, l.SetBoth(set))
		}
		p.stream.moves(t, 1, degradation) // TCP may have come to wait for long
		p.stream.finish(t)
	})
	p.stream.moves(t, 256<<10, patience)
	return p
}

// lose has A's uplink lose that share of what A sends, the other uplink the other.
func (p *degradable) lose(t *testing.T, uplink int, share, other float64) {
	t.Helper()
	for i, l := range p.lab.Uplinks {
		set := l.Impairment(lab.AtoB)
		set.Loss = other
		if i == uplink {
			set.Loss = share
		}
		must(t, l.Set(lab.AtoB, set))
	}
}

// losses returns A's primary pair, and what is known of others' losses.
func (p *degradable) losses() (primary node.PairStatus, others []float64) {
	s, _ := p.a.Status()
	for _, x := range s.Peers[0].Pairs {
		switch {
		case x.Primary:
			primary = x
		case x.LossMillis > 0:
			others = append(others, x.Loss)
		}
	}
	return primary, others
}

// awaitMeasurement waits until A has measured the loss of its primary pair anew.
func (p *degradable) awaitMeasurement(t *testing.T) {
	t.Helper()
	start := time.Now()
	eventually(t, degradation, "measurement of loss", func() bool {
		waited := time.Since(start)
		primary, _ := p.losses()
		return primary.LossMillis > 0 && primary.LossMillis < float64(waited.Milliseconds())
	})
}

// startDatagrams has A send a datagram to B's identifier every few milliseconds until
// the test ends. TCP slows down where packets are lost, and would leave too few to
// measure that by.
func startDatagrams(t *testing.T, p *pairOfNodes) {
	t.Helper()
	sink, err := p.lab.B.ListenPacket("udp", netip.AddrPortFrom(p.idB, 0).String())
	must(t, err)
	c, err := p.lab.A.Dial(t.Context(), "udp", sink.LocalAddr().String())
	must(t, err)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(4 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = c.Write([]byte("multi6")) // what cannot be sent is lost
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
		c.Close()
		sink.Close()
	})
}

func isSwitch(e node.Event) bool { return e.Kind == "switch" }

// wantNoSwitch fails if a switch is among the events until now.
func wantNoSwitch(t *testing.T, events <-chan node.Event) {
	t.Helper()
	for len(events) > 0 {
		if e := <-events; isSwitch(e) {
			t.Errorf("%+v, want the primary to stay", e)
		}
	}
}

// lastRecord returns the latest exploration that n remembers of peer b.
func lastRecord(t *testing.T, n *node.Node) node.Record {
	t.Helper()
	e, err := n.Explain("b")
	if err != nil || len(e.Records) == 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	return e.Records[len(e.Records)-1]
}
