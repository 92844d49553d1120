package underlay_test

import (
	"fmt"
	"testing"

	"github.com/multi6/multi6/internal/underlay"
)

// benchmarkRun is a run as a full TUN super-packet makes it.
const benchmarkRun, benchmarkSegment = 44 * 1400, 1400

// fill is how many messages are sent or received between two looks at the clock. A
// socket's queue must hold them.
const fill = 32

// BenchmarkSendRun sends runs that the caller has made, by whatever interface or by a
// named one, as the daemon does, and where they cannot be sent whole.
func BenchmarkSendRun(b *testing.B) {
	for _, c := range []struct {
		name     string
		by       uint32
		segments bool
	}{{"any", 0, true}, {"named", loopback, true}, {"singly", loopback, false}} {
		b.Run(c.name, func(b *testing.B) {
			m := newMirror(b, true)
			m.to.Interface = c.by
			msgs := m.messages(1, benchmarkRun)
			msgs[0].Segment = benchmarkSegment
			benchmarkSend(b, m, msgs, c.segments)
		})
	}
}

// BenchmarkSendSmall sends datagrams of 100 bytes, so many a call; those of one call
// leave as one run, if they may.
func BenchmarkSendSmall(b *testing.B) {
	for _, segments := range []bool{true, false} {
		for _, batch := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("segments=%v/batch=%d", segments, batch), func(b *testing.B) {
				m := newMirror(b, true)
				m.to.Interface = loopback
				benchmarkSend(b, m, m.messages(batch, 100), segments)
			})
		}
	}
}

// benchmarkSend sends msgs; an operation is one message.
func benchmarkSend(b *testing.B, m *mirror, msgs []underlay.Message, segments bool) {
	m.exchange(b, msgs, nil) // opens what there is to open
	if !segments {
		m.WithoutSegments()
	}
	b.SetBytes(int64(len(msgs[0].Buf)))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		for range fill {
			if _, err := m.out.Send(msgs); err != nil {
				b.Fatal(err)
			}
			n += len(msgs)
		}
		b.StopTimer()
		m.receive(b, fill*size(msgs), nil)
		b.StartTimer()
	}
}

// BenchmarkReceive receives runs as the kernel has glued them, and datagrams that
// came alone; an operation is one message.
func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct {
		name          string
		count         int
		size, segment int
	}{
		{"runs", fill, benchmarkRun, benchmarkSegment},
		{"small", 32 * fill, 100, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := newMirror(b, true)
			msgs := m.messages(c.count, c.size)
			if msgs[0].Segment = c.segment; c.segment != 0 {
				for i := range msgs {
					msgs[i].Segment = c.segment
				}
			} else {
				m.WithoutSegments()
			}
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += len(msgs) {
				b.StopTimer()
				if _, err := m.out.Send(msgs); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				m.receive(b, size(msgs), nil)
			}
		})
	}
}
