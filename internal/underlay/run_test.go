package underlay

import (
	"bytes"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// TestRunsHoldEverything: whatever the messages, the runs of them hold each datagram
// once and in order, and none is more than the kernel takes.
func TestRunsHoldEverything(t *testing.T) {
	space := make([]byte, 200_000)
	for i := range space {
		space[i] = byte(i / 7)
	}
	rapid.Check(t, func(t *rapid.T) {
		msgs := make([]Message, rapid.IntRange(1, 150).Draw(t, "messages"))
		size := rapid.SampledFrom([]int{0, 1, 100, 1400, 9000}).Draw(t, "size")
		for i := range msgs {
			m := &msgs[i]
			m.Buf = space[:size]
			m.Remote = netip.AddrPortFrom(netip.IPv6Loopback(), uint16(rapid.IntRange(0, 20).Draw(t, "pair")/20))
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				m.Buf = space[:rapid.IntRange(0, 10_000).Draw(t, "other size")]
			case 1:
				m.Buf = space[:rapid.IntRange(0, 200_000).Draw(t, "run")]
				m.Segment = rapid.IntRange(1, 70_000).Draw(t, "segment")
				if len(m.Buf)/m.Segment > 1000 {
					m.Segment = 1400
				}
			}
		}
		segments := rapid.Bool().Draw(t, "segments")
		type datagram struct {
			message int
			bytes   []byte
		}
		var want, got []datagram
		for i := range msgs {
			for d := range msgs[i].Datagrams() {
				want = append(want, datagram{i, d})
			}
		}
		for c := (cursor{}); c.at < len(msgs); {
			var r run
			r, c = c.next(msgs, segments)
			n, total := 0, 0
			for i, d := range r.datagrams(msgs) {
				if len(d) > r.segment && r.segment != 0 || msgs[i].pair() != msgs[r.first].pair() {
					t.Fatalf("%+v holds what it must not: %d bytes", r, len(d))
				}
				got = append(got, datagram{i, d})
				n++
				total += len(d)
			}
			if n > 1 && (!segments || r.segment == 0 || n > maxSegments || total > maxRun || n != (total+r.segment-1)/r.segment) {
				t.Fatalf("%+v of %d datagrams, %d bytes", r, n, total)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d datagrams, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].message != want[i].message || !bytes.Equal(got[i].bytes, want[i].bytes) {
				t.Fatalf("datagram %d is of message %d, %d bytes; want %d, %d", i, got[i].message, len(got[i].bytes), want[i].message, len(want[i].bytes))
			}
		}
	})
}
