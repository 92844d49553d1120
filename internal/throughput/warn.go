package throughput

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/multi6/multi6/internal/rig"
)

// Shares of the machine above which figures are doubtful.
const (
	mostBusy    = 0.10 // busy before anything runs
	mostForeign = 0.10 // taken by others meanwhile
	mostStolen  = 0.02 // not given by the hypervisor
)

// lookFor is how long the machine is looked at before anything runs.
const lookFor = 500 * time.Millisecond

// load returns the load of the machine, "" if it is not known.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// lookBefore returns a warning if the machine is busy while it should be idle.
func lookBefore(ctx context.Context) (warnings []string, err error) {
	before, err := readMachine()
	if err != nil {
		return nil, err
	}
	if err := rig.Pause(ctx, lookFor); err != nil {
		return nil, err
	}
	after, err := readMachine()
	if err != nil {
		return nil, err
	}
	return busyBefore(after.since(before)), nil
}

func busyBefore(m machine) (warnings []string) {
	if s := share(m.busy, m.all); s > mostBusy {
		warnings = append(warnings, fmt.Sprintf(
			"other programs kept the processors busy for %.0f %% of the time before the first measurement: all figures are worse than they could be, and vary more", 100*s))
	}
	return warnings
}

// disturbed returns warnings about the time of all measurements together.
func disturbed(u usage) (warnings []string) {
	m := u.machine
	// Soft interrupts are left out: those in our processes are in their time, too.
	if s := share(m.busy-m.soft-u.own, m.all); s > mostForeign {
		warnings = append(warnings, fmt.Sprintf(
			"other programs took %.0f %% of the processors' time during the measurements: all figures are worse than they could be, and vary more", 100*s))
	}
	if s := share(m.stole, m.all); s > mostStolen {
		warnings = append(warnings, fmt.Sprintf(
			"the hypervisor kept %.0f %% of the processors' time from this machine during the measurements", 100*s))
	}
	return warnings
}

func share(part, of time.Duration) float64 {
	if of <= 0 {
		return 0
	}
	return part.Seconds() / of.Seconds()
}
