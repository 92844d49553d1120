package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/node"
)

// command has the daemon that args mean do something about the last of them, which is
// called last, and returns what came of it.
func command[T any](a *asker, cmd *cobra.Command, args []string, last string,
	do func(c *node.Client, ctx context.Context, about string) (T, error)) (result T, err error) {
	socket, about, err := a.findWith(socketDir, args, last)
	if err != nil {
		return result, err
	}
	return ask(cmd, socket, commandPatience, func(c *node.Client, ctx context.Context) (T, error) { return do(c, ctx, about) })
}

// An outcome is how a command ended that changes something: the exit code, and a
// line for people.
type outcome struct {
	code int
	text string
}

// report prints an outcome, or v if JSON is asked for. What is not as it was wanted
// is an error.
func (a *asker) report(cmd *cobra.Command, o outcome, v any) error {
	if o.code != exitOK && !a.json {
		return exitWith(o.code, "%s", o.text)
	}
	return a.finish(cmd, o.code, o.text+"\n", v)
}

// again returns the command line of cmd with the same arguments and other flags, for
// people to type.
func (a *asker) again(cmd *cobra.Command, args []string, flags string) string {
	words := append([]string{cmd.CommandPath()}, args...)
	if a.socket != "" {
		words = append(words, "--socket", a.socket)
	}
	return strings.Join(append(words, flags), " ")
}
