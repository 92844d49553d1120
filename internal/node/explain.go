package node

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// ExplainVersion is the version of the schema of an Explanation, which grows as
// StatusVersion does.
const ExplainVersion = 1

// An Explanation tells what a peer's pairs have been through lately.
type Explanation struct {
	Version int    `json:"version"`
	Peer    string `json:"peer"`
	// Records are the explorations that are remembered, oldest first. The last one
	// may be going on.
	Records []Record `json:"records"`
}

// A Moment is an instant, and when that is relative to the suspicion.
type Moment struct {
	At     time.Time `json:"at"`
	Millis float64   `json:"ms"`
}

// A Record tells of one exploration, from the suspicion until a pair is known to
// work. Moments are absent for what did not happen.
type Record struct {
	// Number counts the peer's records from 1.
	Number uint64 `json:"number"`
	// Cause is the event of Figure 2 that began it, Prompt what is behind it, if
	// that is known: "user", "peer's user", "send error".
	Cause  string `json:"cause"`
	Prompt string `json:"prompt,omitempty"`
	// Outcome is "switched", "stayed" (a false alarm), "no pair" (an outage), or
	// "undecided" while it goes on.
	Outcome string `json:"outcome"`
	// Old is the primary pair before, New the one that took its place.
	Old *Pair `json:"old,omitempty"`
	New *Pair `json:"new,omitempty"`

	// LastConfirmation is the last sign that Old works: "tcp progress", "report" or
	// "poll". FirstUnconfirmed is when the first packet was sent after it, and
	// PatienceMillis for how long that may be unconfirmed.
	LastConfirmation *Confirmation `json:"last_confirmation,omitempty"`
	FirstUnconfirmed *Moment       `json:"first_unconfirmed,omitempty"`
	PatienceMillis   float64       `json:"patience_ms,omitempty"`
	Suspicion        Moment        `json:"suspicion"`
	// Gone is when Old ceased to be a pair.
	Gone  *Moment `json:"gone,omitempty"`
	Polls []Poll  `json:"polls"`
	// OmittedPolls counts those in the midst that were not kept, Rounds how often
	// all pairs were tried anew.
	OmittedPolls int      `json:"omitted_polls,omitempty"`
	Rounds       int      `json:"rounds,omitempty"`
	Resent       []Resent `json:"resent,omitempty"`
	// Decision is when Outcome was decided, by Evidence, an event of Figure 2.
	Decision *Moment `json:"decision,omitempty"`
	Evidence string  `json:"evidence,omitempty"`
	// FirstConfirmation is the first sign that New works, once it was in use.
	FirstConfirmation *Confirmation `json:"first_confirmation,omitempty"`
	// End is when a pair was known to work; after an outage without New, when there
	// was nothing left to look for.
	End *Moment `json:"end,omitempty"`
}

// A Confirmation is a sign that what is sent on a pair arrives.
type Confirmation struct {
	Moment
	By string `json:"by"`
}

// A Poll tells of one test.
type Poll struct {
	Pair Pair   `json:"pair"`
	Sent Moment `json:"sent"`
	// Open says that an Open stood for it, Reply that it only answered the peer's.
	Open  bool `json:"open,omitempty"`
	Reply bool `json:"reply,omitempty"`
	// Result is "answered", "failed" or "pending"; AfterMillis is how long that took.
	// An answer may come after a failure: then LateMillis is how long it took.
	Result      string  `json:"result"`
	AfterMillis float64 `json:"after_ms,omitempty"`
	LateMillis  float64 `json:"late_ms,omitempty"`
	RTTMillis   float64 `json:"rtt_ms,omitempty"`
}

// Resent counts packets, and their bytes, that were sent again over a pair. Waited of
// them had found no pair.
type Resent struct {
	Pair    Pair   `json:"pair"`
	At      Moment `json:"since"`
	Packets int    `json:"packets"`
	Waited  int    `json:"waited,omitempty"`
	Bytes   int    `json:"bytes"`
}

// Explain tells what the pairs of the peer called name have been through.
func (n *Node) Explain(name string) (e Explanation, err error) {
	if !n.call(func(time.Time) {
		var p *peer
		if p, err = n.peerNamed(name); err != nil {
			return
		}
		e = Explanation{Version: ExplainVersion, Peer: p.Name, Records: []Record{}}
		for _, r := range p.context.History() {
			e.Records = append(e.Records, recordOf(r))
		}
	}) {
		return e, errEnded
	}
	return e, err
}

// recordOf writes r as the control socket does.
func recordOf(r shim.Record) Record {
	at := func(t time.Time) Moment { return Moment{t, millis(t.Sub(r.Suspected))} }
	maybe := func(t time.Time) *Moment {
		if t.IsZero() {
			return nil
		}
		m := at(t)
		return &m
	}
	confirmation := func(c shim.Confirmation) *Confirmation {
		if c.At.IsZero() {
			return nil
		}
		return &Confirmation{at(c.At), string(c.By)}
	}
	x := Record{
		Number: r.Number, Cause: r.Cause.String(), Prompt: string(r.Prompt), Outcome: r.Outcome.String(),
		Old: pairOf(r.Old), New: pairOf(r.New),
		LastConfirmation: confirmation(r.Last), FirstUnconfirmed: maybe(r.Unconfirmed), PatienceMillis: millis(r.Patience),
		Suspicion: at(r.Suspected), Gone: maybe(r.Gone), Polls: []Poll{}, OmittedPolls: r.Omitted, Rounds: r.Rounds,
		Decision: maybe(r.Decided), FirstConfirmation: confirmation(r.First), End: maybe(r.Ended),
	}
	if r.Evidence != 0 {
		x.Evidence = r.Evidence.String()
	}
	for _, p := range r.Polls {
		x.Polls = append(x.Polls, pollOf(p, at))
	}
	for _, s := range r.Resent {
		x.Resent = append(x.Resent, Resent{mustPair(s.Pair), at(s.At), s.Packets, s.Waited, s.Bytes})
	}
	return x
}

func pollOf(p shim.PollRecord, at func(time.Time) Moment) Poll {
	x := Poll{Pair: mustPair(p.Pair), Sent: at(p.Sent), Open: p.Open, Reply: p.Reply, Result: "pending", RTTMillis: millis(p.RTT)}
	answered := millis(p.Answered.Sub(p.Sent))
	switch {
	case !p.Failed.IsZero():
		x.Result, x.AfterMillis = "failed", millis(p.Failed.Sub(p.Sent))
		if !p.Answered.IsZero() {
			x.LateMillis = answered
		}
	case !p.Answered.IsZero():
		x.Result, x.AfterMillis = "answered", answered
	}
	return x
}

func mustPair(p locator.Pair) Pair { return Pair{Local: p.Local.String(), Remote: p.Remote.String()} }

func (n *Node) serveExplain(w http.ResponseWriter, r *http.Request) {
	e, err := n.Explain(r.URL.Query().Get("peer"))
	switch {
	case errors.Is(err, ErrRequest):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(e) // an error means that the client has gone
	}
}
