package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/node"
)

// suspected is when the records of the tests begin, and today a day on which they are
// read.
var (
	suspected = time.Date(2027, time.January, 15, 14, 3, 2, 86_000_000, time.FixedZone("", 3600))
	today     = suspected.Add(time.Minute)
)

func moment(ms float64) node.Moment {
	return node.Moment{At: suspected.Add(time.Duration(ms * float64(time.Millisecond))), Millis: ms}
}

func momentp(ms float64) *node.Moment { m := moment(ms); return &m }

func confirmed(ms float64, by string) *node.Confirmation {
	return &node.Confirmation{Moment: moment(ms), By: by}
}

// answered and failed return Polls that were sent at ms.
func answered(p node.Pair, ms, after float64) node.Poll {
	return node.Poll{Pair: p, Sent: moment(ms), Result: "answered", AfterMillis: after, RTTMillis: after}
}

func failed(p node.Pair, ms, after float64) node.Poll {
	return node.Poll{Pair: p, Sent: moment(ms), Result: "failed", AfterMillis: after}
}

// failover is the record of a primary pair that went silent.
func failover() node.Record {
	late := failed(pair1, 9, 22)
	late.LateMillis = 120
	return node.Record{
		Number: 7, Cause: "timer", Outcome: "switched", Old: &pair1, New: &pair2,
		LastConfirmation: confirmed(-38.2, "tcp progress"), FirstUnconfirmed: momentp(-25.1), PatienceMillis: 25, Suspicion: moment(0),
		Polls: []node.Poll{
			failed(pair1, 0, 31), answered(pair2, 1.1, 1.2), failed(pair1, 3, 28), failed(pair1, 6, 25), late,
			{Pair: pair2, Sent: moment(12), Result: "answered", AfterMillis: 19, Reply: true},
			{Pair: pair2, Sent: moment(13), Result: "pending", Reply: true},
		},
		Resent:   []node.Resent{{Pair: pair2, At: moment(1.1), Packets: 147, Bytes: 205_824}},
		Decision: momentp(31), Evidence: "test ok", FirstConfirmation: confirmed(32.4, "tcp progress"), End: momentp(31),
	}
}

func falseAlarm() node.Record {
	return node.Record{
		Number: 8, Cause: "timer", Outcome: "stayed", Old: &pair2,
		LastConfirmation: confirmed(-7_200_000, "report"), FirstUnconfirmed: momentp(-45.6), PatienceMillis: 45, Suspicion: moment(0),
		Polls:    []node.Poll{failed(pair2, 0, 20), answered(pair2, 5, 12)},
		Decision: momentp(17), Evidence: "test ok", End: momentp(17),
	}
}

// outage is the record of a time without a pair, with more Polls than are told.
func outage() node.Record {
	r := node.Record{
		Number: 9, Cause: "icmp", Prompt: "send error", Outcome: "no pair", Old: &pair1, New: &pair2,
		LastConfirmation: confirmed(-38.2, "poll"), Suspicion: moment(0), Rounds: 20,
		Decision: momentp(62), Evidence: "test fail", End: momentp(7003), FirstConfirmation: confirmed(7050, "poll"),
		Resent: []node.Resent{
			{Pair: pair2, At: moment(1), Packets: 1, Bytes: 100},
			{Pair: pair1, At: moment(2), Packets: 3, Bytes: 300, Waited: 3},
			{Pair: pair2, At: moment(7003), Packets: 30, Bytes: 40_000, Waited: 4},
		},
	}
	for i := range 40 {
		r.Polls = append(r.Polls, failed([]node.Pair{pair1, pair2}[i%2], float64(i*30), 30))
	}
	open := answered(pair2, 7000, 3)
	open.Open = true
	r.Polls, r.OmittedPolls = append(r.Polls, open), 100
	return r
}

// others returns the records that take a few words each, by name.
func others() map[string]node.Record {
	gone := failover()
	gone.Cause, gone.FirstUnconfirmed, gone.Gone = "delete pair", nil, momentp(0)
	gone.Polls = gone.Polls[1:2]
	goneLater := failover()
	goneLater.Gone = momentp(20)
	switched := failover()
	switched.Cause, switched.Prompt, switched.Polls, switched.Resent = "policy change", "user", switched.Polls[1:2], nil
	obeyed, climbed, refused := switched, switched, switched
	obeyed.Prompt, climbed.Prompt = "peer's user", ""
	refused.Outcome, refused.New, refused.Polls, refused.FirstConfirmation = "stayed", nil, []node.Poll{failed(pair2, 0, 31)}, nil
	connected := switched
	connected.Cause, connected.Old, connected.LastConfirmation = "connect", nil, nil
	connected.Prompt, connected.Polls[0].Open = "", false
	doubt := failover()
	doubt.Outcome, doubt.New, doubt.Decision, doubt.End, doubt.Evidence, doubt.FirstConfirmation = "undecided", nil, nil, nil, "", nil
	doubt.Polls = []node.Poll{{Pair: pair1, Sent: moment(0), Result: "pending"}}
	searching := doubt
	searching.Cause, searching.Old, searching.Prompt = "connect", nil, "user"
	complaint := falseAlarm()
	complaint.Cause, complaint.Prompt = "complaint", "user"
	progress := falseAlarm()
	progress.Evidence, progress.Polls = "ulp feedback", progress.Polls[:1]
	lasting := outage()
	lasting.New, lasting.End, lasting.FirstConfirmation, lasting.Polls = nil, nil, nil, lasting.Polls[:3]
	forgotten := lasting
	forgotten.End = momentp(300_000)
	lost := lasting
	lost.Cause, lost.Prompt, lost.Evidence, lost.Polls, lost.Decision, lost.Resent = "delete pair", "", "delete pair", nil, momentp(0), nil
	return map[string]node.Record{
		"gone": gone, "gone later": goneLater, "switched": switched, "obeyed": obeyed, "climbed": climbed, "refused": refused,
		"connected": connected, "doubt": doubt, "searching": searching, "complaint": complaint, "progress": progress,
		"lasting": lasting, "forgotten": forgotten, "lost": lost,
	}
}

// TestExplainText compares stories with testdata/explain.
func TestExplainText(t *testing.T) {
	story := func(rs ...node.Record) string { return explainText(node.Explanation{Peer: "b", Records: rs}, today) }
	golden(t, story(failover()), "explain", "failover.txt")
	golden(t, story(failover(), falseAlarm()), "explain", "falsealarm.txt")
	golden(t, story(falseAlarm(), failover(), outage()), "explain", "outage.txt")
	golden(t, story(), "explain", "nothing.txt")
	for name, r := range others() {
		golden(t, story(r), "explain", strings.ReplaceAll(name, " ", "")+".txt")
	}
	later := explainText(node.Explanation{Peer: "b", Records: []node.Record{failover()}}, today.Add(24*time.Hour))
	if !strings.Contains(later, " at 2027-01-15 14:03:02.117, 31 ms after suspicion\n") {
		t.Errorf("a day later: %s", later)
	}
}

// TestExplain gives the daemon's records to people.
func TestExplain(t *testing.T) {
	d := newFakeDaemon(t)
	for i := range uint64(3) {
		r := failover()
		r.Number = i + 5
		d.explanation.Records = append(d.explanation.Records, r)
	}
	d.explanation.Version, d.explanation.Peer = node.ExplainVersion, "b"
	lines := func(line string, want ...string) {
		t.Helper()
		code, stdout, stderr := d.run(line)
		if code != exitOK || stderr != "" {
			t.Errorf("%s: exit code %d, %s", line, code, stderr)
		}
		for _, w := range want {
			if !strings.Contains(stdout, w) {
				t.Errorf("%s: lacks %q:\n%s", line, w, stdout)
			}
		}
	}
	lines("explain --socket SOCKET b", "b: switched from ", "\n2 earlier ones: 'multi6 explain b --socket SOCKET --last 3'\n")
	lines("explain --socket SOCKET b --last 2", "b 6: switched from ", "b 7: switched from ", "\n1 earlier one: ")
	lines("explain --socket SOCKET b --number 5", "b: switched from ", "Why: ")
	if d.explained != "b" {
		t.Errorf("asked for %q", d.explained)
	}
	commandTest{line: "explain --socket SOCKET b --number 4", code: exitRuntime, stderr: "multi6: b has no number 4; it has 5 to 7\n"}.check(t, d)
	commandTest{line: "explain --socket SOCKET b --last 0", code: exitUsage,
		stderr: "multi6: --last 0 tells nothing; give 1 or more; see 'multi6 explain --help'\n"}.check(t, d)
	_, stdout, _ := d.run("explain --socket SOCKET b --json --last 2")
	var e node.Explanation
	must(t, json.Unmarshal([]byte(stdout), &e))
	if e.Version != node.ExplainVersion || len(e.Records) != 2 || e.Records[1].Number != 7 || e.Records[1].Decision.Millis != 31 {
		t.Errorf("as JSON: %s", stdout)
	}
	d.refusal = `there is no peer "c"; there is b`
	commandTest{line: "explain --socket SOCKET c", code: exitRuntime, stderr: "multi6: there is no peer \"c\"; there is b\n"}.check(t, d)
}

// TestSuspect gives the daemon's answers to people.
func TestSuspect(t *testing.T) {
	const one, two = "2001:db8:a1::1 → 2001:db8:b1::1", "10.77.12.1 → 10.77.22.1:7000"
	record := func(polls ...node.Poll) *node.Record { return &node.Record{Polls: polls} }
	tests := []struct {
		name           string
		answer         node.SuspectResult
		code           int
		stdout, stderr string
	}{
		{"stays", node.SuspectResult{Old: &pair1, Pair: &pair1, Record: record(answered(pair1, 0, 1.2))}, exitOK,
			"b: the primary pair " + one + " answered after 1.2 ms; it stays\n", ""},
		{"stays by progress", node.SuspectResult{Old: &pair1, Pair: &pair1, Record: record()}, exitOK,
			"b: the primary pair " + one + " works, as a confirmation shows; it stays\n", ""},
		{"another is quicker", node.SuspectResult{Old: &pair1, Pair: &pair1, Record: record(answered(pair1, 0, 48)),
			Quicker: &node.QuickerPair{Pair: pair2, RTTMillis: 11, PrimaryRTTMillis: 48}}, exitOK,
			"b: the primary pair " + one + " answered after 48 ms; it stays\n" +
				"b: " + two + " is quicker: 11 ms round trip, 48 ms on the primary pair ('multi6 switch' moves there)\n", ""},
		{"switched", node.SuspectResult{Old: &pair1, Pair: &pair2, Record: record(answered(pair2, 1, 2))}, exitOK,
			"b: switched from " + one + ", which did not answer, to " + two + " ('multi6 explain' tells more)\n", ""},
		{"idle", node.SuspectResult{Pair: &pair2, Record: record(answered(pair2, 1, 2))}, exitOK,
			"b: had no primary pair; now it is " + two + ", which answered after 2.0 ms\n", ""},
		{"nothing works", node.SuspectResult{Old: &pair1, Record: record()}, exitPeerDown, "", "multi6: b: no pair works; the search goes on\n"},
		{"nothing is known", node.SuspectResult{}, exitPeerDown, "",
			"multi6: b: no pair is known, so there is nothing to test; 'multi6 addr' lists the addresses of both ends\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			d.suspected = tt.answer
			commandTest{line: "suspect --socket SOCKET b", code: tt.code, stdout: tt.stdout, stderr: tt.stderr}.check(t, d)
			if d.suspects.Peer != "b" {
				t.Errorf("asked for %+v", d.suspects)
			}
			if code, stdout, _ := d.run("suspect --socket SOCKET b --json"); code != tt.code || !strings.HasPrefix(stdout, "{\n  \"version\": 1,\n  \"peer\": \"b\"") {
				t.Errorf("as JSON: exit code %d, %s", code, stdout)
			}
		})
	}
}

// happened returns events of two peers and of the host.
func happened() []node.Event {
	at := func(ms int, e node.Event) node.Event {
		e.At = suspected.Add(time.Duration(ms) * time.Millisecond)
		return e
	}
	return []node.Event{
		at(0, node.Event{Kind: "locator", Locator: "2001:db8:a1::1", State: "operational"}),
		at(1, node.Event{Kind: "locator", Locator: "10.77.12.1", State: "available", Cause: "interface down"}),
		at(2, node.Event{Kind: "state", Peer: "b", State: "testing primary", From: "primary operational", Cause: "timer", Pair: &pair1, SilentMillis: 25.1}),
		at(3, node.Event{Kind: "test", Peer: "b", Pair: &pair1}),
		at(4, node.Event{Kind: "answer", Peer: "b", Pair: &pair1}),
		at(5, node.Event{Kind: "test failed", Peer: "b", Pair: &pair1, Detail: "31ms"}),
		at(6, node.Event{Kind: "switch", Peer: "b", Pair: &pair2, Old: &pair1, Cause: "timer, then test ok", TookMillis: 31}),
		at(7, node.Event{Kind: "switch", Peer: "b", Old: &pair2, Cause: "delete pair, then delete pair"}),
		at(8, node.Event{Kind: "switch", Peer: "b", Pair: &pair2, Cause: "connect, then test ok", TookMillis: 6.9}),
		at(9, node.Event{Kind: "state", Peer: "c", State: "no primary", From: "testing primary", Cause: "test fail"}),
		at(10, node.Event{Kind: "session", Peer: "c", Detail: "2cf82e"}),
		at(11, node.Event{Kind: "locators", Peer: "c", Detail: "the peer's"}),
		at(12, node.Event{Kind: "nat", Peer: "c", Pair: &pair2, Detail: "seen as 198.51.100.4:4001"}),
		at(13, node.Event{Kind: "mtu", Peer: "c", Pair: &pair2, Detail: "1280 → 1500"}),
		at(14, node.Event{Kind: "close", Peer: "c"}),
		at(15, node.Event{Kind: "new kind", Peer: "c", Detail: "of a later version"}),
	}
}

// TestEventText compares lines with testdata/events.
func TestEventText(t *testing.T) {
	var b strings.Builder
	for _, e := range happened() {
		b.WriteString(eventText(e, today) + "\n")
	}
	golden(t, b.String(), "events", "all.txt")
}

// TestEvents: what is printed is chosen by peer, ends, and follows until the daemon does.
func TestEvents(t *testing.T) {
	d := newFakeDaemon(t)
	d.happened = happened()
	d.status = withPeers(healthy().Peers[0], searching())
	number := func(line string, code int) int {
		t.Helper()
		got, stdout, stderr := d.run(line)
		if got != code {
			t.Errorf("%s: exit code %d, want %d: %s", line, got, code, stderr)
		}
		return strings.Count(stdout, "\n")
	}
	all := len(d.happened)
	if n := number("events --socket SOCKET", exitOK); n != all || d.recent != "recent=1&follow=0" {
		t.Errorf("%d lines, want %d, asked with %q", n, all, d.recent)
	}
	if n := number("events --socket SOCKET c", exitOK); n != 7 {
		t.Errorf("%d lines of c, want 7", n)
	}
	// The fake daemon ends the stream, as one that goes does.
	if n := number("events --socket SOCKET -f b", exitNoDaemon); n != 7 || d.recent != "recent=1" {
		t.Errorf("%d lines of b, want 7, asked with %q", n, d.recent)
	}
	_, stdout, _ := d.run("events --socket SOCKET --json c")
	for line := range strings.Lines(stdout) {
		var e node.Event
		must(t, json.Unmarshal([]byte(line), &e))
		if e.Peer != "c" || e.At.IsZero() {
			t.Errorf("as JSON: %s", line)
		}
	}
	commandTest{line: "events --socket SOCKET x", code: exitRuntime, stderr: "multi6: shim0 has no peer \"x\"; it has b, c\n"}.check(t, d)
	d.socket = fmt.Sprint(t.TempDir(), "/none.sock")
	if n := number("events --socket SOCKET -f", exitNoDaemon); n != 0 {
		t.Errorf("%d lines without a daemon", n)
	}
}
