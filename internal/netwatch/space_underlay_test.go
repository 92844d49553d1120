package netwatch

import (
	"net/netip"
	"sync"
	"time"

	"github.com/multi6/multi6/internal/underlay"
)

const port = 6110

// resend is how often a datagram is sent again that does not come. The first may
// be lost: a kernel makes a new address its own, and a link ready, a moment after
// it was told to.
const resend = 200 * time.Millisecond

// A talk is of near and far, through the underlay.
type talk struct {
	l     *lab
	near  *underlay.Conn
	count byte // of what is sent, not counting what is sent again
	heard chan heard
}

// heard is what came to far.
type heard struct {
	number byte
	by     string // name of its interface
}

func (l *lab) talk() *talk {
	l.t.Helper()
	k := &talk{l: l, heard: make(chan heard, 1000)}
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
		msgs, err := r.Receive()
		if err != nil {
			return
		}
		for _, m := range msgs {
			link, err := k.l.far.LinkByIndex(int(m.Interface))
			if err != nil {
				k.l.t.Error(err)
				return
			}
			k.heard <- heard{m.Buf[0], link.Attrs().Name}
		}
	}
}

// arrivesBy sends a datagram as the daemon does, and returns the name of the
// interface of far that it came in by. It is empty if near refused to send.
func (k *talk) arrivesBy(address, name, remote string) string {
	k.l.t.Helper()
	local := k.l.local(address, name)
	k.count++
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := k.near.Send([]underlay.Message{{
			Buf: []byte{k.count}, Local: local.Addr, Interface: local.Interface,
			Remote: netip.AddrPortFrom(netip.MustParseAddr(remote), port),
		}}); err != nil {
			return ""
		}
		if by := k.hears(k.count); by != "" {
			return by
		}
	}
	k.l.t.Fatalf("sent from %s by %s, nothing came", address, name)
	return ""
}

// hears returns what datagram number comes by, empty if it does not come soon.
func (k *talk) hears(number byte) string {
	soon := time.After(resend)
	for {
		select {
		case h := <-k.heard:
			if h.number == number {
				return h.by
			}
		case <-soon:
			return ""
		}
	}
}
