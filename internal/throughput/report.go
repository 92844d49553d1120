package throughput

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A column of the tables.
type column struct {
	metric Metric
	title  [2]string
}

var columns = []column{
	{TCP1, [2]string{"1 TCP", "Gbit/s"}},
	{TCP4, [2]string{"4 TCP", "Gbit/s"}},
	{Reverse, [2]string{"1 TCP back", "Gbit/s"}},
	{TCP1CPU, [2]string{"CPU", "s/Gbit"}},
	{UDP, [2]string{"64-byte UDP", "kpackets/s"}},
	{IdleP50, [2]string{"RTT idle", "p50 µs"}},
	{IdleP99, [2]string{"RTT idle", "p99 µs"}},
	{LoadedP50, [2]string{"RTT loaded", "p50 µs"}},
	{LoadedP99, [2]string{"RTT loaded", "p99 µs"}},
}

// explanation is what a stranger needs to read the tables.
const explanation = `Figures are medians of the rounds; × are the ratios within each round, and their medians.
1 TCP, 4 TCP: so many streams from A to B, what the application receives. 1 TCP back: from B to A.
CPU: time of all processes that take part (daemons and generators at both ends, the kernel's
  ksoftirqd) for each Gbit that arrives by one stream.
64-byte UDP: datagrams received while the other end sends as many as it can.
RTT: round trips of 64-byte datagrams, one after another; loaded: beside one TCP stream.
`

// texts say what links are like.
var texts = map[Offloads]string{
	On:  "Offloads on: the link passes super-packets of 64 KiB whole, as between virtual machines of one host",
	Off: "Offloads off: the link takes packets of 1500 bytes only, as a card without TSO, GSO, GRO and checksums",
}

// WriteTable writes a table for each link, the targets, and what else is to be known.
func (r *Result) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Two network namespaces, A and B, of one machine, joined by a veth pair; %s for each figure\n\n", r.effort())
	for _, o := range []Offloads{On, Off} {
		if lines := r.table(o); len(lines) > 2 {
			fmt.Fprintf(&b, "%s\n\n", texts[o])
			writeAligned(&b, lines, func(i int) bool { return i > 0 })
			b.WriteByte('\n')
		}
	}
	b.WriteString(explanation)
	if len(r.Targets) > 0 {
		b.WriteByte('\n')
		writeAligned(&b, targetLines(r.Targets), func(i int) bool { return i == measuredColumn })
	}
	r.writeNotes(&b)
	fmt.Fprintf(&b, "\nTCP %s; %d processors, Linux %s, load before the first measurement %s.\n", r.Congestion, r.CPUs, r.Kernel, r.Load)
	_, err := io.WriteString(w, b.String())
	return err
}

// effort says how much was measured.
func (r *Result) effort() string {
	if r.Rounds == 1 {
		return fmt.Sprintf("one round of %v", time.Duration(r.Time))
	}
	return fmt.Sprintf("%d rounds of %v", r.Rounds, time.Duration(r.Time))
}

func (r *Result) writeNotes(b *strings.Builder) {
	for _, part := range []struct {
		title string
		lines []string
	}{{"warning", r.Warnings}, {"not measured", r.Skipped}, {"FAILED", r.Failed}, {"WRONG", r.Wrong}} {
		if len(part.lines) > 0 {
			b.WriteByte('\n')
		}
		for _, l := range part.lines {
			fmt.Fprintf(b, "%s: %s\n", part.title, l)
		}
	}
}

// table returns the cells for a link, under two lines of titles.
func (r *Result) table(o Offloads) (lines [][]string) {
	used := slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		return !slices.ContainsFunc(r.Rows, func(x Row) bool { return x.Offloads == o && x.Metric == c.metric })
	})
	for i := range 2 {
		line := []string{""}
		for _, c := range used {
			line = append(line, c.title[i])
		}
		lines = append(lines, line)
	}
	for _, s := range Systems() {
		if !slices.ContainsFunc(r.Rows, func(x Row) bool { return x.Offloads == o && x.System == s }) {
			continue
		}
		lines = append(lines, line(s.Title(), used, func(m Metric) string {
			if row := r.row(o, s, m); row != nil {
				return m.format(row.Median)
			}
			return "-"
		}))
		for _, base := range basesOf(s) {
			ratios := line("  × "+base.Title(), used, func(m Metric) string {
				if row := r.row(o, s, m); row != nil && row.of(base) != nil {
					return figure(*row.of(base))
				}
				return "-"
			})
			if slices.ContainsFunc(ratios[1:], func(s string) bool { return s != "-" }) {
				lines = append(lines, ratios)
			}
		}
	}
	return lines
}

// basesOf returns what a system is compared with.
func basesOf(s System) []System {
	switch s {
	case Direct:
		return nil
	case WireGuard:
		return []System{Direct}
	}
	return []System{WireGuard, Direct}
}

func line(title string, columns []column, cell func(Metric) string) []string {
	l := []string{title}
	for _, c := range columns {
		l = append(l, cell(c.metric))
	}
	return l
}

// measuredColumn is the index of the numbers among the targets.
const measuredColumn = 4

func targetLines(ts []Target) [][]string {
	lines := [][]string{{"target", "offloads", "system", "wanted", "measured", "verdict"}}
	for _, t := range ts {
		measured := "-"
		if t.Ratio != nil {
			measured = figure(*t.Ratio)
		}
		lines = append(lines, []string{
			t.Text, t.Offloads.String(), t.System.Title(), t.limit() + " × " + t.Of.Title(), measured, t.verdict(),
		})
	}
	return lines
}

// writeAligned writes lines with their cells below each other: those of the columns in
// numbers to the right, others to the left.
func writeAligned(b *strings.Builder, lines [][]string, numbers func(column int) bool) {
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, l := range lines {
		var text strings.Builder
		for i, cell := range l {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if numbers(i) {
				text.WriteString(space + cell + "  ")
			} else {
				text.WriteString(cell + space + "  ")
			}
		}
		fmt.Fprintln(b, strings.TrimRight(text.String(), " "))
	}
}

// brief tells of one system in one round.
func brief(values map[Metric]float64) string {
	var parts []string
	for _, c := range columns {
		if v, ok := values[c.metric]; ok && c.metric != IdleP99 && c.metric != LoadedP99 {
			parts = append(parts, fmt.Sprintf("%s %s %s", c.title[0], c.metric.format(v), units[c.metric].name))
		}
	}
	return strings.Join(parts, ", ")
}
