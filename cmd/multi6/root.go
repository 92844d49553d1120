package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCmd builds the whole command tree. A new command is one more line
// here.
func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "multi6",
		Short: "Keep TCP connections alive when network paths fail",
		Long: `multi6 gives each host a stable address, carries what is sent to it over any
path that works, and moves to another path when one fails. TCP connections go on.

Exit codes: 0 ok, 1 failure, 2 wrong usage, 3 wrong configuration, 4 no daemon,
5 degraded, 6 peer down.`,
		Example: `  (umask 077; multi6 genkey > shim0.key)
  multi6 check /etc/multi6/shim0.toml`,
		Version:       version(),
		SilenceErrors: true, // execute prints them
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("multi6 {{.Version}}\n")
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpCommand(newHelpCmd())
	root.AddCommand(
		newAddrCmd(),
		newBenchCmd(),
		newCheckCmd(),
		newDemoCmd(),
		newDrainCmd(),
		newEventsCmd(),
		newExplainCmd(),
		newGenkeyCmd(),
		newIDCmd(),
		newPairsCmd(),
		newPubkeyCmd(),
		newStatusCmd(),
		newSuspectCmd(),
		newSwitchCmd(),
		newUpCmd(),
		newVersionCmd(),
	)
	return root
}

// usageTemplate is cobra's without what our commands do not use.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}
{{- if .HasAvailableSubCommands}}

Commands:
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}
{{- end}}{{end}}
{{- end}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{- if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableSubCommands}}

'{{.CommandPath}} COMMAND --help' tells more about a command.
{{- end}}
`

// runGroup runs a command that only holds others, when none was recognised.
func runGroup(group *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(group, args[0])
	}
	group.SetOut(group.ErrOrStderr())
	if err := group.Help(); err != nil {
		return err
	}
	return &exitError{code: exitUsage}
}

// unknownCommand returns a usage error that names the likeliest command.
func unknownCommand(root *cobra.Command, name string) error {
	// Cobra sets this distance only on its own way to suggestions.
	root.SuggestionsMinimumDistance = 2
	if best := root.SuggestionsFor(name); len(best) > 0 {
		return usageError("unknown command %q (did you mean %s?)", name, quoteAll(best))
	}
	return usageError("unknown command %q", name)
}

func quoteAll(words []string) string {
	return `"` + strings.Join(words, `" or "`) + `"`
}

// newHelpCmd replaces cobra's own, which succeeds for unknown commands.
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:                   "help [COMMAND]",
		Short:                 "Show help about a command",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(about, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// takes checks the number of arguments against their names, in the order of the
// command line; those in brackets may be left out: takes("CONFIG", "[PEER]").
func takes(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return usageError("unexpected argument %q", args[len(names)])
		}
		if len(args) < len(names) && !strings.HasPrefix(names[len(args)], "[") {
			return usageError("missing argument %s", names[len(args)])
		}
		return nil
	}
}

// needRoot fails, for that reason, unless the program runs as root.
func needRoot(cmd *cobra.Command, reason string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("must run as root, as %s: try 'sudo %s'", reason, cmd.CommandPath())
}
