package demo

import (
	"time"

	"github.com/multi6/multi6/internal/rig"
)

// ResultVersion is the version of the schema of Result. It grows when a field
// changes its meaning or goes; new fields do not count.
const ResultVersion = 1

// A Result is all that a run has measured. Times with "at" in their names are
// in milliseconds since the start of the run.
type Result struct {
	Version   int        `json:"version"`
	StartedAt time.Time  `json:"started_at"`
	Profile   string     `json:"profile"`
	RTT       rig.Millis `json:"rtt_ms"`
	// Rate is that of each of A's uplinks, each way, in bit/s of Ethernet
	// frames.
	Rate int64 `json:"rate_bps"`
	// Congestion is TCP's congestion control, by the kernel's name for it.
	Congestion string  `json:"congestion_control"`
	Trials     []Trial `json:"trials"`
	Totals     Totals  `json:"totals"`
	// Verdict is "ok" or says what is wrong.
	Verdict string `json:"verdict"`
	Goodput Series `json:"goodput"`
	// Events are what the nodes told, in order of time.
	Events []rig.Event `json:"events"`

	bulk []rig.Arrival
}

// A Trial is one fault.
type Trial struct {
	Fault string `json:"fault"`
	// Round counts the passes over the list of faults, from 1.
	Round int `json:"round"`
	// Link is what was broken: the name of A's interface, or linkAll.
	Link     string     `json:"link"`
	BrokenAt rig.Millis `json:"broken_at_ms"`
	HealedAt rig.Millis `json:"healed_at_ms"`
	Until    rig.Millis `json:"observed_until_ms"`
	measures
}

// Totals are those of the whole run.
type Totals struct {
	Length rig.Millis `json:"length_ms"`
	// Bytes arrived and were right, on the bulk stream; Messages were answered
	// rightly, on the rr stream.
	Bytes    int64 `json:"bytes_verified"`
	Messages int   `json:"messages_verified"`
	// Wrong counts streams on which something wrong arrived or something was
	// lost, Resets connections that broke.
	Wrong  int `json:"wrong"`
	Resets int `json:"resets"`
	// The rest is the sum of the counters of both nodes.
	Suspicions  uint64 `json:"suspicions"`
	FalseAlarms uint64 `json:"false_alarms"`
	Switches    uint64 `json:"switches"`
}

// A Series is the bulk stream's goodput: the bytes that arrived in each bucket.
type Series struct {
	Bucket rig.Millis `json:"bucket_ms"`
	Bytes  []int      `json:"bytes"`
}

// linkAll stands for both of A's interfaces.
const linkAll = "all"

// seriesBucket is fine enough to see a round trip's worth of silence.
const seriesBucket = 20 * time.Millisecond

// series puts arrivals into buckets.
func series(as []rig.Arrival, until time.Duration) Series {
	return Series{
		Bucket: rig.Millis(seriesBucket),
		Bytes:  rig.Buckets(as, 0, seriesBucket, int(until/seriesBucket)+1),
	}
}
