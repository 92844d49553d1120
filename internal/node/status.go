package node

import (
	"time"

	"github.com/multi6/multi6/shim"
)

// StatusVersion is the version of the schema of Status. It grows when a field
// changes its meaning or goes; new fields do not count.
const StatusVersion = 1

// A Status describes a node. Times are in milliseconds; those called age are
// before the moment of the status.
type Status struct {
	Version    int               `json:"version"`
	Interface  string            `json:"interface"`
	Identifier string            `json:"identifier"`
	PublicKey  string            `json:"public_key"`
	Port       uint16            `json:"port"`
	Profile    string            `json:"profile"`
	Locators   []LocatorStatus   `json:"locators"`
	Peers      []PeerStatus      `json:"peers"`
	Drops      map[string]uint64 `json:"drops"`
}

// A LocatorStatus describes an address of this host.
type LocatorStatus struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
	// State is that of Figure 1: available, operational or none.
	State string `json:"state"`
	// Why says why it is not operational.
	Why string `json:"why,omitempty"`
}

// A PeerStatus describes a peer.
type PeerStatus struct {
	Name       string `json:"name"`
	Identifier string `json:"identifier"`
	PublicKey  string `json:"public_key"`
	// State is that of Figure 2.
	State string `json:"state"`
	// Connected says that there is, or lately was, something to say to the peer;
	// not that it answers: see State, and SessionAgeMillis.
	Connected bool  `json:"connected"`
	Primary   *Pair `json:"primary,omitempty"`
	Testing   *Pair `json:"testing,omitempty"`
	// SendTimer is how long a packet may be unconfirmed before it raises
	// suspicion.
	SendTimerMillis  float64      `json:"send_timer_ms"`
	SessionAgeMillis float64      `json:"session_age_ms,omitempty"`
	Waiting          int          `json:"waiting"`
	Pairs            []PairStatus `json:"pairs"`
	Counters         Counters     `json:"counters"`
}

// A PairStatus describes a pair.
type PairStatus struct {
	Pair
	Primary bool `json:"primary"`
	// Result is that of the last test: ok, failed or untested.
	Result    string  `json:"result"`
	AgeMillis float64 `json:"age_ms,omitempty"`
	RTTMillis float64 `json:"rtt_ms,omitempty"`
}

// Counters count what passed between the node and a peer.
type Counters struct {
	OutPackets  uint64 `json:"out_packets"`
	OutBytes    uint64 `json:"out_bytes"`
	InPackets   uint64 `json:"in_packets"`
	InBytes     uint64 `json:"in_bytes"`
	OutControl  uint64 `json:"out_control"`
	InControl   uint64 `json:"in_control"`
	Waited      uint64 `json:"waited"`
	Resent      uint64 `json:"resent"`
	Suspicions  uint64 `json:"suspicions"`
	FalseAlarms uint64 `json:"false_alarms"`
	Switches    uint64 `json:"switches"`
	Outages     uint64 `json:"outages"`
	LateWakes   uint64 `json:"late_wakes"`
}

// Status returns the state of the node. It reports false if the node has ended.
func (n *Node) Status() (s Status, ok bool) {
	ok = n.call(func(now time.Time) { s = n.status(now) })
	return s, ok
}

func (n *Node) status(now time.Time) Status {
	s := Status{
		Version: StatusVersion, Interface: n.cfg.Name, Port: n.cfg.Port, Profile: n.cfg.Profile,
		Identifier: n.cfg.Identity.Public.Identifier().String(), PublicKey: n.cfg.Identity.Public.String(),
		Locators: []LocatorStatus{}, Peers: []PeerStatus{}, Drops: make(map[string]uint64),
	}
	for _, e := range n.table.Entries() {
		s.Locators = append(s.Locators, LocatorStatus{
			Address: e.Fact.Addr.String(), Interface: e.Fact.Name, State: stateName(e.State), Why: e.Reason,
		})
	}
	for _, p := range n.peers {
		s.Peers = append(s.Peers, p.status(now))
	}
	for d := shim.DropNone + 1; d < shim.NumDrops; d++ {
		s.Drops[d.String()] = n.drops[d].Load()
	}
	return s
}

func (p *peer) status(now time.Time) PeerStatus {
	c := p.context.Status(now)
	s := PeerStatus{
		Name: p.Name, Identifier: p.identifier.String(), PublicKey: p.Key.String(),
		State: c.State.String(), Connected: c.Connected, Primary: pairOf(c.Primary), Testing: pairOf(c.Testing),
		SendTimerMillis: millis(c.SendTimer), SessionAgeMillis: millis(c.SessionAge), Waiting: p.queued(),
		Pairs: []PairStatus{},
		Counters: Counters{
			OutPackets: p.counters.outPackets.Load(), OutBytes: p.counters.outBytes.Load(),
			InPackets: p.counters.inPackets.Load(), InBytes: p.counters.inBytes.Load(),
			OutControl: p.counters.outControl.Load(), InControl: p.counters.inControl.Load(),
			Waited: p.counters.waited.Load(), Resent: p.counters.resent.Load(),
			Suspicions: c.Stats.Suspicions, FalseAlarms: c.Stats.FalseAlarms,
			Switches: c.Stats.Switches, Outages: c.Stats.Outages, LateWakes: c.Stats.LateWakes,
		},
	}
	for _, x := range c.Pairs {
		q := PairStatus{Pair: *pairOf(x.Pair), Primary: x.Primary, Result: x.Result, RTTMillis: millis(x.RTT)}
		if !x.At.IsZero() {
			q.AgeMillis = millis(now.Sub(x.At))
		}
		s.Pairs = append(s.Pairs, q)
	}
	return s
}

// queued returns how many packets wait for a path.
func (p *peer) queued() int {
	p.ringMu.Lock()
	defer p.ringMu.Unlock()
	return p.ring.Waiting()
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
