package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/config"
)

// TestExecute gives the exit code and the message for what a command may return.
func TestExecute(t *testing.T) {
	two := config.Problems{{File: "f", Line: 1, Column: 2, Text: "a"}, {File: "f", Line: 3, Column: 4, Text: "b"}}
	tests := []struct {
		name   string
		err    error
		code   int
		stderr string
	}{
		{"ok", nil, exitOK, ""},
		{"any error", errors.New("broken"), exitRuntime, "multi6: broken\n"},
		{"usage", usageError("no %s", "x"), exitUsage, "multi6: no x; see 'multi6 test --help'\n"},
		{"no daemon", exitWith(exitNoDaemon, "no daemon"), exitNoDaemon, "multi6: no daemon\n"},
		{"wrapped", fmt.Errorf("status: %w", exitWith(exitDegraded, "b is degraded")), exitDegraded, "multi6: status: b is degraded\n"},
		{"silent", &exitError{code: exitPeerDown}, exitPeerDown, ""},
		{"problems", two, exitConfig, "f:1:2: a\nf:3:4: b\nmulti6: f: 2 problems\n"},
		{"wrapped problems", fmt.Errorf("reload: %w", two), exitConfig, "f:1:2: a\nf:3:4: b\nmulti6: f: 2 problems\n"},
		{"no file", config.Problems{{File: "f", Text: "no such file"}}, exitConfig, "multi6: f: no such file\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := newRootCmd()
			root.AddCommand(&cobra.Command{Use: "test", RunE: func(*cobra.Command, []string) error { return tt.err }})
			var stdout, stderr bytes.Buffer
			root.SetOut(&stdout)
			root.SetErr(&stderr)
			if code := execute(root, []string{"test"}); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if stderr.String() != tt.stderr {
				t.Errorf("stderr %q, want %q", stderr.String(), tt.stderr)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout %q", stdout.String())
			}
		})
	}
}

// TestRequiredFlag shows that cobra's own errors are usage errors.
func TestRequiredFlag(t *testing.T) {
	root := newRootCmd()
	cmd := &cobra.Command{Use: "test", RunE: func(*cobra.Command, []string) error { return nil }}
	cmd.Flags().String("peer", "", "")
	if err := cmd.MarkFlagRequired("peer"); err != nil {
		t.Fatal(err)
	}
	root.AddCommand(cmd)
	var stderr bytes.Buffer
	root.SetErr(&stderr)
	if code := execute(root, []string{"test"}); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	if want := "multi6: required flag(s) \"peer\" not set; see 'multi6 test --help'\n"; stderr.String() != want {
		t.Errorf("stderr %q, want %q", stderr.String(), want)
	}
}

// TestHelpIsComplete asks of every command what a stranger needs.
func TestHelpIsComplete(t *testing.T) {
	for _, c := range newRootCmd().Commands() {
		if c.Short == "" || c.Short[len(c.Short)-1] == '.' {
			t.Errorf("%s: short help %q: want one phrase without a full stop", c.Name(), c.Short)
		}
		if c.Name() != "version" && c.Name() != "help" && c.Example == "" {
			t.Errorf("%s has no example", c.Name())
		}
		if c.Args == nil && c.Name() != "help" {
			t.Errorf("%s does not check its arguments", c.Name())
		}
	}
}
