package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/config"
)

func newCheckCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check CONFIG",
		Short: "Check a configuration file",
		Long: `Check a configuration file and the key files that it names, without touching
the network. CONFIG is a file, or a NAME that stands for /etc/multi6/NAME.toml.

All problems are printed, one per line as FILE:LINE:COLUMN: TEXT, and the exit
code is 3.`,
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
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: interface %s, identifier %s, %s\n",
				file, c.Interface, c.Identifier(), count(len(c.Peers), "peer"))
			return err
		},
	}
}
