package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/multi6/multi6/internal/rig"
)

const verdictOK = "ok"

// OK reports whether everything survived.
func (r *Result) OK() bool { return r.Verdict == verdictOK }

// verdict says in a line what decides about success. ends is how the streams
// ended.
func verdict(r *Result, ends error) string {
	if r.Totals.Wrong > 0 {
		return "bytes were wrong or lost: " + ends.Error()
	}
	if r.Totals.Resets > 0 {
		return "a connection broke: " + ends.Error()
	}
	for _, t := range r.Trials {
		if !t.Survived {
			return fmt.Sprintf("%s: the connections did not go on within %v", t.Fault, limit)
		}
	}
	return verdictOK
}

// Summary tells of a trial in a line.
func (t *Trial) Summary() string {
	var how []string
	if t.Suspicion != nil {
		how = append(how, "suspected after "+ms(t.Suspicion.After))
	}
	for _, s := range t.Switches {
		how = append(how, fmt.Sprintf("%s switched after %s", s.Node, ms(s.After)))
	}
	stall := fmt.Sprintf("stalls %s (bulk), %s (rr)", t.Bulk, t.RR)
	if t.Link == linkAll {
		stall += " from the return of the paths"
	}
	how = append(how, stall)
	return fmt.Sprintf("%s of %s: %s", t.Fault, t.Link, strings.Join(how, ", "))
}

// String returns the length of the stall.
func (s Stall) String() string {
	if !s.Ended {
		return "over " + ms(s.Length)
	}
	return ms(s.Length)
}

func ms(m rig.Millis) string { return fmt.Sprintf("%.1f ms", m.Milliseconds()) }

// WriteTable writes the timeline of each fault and the totals.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "fault\tlink\tfailure\tsuspicion\ttest\tswitch a\tswitch b\tfirst byte\tstall bulk\tstall rr\ton return\tverdict\t")
	for i := range r.Trials {
		fmt.Fprintln(t, r.Trials[i].row())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, r.notes()+r.totals())
	return err
}

func (t *Trial) row() string {
	cells := []string{
		t.Fault, t.Link, "0", after0(t.Suspicion), after0(t.Test),
		after0(t.switchOf("a")), after0(t.switchOf("b")), "-",
		t.Bulk.cell(t), t.RR.cell(t), ms(max(t.Bulk.AfterReturn, t.RR.AfterReturn)), t.verdict(),
	}
	if t.FirstByte != nil {
		cells[7] = plus(*t.FirstByte)
	}
	return strings.Join(cells, "\t") + "\t"
}

// cell marks a stall that counts from the return.
func (s Stall) cell(t *Trial) string {
	if t.Link == linkAll {
		return s.String() + "*"
	}
	return s.String()
}

func (t *Trial) verdict() string {
	switch {
	case !t.Survived:
		return "NOT SURVIVED"
	case !t.OnTarget:
		return "survived, MISS"
	}
	return "survived, pass"
}

func (t *Trial) switchOf(name string) *Moment {
	i := slices.IndexFunc(t.Switches, func(m Moment) bool { return m.Node == name })
	if i < 0 {
		return nil
	}
	return &t.Switches[i]
}

func after0(m *Moment) string {
	if m == nil {
		return "-"
	}
	return plus(m.After)
}

func plus(m rig.Millis) string { return fmt.Sprintf("%+.1f ms", m.Milliseconds()) }

// notes explain the table.
func (r *Result) notes() string {
	text := "\nMoments count from the failure; on return is the longest gap after the path came back.\n" +
		"pass: no gap reached " + target.String() + ". Just before the failures, the longest gap was " + ms(r.before()) + ".\n"
	if slices.ContainsFunc(r.Trials, func(t Trial) bool { return t.Link == linkAll }) {
		text += "* counted from the return of the paths, " + outage.String() + " after the failure.\n"
	}
	return text
}

// before returns the longest gap shortly before any failure.
func (r *Result) before() (longest rig.Millis) {
	for _, t := range r.Trials {
		longest = max(longest, t.Bulk.Before, t.RR.Before)
	}
	return longest
}

func (r *Result) totals() string {
	t := r.Totals
	return fmt.Sprintf("\n%.1f MB and %d messages verified in %.1f s; wrong or lost: %s; connections reset: %d; false alarms: %d.\n",
		float64(t.Bytes)/1e6, t.Messages, t.Length.Seconds(), none(t.Wrong), t.Resets, t.FalseAlarms)
}

func none(n int) string {
	if n == 0 {
		return "none"
	}
	return "YES"
}

// WriteJSON writes everything that was measured.
func (r *Result) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// ErrNotSurvived is what a Result is worth that is not OK.
var ErrNotSurvived = errors.New("the demonstration failed")

// Err returns nil if everything survived.
func (r *Result) Err() error {
	if r.OK() {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNotSurvived, r.Verdict)
}
