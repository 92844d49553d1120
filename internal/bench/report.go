package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/multi6/multi6/internal/rig"
)

// WriteTable writes a table for each group, and what was not measured.
func (r *Result) WriteTable(w io.Writer) error {
	for _, g := range r.Groups {
		fmt.Fprintf(w, "%s\n", g.title())
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "mode\tfault\truns\tmedian\tp99\tmax\ttarget\tverdict\tsuspicion\ttest\tswitch a\tswitch b\ton return\tlost\twrong\tresets\t")
		for _, c := range g.Cells {
			fmt.Fprintln(t, c.row())
		}
		if err := t.Flush(); err != nil {
			return err
		}
		for _, c := range g.Control {
			fmt.Fprintf(w, "  %s\n", c.line(g.System))
		}
		fmt.Fprintln(w)
		for _, c := range g.Cells {
			if c.missed() {
				c.writeTimeline(w)
			}
		}
	}
	for _, s := range r.Skipped {
		fmt.Fprintln(w, "not measured:", s)
	}
	_, err := fmt.Fprintf(w, "Stalls in ms; > marks those that had not ended when the watch did. Suspicion, test and switches: medians, ms after the failure;\n"+
		"on return: median of the longest gaps after the path came back, no part of the stall; lost: median of how long what is missing\n"+
		"until then takes at the rate before the failure.\n"+
		"TCP %s; %d processors, load before the first run %s.\n", r.Congestion, r.CPUs, r.Load)
	return err
}

// line tells of a count in a line.
func (c *Control) line(system string) string {
	what := "packets"
	if system == systemMulti6 {
		what = "control packets"
	}
	s := fmt.Sprintf("%s per second, %s: %.1f from A, %.1f from B", what, c.While, c.A, c.B)
	switch {
	case c.Limit == nil:
	case c.A+c.B > *c.Limit:
		s += fmt.Sprintf(" (at most %g: missed)", *c.Limit)
	default:
		s += fmt.Sprintf(" (at most %g: met)", *c.Limit)
	}
	return s
}

func (g *Group) title() string {
	return strings.TrimRight(fmt.Sprintf("%s, RTT %v, %s", g.System, time.Duration(g.RTT), g.Profile), ", ")
}

func (c *Cell) row() string {
	p99, target := "-", "-"
	if c.P99 != nil {
		p99 = ms(*c.P99)
	}
	if c.Target > 0 {
		target = ms(c.Target)
	}
	cells := []string{
		c.Mode.String(), c.Fault.String(), fmt.Sprint(len(c.Runs)), c.ended(ms(c.Median), 2*c.Open >= len(c.Runs)), p99,
		c.ended(ms(c.Max), c.Open > 0), target, c.verdict(),
		c.typical(func(r Trial) *rig.Millis { return r.Suspicion }), c.typical(func(r Trial) *rig.Millis { return r.Test }),
		c.typical(func(r Trial) *rig.Millis { return r.SwitchA }), c.typical(func(r Trial) *rig.Millis { return r.SwitchB }),
		c.typical(func(r Trial) *rig.Millis { return &r.OnReturn }), c.typical(func(r Trial) *rig.Millis { return r.Lost }), fmt.Sprint(c.Wrong), fmt.Sprint(c.Resets),
	}
	return strings.Join(cells, "\t") + "\t  " + c.Fault.Text()
}

// ended marks a stall that did not end.
func (c *Cell) ended(text string, open bool) string {
	if open {
		return ">" + text
	}
	return text
}

func (c *Cell) verdict() string {
	switch {
	case c.Target == 0:
		return "-"
	case c.missed():
		return "missed"
	}
	return "met"
}

// typical returns the median of a moment where at least half of the runs have
// it.
func (c *Cell) typical(of func(Trial) *rig.Millis) string {
	var all []rig.Millis
	for _, r := range c.Runs {
		if m := of(r); m != nil {
			all = append(all, *m)
		}
	}
	if 2*len(all) < len(c.Runs) || len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	return ms(median(all))
}

// summary tells of a cell in a line.
func (c *Cell) summary() string {
	s := fmt.Sprintf("median %s, max %s ms", c.ended(ms(c.Median), 2*c.Open >= len(c.Runs)), c.ended(ms(c.Max), c.Open > 0))
	if c.Target > 0 {
		s += fmt.Sprintf(", target %s %s", ms(c.Target), c.verdict())
	}
	if n := c.Wrong + c.Resets; n > 0 {
		s += fmt.Sprintf(", %d BROKEN", n)
	}
	return s
}

func ms(m rig.Millis) string { return fmt.Sprintf("%.1f", m.Milliseconds()) }
