package shim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/multi6/multi6/wire"
)

// A segment that is lost on a pair that works is sent again as soon as that is known, even
// if there is no other pair for it: TCP's own timer is much longer. If the pair is
// shown to work before the segment is overdue, that does not hide it.
func TestOverdueIsSentAgain(t *testing.T) {
	for _, c := range []struct {
		name      string
		complains bool // the peer
	}{{"own doubt", false}, {"the peer's doubt", true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, setup{localsA: []netip.Addr{localsA[0]}, localsB: []netip.Addr{localsB[0]}})
			w.open()
			seq := uint32(1)
			for range 20 {
				w.a.send(w.a.tcp(tcp{seq: seq, flags: ack, length: 100}))
				seq += 100
				w.run(oneWay)
				w.b.send(w.b.tcp(tcp{sport: 2000, dport: 1000, ack: seq, flags: ack}))
				w.run(oneWay)
			}
			w.run(time.Second)
			lost := false
			w.fate = func(f *flight) []time.Duration {
				if f.from == w.a && f.kind() == wire.Transport && !lost {
					lost = true
					return nil
				}
				return []time.Duration{oneWay}
			}
			came := len(w.b.got)
			w.a.send(w.a.tcp(tcp{seq: seq, flags: ack, length: 100}))
			if c.complains {
				w.b.perform(w.b.c.Suspect(w.now, nil))
			}
			w.run(150 * time.Millisecond)
			if !lost || len(w.b.got) != came+1 {
				t.Errorf("lost: %v; %d packets came, want 1", lost, len(w.b.got)-came)
			}
			if s := w.a.c.Status(w.now).Stats; s.FalseAlarms != 1 || s.Switches != 0 {
				t.Errorf("%+v, want one false alarm", s)
			}
		})
	}
}
