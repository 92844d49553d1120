package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/node"
)

func newEventsCmd() *cobra.Command {
	var a asker
	var follow bool
	cmd := &cobra.Command{
		Use:   "events [NAME|CONFIG] [PEER...] [--follow]",
		Short: "Show what a running daemon has lately been doing",
		Long: `Show the latest events of a running daemon, 256 at most, one a line; with --follow
also those to come, until Ctrl-C. With --json, each line is an object.

NAME and CONFIG are as for 'multi6 status'. PEER is a peer's name, identifier or
public key; with any, only what concerns these peers is shown. The exit code is 4 if
no daemon answers, or it ends while it is followed. 'multi6 explain' tells what led
to a switch.`,
		Example: `  multi6 events
  multi6 events b --follow
  multi6 events -f --json | jq 'select(.kind == "switch")'`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			socket, names, err := a.find(socketDir, args)
			if err != nil {
				return err
			}
			wanted, err := peersWanted(cmd, socket, names)
			if err != nil {
				return err
			}
			return a.events(cmd, socket, follow, wanted)
		},
	}
	a.addFlags(cmd, "all arguments are peers")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on")
	return cmd
}

// peersWanted returns the names of the peers that names mean, nil for all.
func peersWanted(cmd *cobra.Command, socket string, names []string) (map[string]bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	s, err := ask(cmd, socket, statusPatience, (*node.Client).Status)
	if err != nil {
		return nil, err
	}
	peers, err := selectPeers(s, names)
	wanted := make(map[string]bool)
	for _, p := range peers {
		wanted[p.Name] = true
	}
	return wanted, err
}

// events prints the events of the daemon on socket.
func (a *asker) events(cmd *cobra.Command, socket string, follow bool, wanted map[string]bool) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	if !follow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, statusPatience)
		defer cancel()
	}
	client := node.NewClient(socket)
	defer client.Close()
	var failed error
	err := client.Recent(ctx, follow, func(e node.Event) {
		if failed == nil && (wanted == nil || wanted[e.Peer]) {
			if failed = a.printEvent(cmd.OutOrStdout(), e); failed != nil {
				stop() // nobody reads any more
			}
		}
	})
	switch {
	case failed != nil:
		return failed
	case errors.Is(ctx.Err(), context.Canceled):
		return nil // Ctrl-C
	case ctx.Err() != nil:
		return askError(cmd, socket, statusPatience, ctx.Err())
	case err != nil:
		return askError(cmd, socket, statusPatience, err)
	case follow:
		return exitWith(exitNoDaemon, "the daemon on %s has ended", socket)
	}
	return nil
}

func (a *asker) printEvent(w io.Writer, e node.Event) error {
	if a.json {
		return json.NewEncoder(w).Encode(e)
	}
	_, err := io.WriteString(w, eventText(e, time.Now())+"\n")
	return err
}

// eventText writes e in a line: when, of what peer, and what.
func eventText(e node.Event, now time.Time) string {
	who := e.Peer
	if who == "" {
		who = "-"
	}
	return clock(e.At, now) + "  " + who + "  " + whatHappened(e)
}

func whatHappened(e node.Event) string {
	switch e.Kind {
	case "switch":
		return switchEvent(e)
	case "state":
		text := fmt.Sprintf("%s: %s", e.Cause, e.State)
		if e.Pair != nil {
			text += ", " + pairText(e.Pair)
		}
		if e.SilentMillis > 0 {
			text += ", unconfirmed for " + span(e.SilentMillis)
		}
		return text
	case "test":
		return "Poll on " + pairText(e.Pair)
	case "test failed":
		return fmt.Sprintf("no answer on %s within %s", pairText(e.Pair), e.Detail)
	case "answer":
		return "answer to the peer's Poll on " + pairText(e.Pair)
	case "locator":
		return fmt.Sprintf("locator %s: %s%s", e.Locator, e.State, inBrackets(e.Cause))
	case "locators":
		return e.Detail + " locators have changed"
	case "session":
		return "a session is in use: " + e.Detail
	case "nat":
		return fmt.Sprintf("nat on %s: %s", pairText(e.Pair), e.Detail)
	case "mtu":
		return fmt.Sprintf("path MTU of %s: %s", pairText(e.Pair), e.Detail)
	case "close":
		return "the peer has closed"
	}
	return strings.TrimSpace(e.Kind + " " + e.Detail)
}

func switchEvent(e node.Event) string {
	took := ""
	if e.TookMillis > 0 {
		took = ", after " + delay(e.TookMillis)
	}
	switch {
	case e.Pair == nil:
		return fmt.Sprintf("no primary pair any more; it was %s (%s)%s", pairText(e.Old), e.Cause, took)
	case e.Old == nil:
		return fmt.Sprintf("primary pair: %s (%s)%s", pairText(e.Pair), e.Cause, took)
	}
	return fmt.Sprintf("switched from %s to %s (%s)%s", pairText(e.Old), pairText(e.Pair), e.Cause, took)
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
