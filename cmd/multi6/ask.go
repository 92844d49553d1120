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
	// commandPatience is that for what waits for tests of pairs, which the daemon
	// itself ends after 5 s.
	commandPatience = 15 * time.Second
)

// An asker is what the commands that ask a running daemon have in common: how it is
// found, and how the answer is printed.
type asker struct {
	socket string
	json   bool
}

// addFlags adds the flags of a command whose arguments, besides the daemon, are rest.
func (a *asker) addFlags(cmd *cobra.Command, rest string) {
	about := "ask the daemon on the control socket `PATH`"
	if rest != "" {
		about += "; " + rest
	}
	cmd.Flags().StringVar(&a.socket, "socket", "", about)
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
}

// find returns the control socket that is meant, and the arguments that are left. dir
// is where sockets are by default.
func (a *asker) find(dir string, args []string) (socket string, rest []string, err error) {
	if a.socket != "" {
		return a.socket, args, nil
	}
	return findSocket(dir, args)
}

// findWith is find for commands whose last argument must be there and is called last.
// So what stands before it can only be the daemon.
func (a *asker) findWith(dir string, args []string, last string) (socket, word string, err error) {
	if len(args) == 0 {
		return "", "", usageError("missing argument %s", last)
	}
	word = args[len(args)-1]
	socket, rest, err := a.find(dir, args[:len(args)-1])
	switch {
	case err == nil && len(rest) > 0 && a.socket != "":
		return "", "", usageError("unexpected argument %q: --socket names the daemon", rest[0])
	case err == nil && len(rest) > 0:
		return "", "", usageError("%q is neither a daemon with a socket in %s nor a configuration", rest[0], dir)
	}
	return socket, word, err
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

// ask has f ask the daemon on socket for cmd, within patience.
func ask[T any](cmd *cobra.Command, socket string, patience time.Duration,
	f func(*node.Client, context.Context) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	client := node.NewClient(socket)
	defer client.Close()
	answer, err = f(client, ctx)
	return answer, askError(cmd, socket, patience, err)
}

// askError says what is wrong when asking the daemon on socket for cmd ended with err.
func askError(cmd *cobra.Command, socket string, patience time.Duration, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return exitWith(exitRuntime, "may not open %s: try 'sudo %s'", socket, cmd.CommandPath())
	case errors.Is(err, context.DeadlineExceeded):
		return exitWith(exitNoDaemon, "the daemon on %s does not answer within %v", socket, patience)
	case errors.Is(err, node.ErrNoDaemon):
		return exitWith(exitNoDaemon, "no daemon answers on %s: start one with 'multi6 up', or give its NAME or --socket", socket)
	case errors.Is(err, node.ErrRequest):
		return err // it says all
	case err != nil:
		return fmt.Errorf("%s: %w", socket, err)
	}
	return nil
}

// status asks for the status of the daemon that args mean. What is left of args are
// the peers to keep; all if nothing is.
func (a *asker) status(cmd *cobra.Command, args []string) (s node.Status, err error) {
	socket, peers, err := a.find(socketDir, args)
	if err != nil {
		return s, err
	}
	if s, err = ask(cmd, socket, statusPatience, (*node.Client).Status); err != nil {
		return s, err
	}
	s.Peers, err = selectPeers(s, peers)
	return s, err
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

// print prints text, or v if JSON is asked for.
func (a *asker) print(w io.Writer, text string, v any) error {
	if a.json {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	_, err := io.WriteString(w, text)
	return err
}

// finish prints as print does, and ends cmd with an exit code.
func (a *asker) finish(cmd *cobra.Command, code int, text string, v any) error {
	if err := a.print(cmd.OutOrStdout(), text, v); err != nil || code == exitOK {
		return err
	}
	return &exitError{code: code}
}
