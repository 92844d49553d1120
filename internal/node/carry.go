package node

import (
	"fmt"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/fdwait"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/tun"
)

// carry starts what carries packets between the device and the network.
func (n *Node) carry(run func(func() error)) {
	if c := n.carrier; c != nil {
		run(func() error { return c.run(n) })
		return
	}
	run(n.outbound)
	for _, r := range n.edges.Receivers {
		run(func() error { return n.receive(r) })
	}
}

// A tryDevice is a Device that tells what is there without waiting.
type tryDevice interface {
	tun.Device
	TryRead(buf []byte, pkts []inner.Packet, headroom, tailroom int) (int, error)
	Pending() bool
	File() *fdwait.File
}

// A tryReceiver is such a Receiver.
type tryReceiver interface {
	Receiver
	TryReceive() ([]underlay.Message, error)
	File() *fdwait.File
}

// A carrier carries packets both ways in one thread. Acknowledgements, which are many, are
// then taken in between two runs of data, and wake nobody.
type carrier struct {
	device    tryDevice
	receivers []tryReceiver
	// group is the device, then the receivers.
	group *fdwait.Group
}

func newCarrier(e Edges) (*carrier, error) {
	c := new(carrier)
	var ok bool
	if c.device, ok = e.Device.(tryDevice); !ok {
		return nil, fmt.Errorf("node: Together with a device of type %T, which cannot be asked without waiting", e.Device)
	}
	files := []*fdwait.File{c.device.File()}
	for _, r := range e.Receivers {
		t, ok := r.(tryReceiver)
		if !ok {
			return nil, fmt.Errorf("node: Together with a receiver of type %T, which cannot be asked without waiting", r)
		}
		c.receivers, files = append(c.receivers, t), append(files, t.File())
	}
	c.group = fdwait.NewGroup(files...)
	return c, nil
}

// run carries until an edge closes.
func (c *carrier) run(n *Node) error {
	in, out := n.newOpener(), n.newOutlet()
	for {
		err := c.turn(in, out)
		switch {
		case err != nil && closed(err):
			return nil
		case err != nil:
			return err
		}
	}
}

// turn waits for packets and takes some from everywhere where there are any.
func (c *carrier) turn(in *opener, out *outlet) error {
	pending := c.device.Pending()
	if !pending {
		if err := c.group.Wait(); err != nil {
			return err
		}
	}
	for i, r := range c.receivers {
		if !pending && !c.group.Ready(1+i) {
			continue
		}
		msgs, err := r.TryReceive()
		if err != nil {
			return err
		}
		if len(msgs) > 0 {
			in.take(msgs)
		}
	}
	if !pending && !c.group.Ready(0) {
		return nil
	}
	got, err := c.device.TryRead(out.room())
	if got > 0 {
		out.take(got)
	}
	return err
}
