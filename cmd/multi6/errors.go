package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/config"
)

// Exit codes. They are part of the interface: scripts branch on them.
const (
	exitOK       = 0
	exitRuntime  = 1 // something failed
	exitUsage    = 2 // the command line is wrong
	exitConfig   = 3 // the configuration is wrong
	exitNoDaemon = 4 // no daemon answers on the control socket
	exitDegraded = 5 // a peer has lost a pair but is reached
	exitPeerDown = 6 // a peer is not reached
)

// An exitError ends the program with code. A nil err ends it silently, for
// commands whose output says it all.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitWith makes an error that ends the program with code and a message.
func exitWith(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// usageError makes an error about the command line. The reference to --help is
// added when it is printed.
func usageError(format string, args ...any) error {
	return exitWith(exitUsage, format, args...)
}

// execute runs root with args and returns the exit code. What a command's RunE
// returns is a runtime error unless its type says otherwise; what cobra itself
// finds wrong is usage.
func execute(root *cobra.Command, args []string) int {
	// Cobra adds these two late, after the commands have been wrapped.
	root.InitDefaultHelpFlag()
	root.InitDefaultCompletionCmd(args...)
	markRunErrors(root)

	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	code := exitUsage
	if re, ok := errors.AsType[*runError](err); ok {
		code = re.code()
		err = re.error
	}
	printError(root.ErrOrStderr(), cmd, code, err)
	return code
}

// printError says once what went wrong. Each problem of a configuration has a
// line of its own that starts with its place, for editors to jump to.
func printError(w io.Writer, cmd *cobra.Command, code int, err error) {
	ps, ok := errors.AsType[config.Problems](err)
	if ok && ps[0].Line > 0 {
		fmt.Fprintln(w, ps)
		fmt.Fprintf(w, "multi6: %s: %s\n", ps[0].File, count(len(ps), "problem"))
		return
	}
	if ee, ok := errors.AsType[*exitError](err); ok && ee.err == nil {
		return
	}
	if code == exitUsage {
		fmt.Fprintf(w, "multi6: %v; see '%s --help'\n", err, cmd.CommandPath())
		return
	}
	fmt.Fprintf(w, "multi6: %v\n", err)
}

// count returns "1 thing" or "n things".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// A runError came from a command that was started, not from cobra.
type runError struct{ error }

func (e *runError) Unwrap() error { return e.error }

func (e *runError) code() int {
	if ee, ok := errors.AsType[*exitError](e.error); ok {
		return ee.code
	}
	if _, ok := errors.AsType[config.Problems](e.error); ok {
		return exitConfig
	}
	return exitRuntime
}

// markRunErrors wraps RunE of cmd and all below it, and gives one to those that
// only hold others: cobra would print help and succeed.
func markRunErrors(cmd *cobra.Command) {
	if !cmd.Runnable() {
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, runGroup
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if err := run(c, args); err != nil {
				return &runError{err}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		markRunErrors(c)
	}
}
