package node

import (
	"time"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/tun"
)

// A Path is the packet path of a node that has ended, for one goroutine: what it sends and
// writes goes to the edges given.
type Path struct {
	sealer *sealer
	opener *opener
}

// Path returns the packet path of n, whose sessions are as they were.
func (n *Node) Path(s Sender, d tun.Device) *Path {
	n.edges.Sender, n.edges.Device = s, d
	return &Path{n.newSealer(), n.newOpener()}
}

// Out seals and sends packets that lie in buf as tun.Device.Read leaves them.
func (p *Path) Out(buf []byte, pkts []inner.Packet) {
	now := p.sealer.node.since(time.Now())
	for i := range pkts {
		p.sealer.add(now, buf, &pkts[i])
	}
	p.sealer.flush()
}

// In opens what an underlay.Receiver has received, and writes it to the device.
func (p *Path) In(msgs []underlay.Message) { p.opener.take(msgs) }
