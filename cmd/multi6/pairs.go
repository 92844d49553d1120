package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
)

func newPairsCmd() *cobra.Command {
	return showsStatus(&cobra.Command{
		Use:   "pairs [NAME|CONFIG] [PEER...]",
		Short: "Show the pairs of addresses to reach each peer over",
		Long: `Show for each peer all pairs of a local and a remote address, the best liked first.

  *      the primary pair, which outgoing packets use
  OUT    whether our packets arrive over it, and since when that is known
  IN     when the peer last tested the way back; - if it never did
  RTT    the round trip, smoothed
  MTU    the path MTU in bytes: the longest packet known to arrive; + while longer ones
         are being tried, ? if not even such as every path should carry do; - if it
         was not looked for yet
  RANK   the order in which pairs are liked, all else being equal
  CLASS  pairs of one class are equally wanted; only to a lower class does traffic
         move back, once a pair there has worked for the failback time
  WHY    why the pair comes after the first, whether 'multi6 switch', here or at the
         peer, has pinned it, and how far it is on its way back to being primary

Arguments are as for 'multi6 status', whose exit code tells how the peers are.`,
		Example: `  multi6 pairs
  multi6 pairs shim0 b
  multi6 pairs --json b | jq '.peers[].pairs[] | select(.result == "failed")'`,
	}, func(s node.Status) view { return view{pairsText(s), pairsOf(s), exitOK} })
}

// A pairsReport is what pairs prints as JSON: a part of a node.Status, under the
// version of the whole.
type pairsReport struct {
	Version   int         `json:"version"`
	Interface string      `json:"interface"`
	Peers     []peerPairs `json:"peers"`
}

type peerPairs struct {
	Name      string            `json:"name"`
	State     string            `json:"state"`
	Connected bool              `json:"connected"`
	Testing   *node.Pair        `json:"testing,omitempty"`
	Pinned    *node.Pair        `json:"pinned,omitempty"`
	Pairs     []node.PairStatus `json:"pairs"`
}

func pairsOf(s node.Status) pairsReport {
	r := pairsReport{s.Version, s.Interface, []peerPairs{}}
	for _, p := range s.Peers {
		r.Peers = append(r.Peers, peerPairs{p.Name, p.State, p.Connected, p.Testing, p.Pinned, p.Pairs})
	}
	return r
}

// pairsText renders the pairs of all peers for people.
func pairsText(s node.Status) string {
	var parts []string
	for _, p := range s.Peers {
		title := "peer " + p.Name + ": " + stateText(p)
		if p.Testing != nil {
			title += ", " + pairText(p.Testing)
		}
		rows := [][]string{{"  PAIR", "IFACE", "OUT", "IN", "RTT", "MTU", "RANK", "CLASS", "WHY"}}
		for _, q := range p.Pairs {
			rows = append(rows, []string{
				markOf(q) + pairText(&q.Pair), orDash(q.Interface), outText(q), ago(q.HeardMillis), span(q.RTTMillis),
				mtuText(q), fmt.Sprint(q.Rank), fmt.Sprint(q.Class), whyText(p, q),
			})
		}
		if len(p.Pairs) == 0 {
			rows = [][]string{{"none"}}
		}
		parts = append(parts, section(title, rows))
	}
	if len(parts) == 0 {
		return noPeersText(s)
	}
	return strings.Join(parts, "\n")
}

// noPeersText stands for an empty list of peers.
func noPeersText(s node.Status) string { return s.Interface + " has no peers\n" }

// markOf marks the primary pair.
func markOf(q node.PairStatus) string {
	if q.Primary {
		return "* "
	}
	return "  "
}

// outText says whether our packets arrive, and since when that is known.
func outText(q node.PairStatus) string {
	if q.AgeMillis <= 0 {
		return q.Result
	}
	return q.Result + " " + ago(q.AgeMillis)
}

// whyText says why q is where it is in the ranking of p's pairs, what pins it, how far
// it has come on its way back to being primary, and what it loses.
func whyText(p node.PeerStatus, q node.PairStatus) string {
	var why []string
	if q.Why != "" {
		why = append(why, q.Why)
	}
	if p.Pinned != nil && q.Pair == *p.Pinned {
		why = append(why, "pinned")
	}
	if q.WorksMillis > 0 && isBetter(p, q) {
		why = append(why, fmt.Sprintf("working %s of %s", span(q.WorksMillis), span(q.HoldMillis)))
	}
	if q.Loss >= leastLoss {
		why = append(why, fmt.Sprintf("lost %.0f %% of packets %s", 100*q.Loss, ago(q.LossMillis)))
	}
	return strings.Join(why, "; ")
}

// leastLoss is the share of packets from which on a loss is worth a word.
const leastLoss = 0.01

// isBetter reports whether q is better liked than the primary pair of p.
func isBetter(p node.PeerStatus, q node.PairStatus) bool {
	for _, x := range p.Pairs {
		if x.Primary {
			return q.Class < x.Class
		}
	}
	return false
}

// mtuText writes the path MTU of q, "-" if nothing is known of it.
func mtuText(q node.PairStatus) string {
	switch q.PathMTUState {
	case detect.MTUComplete.String():
		return fmt.Sprint(q.PathMTU)
	case detect.MTUSearching.String():
		return fmt.Sprint(q.PathMTU) + "+"
	case detect.MTUError.String():
		return fmt.Sprint(q.PathMTU) + "?"
	}
	return "-"
}

// ago writes an age of ms milliseconds, "-" for zero, which means never.
func ago(ms float64) string {
	if ms <= 0 {
		return "-"
	}
	return span(ms) + " ago"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
