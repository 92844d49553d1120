package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/node"
)

func newExplainCmd() *cobra.Command {
	var a asker
	last, number := 1, uint64(0)
	cmd := &cobra.Command{
		Use:   "explain [NAME|CONFIG] PEER [--last N|--number N]",
		Short: "Tell why and how the pair to a peer changed, or did not",
		Long: `Tell the story of a failover: what made the daemon doubt the primary pair, which
pairs it tested, which answered, what it decided and on what evidence, and when the
new pair first proved its worth. The story of a false alarm or an outage is told as
well, and that of the first contact. Times are relative to the suspicion.

The daemon remembers the last 32 of each peer. The latest is told, or the one that
--number names. --last lists the latest ones, and tells the last of them in full.

NAME and CONFIG are as for 'multi6 status', PEER is a peer's name, identifier or
public key.`,
		Example: `  multi6 explain b
  multi6 explain shim0 b --last 10
  multi6 explain b --number 3
  multi6 explain b --last 32 --json | jq '.records[] | select(.outcome == "switched")'`,
		DisableFlagsInUseLine: true,
		Args:                  takes("[NAME|CONFIG]", "[PEER]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if last < 1 {
				return usageError("--last %d tells nothing; give 1 or more", last)
			}
			socket, peer, err := a.findWith(socketDir, args, "PEER")
			if err != nil {
				return err
			}
			e, err := ask(cmd, socket, statusPatience, func(c *node.Client, ctx context.Context) (node.Explanation, error) {
				return c.Explain(ctx, peer)
			})
			if err != nil {
				return err
			}
			if number > 0 {
				if e, err = numbered(e, number); err != nil {
					return err
				}
			}
			earlier := max(0, len(e.Records)-last)
			e.Records = e.Records[earlier:]
			text := explainText(e, time.Now())
			if earlier > 0 {
				text += fmt.Sprintf("\n%s: '%s'\n", count(earlier, "earlier one"), a.again(cmd, args, fmt.Sprintf("--last %d", earlier+last)))
			}
			return a.print(cmd.OutOrStdout(), text, e)
		},
	}
	a.addFlags(cmd, "the only argument is PEER")
	cmd.Flags().IntVar(&last, "last", last, "list the last `N`")
	cmd.Flags().Uint64Var(&number, "number", 0, "tell of number `N` of the list")
	cmd.MarkFlagsMutuallyExclusive("last", "number")
	return cmd
}

// numbered returns e with record number alone.
func numbered(e node.Explanation, number uint64) (node.Explanation, error) {
	for _, r := range e.Records {
		if r.Number == number {
			e.Records = []node.Record{r}
			return e, nil
		}
	}
	if len(e.Records) == 0 {
		return e, fmt.Errorf("%s has no number %d: nothing happened yet", e.Peer, number)
	}
	return e, fmt.Errorf("%s has no number %d; it has %d to %d", e.Peer, number, e.Records[0].Number, e.Records[len(e.Records)-1].Number)
}

// explainText renders e for people: a line for each record, and the last one in full.
func explainText(e node.Explanation, now time.Time) string {
	if len(e.Records) == 0 {
		return e.Peer + ": nothing to explain yet: no pair was tested since the daemon started\n"
	}
	var b strings.Builder
	for i, r := range e.Records {
		name := e.Peer
		if len(e.Records) > 1 {
			name += fmt.Sprintf(" %d", r.Number)
		}
		b.WriteString(name + ": " + headline(r, now) + "\n")
		if i == len(e.Records)-2 {
			b.WriteString("\n")
		}
	}
	r := e.Records[len(e.Records)-1]
	b.WriteString(timeline(r))
	b.WriteString("  " + why(r) + "\n")
	return b.String()
}

// headline says in a line what came of r.
func headline(r node.Record, now time.Time) string {
	began := clock(r.Suspicion.At, now)
	switch {
	case r.Outcome == "switched" && r.Old == nil:
		return fmt.Sprintf("connected over %s at %s, after %s", pairText(r.New), clock(r.Decision.At, now), delay(r.Decision.Millis))
	case r.Outcome == "switched":
		return fmt.Sprintf("switched from %s to %s at %s, %s after %s",
			pairText(r.Old), pairText(r.New), clock(r.Decision.At, now), delay(r.Decision.Millis), beginning(r))
	case r.Outcome == "stayed" && r.Cause == "complaint":
		return fmt.Sprintf("stayed on %s at %s: it works, as was known %s after the complaint", pairText(r.Old), clock(r.Decision.At, now), delay(r.Decision.Millis))
	case r.Outcome == "stayed" && doubted(r):
		return fmt.Sprintf("stayed on %s at %s: a false alarm, over after %s", pairText(r.Old), clock(r.Decision.At, now), delay(r.Decision.Millis))
	case r.Outcome == "stayed":
		return fmt.Sprintf("stayed on %s at %s, after %s", pairText(r.Old), clock(r.Decision.At, now), delay(r.Decision.Millis))
	case r.Outcome == "no pair" && r.End == nil:
		return fmt.Sprintf("no pair has worked since %s; the search goes on", clock(r.Decision.At, now))
	case r.Outcome == "no pair" && r.New == nil:
		return fmt.Sprintf("no pair worked from %s until the search was given up after %s", clock(r.Decision.At, now), delay(r.End.Millis-r.Decision.Millis))
	case r.Outcome == "no pair":
		return fmt.Sprintf("no pair worked from %s on, for %s; then %s did", clock(r.Decision.At, now), delay(r.End.Millis-r.Decision.Millis), pairText(r.New))
	case r.Old == nil:
		return fmt.Sprintf("looking for a pair since %s", began)
	}
	return fmt.Sprintf("testing since %s whether to stay on %s", began, pairText(r.Old))
}

// doubted reports whether a suspicion of the primary pair began r.
func doubted(r node.Record) bool {
	switch r.Cause {
	case "timer", "icmp", "peer poll", "complaint":
		return true
	}
	return false
}

// beginning names what the times of r are relative to.
func beginning(r node.Record) string {
	switch r.Cause {
	case "policy change", "degraded":
		return "it was wanted"
	case "delete pair":
		return "its loss"
	case "complaint":
		return "the complaint"
	}
	return "suspicion"
}

// causeText says what began r.
func causeText(r node.Record) string {
	switch r.Cause {
	case "timer":
		silent := ""
		if r.FirstUnconfirmed != nil {
			silent = " for " + delay(-r.FirstUnconfirmed.Millis)
		}
		return fmt.Sprintf("suspicion: a packet unconfirmed%s (send timer %s)", silent, delay(r.PatienceMillis))
	case "icmp":
		if r.Prompt == "send error" {
			return "suspicion: the kernel could not send a packet"
		}
		return "suspicion: an ICMP error"
	case "peer poll":
		return "suspicion: the peer looks for another pair, or uses one"
	case "complaint":
		return "complaint: a user finds the connection unsatisfactory"
	case "delete pair":
		return "loss: the primary pair is no longer there"
	case "add pair":
		return "a pair became known while none worked"
	case "connect":
		if r.Prompt == "user" {
			return "a user had the peer tested, which was idle"
		}
		return "first contact: there was something to send, or the peer called"
	case "policy change":
		switch r.Prompt {
		case "user":
			return "wish: a user asked for another pair"
		case "peer's user":
			return "wish: a user of the peer asked for another pair"
		}
		return "wish: a better liked pair is to take over"
	case "degraded":
		return "loss of packets: the primary pair lost many, and another one lost fewer Polls"
	}
	return r.Cause
}

// why says in a sentence what the decision rests on.
func why(r node.Record) string {
	switch {
	case r.Outcome == "undecided":
		return "Undecided: answers are awaited."
	case r.Outcome == "stayed":
		return "Why: " + whyStayed(r) + "."
	case r.Outcome == "switched":
		return "Why: " + whySwitched(r) + "."
	case r.Evidence == "disconnect":
		return "Why: the connection was closed, or there was nothing to send for so long that the search ended."
	}
	text := "Why: " + nobodyAnswered(r)
	switch {
	case r.New != nil:
		return fmt.Sprintf("%s; %s later %s did.", text, delay(r.End.Millis-r.Decision.Millis), pairText(r.New))
	case r.End != nil:
		return text + ", and there was nothing left to send, or the peer closed."
	}
	return text + "; tests go on."
}

func nobodyAnswered(r node.Record) string {
	pairs := make(map[node.Pair]bool)
	before := 0
	for _, p := range r.Polls {
		if p.Sent.Millis <= r.Decision.Millis && !p.Reply {
			pairs[p.Pair] = true
			before++
		}
	}
	if before == 0 {
		return "the primary pair was lost, and there was no other one"
	}
	return fmt.Sprintf("no pair of %d answered any of %s", len(pairs), count(before, "Poll"))
}

func whyStayed(r node.Record) string {
	switch {
	case r.Evidence == "ulp feedback":
		return "a confirmation showed that packets do arrive over the primary pair"
	case !doubted(r):
		return "the pair that was wanted did not answer, and the primary pair works"
	case r.Old == nil:
		return "the pair works"
	}
	return "the primary pair " + answers(r, *r.Old)
}

func whySwitched(r node.Record) string {
	news := "the new pair " + answers(r, *r.New)
	switch {
	case r.Old == nil:
		return "the pair " + answers(r, *r.New)
	case r.Gone != nil:
		return "the primary pair was lost; " + news
	case r.Cause == "policy change":
		return news + "; it was wanted, not needed"
	case r.Cause == "degraded":
		return "the primary pair lost too much; " + news
	}
	return "the primary pair " + answers(r, *r.Old) + "; " + news
}

// answers says how p has done in the tests of r, as far as they bear on its outcome.
func answers(r node.Record, p node.Pair) string {
	sent, answered, first, poll := 0, 0, 0, "Poll"
	for _, x := range r.Polls {
		if x.Pair != p || x.Reply {
			continue
		}
		if sent++; sent == 1 && x.Open {
			poll = "Open"
		}
		if x.Result == "answered" {
			if answered++; answered == 1 {
				first = sent
			}
		}
	}
	switch {
	case sent == 0:
		return "was not tested again"
	case answered == 0 && sent == 1:
		return "did not answer its " + poll
	case answered == 0:
		return fmt.Sprintf("answered none of %d Polls", sent)
	case sent == 1:
		return "answered its " + poll
	case first == 1:
		return "answered the first " + poll
	}
	return fmt.Sprintf("answered a Poll after %d unanswered", first-1)
}
