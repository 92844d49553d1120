package lab

import "sync/atomic"

// A Count says what one direction of a link has carried. Frames are those of a
// wire: a super-frame counts as what it would be cut into.
type Count struct {
	// Frames and Bytes were sent into the link, whatever became of them. Bytes are
	// of Ethernet frames.
	Frames, Bytes uint64

	// Frames again, by what they carry. Neighbour is ARP and IPv6 neighbour
	// discovery, Group is MLD and IGMP, UDP is IP packets with UDP to any port.
	Neighbour, Group, TCP, UDP, Other uint64

	// And by what became of them; the rest is under way. Lost is by chance,
	// QueueFull by tail drop, Blackholed by a fault, NoReceiver where the
	// interface at the other end is down.
	Delivered, Lost, QueueFull, Blackholed, NoReceiver uint64
}

// UnderWay returns how many frames have met no fate yet.
func (c Count) UnderWay() uint64 {
	return c.Frames - c.Delivered - c.Lost - c.QueueFull - c.Blackholed - c.NoReceiver
}

// Sub returns c less an earlier Count.
func (c Count) Sub(o Count) Count {
	return Count{
		Frames: c.Frames - o.Frames, Bytes: c.Bytes - o.Bytes,
		Neighbour: c.Neighbour - o.Neighbour, Group: c.Group - o.Group,
		TCP: c.TCP - o.TCP, UDP: c.UDP - o.UDP, Other: c.Other - o.Other,
		Delivered: c.Delivered - o.Delivered, Lost: c.Lost - o.Lost,
		QueueFull: c.QueueFull - o.QueueFull, Blackholed: c.Blackholed - o.Blackholed,
		NoReceiver: c.NoReceiver - o.NoReceiver,
	}
}

// counters are written by one pipe and read by all.
type counters struct {
	bytes   atomic.Uint64
	offered [classes]atomic.Uint64
	ended   [fates]atomic.Uint64
}

func (c *counters) offer(k class, frames, size int) {
	c.offered[k].Add(uint64(frames))
	c.bytes.Add(uint64(size))
}

func (c *counters) end(f fate, frames int) { c.ended[f].Add(uint64(frames)) }

func (c *counters) count() Count {
	n := Count{
		Bytes:      c.bytes.Load(),
		Neighbour:  c.offered[classNeighbour].Load(),
		Group:      c.offered[classGroup].Load(),
		TCP:        c.offered[classTCP].Load(),
		UDP:        c.offered[classUDP].Load(),
		Other:      c.offered[classOther].Load(),
		Delivered:  c.ended[arrives].Load(),
		Lost:       c.ended[lost].Load(),
		QueueFull:  c.ended[queueFull].Load(),
		Blackholed: c.ended[blackholed].Load(),
		NoReceiver: c.ended[noReceiver].Load(),
	}
	n.Frames = n.Neighbour + n.Group + n.TCP + n.UDP + n.Other
	return n
}
