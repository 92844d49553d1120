package underlay_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/multi6/multi6/internal/underlay"
)

// TestStalledUplink: an uplink whose queue no longer empties holds up nobody else: not what
// leaves by another, nor who sends by itself.
func TestStalledUplink(t *testing.T) {
	for _, is6 := range []bool{true, false} {
		for _, by := range []int{1, 0} {
			t.Run(fmt.Sprintf("IPv6=%v by uplink %d", is6, by), func(t *testing.T) { stalledUplink(t, is6, by) })
		}
	}
}

func stalledUplink(t *testing.T, is6 bool, by int) {
	e := newEnds(t)
	link := int(index(t, e.lab.A, 0))
	err := e.lab.A.Do(func() error { // rate in bytes per second, limit in bytes, buffer in ticks
		return netlink.QdiscAdd(&netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			Rate:       1e3, Limit: 64e6, Buffer: netlink.Xmittime(1e3, 70000),
		})
	})
	if err != nil {
		t.Fatalf("no token bucket filter: %v", err)
	}
	over := func(uplink int) underlay.Message {
		return underlay.Message{
			Buf: make([]byte, 1400), Local: addr(e.lab.A, is6, uplink), Interface: index(t, e.lab.A, uplink),
			Remote: netip.AddrPortFrom(addr(e.lab.B, is6, uplink), port),
		}
	}
	stalled, control := over(0), over(by)
	flooded := make(chan int)
	go func() { // what the host sends: 20 MB, in runs as super-packets are
		defer close(flooded)
		s := e.a.NewSender()
		for range 360 {
			m := stalled
			m.Buf, m.Segment = make([]byte, 40*1400), 1400
			s.Send([]underlay.Message{m})
		}
	}()
	select {
	case <-flooded:
	case <-time.After(time.Second): // it waits
	}
	sent := make(chan int)
	go func() {
		defer close(sent)
		if _, err := e.a.Send([]underlay.Message{control}); by != 0 && err != nil {
			t.Errorf("by the other uplink: %v", err)
		}
	}()
	select {
	case <-sent:
	case <-time.After(2 * time.Second):
		t.Error("a datagram was not sent within 2 s")
	}
	e.a.Close()
	<-sent
	<-flooded
}
