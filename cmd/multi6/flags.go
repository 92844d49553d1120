package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/lab"
)

// parseAll parses the names that a flag gives; none are all.
func parseAll[T any](names []string, parse func(string) (T, error), all []T) ([]T, error) {
	if len(names) == 0 {
		return all, nil
	}
	var some []T
	for _, name := range names {
		v, err := parse(name)
		if err != nil {
			return nil, usageError("%v", err)
		}
		some = append(some, v)
	}
	return some, nil
}

// checkProfiles finds what is wrong with --profile, where paths are real.
func checkProfiles(names ...string) error {
	known := []string{"fast", "balanced", "gentle"}
	for _, p := range names {
		if !slices.Contains(known, p) {
			return usageError("unknown --profile %q; one of %s", p, strings.Join(known, ", "))
		}
	}
	return nil
}

// maxRTT bounds --rtt: beyond it 10 s say nothing about survival.
const maxRTT = time.Second

// checkRTTs finds what is wrong with --rtt, where paths are real.
func checkRTTs(rtts ...time.Duration) error {
	for _, rtt := range rtts {
		if rtt < 0 || rtt > maxRTT {
			return usageError("--rtt %v is not within 0 to %v", rtt, maxRTT)
		}
	}
	return nil
}

// addCongestionFlag adds --congestion, where TCP is real.
func addCongestionFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "congestion", lab.DefaultCongestion, "TCP's congestion control by its kernel `NAME`, such as bbr")
}
