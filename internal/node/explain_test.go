package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
)

// latest returns the last record of v's peer.
func (v *virtual) latest(t *testing.T, peer string) node.Record {
	t.Helper()
	e, err := v.Explain(peer)
	if err != nil || e.Version != node.ExplainVersion || e.Peer != peer || len(e.Records) == 0 {
		t.Fatalf("%v: %+v, %v", v.host, e, err)
	}
	return e.Records[len(e.Records)-1]
}

// A stream's failover is explained, with what was sent again; so is an outage, with
// what waited.
func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced)
		defer w.end()
		client, _ := w.connect(t)
		if r := w.a.latest(t, "b"); r.Cause != "connect" || r.Outcome != "switched" || len(r.Resent) == 0 || r.Resent[0].Waited == 0 {
			t.Errorf("connecting: %+v", r)
		}
		client.Write(1 << 30)
		time.Sleep(2 * time.Second)
		p, _ := w.a.primary()
		w.net.Edit(p, block)
		time.Sleep(time.Second)
		r := w.a.latest(t, "b")
		if r.Outcome != "switched" || r.Evidence != "test ok" || r.Old.Local != p.From.String() || r.Decision == nil || r.Decision.Millis <= 0 ||
			r.LastConfirmation.By != "tcp progress" || r.LastConfirmation.Millis >= 0 || r.FirstConfirmation == nil ||
			r.FirstConfirmation.Millis <= r.Decision.Millis || !r.Decision.At.Equal(r.Suspicion.At.Add(time.Duration(r.Decision.Millis*1e6))) {
			t.Errorf("failover: %+v", r)
		}
		if len(r.Resent) == 0 || r.Resent[0].Packets == 0 || r.Resent[0].Bytes < 100*r.Resent[0].Packets || r.Resent[0].Pair != *r.New {
			t.Errorf("sent again: %+v", r.Resent)
		}
		w.net.Edit(sim.Path{}, block)
		time.Sleep(10 * time.Second)
		if r = w.a.latest(t, "b"); r.Outcome != "no pair" || r.End != nil || r.Decision == nil {
			t.Errorf("outage: %+v", r)
		}
		w.net.Edit(sim.Path{}, func(l *sim.Link) { l.Blocked = false })
		number := r.Number
		time.Sleep(2 * time.Second)
		e, err := w.a.Explain("b")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range e.Records {
			if r.Number == number && (r.New == nil || r.End == nil || r.End.Millis < 9000) {
				t.Errorf("after the outage: %+v", r)
			}
		}
	})
}

// A complaint about a peer nobody talks to connects; later ones test the primary pair.
func TestSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, detect.Balanced)
		defer w.end()
		suspect := func() node.SuspectResult {
			t.Helper()
			res, err := w.a.Suspect(t.Context(), node.SuspectRequest{Peer: "b"})
			if err != nil || res.Record == nil {
				t.Fatalf("%+v, %v", res, err)
			}
			return res
		}
		if res := suspect(); res.Old != nil || res.Pair == nil || res.Record.Cause != "connect" {
			t.Errorf("idle: %+v", res)
		}
		time.Sleep(time.Second)
		res := suspect()
		if res.Old == nil || *res.Pair != *res.Old || res.Record.Cause != "complaint" || res.Record.Outcome != "stayed" || res.Quicker != nil {
			t.Errorf("all well: %+v", res)
		}
		time.Sleep(time.Second)
		// The other uplink is much quicker.
		slow, quick := 1, 2
		if w.a.uses(2) {
			slow, quick = 2, 1
		}
		for _, v := range []*virtual{w.a, w.b} {
			v.host.EditInterface(sim.Uplink(slow), func(out, _ *sim.Link) { out.Delay = 25 * time.Millisecond })
			v.host.EditInterface(sim.Uplink(quick), func(out, _ *sim.Link) { out.Delay = 5 * time.Millisecond })
		}
		res = suspect()
		if res.Quicker == nil || *res.Pair == res.Quicker.Pair || res.Quicker.RTTMillis > res.Quicker.PrimaryRTTMillis*3/4 {
			t.Errorf("another is quicker: %+v\n%+v", res, res.Record)
		}
		time.Sleep(time.Second) // a Poll sent at this instant would still be answered
		p, _ := w.a.primary()
		w.net.Edit(p, block)
		res = suspect()
		if res.Pair == nil || *res.Pair == *res.Old || res.Record.Outcome != "switched" {
			t.Errorf("the primary is dead: %+v", res)
		}
	})
}
