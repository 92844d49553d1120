package netwatch

import (
	"net/netip"
	"sync"
	"time"

	"github.com/multi6/multi6/internal/underlay"
)

const port = 6110

// A talk is of near and far, through the underlay.
type talk struct {
	l     *lab
	near  *underlay.Conn
	heard chan string // names of interfaces of far
}

func (l *lab) talk() *talk {
	l.t.Helper()
	k := &talk{l: l, heard: make(chan string, 100)}
	var far *underlay.Conn
	var err error
	l.inNear(func() { k.near, err = underlay.Listen(port) })
	l.must(err)
	l.inSpace(l.farNS, func() { far, err = underlay.Listen(port) })
	l.must(err)
	var readers sync.WaitGroup
	for _, r := range far.Receivers() {
		readers.Go(func() { k.listen(r) })
	}
	l.t.Cleanup(func() {
		k.near.Close()
		far.Close()
		readers.Wait()
	})
	return k
}

func (k *talk) listen(r *underlay.Receiver) {
	for {
		msgs := []underlay.Message{{Buf: make([]byte, 64)}}
		if _, err := r.Receive(msgs); err != nil {
			return
		}
		link, err := k.l.far.LinkByIndex(int(msgs[0].Interface))
		if err != nil {
			k.l.t.Error(err)
			return
		}
		k.heard <- link.Attrs().Name
	}
}

// arrivesBy sends a datagram as the daemon does, and returns the name of the
// interface of far that it came in by. It is empty if near refused to send.
func (k *talk) arrivesBy(address, name, remote string) string {
	k.l.t.Helper()
	local := k.l.local(address, name)
	if _, err := k.near.Send([]underlay.Message{{
		Buf: []byte("hello"), Local: local.Addr, Interface: local.Interface,
		Remote: netip.AddrPortFrom(netip.MustParseAddr(remote), port),
	}}); err != nil {
		return ""
	}
	select {
	case by := <-k.heard:
		return by
	case <-time.After(patience):
		k.l.t.Fatalf("sent from %s by %s, nothing came", address, name)
		return ""
	}
}
