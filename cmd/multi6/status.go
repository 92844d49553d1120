package main

import (
	"github.com/spf13/cobra"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
)

func newStatusCmd() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:   "status [NAME|CONFIG] [PEER...]",
		Short: "Show the state of a running daemon",
		Long: `Show what a running daemon knows: its locators, and for each peer the state, the
primary pair, what the last test of every pair found, and counters.

NAME is that of the interface, CONFIG the file the daemon was started with.
Without either it is the one daemon that has a socket in /run/multi6, or shim0.
PEER is a peer's name, identifier or public key; without any, all are shown.

The exit code is 4 if no daemon answers, 6 if a connected peer has no primary
pair, 5 if one is being looked for, and 0 otherwise.`,
		Example: `  multi6 status
  multi6 status shim0 b
  multi6 status --json | jq '.peers[].state'`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.status(cmd, args)
			if err != nil {
				return err
			}
			if err := a.print(cmd.OutOrStdout(), statusText(s), s); err != nil {
				return err
			}
			if code := statusCode(s); code != exitOK {
				return &exitError{code: code}
			}
			return nil
		},
	}
	a.addFlags(cmd, "all arguments are peers")
	return cmd
}

// statusCode returns the exit code for s: the worst of its peers. A peer that
// nobody talks to is neither up nor down.
func statusCode(s node.Status) int {
	code := exitOK
	for _, p := range s.Peers {
		switch {
		case !p.Connected || p.State == detect.PrimaryOperational.String():
		case p.State == detect.NoPrimary.String():
			code = exitPeerDown
		case p.Testing != nil:
			code = max(code, exitDegraded)
		}
	}
	return code
}
