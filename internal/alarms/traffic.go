package alarms

import (
	"math/rand/v2"
	"time"
)

// Traffic is what the applications do.
type Traffic string

// The kinds of traffic, as in multi6 bench failover, and Feed.
const (
	// RR: A sends a message every 10 ms, B sends each back.
	RR Traffic = "rr"
	// Feed: A sends a message every 10 ms, and B's TCP acknowledges when it must.
	Feed Traffic = "feed"
	// PP: A sends a message 10 ms after the answer to the one before.
	PP Traffic = "pp"
	// Bulk: A sends as fast as a bottleneck and a fixed window let it.
	Bulk Traffic = "bulk"
	// UDP: A sends a datagram every 5 ms, which only Reports confirm.
	UDP Traffic = "udp"
)

// Traffics returns all kinds.
func Traffics() []Traffic { return []Traffic{RR, Feed, PP, Bulk, UDP} }

// ParseTraffic returns the kind of that name.
func ParseTraffic(name string) (Traffic, error) { return parse("traffic", name, Traffics()) }

const (
	messageEvery  = 10 * time.Millisecond
	datagramEvery = 5 * time.Millisecond
	// messageLen is short, since its length changes nothing but the time to seal it; a
	// full segment of Bulk is no longer.
	messageLen = 32
	// messageWindow is how many messages may be under way.
	messageWindow = 64
	// messageACKs is how many messages of one direction Linux acknowledges together:
	// as many as fill what it takes for a full segment, 536 bytes at first.
	messageACKs = 9
	// bulkService is the time that a segment of Bulk takes in the bottleneck, bulkQueue
	// how many segments more than fit the path wait there.
	bulkService = 2 * time.Millisecond
	bulkQueue   = 8
)

// tcp returns an end of a connection for the traffic.
func (k Traffic) tcp(rtt time.Duration) tcp {
	if k == Bulk {
		return tcp{size: messageLen, window: int(rtt/bulkService) + bulkQueue, ackEvery: 2}
	}
	return tcp{size: messageLen, window: messageWindow, ackEvery: messageACKs}
}

// act has A's application do what is due.
func (w *world) act() {
	w.app = 0
	switch w.setting.Traffic {
	case UDP:
		w.app = w.now + datagramEvery
		w.a.send(w.a.putUDP)
		return
	case RR, Feed:
		w.app = w.now + messageEvery
		w.a.tcp.write(messageLen)
	case PP:
		w.a.tcp.write(messageLen)
	case Bulk:
		w.a.tcp.write(1 << 50)
	}
	w.a.flush()
}

// deliver hands news bytes to the application at e.
func (w *world) deliver(e *end, news int64) {
	if news == 0 {
		return
	}
	switch k := w.setting.Traffic; {
	case e == w.b && (k == RR || k == PP):
		e.tcp.write(news)
	case e == w.a && k == PP:
		w.app = w.now + messageEvery
	}
}

// A busy processor lets an end wait: every 100 ms on average for 3 ms on average,
// exponentially, which is some 30 ms at worst in an hour.
type busy struct {
	on          bool
	random      *rand.Rand
	begins, end time.Duration
}

const (
	busyEvery = 100 * time.Millisecond
	busyFor   = 3 * time.Millisecond
)

// free returns when the processor is free, now or later. now must not go back.
func (b *busy) free(now time.Duration) time.Duration {
	if !b.on {
		return now
	}
	for now >= b.end {
		b.begins = b.end + exponential(b.random, busyEvery)
		b.end = b.begins + exponential(b.random, busyFor)
	}
	if now >= b.begins {
		return b.end
	}
	return now
}
