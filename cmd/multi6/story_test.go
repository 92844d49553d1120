package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
)

// TestStory breaks the path of a person's traffic, who then asks what happened.
func TestStory(t *testing.T) {
	l := newLab(t)
	a, b := newSite(t, l.A), newSite(t, l.B)
	a.configure(t, "a.toml", "", b)
	b.configure(t, "b.toml", "", a)
	daemon := a.up(t, "a.toml")
	b.up(t, "b.toml")
	b.wants(t, exitOK, `(?m)^.*`+b.host.Addr6(0).String()+`.*operational`, "addr")
	a.wants(t, exitOK, `^b: nothing to explain yet`, "explain", "b")
	first := fmt.Sprintf("%v → %v", a.host.Addr6(0), b.host.Addr6(0))
	second := fmt.Sprintf("%v → %v", a.host.Addr6(1), b.host.Addr6(1))
	a.wants(t, exitOK, `^b: had no primary pair; now it is `+first+`, which answered after `, "suspect", "b")
	echoUDP(t, a, b)
	keepTalking(t, a, b)
	a.wants(t, exitOK, `^b: the primary pair `+first+` (answered after|works).*; it stays\n$`, "suspect", "b")
	a.wants(t, exitOK, `complaint: a user finds the connection unsatisfactory\n`, "explain", "b", "--last", "2")

	heal, err := l.Break(lab.Blackhole, 0)
	must(t, err)
	a.wants(t, exitOK, `(?m)^b \d+: switched from `+first+` to `+second+` at .*, \S+ .?s after suspicion$`, "explain", "b", "--last", "32")
	a.wants(t, exitOK, `^b: switched from .*\n`+
		`( +-\d.*  (last confirmation|first packet) .*\n)+`+
		` +0\.0 ms  suspicion: .*\n`+
		`(.*\n)*.*  Poll on `+first+` +no answer within .*\n`+
		`(.*\n)*.*  decision: `+second+` is primary\n`+
		`((.*\n)*.*  first confirmation on the new pair \(.*\n)?`+ // unless a further search began before
		`  Why: the primary pair (did not answer|answered none of) .*; the new pair answered `, "explain", "b", "--number", a.numberOfSwitch(t))
	a.wants(t, exitOK, `(?m)^\S+  b  switched from `+first+` to `+second+` \(.*, then test ok\), after `, "events", "b")
	must(t, heal())
	a.wants(t, exitRuntime, `^multi6: there is no peer "c"; there is b\n$`, "explain", "c")
	must(t, daemon.cmd.Process.Signal(os.Interrupt))
	daemon.exit(t)
	a.wants(t, exitNoDaemon, `^multi6: no daemon answers on `, "events", "--follow")
	a.wants(t, exitNoDaemon, `^multi6: no daemon answers on `, "explain", "b")
	a.wants(t, exitNoDaemon, `^multi6: no daemon answers on `, "suspect", "b")
}

// numberOfSwitch returns the number of the record that tells of the switch after a
// suspicion.
func (s *site) numberOfSwitch(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if code := s.run(&out, "explain", "b", "--last", "32", "--json"); code != exitOK {
		t.Fatalf("exit code %d: %s", code, out.String())
	}
	var e node.Explanation
	must(t, json.Unmarshal(out.Bytes(), &e))
	for _, r := range e.Records {
		if r.Outcome == "switched" && r.Old != nil {
			return fmt.Sprint(r.Number)
		}
	}
	t.Fatalf("no switch in %s", out.String())
	return ""
}
