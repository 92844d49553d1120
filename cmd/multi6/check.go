package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/config"
	"github.com/multi6/multi6/locator"
)

func newCheckCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check CONFIG",
		Short: "Check a configuration file",
		Long: `Check a configuration file and the key files that it names, without touching
the network. CONFIG is a file, or a NAME that stands for /etc/multi6/NAME.toml.

All problems are printed, one per line as FILE:LINE:COLUMN: TEXT, and the exit
code is 3. For a good file, what it changes about locators, failback, budget,
keepalives and names is printed below the first line; names are not resolved.`,
		Example: `  multi6 check shim0
  multi6 check ./shim0.toml`,
		DisableFlagsInUseLine: true,
		Args:                  takes("CONFIG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := config.Path(args[0])
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: interface %s, identifier %s, %s\n%s",
				file, c.Interface, c.Identifier(), count(len(c.Peers), "peer"), summary(c))
			return err
		},
	}
}

// summary says in indented lines what c changes besides addresses and keys, as it was
// understood.
func summary(c *config.Config) string {
	var b strings.Builder
	for _, r := range c.Rules {
		fmt.Fprintf(&b, "  %s\n", ruleText(r))
	}
	if n := len(c.PolicyTable); n > 0 {
		fmt.Fprintf(&b, "  policy table: %s in place of RFC 6724's\n", count(n, "row"))
	}
	for _, t := range []struct {
		name string
		d    time.Duration
	}{{"margin", c.Margin}, {"report delay", c.ReportDelay}} {
		if t.d > 0 {
			fmt.Fprintf(&b, "  %s %v in place of the profile's\n", t.name, t.d)
		}
	}
	if c.Tries > 0 {
		fmt.Fprintf(&b, "  tries %d in place of the profile's\n", c.Tries)
	}
	switch c.Failback {
	case config.DefaultFailback:
	case 0:
		b.WriteString("  failback off: traffic stays where it is while that works\n")
	default:
		fmt.Fprintf(&b, "  failback after %s\n", c.Failback)
	}
	if c.ProbeBudget != config.DefaultProbeBudget {
		fmt.Fprintf(&b, "  probe budget %s a day over metered locators\n", config.Bytes(c.ProbeBudget))
	}
	for _, p := range c.Peers {
		switch p.Keepalive {
		case config.KeepaliveAuto:
		case config.KeepaliveOff:
			fmt.Fprintf(&b, "  peer %s: no keepalives\n", p.Name)
		default:
			fmt.Fprintf(&b, "  peer %s: keepalives every %s\n", p.Name, p.Keepalive)
		}
		for _, n := range p.Names {
			fmt.Fprintf(&b, "  peer %s: looked up by name: %s\n", p.Name, n)
		}
	}
	return b.String()
}

// ruleText says which locators r is about, and what it makes of them.
func ruleText(r locator.Rule) string {
	s := "locators"
	if r.Interface != "" {
		s += " on " + r.Interface
	}
	if r.Prefix.IsValid() {
		s += fmt.Sprintf(" in %s", r.Prefix)
	}
	s += fmt.Sprintf(": preference %d", r.Preference)
	if r.Metered {
		s += ", metered"
	}
	return s
}
