package main

import (
	"github.com/spf13/cobra"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
)

func newStatusCmd() *cobra.Command {
	return showsStatus(&cobra.Command{
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
	}, func(s node.Status) view { return view{statusText(s), s, statusCode(s)} })
}

// A view is a status as a command shows it: to people, to programs, and by its exit
// code.
type view struct {
	text   string
	report any
	code   int
}

// showsStatus completes cmd, which shows a daemon's status as v does.
func showsStatus(cmd *cobra.Command, v func(node.Status) view) *cobra.Command {
	var a asker
	cmd.DisableFlagsInUseLine = true
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := a.status(cmd, args)
		if err != nil {
			return err
		}
		shown := v(s)
		return a.finish(cmd, shown.code, shown.text, shown.report)
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
