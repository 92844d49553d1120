package alarms

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/multi6/multi6/internal/rig"
)

// WriteTable writes a line for each setting.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "profile\thours\tsuspicions/h\talarms/h\tswitches\tjoined\tswitches/h\tcontrol/s\tsuspicion\tp99\tswitch\tp99\tmissed\t")
	for _, c := range r.Cells {
		fmt.Fprintln(t, c.row())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "While no path is broken: suspicions, those of them that a test disproved (alarms), and false switches, of both ends;\n"+
		"joined: switches begun on a Poll of the other end.\n"+
		"After a silent failure: medians until one end suspects it and until both have left it, ms.\n"+
		"< is the upper bound (95 %%) of what was not seen. Seed %d; %.4g simulated hours without failures; %v on %d processors.\n",
		r.Seed, r.Hours, time.Duration(r.Seconds*float64(time.Second)).Round(time.Second), r.CPUs)
	if err == nil && len(r.Builds) > 1 {
		_, err = fmt.Fprintf(w, "Several builds took part: %s.\n", strings.Join(r.Builds, "; "))
	}
	return err
}

func (c *Cell) row() string {
	detection := "-\t-\t-\t-\t-\t"
	if c.Failures > 0 {
		detection = fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t",
			ms(c.Suspicion.Median), ms(c.Suspicion.P99), ms(c.Switch.Median), ms(c.Switch.P99), c.Missed)
	}
	peace := "0\t-\t-\t-\t-\t-\t-\t"
	if c.Hours > 0 {
		peace = fmt.Sprintf("%.4g\t%v\t%v\t%d\t%d\t%v\t%.1f\t",
			c.Hours, rate(c.Suspicions, c.Hours), rate(c.FalseAlarms, c.Hours), c.Switches, c.Joined, rate(c.Switches, c.Hours), c.Control)
	}
	return c.name() + "\t" + peace + detection + "  " + c.setting.condition()
}

// name says which timers c has.
func (c *Cell) name() string {
	if c.Profile == marginProfile {
		return fmt.Sprintf("%s %v", marginProfile, time.Duration(c.Margin))
	}
	return c.Profile
}

// String returns the rate as people read it.
func (r Rate) String() string {
	if r.Bound {
		return fmt.Sprintf("<%.2g", r.PerHour)
	}
	return fmt.Sprintf("%.3g", r.PerHour)
}

func ms(m rig.Millis) string { return fmt.Sprintf("%.1f", m.Milliseconds()) }
