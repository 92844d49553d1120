package node

import (
	"time"

	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

const (
	// icmpRate is how many ICMP errors a second are looked at: routers send few, and
	// anyone can forge many.
	icmpRate = 100
	// icmpBatch is how many are read at a time.
	icmpBatch = 16
)

// icmpLimit counts the ICMP errors of a second. The zero icmpLimit has seen none.
type icmpLimit struct {
	second time.Time
	count  int
}

// allow reports whether one more may be looked at.
func (l *icmpLimit) allow(now time.Time) bool {
	if now.Sub(l.second) >= time.Second {
		*l = icmpLimit{second: now}
	}
	l.count++
	return l.count <= icmpRate
}

// hear hands what the network says of sent datagrams to the loop, until r closes.
func (n *Node) hear(r ErrorReceiver) error {
	var limit icmpLimit
	errs := make([]underlay.ICMPError, icmpBatch)
	for {
		got, err := r.Receive(errs)
		for i := range got {
			if d := n.icmp(&errs[i], &limit); d != shim.DropNone {
				n.drop(d)
			}
		}
		switch {
		case err != nil && closed(err):
			return nil
		case err != nil:
			return err
		}
	}
}

// icmp hands one ICMP error to the loop, if it tells of a header of ours. Whether it
// was sent, a context knows.
func (n *Node) icmp(e *underlay.ICMPError, limit *icmpLimit) shim.Drop {
	if !limit.allow(time.Now()) {
		return shim.DropICMPLimit
	}
	h, err := wire.ParseHeader(e.Quote)
	if err != nil || !e.Undelivered() && !e.TooBig() {
		return shim.DropICMP
	}
	return n.post(datagram{
		pair: locator.Pair{Local: e.Local.WithZone(""), Remote: e.Remote}, quoted: &h, tooBig: e.TooBig(), mtu: e.MTU,
	})
}

// undelivered finds the peer that a datagram was for which was not delivered. A tag
// is the peer's choice: two may have chosen the same.
func (l *looper) undelivered(now time.Time, d datagram) shim.Drop {
	for _, p := range l.peers {
		var drop shim.Drop
		if d.tooBig {
			l.acts, drop = p.context.HandleTooBig(now, d.pair, *d.quoted, d.mtu, l.acts[:0])
		} else {
			l.acts, drop = p.context.HandleICMP(now, d.pair, *d.quoted, l.acts[:0])
		}
		if drop != shim.DropICMP {
			l.perform(p)
			return drop
		}
	}
	return shim.DropICMP
}
