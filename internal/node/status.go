package node

import (
	"slices"
	"strings"
	"time"

	"github.com/multi6/multi6/detect"
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
	Offloads   []Offloads        `json:"offloads,omitempty"`
	Locators   []LocatorStatus   `json:"locators"`
	Peers      []PeerStatus      `json:"peers"`
	Drops      map[string]uint64 `json:"drops"`
	// Wakes counts how often the loop had something to do, but for this status.
	Wakes uint64 `json:"wakes"`
}

// A LocatorStatus describes an address of this host.
type LocatorStatus struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
	// State is that of Figure 1: available, operational or none.
	State string `json:"state"`
	// Why says why it is not operational.
	Why string `json:"why,omitempty"`
	// Bits is the length of its prefix, MTU that of its interface, 0 if unknown.
	Bits int `json:"prefix_bits,omitempty"`
	MTU  int `json:"mtu,omitempty"`
	// Preference and Metered are the user's word on it.
	Preference uint8 `json:"preference"`
	Metered    bool  `json:"metered,omitempty"`
	// Deprecated and optimistic addresses are used last.
	Deprecated bool `json:"deprecated,omitempty"`
	Optimistic bool `json:"optimistic,omitempty"`
	Temporary  bool `json:"temporary,omitempty"`
	// Drained says that traffic is to stay off its interface.
	Drained bool `json:"drained,omitempty"`
}

// A RemoteStatus describes a locator of a peer.
type RemoteStatus struct {
	Address string `json:"address"`
	// Source is announced, configured or heard (a packet came from it).
	Source string `json:"source"`
	// StandsFor is the announced locator that a NAT shows as this one.
	StandsFor  string `json:"stands_for,omitempty"`
	Preference uint8  `json:"preference"`
	Metered    bool   `json:"metered,omitempty"`
	Deprecated bool   `json:"deprecated,omitempty"`
}

// A NATStatus tells how a peer sees a local locator that is behind a NAT.
type NATStatus struct {
	Local  string `json:"local"`
	SeenAs string `json:"seen_as"`
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
	// Pinned is the pair that a user has switched to.
	Pinned  *Pair          `json:"pinned,omitempty"`
	Remotes []RemoteStatus `json:"remotes"`
	NAT     []NATStatus    `json:"nat,omitempty"`
	// KeepaliveMillis is the interval of keepalives, absent if none are sent.
	KeepaliveMillis float64  `json:"keepalive_ms,omitempty"`
	Counters        Counters `json:"counters"`
}

// A PairStatus describes a pair.
type PairStatus struct {
	Pair
	Primary bool `json:"primary"`
	// Result is that of the last test: ok, failed or untested.
	Result    string  `json:"result"`
	AgeMillis float64 `json:"age_ms,omitempty"`
	RTTMillis float64 `json:"rtt_ms,omitempty"`
	// Rank counts from 1, the best liked; Why says why it is not 1. Pairs of one
	// Class, from 0, are equally wanted.
	Rank  int    `json:"rank"`
	Class int    `json:"class"`
	Why   string `json:"why,omitempty"`
	// Interface is that of the local locator, and MTU its, 0 if unknown.
	Interface string `json:"interface,omitempty"`
	MTU       int    `json:"mtu,omitempty"`
	Metered   bool   `json:"metered,omitempty"`
	// PathMTU is the longest IP packet known to arrive, in bytes, absent if that was never
	// looked for, and PathMTUState how far the search is: base, searching, search
	// complete or error (RFC 8899 §5.2).
	PathMTU      int    `json:"path_mtu,omitempty"`
	PathMTUState string `json:"path_mtu_state,omitempty"`
	// Loss is the share of packets lost, from 0 to 1, LossMillis its age; both absent
	// if not known.
	Loss       float64 `json:"loss,omitempty"`
	LossMillis float64 `json:"loss_age_ms,omitempty"`
	// HeardMillis is the age of the last Poll that came over the reverse.
	HeardMillis float64 `json:"heard_ms,omitempty"`
	// WorksMillis is, of a pair better liked than the primary, for how long it has
	// answered all Polls, and HoldMillis for how long it has to.
	WorksMillis float64 `json:"works_ms,omitempty"`
	HoldMillis  float64 `json:"hold_ms,omitempty"`
}

// Counters count what passed between the node and a peer.
type Counters struct {
	OutPackets uint64 `json:"out_packets"`
	OutBytes   uint64 `json:"out_bytes"`
	InPackets  uint64 `json:"in_packets"`
	InBytes    uint64 `json:"in_bytes"`
	OutControl uint64 `json:"out_control"`
	InControl  uint64 `json:"in_control"`
	Waited     uint64 `json:"waited"`
	Resent     uint64 `json:"resent"`
	// Marked counts packets that told their transport of a switch (ECN).
	Marked      uint64 `json:"marked"`
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
		Offloads: n.offloads(), Locators: []LocatorStatus{}, Peers: []PeerStatus{}, Drops: make(map[string]uint64),
		Wakes: n.looper.wakes,
	}
	for _, e := range n.table.Entries() {
		s.Locators = append(s.Locators, LocatorStatus{
			Address: e.Fact.Addr.String(), Interface: e.Fact.Name, State: stateName(e.State), Why: e.Reason,
			Bits: e.Fact.Bits, MTU: e.Fact.MTU, Preference: n.cfg.Policy.Rule(e.Fact).Preference,
			Metered: n.cfg.Policy.Rule(e.Fact).Metered, Deprecated: e.Fact.Deprecated, Optimistic: e.Fact.Optimistic,
			Temporary: e.Fact.Temporary, Drained: e.Drained,
		})
	}
	for _, p := range n.peers {
		s.Peers = append(s.Peers, n.peerStatus(p, now))
	}
	for d := shim.DropNone + 1; d < shim.NumDrops; d++ {
		s.Drops[d.String()] = n.drops[d].Load()
	}
	return s
}

// contextStatus returns what p's context tells, up to date.
func (n *Node) contextStatus(p *peer, now time.Time) shim.Status {
	n.looper.run(p, func(acts []shim.Action) []shim.Action { return p.context.Refresh(now, acts) })
	return p.context.Status(now)
}

func (n *Node) peerStatus(p *peer, now time.Time) PeerStatus {
	c := n.contextStatus(p, now)
	s := PeerStatus{
		Name: p.Name, Identifier: p.identifier.String(), PublicKey: p.Key.String(),
		State: c.State.String(), Connected: c.Connected, Primary: pairOf(c.Primary), Testing: pairOf(c.Testing),
		SendTimerMillis: millis(c.SendTimer), SessionAgeMillis: millis(c.SessionAge), Waiting: p.queued(),
		Pairs: []PairStatus{}, Pinned: pairOf(c.Pinned), Remotes: []RemoteStatus{}, KeepaliveMillis: millis(c.Keepalive),
		Counters: p.countersOf(c.Stats),
	}
	for i, x := range c.Pairs {
		s.Pairs = append(s.Pairs, n.pairStatus(x, i+1, now))
	}
	for _, r := range c.Remotes {
		x := RemoteStatus{
			Address: r.Addr.String(), Source: r.Source, Preference: r.Preference, Metered: r.Metered, Deprecated: r.Deprecated,
		}
		if r.Of.IsValid() {
			x.StandsFor = r.Of.String()
		}
		s.Remotes = append(s.Remotes, x)
	}
	for local, outside := range c.Outside {
		s.NAT = append(s.NAT, NATStatus{local.String(), outside.String()})
	}
	slices.SortFunc(s.NAT, func(a, b NATStatus) int { return strings.Compare(a.Local, b.Local) })
	return s
}

func (n *Node) pairStatus(x shim.PairStatus, rank int, now time.Time) PairStatus {
	e := n.table.Entry(x.Pair.Local)
	s := PairStatus{
		Pair: *pairOf(x.Pair), Primary: x.Primary, Result: x.Result, RTTMillis: millis(x.RTT),
		Rank: rank, Class: x.Class, Why: x.Why, Interface: e.Fact.Name, MTU: e.Fact.MTU, Metered: x.Metered,
		Loss: x.Loss,
	}
	age := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return millis(now.Sub(t))
	}
	s.AgeMillis, s.HeardMillis, s.WorksMillis, s.LossMillis = age(x.At), age(x.InboundAt), age(x.WorksSince), age(x.LossAt)
	if x.MTU > 0 {
		s.PathMTU, s.PathMTUState = x.MTU, x.MTUState.String()
	}
	if s.WorksMillis > 0 {
		s.HoldMillis = millis(x.Hold)
	}
	return s
}

func (p *peer) countersOf(s detect.Stats) Counters {
	return Counters{
		OutPackets: p.counters.outPackets.Load(), OutBytes: p.counters.outBytes.Load(),
		InPackets: p.counters.inPackets.Load(), InBytes: p.counters.inBytes.Load(),
		OutControl: p.counters.outControl.Load(), InControl: p.counters.inControl.Load(),
		Waited: p.counters.waited.Load(), Resent: p.counters.resent.Load(),
		Marked:     p.counters.marked.Load(),
		Suspicions: s.Suspicions, FalseAlarms: s.FalseAlarms,
		Switches: s.Switches, Outages: s.Outages, LateWakes: s.LateWakes,
	}
}

// queued returns how many packets wait for a path.
func (p *peer) queued() int {
	p.ringMu.Lock()
	defer p.ringMu.Unlock()
	return p.ring.Waiting()
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
