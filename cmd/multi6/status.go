package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/config"
	"github.com/multi6/multi6/internal/node"
)

const (
	// socketDir holds the control sockets of daemons whose configuration does
	// not name another place.
	socketDir = "/run/multi6"
	socketExt = ".sock"
	// defaultName is the interface that is meant when none is named.
	defaultName = "shim0"
	// statusPatience is how long a daemon may take to answer.
	statusPatience = 5 * time.Second
)

func newStatusCmd() *cobra.Command {
	var socket string
	var asJSON bool
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
		RunE: func(cmd *cobra.Command, args []string) error {
			if socket == "" {
				var err error
				if socket, args, err = findSocket(socketDir, args); err != nil {
					return err
				}
			}
			s, err := askStatus(cmd.Context(), socket)
			if err != nil {
				return err
			}
			if s.Peers, err = selectPeers(s, args); err != nil {
				return err
			}
			if err := printStatus(cmd.OutOrStdout(), s, asJSON); err != nil {
				return err
			}
			if code := statusCode(s); code != exitOK {
				return &exitError{code: code}
			}
			return nil
		},
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.Flags().StringVar(&socket, "socket", "", "ask the daemon on the control socket `PATH`; all arguments are peers")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// findSocket returns the control socket that args mean, and the arguments that
// are left. dir is where sockets are by default.
func findSocket(dir string, args []string) (socket string, peers []string, err error) {
	if len(args) > 0 {
		file := config.Path(args[0])
		byName := filepath.Join(dir, args[0]+socketExt)
		switch {
		case file != args[0] && exists(byName):
			return byName, args[1:], nil
		case file == args[0] || exists(file):
			c, err := config.Load(file)
			if err != nil {
				return "", nil, err
			}
			return c.ControlSocket, args[1:], nil
		}
	}
	names, err := socketNames(dir)
	if err != nil {
		return "", nil, err
	}
	switch {
	case len(names) == 1:
		return filepath.Join(dir, names[0]+socketExt), args, nil
	case len(names) > 1 && !slices.Contains(names, defaultName):
		return "", nil, usageError("there are several daemons; name one of %s", strings.Join(names, ", "))
	case len(names) == 0 && len(args) > 0:
		// It cannot be a peer's name, so take it for an interface's.
		return filepath.Join(dir, args[0]+socketExt), args[1:], nil
	}
	return filepath.Join(dir, defaultName+socketExt), args, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// socketNames returns the names of the daemons with a socket in dir, sorted.
func socketNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), socketExt); ok && e.Type() == fs.ModeSocket {
			names = append(names, name)
		}
	}
	return names, nil
}

// askStatus asks the daemon on socket.
func askStatus(ctx context.Context, socket string) (node.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	client := node.NewClient(socket)
	defer client.Close()
	s, err := client.Status(ctx)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return s, exitWith(exitRuntime, "may not open %s: try 'sudo multi6 status'", socket)
	case errors.Is(err, context.DeadlineExceeded):
		return s, exitWith(exitNoDaemon, "the daemon on %s does not answer within %v", socket, statusPatience)
	case errors.Is(err, node.ErrNoDaemon):
		return s, exitWith(exitNoDaemon, "no daemon answers on %s: start one with 'multi6 up', or give its NAME or --socket", socket)
	case err != nil:
		return s, fmt.Errorf("%s: %w", socket, err)
	}
	return s, nil
}

// selectPeers returns the peers that names mean, in the order of the daemon; all
// if there are no names.
func selectPeers(s node.Status, names []string) ([]node.PeerStatus, error) {
	if len(names) == 0 {
		return s.Peers, nil
	}
	wanted := make([]bool, len(s.Peers))
	for _, name := range names {
		i := slices.IndexFunc(s.Peers, func(p node.PeerStatus) bool {
			return name == p.Name || name == p.Identifier || name == p.PublicKey
		})
		if i < 0 {
			return nil, fmt.Errorf("%s has no peer %q; %s", s.Interface, name, knownPeers(s.Peers))
		}
		wanted[i] = true
	}
	chosen := []node.PeerStatus{}
	for i, p := range s.Peers {
		if wanted[i] {
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}

func knownPeers(ps []node.PeerStatus) string {
	if len(ps) == 0 {
		return "it has none"
	}
	var names []string
	for _, p := range ps {
		names = append(names, p.Name)
	}
	return "it has " + strings.Join(names, ", ")
}

func printStatus(w io.Writer, s node.Status, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	_, err := io.WriteString(w, statusText(s))
	return err
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
