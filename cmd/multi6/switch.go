package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/node"
)

func newSwitchCmd() *cobra.Command {
	var a asker
	var r node.SwitchRequest
	cmd := &cobra.Command{
		Use:   "switch [NAME|CONFIG] PEER [--from ADDR|IFACE] [--to ADDR[:PORT]] [--auto]",
		Short: "Move the traffic to a peer to another pair of addresses",
		Long: `Make another pair of addresses primary. The pair is tested first: if it does not
answer, nothing changes and the exit code is 1. The peer is asked to send over the
same pair. It stays primary until it fails, or until --auto takes that back.

--from and --to say which pair is meant; one of them is enough. Among several, the
best liked is taken: the first of those that 'multi6 pairs' lists.

NAME and CONFIG are as for 'multi6 status', PEER is a peer's name, identifier or
public key.`,
		Example: `  multi6 switch b --from wwan0
  multi6 switch shim0 b --from 2001:db8:a1::1 --to 2001:db8:b2::1
  multi6 switch b --auto`,
		DisableFlagsInUseLine: true,
		Args:                  takes("[NAME|CONFIG]", "[PEER]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkSwitch(cmd, r); err != nil {
				return err
			}
			res, err := command(&a, cmd, args, "PEER", func(c *node.Client, ctx context.Context, peer string) (node.SwitchResult, error) {
				r.Peer = peer
				return c.Switch(ctx, r)
			})
			if err != nil {
				return err
			}
			return a.report(cmd, switchOutcome(r, res, a.again(cmd, args, "--auto")),
				switchReport{node.StatusVersion, r.Peer, res})
		},
	}
	a.addFlags(cmd, "the only argument is PEER")
	cmd.Flags().StringVar(&r.Local, "from", "", "send from `ADDR|IFACE` of this host")
	cmd.Flags().StringVar(&r.Remote, "to", "", "send to `ADDR[:PORT]` of the peer")
	cmd.Flags().BoolVar(&r.Auto, "auto", false, "choose by rank again")
	return cmd
}

// checkSwitch finds what is wrong with the flags of cmd, as read into r.
func checkSwitch(cmd *cobra.Command, r node.SwitchRequest) error {
	from, to := cmd.Flags().Changed("from"), cmd.Flags().Changed("to")
	switch {
	case r.Auto && (from || to):
		return usageError("--auto takes back what --from and --to asked for: give it alone")
	case !r.Auto && r.Local == "" && r.Remote == "":
		return usageError("say which pair: --from a local address or interface, --to an address of the peer, or both; or --auto to choose by rank again")
	case r.Remote != "" && !isAddress(r.Remote):
		return usageError("--to %q is no address; write 2001:db8::1, 192.0.2.1, [2001:db8::1]:6110 or 192.0.2.1:6110", r.Remote)
	}
	return nil
}

// isAddress reports whether s is an address, with or without port.
func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	_, err2 := netip.ParseAddrPort(s)
	return err == nil || err2 == nil
}

// A switchReport is what switch prints as JSON.
type switchReport struct {
	Version int    `json:"version"`
	Peer    string `json:"peer"`
	node.SwitchResult
}

// switchOutcome says what came of r; undo is the command that takes it back.
func switchOutcome(r node.SwitchRequest, res node.SwitchResult, undo string) outcome {
	wanted := pairText(res.Wanted)
	stays := fmt.Sprintf("stays until it fails ('%s' takes that back)", undo)
	switch {
	case r.Auto && res.Pair != nil:
		return outcome{text: fmt.Sprintf("%s: chooses by rank again; %s stays primary until a better liked pair has proved to work", r.Peer, pairText(res.Pair))}
	case r.Auto:
		return outcome{text: r.Peer + ": chooses by rank again"}
	case !res.Switched && res.Pair == nil:
		return outcome{exitRuntime, fmt.Sprintf("%s: %s did not answer; no pair is primary now", r.Peer, wanted)}
	case !res.Switched && samePair(res.Old, res.Pair):
		return outcome{exitRuntime, fmt.Sprintf("%s: %s did not answer; %s stays primary", r.Peer, wanted, pairText(res.Pair))}
	case !res.Switched:
		return outcome{exitRuntime, fmt.Sprintf("%s: %s did not answer; %s is primary now", r.Peer, wanted, pairText(res.Pair))}
	case samePair(res.Old, res.Pair):
		return outcome{text: fmt.Sprintf("%s: %s was primary already; now it %s", r.Peer, wanted, stays)}
	}
	return outcome{text: fmt.Sprintf("%s: %s is primary now, and %s", r.Peer, wanted, stays)}
}

func samePair(a, b *node.Pair) bool { return a == b || a != nil && b != nil && *a == *b }
