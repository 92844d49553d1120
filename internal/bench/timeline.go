package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/rig"
)

// timelineMost is how many events of a run are shown.
const timelineMost = 40

// writeTimeline shows where the time went in the run nearest to the median: what
// both nodes told from the failure to the end of the stall.
func (c *Cell) writeTimeline(w io.Writer) {
	r := c.Runs[c.Typical]
	fmt.Fprintf(w, "  %v %v missed its target of %s ms; run %d, nearest to the median, stalled %s ms from %s:\n",
		c.Mode, c.Fault, ms(c.Target), c.Typical+1, c.ended(ms(r.Stall), !r.Ended), ms(r.From))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	last := rig.Millis(0)
	row := func(at rig.Millis, who, what string) {
		fmt.Fprintf(t, "%s\t+%s\t%s\t  %s\n", ms(at), ms(at-last), who, what)
		last = at
	}
	fmt.Fprintln(t, "0.0\t\t\t  the path fails")
	n := 0
	for _, e := range c.TypicalTimeline {
		if e.At > r.From+r.Stall {
			break
		}
		if n++; n > timelineMost {
			row(e.At, "", "and more")
			break
		}
		row(e.At, e.Node, describe(e.What))
	}
	end := "the stall ends: first byte"
	if !r.Ended {
		end = "still nothing when the watch ended"
	}
	row(r.From+r.Stall, "", fmt.Sprintf("%s; TCP retransmitted %d, the nodes sent %d again, TCP's timer stood at %s ms",
		end, r.Retransmits, r.Resent, ms(r.RTO)))
	_ = t.Flush()
	fmt.Fprintln(w)
}

// describe says what an event tells, in a line.
func describe(e node.Event) string {
	parts := []string{e.Kind}
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(e.Locator)
	if e.From != "" {
		add(e.From + " to " + e.State)
	} else {
		add(e.State)
	}
	if e.Pair != nil {
		add(e.Pair.Local + " - " + e.Pair.Remote)
	}
	add(e.Detail)
	if e.Cause != "" {
		add("(" + e.Cause + ")")
	}
	if e.SilentMillis > 0 {
		add(fmt.Sprintf("silent %.1f ms", e.SilentMillis))
	}
	return strings.Join(parts, " ")
}
