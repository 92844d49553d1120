package node

import (
	"syscall"
	"testing"

	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/shim"
)

// What cannot be sent says something of the pair that it was for, not of the one that has
// taken its place meanwhile.
func TestSendErrorNamesItsPair(t *testing.T) {
	p := new(peer)
	p.path.Store(&shim.Path{Hop: shim.Hop{Pair: secondPair}})
	o := (&Node{wakes: make(chan *peer, 1)}).newSealer()
	for _, err := range []error{nil, syscall.ENETUNREACH, syscall.EMSGSIZE, nil} {
		o.msgs = append(o.msgs, underlay.Message{Local: firstPair.Local, Remote: firstPair.Remote, Err: err})
		o.peers = append(o.peers, p)
	}
	o.failed()
	if got := p.sendFailed.Load(); got == nil || *got != firstPair {
		t.Errorf("the loop hears that %v failed, want %v", got, firstPair)
	}
	if got := p.tooLong.Load(); got == nil || *got != firstPair {
		t.Errorf("the loop hears that a datagram was too long for %v, want %v", got, firstPair)
	}
	if len(o.node.wakes) != 1 {
		t.Error("the loop is not woken")
	}
	if d := o.node.drops[shim.DropSend].Load() + o.node.drops[shim.DropOversize].Load(); d != 2 {
		t.Errorf("%d drops", d)
	}
}
