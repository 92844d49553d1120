package node

import (
	"errors"
	"syscall"
	"time"

	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/shim"
)

// outerHeaders is the length of the IPv6 and UDP headers.
const outerHeaders = 40 + 8

// send sends one control datagram. An error is news for the context.
func (l *looper) send(p *peer, a shim.Send) {
	msgs := [1]underlay.Message{{Buf: a.Datagram, Local: a.Pair.Local, Interface: a.Interface, Remote: a.Pair.Remote}}
	p.counters.outControl.Add(1)
	if a.Test {
		l.tests.take(time.Now())
	}
	if a.Metered {
		l.budget.take(time.Now(), len(a.Datagram)+outerHeaders)
	}
	_, err := l.edges.Sender.Send(msgs[:])
	switch {
	case err == nil:
	case a.Padded > 0 && errors.Is(err, syscall.EMSGSIZE):
		l.acts = p.context.HandleTooLong(time.Now(), a.Pair, a.Padded, l.acts)
	case errors.Is(err, syscall.EAGAIN): // a queue is full, which says nothing of the pair
		l.drop(shim.DropSend)
	default:
		l.drop(shim.DropSend)
		l.log.Debug("send", "peer", p.Name, "pair", a.Pair.String(), "err", err)
		l.acts = p.context.HandleSendError(time.Now(), a.Pair, l.acts)
	}
}
