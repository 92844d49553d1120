package underlay_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/multi6/multi6/internal/underlay"
)

// A mirror is a Conn that sends to itself over the loopback interface. It is for
// one goroutine.
type mirror struct {
	*underlay.Conn
	out *underlay.Sender
	in  *underlay.Receiver
	to  underlay.Message // to the mirror, without a payload
}

func newMirror(t testing.TB, is6 bool) *mirror {
	t.Helper()
	c, err := underlay.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	local, family := netip.IPv6Loopback(), 0
	if !is6 {
		local, family = netip.MustParseAddr("127.0.0.1"), 1
	}
	return &mirror{
		Conn: c, out: c.NewSender(), in: c.Receivers()[family],
		to: underlay.Message{Local: local, Remote: netip.AddrPortFrom(local, c.Port(is6))},
	}
}

// messages returns count messages to the mirror, of size bytes each.
func (m *mirror) messages(count, size int) []underlay.Message {
	msgs := make([]underlay.Message, count)
	for i := range msgs {
		msgs[i] = m.to
		msgs[i].Buf = numbered(i, size)
	}
	return msgs
}

// exchange sends msgs, and receives until as many bytes have come. It calls got
// with all that came at a time.
func (m *mirror) exchange(t testing.TB, msgs []underlay.Message, got func([]underlay.Message)) {
	if n, err := m.out.Send(msgs); n != len(msgs) || err != nil {
		t.Fatalf("sent %d of %d: %v", n, len(msgs), err)
	}
	m.receive(t, size(msgs), got)
}

// size returns how many bytes msgs hold.
func size(msgs []underlay.Message) (n int) {
	for i := range msgs {
		n += len(msgs[i].Buf)
	}
	return n
}

// receive receives so many bytes.
func (m *mirror) receive(t testing.TB, left int, got func([]underlay.Message)) {
	for left > 0 {
		came, err := m.in.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for i := range came {
			left -= len(came[i].Buf)
		}
		if got != nil {
			got(came)
		}
	}
}

// TestRunsStayWhole: a run comes as it was sent, and what is alone has no Segment.
func TestRunsStayWhole(t *testing.T) {
	for _, is6 := range []bool{true, false} {
		t.Run(fmt.Sprintf("IPv6=%v", is6), func(t *testing.T) {
			m := newMirror(t, is6)
			if !m.Segments() {
				t.Skip("this kernel has no UDP_SEGMENT")
			}
			msgs := m.messages(3, 44*1400+7)
			msgs[0].Segment, msgs[1].Segment = 1400, 1400
			msgs[2].Buf = numbered(2, 99)
			var came []underlay.Message
			m.exchange(t, msgs, func(ms []underlay.Message) {
				for _, m := range ms {
					m.Buf = bytes.Clone(m.Buf)
					came = append(came, m)
				}
			})
			if len(came) != len(msgs) {
				t.Fatalf("%d messages came, want %d", len(came), len(msgs))
			}
			for i, got := range came {
				if want := msgs[i]; got.Segment != want.Segment || !bytes.Equal(got.Buf, want.Buf) {
					t.Errorf("message %d: %d bytes in %d, want %d in %d", i, len(got.Buf), got.Segment, len(want.Buf), want.Segment)
				}
			}
		})
	}
}

// TestHeadroom: what is before a received payload may be overwritten, also where
// the one before is as long as the loopback interface takes.
func TestHeadroom(t *testing.T) {
	m := newMirror(t, true)
	m.WithoutSegments()
	for _, size := range []int{4, 100, 65536 - 48} {
		msgs := m.messages(40, size)
		seen := 0
		m.exchange(t, msgs, func(came []underlay.Message) {
			for _, c := range came {
				if len(c.Full) != underlay.Headroom+len(c.Buf) || &c.Full[underlay.Headroom] != &c.Buf[0] {
					t.Fatalf("%d bytes within %d", len(c.Buf), len(c.Full))
				}
				for i := range underlay.Headroom {
					c.Full[i] = 0xff
				}
			}
			for _, c := range came {
				if !bytes.Equal(c.Buf, msgs[seen].Buf) {
					t.Fatalf("number %d of %d bytes came or was changed, want %d", c.Buf[3], len(c.Buf), seen)
				}
				seen++
			}
		})
	}
}

// TestNoAllocation: neither sending nor receiving allocates, in runs or not, over
// one pair or several, by a named interface or by any.
func TestNoAllocation(t *testing.T) {
	for _, is6 := range []bool{true, false} {
		for _, by := range []uint32{0, loopback} {
			for _, segments := range []bool{true, false} {
				t.Run(fmt.Sprintf("IPv6=%v interface=%d segments=%v", is6, by, segments), func(t *testing.T) {
					m := newMirror(t, is6)
					m.to.Interface = by
					msgs := m.messages(20, 1000)
					msgs[10].Segment = 300
					for i := range msgs[15:] {
						msgs[15+i].TrafficClass = uint8(i << 2)
					}
					m.exchange(t, msgs, nil) // opens what there is to open
					if !segments {
						m.WithoutSegments()
					}
					if n := testing.AllocsPerRun(50, func() { m.exchange(t, msgs, nil) }); n != 0 {
						t.Errorf("%v allocations to send and receive", n)
					}
				})
			}
		}
	}
}
