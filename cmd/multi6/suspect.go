package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/node"
)

func newSuspectCmd() *cobra.Command {
	var a asker
	var r node.SuspectRequest
	cmd := &cobra.Command{
		Use:   "suspect [NAME|CONFIG] PEER",
		Short: "Have the connection to a peer tested, as it seems unsatisfactory",
		Long: `Tell the daemon that the connection to a peer is unsatisfactory. It tests the
primary pair at once. If that does not answer, another one that does takes over; if it
does, it stays, and a pair that is clearly quicker is named.

The exit code is 6 if no pair works. A peer nobody has talked to is contacted. NAME and
CONFIG are as for 'multi6 status', PEER is a peer's name, identifier or public key.`,
		Example: `  multi6 suspect b
  multi6 suspect shim0 b --json`,
		DisableFlagsInUseLine: true,
		Args:                  takes("[NAME|CONFIG]", "[PEER]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			res, err := command(&a, cmd, args, "PEER", func(c *node.Client, ctx context.Context, peer string) (node.SuspectResult, error) {
				r.Peer = peer
				return c.Suspect(ctx, r)
			})
			if err != nil {
				return err
			}
			return a.report(cmd, suspectOutcome(r.Peer, res), suspectReport{node.ExplainVersion, r.Peer, res})
		},
	}
	a.addFlags(cmd, "the only argument is PEER")
	return cmd
}

// A suspectReport is what suspect prints as JSON.
type suspectReport struct {
	Version int    `json:"version"`
	Peer    string `json:"peer"`
	node.SuspectResult
}

// suspectOutcome says what came of a complaint about peer.
func suspectOutcome(peer string, res node.SuspectResult) outcome {
	switch {
	case res.Record == nil:
		return outcome{exitPeerDown, peer + ": no pair is known, so there is nothing to test; 'multi6 addr' lists the addresses of both ends"}
	case res.Pair == nil:
		return outcome{exitPeerDown, peer + ": no pair works; the search goes on"}
	case res.Old == nil:
		return outcome{text: fmt.Sprintf("%s: had no primary pair; now it is %s, which answered%s", peer, pairText(res.Pair), after(res, *res.Pair))}
	case samePair(res.Old, res.Pair):
		text := fmt.Sprintf("%s: the primary pair %s works, as a confirmation shows; it stays", peer, pairText(res.Pair))
		if took := after(res, *res.Pair); took != "" {
			text = fmt.Sprintf("%s: the primary pair %s answered%s; it stays", peer, pairText(res.Pair), took)
		}
		if q := res.Quicker; q != nil {
			text += fmt.Sprintf("\n%s: %s is quicker: %s round trip, %s on the primary pair ('multi6 switch' moves there)",
				peer, pairText(&q.Pair), span(q.RTTMillis), span(q.PrimaryRTTMillis))
		}
		return outcome{text: text}
	}
	return outcome{text: fmt.Sprintf("%s: switched from %s, which did not answer, to %s ('multi6 explain' tells more)", peer, pairText(res.Old), pairText(res.Pair))}
}

// after says how soon p answered, "" if it did not.
func after(res node.SuspectResult, p node.Pair) string {
	for _, x := range res.Record.Polls {
		if x.Pair == p && x.Result == "answered" && !x.Reply {
			return " after " + delay(x.AfterMillis)
		}
	}
	return ""
}
