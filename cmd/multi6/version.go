package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use:                   "version",
		Short:                 "Print the version of multi6",
		DisableFlagsInUseLine: true,
		Args:                  takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "multi6", version())
			return err
		},
	}
}

// version returns what the linker recorded: "v0.1.0 (0123456789ab, modified),
// go1.26.0 linux/amd64".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return describeBuild(info)
}

func describeBuild(info *debug.BuildInfo) string {
	v := strings.Trim(info.Main.Version, "()")
	if v == "" {
		v = "devel"
	}
	var source []string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			source = append(source, s.Value[:min(12, len(s.Value))])
		case s.Key == "vcs.modified" && s.Value == "true":
			source = append(source, "modified")
		}
	}
	if len(source) > 0 {
		v += " (" + strings.Join(source, ", ") + ")"
	}
	return fmt.Sprintf("%s, %s %s/%s", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
