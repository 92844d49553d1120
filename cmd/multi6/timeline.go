package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/multi6/multi6/internal/node"
)

// A step is a line of a timeline.
type step struct {
	ms         float64
	what, came string
}

// timeline tells r step by step.
func timeline(r node.Record) string {
	var steps []step
	add := func(m *node.Moment, what string) {
		if m != nil {
			steps = append(steps, step{m.Millis, what, ""})
		}
	}
	if c := r.LastConfirmation; c != nil {
		add(&c.Moment, "last confirmation ("+signText(c.By)+")")
	}
	if doubted(r) {
		add(r.FirstUnconfirmed, "first packet sent that stayed unconfirmed")
	}
	add(&r.Suspicion, causeText(r))
	if r.Cause != "delete pair" {
		add(r.Gone, "the primary pair is no longer there")
	}
	steps = append(steps, pollSteps(r)...)
	for _, s := range r.Resent {
		add(&s.At, resentText(s))
	}
	add(r.Decision, decisionText(r))
	if r.Outcome == "no pair" && r.New != nil {
		add(r.End, "a pair works again: "+pairText(r.New))
	}
	if c := r.FirstConfirmation; c != nil {
		add(&c.Moment, "first confirmation on the new pair ("+signText(c.By)+")")
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.ms, b.ms) })
	return stepsText(steps)
}

// stepsText aligns steps: times to the right, and what came of something in a column
// of its own.
func stepsText(steps []step) string {
	left, middle := 0, 0
	for _, s := range steps {
		left = max(left, utf8.RuneCountInString(offset(s.ms)))
		if s.came != "" {
			middle = max(middle, utf8.RuneCountInString(s.what))
		}
	}
	var b strings.Builder
	for _, s := range steps {
		at := offset(s.ms)
		fmt.Fprintf(&b, "  %s%s  %s", strings.Repeat(" ", left-utf8.RuneCountInString(at)), at, s.what)
		if s.came != "" {
			b.WriteString(strings.Repeat(" ", middle-utf8.RuneCountInString(s.what)) + "  " + s.came)
		}
		b.WriteString("\n")
	}
	return b.String()
}

const (
	// firstSteps and lastSteps are how many Polls are told one by one when there are
	// many.
	firstSteps, lastSteps = 12, 6
)

// pollSteps tells the Polls; of many, those in the midst are counted.
func pollSteps(r node.Record) []step {
	var all []step
	for _, p := range r.Polls {
		all = append(all, pollStep(r, p))
	}
	if len(all) <= firstSteps+lastSteps+1 {
		return all
	}
	end := len(all) - lastSteps
	answered := 0
	for _, p := range r.Polls[firstSteps:end] {
		if p.Result == "answered" {
			answered++
		}
	}
	hidden := end - firstSteps + r.OmittedPolls
	came := "none was answered"
	if answered > 0 {
		came = fmt.Sprintf("%d answered", answered)
	}
	if r.OmittedPolls > 0 && r.New == nil && r.End == nil {
		came += " so far"
	}
	between := step{all[firstSteps].ms, fmt.Sprintf("%s more Polls, in %s", thousands(uint64(hidden)), count(r.Rounds, "round")), came}
	return slices.Concat(all[:firstSteps], []step{between}, all[end:])
}

func pollStep(r node.Record, p node.Poll) step {
	s := step{ms: p.Sent.Millis, what: "Poll on " + pairText(&p.Pair)}
	switch {
	case p.Open:
		s.what = "Open on " + pairText(&p.Pair)
	case p.Reply:
		s.what = "answer to the peer's Poll on " + pairText(&p.Pair)
	}
	switch {
	case p.Result == "answered" && p.Reply:
		s.came = "arrived"
	case p.Result == "answered":
		s.came = "answered after " + delay(p.AfterMillis)
	case p.Result == "failed":
		s.came = "no answer within " + delay(p.AfterMillis)
		if p.LateMillis > 0 {
			s.came += "; it came after " + delay(p.LateMillis)
		}
	case p.Reply:
	case r.End == nil:
		s.came = "no answer yet"
	default:
		s.came = "no answer awaited any more"
	}
	return s
}

func resentText(s node.Resent) string {
	packets := fmt.Sprintf("%s (%s)", count(s.Packets, "packet"), bytesText(uint64(s.Bytes)))
	switch {
	case s.Waited >= s.Packets:
		return packets + " that had waited sent over " + pairText(&s.Pair)
	case s.Waited > 0:
		return fmt.Sprintf("%s sent over %s, %d that had waited and the others again", packets, pairText(&s.Pair), s.Waited)
	}
	return packets + " sent again over " + pairText(&s.Pair)
}

func decisionText(r node.Record) string {
	switch r.Outcome {
	case "switched":
		return "decision: " + pairText(r.New) + " is primary"
	case "stayed":
		return "decision: the primary pair stays"
	}
	if r.Evidence == "disconnect" {
		return "decision: the search is given up"
	}
	return "decision: no pair works"
}

// signText names a sign of arrival.
func signText(by string) string {
	switch by {
	case "tcp progress":
		return "TCP progress"
	case "report":
		return "a Report of the peer"
	case "poll":
		return "a Poll was answered"
	}
	return by
}

// offset writes a time relative to the suspicion.
func offset(ms float64) string {
	const far = 10_000
	switch {
	case ms >= far:
		return span(ms)
	case ms <= -far:
		return "-" + span(-ms)
	}
	if ms = math.Round(ms*10) / 10; ms == 0 {
		ms = 0 // no -0.0
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// delay writes a time that something took, be it next to none.
func delay(ms float64) string {
	if ms <= 0 {
		return "0 ms"
	}
	return span(ms)
}

// clock writes the time of day, with the date unless that is today's.
func clock(t, now time.Time) string {
	if y, m, d := now.In(t.Location()).Date(); t.Year() == y && t.Month() == m && t.Day() == d {
		return t.Format("15:04:05.000")
	}
	return t.Format("2006-01-02 15:04:05.000")
}
