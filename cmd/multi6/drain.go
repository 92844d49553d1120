package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/node"
)

func newDrainCmd() *cobra.Command {
	var a asker
	var r node.DrainRequest
	cmd := &cobra.Command{
		Use:   "drain [NAME|CONFIG] IFACE [--undo]",
		Short: "Move all traffic off a network interface",
		Long: `Move the traffic to all peers off a network interface, for instance before its
cable is pulled or its subscription runs out, while it still works. Peers are told
to leave it, too. The interface stays drained until --undo, or the daemon's end.

The exit code is 5 if a peer still uses the interface because nothing else works.
NAME and CONFIG are as for 'multi6 status'.`,
		Example: `  multi6 drain wwan0
  multi6 drain shim0 wwan0 && ip link set wwan0 down
  multi6 drain wwan0 --undo`,
		DisableFlagsInUseLine: true,
		Args:                  takes("[NAME|CONFIG]", "[IFACE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			res, err := command(&a, cmd, args, "IFACE", func(c *node.Client, ctx context.Context, iface string) (node.DrainResult, error) {
				r.Interface = iface
				return c.Drain(ctx, r)
			})
			if err != nil {
				return err
			}
			return a.report(cmd, drainOutcome(r, res, a.again(cmd, args, "--undo")),
				drainReport{node.StatusVersion, r.Interface, !r.Undo, res})
		},
	}
	a.addFlags(cmd, "the only argument is IFACE")
	cmd.Flags().BoolVar(&r.Undo, "undo", false, "use the interface again")
	return cmd
}

// A drainReport is what drain prints as JSON.
type drainReport struct {
	Version   int    `json:"version"`
	Interface string `json:"interface"`
	Drained   bool   `json:"drained"`
	node.DrainResult
}

// drainOutcome says what came of r; undo is the command that takes it back.
func drainOutcome(r node.DrainRequest, res node.DrainResult, undo string) outcome {
	switch {
	case r.Undo:
		return outcome{text: r.Interface + " may be used again"}
	case len(res.Left) > 0:
		return outcome{exitDegraded, fmt.Sprintf("%s still carries traffic to %s, for want of a better way; they leave it as soon as there is one ('%s' takes that back)",
			r.Interface, strings.Join(res.Left, ", "), undo)}
	case len(res.Locators) == 0:
		return outcome{text: r.Interface + " carries no traffic to peers: none of its addresses is operational"}
	}
	return outcome{text: fmt.Sprintf("all peers are off %s; it can be taken down ('%s' takes that back)", r.Interface, undo)}
}
