package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/internal/node"
)

// A fakeDaemon answers on a control socket what it is told to.
type fakeDaemon struct {
	socket string
	status node.Status
	// What the last requests asked, and what is answered: refusal is what is wrong
	// with a request, "" for nothing.
	switches node.SwitchRequest
	switched node.SwitchResult
	drains   node.DrainRequest
	drained  node.DrainResult
	refusal  string
	// For explain, suspect and events: explained is the peer that was asked for,
	// recent how events were.
	explanation node.Explanation
	explained   string
	suspects    node.SuspectRequest
	suspected   node.SuspectResult
	happened    []node.Event
	recent      string
}

func newFakeDaemon(t *testing.T) *fakeDaemon {
	t.Helper()
	d := &fakeDaemon{socket: t.TempDir() + "/fake.sock", status: healthy()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(d.status) })
	mux.HandleFunc("POST /v1/switch", func(w http.ResponseWriter, r *http.Request) { d.command(w, r, &d.switches, &d.switched) })
	mux.HandleFunc("POST /v1/drain", func(w http.ResponseWriter, r *http.Request) { d.command(w, r, &d.drains, &d.drained) })
	mux.HandleFunc("POST /v1/suspect", func(w http.ResponseWriter, r *http.Request) { d.command(w, r, &d.suspects, &d.suspected) })
	mux.HandleFunc("GET /v1/explain", func(w http.ResponseWriter, r *http.Request) {
		if d.explained = r.URL.Query().Get("peer"); d.refusal != "" {
			http.Error(w, d.refusal, http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(d.explanation)
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		d.recent = r.URL.RawQuery
		for _, e := range d.happened {
			_ = json.NewEncoder(w).Encode(e)
		}
	})
	l, err := net.Listen("unix", d.socket)
	must(t, err)
	s := &http.Server{Handler: mux}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		must(t, s.Close())
		<-ended
	})
	return d
}

func (d *fakeDaemon) command(w http.ResponseWriter, r *http.Request, request, result any) {
	if err := json.NewDecoder(r.Body).Decode(request); err != nil || d.refusal != "" {
		http.Error(w, d.refusal, http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(result)
}

// run runs a command line in which SOCKET stands for the socket, and returns its exit
// code and what it printed.
func (d *fakeDaemon) run(line string) (code int, stdout, stderr string) {
	args := strings.Fields(strings.ReplaceAll(line, "SOCKET", d.socket))
	var out, errs bytes.Buffer
	root := newRootCmd()
	root.SetOut(&out)
	root.SetErr(&errs)
	code = execute(root, args)
	short := func(s string) string { return strings.ReplaceAll(s, d.socket, "SOCKET") }
	return code, short(out.String()), short(errs.String())
}

// A commandTest is what a command line is to do, given what the daemon answers.
type commandTest struct {
	name           string
	line           string
	code           int
	stdout, stderr string
}

func (tt commandTest) check(t *testing.T, d *fakeDaemon) {
	t.Helper()
	code, stdout, stderr := d.run(tt.line)
	if code != tt.code {
		t.Errorf("exit code %d, want %d", code, tt.code)
	}
	if diff := cmp.Diff(tt.stdout, stdout); diff != "" {
		t.Errorf("stdout: %s", diff)
	}
	if diff := cmp.Diff(tt.stderr, stderr); diff != "" {
		t.Errorf("stderr: %s", diff)
	}
}

// TestSwitch gives the daemon's answers to people.
func TestSwitch(t *testing.T) {
	const one, two = "2001:db8:a1::1 → 2001:db8:b1::1", "10.77.12.1 → 10.77.22.1:7000"
	third := node.Pair{Local: "fe80::1", Remote: "[fe80::2]:6110"}
	tests := []struct {
		commandTest
		asked   node.SwitchRequest
		answer  node.SwitchResult
		refusal string
	}{{
		commandTest: commandTest{name: "moved", line: "switch --socket SOCKET b --from eth0 --to 2001:db8:b1::1",
			stdout: "b: " + one + " is primary now, and stays until it fails ('multi6 switch b --socket SOCKET --auto' takes that back)\n"},
		asked:  node.SwitchRequest{Peer: "b", Local: "eth0", Remote: "2001:db8:b1::1"},
		answer: node.SwitchResult{Old: &pair2, Pair: &pair1, Wanted: &pair1, Switched: true},
	}, {
		commandTest: commandTest{name: "there already", line: "switch --socket SOCKET b --to [2001:db8:b1::1]:6110",
			stdout: "b: " + one + " was primary already; now it stays until it fails ('multi6 switch b --socket SOCKET --auto' takes that back)\n"},
		asked:  node.SwitchRequest{Peer: "b", Remote: "[2001:db8:b1::1]:6110"},
		answer: node.SwitchResult{Old: &pair1, Pair: &pair1, Wanted: &pair1, Switched: true},
	}, {
		commandTest: commandTest{name: "no answer", line: "switch --socket SOCKET b --from 10.77.12.1", code: exitRuntime,
			stderr: "multi6: b: " + two + " did not answer; " + one + " stays primary\n"},
		asked:  node.SwitchRequest{Peer: "b", Local: "10.77.12.1"},
		answer: node.SwitchResult{Old: &pair1, Pair: &pair1, Wanted: &pair2},
	}, {
		commandTest: commandTest{name: "no answer, and a failure", line: "switch --socket SOCKET b --from 10.77.12.1", code: exitRuntime,
			stderr: "multi6: b: " + two + " did not answer; fe80::1 → fe80::2 is primary now\n"},
		asked:  node.SwitchRequest{Peer: "b", Local: "10.77.12.1"},
		answer: node.SwitchResult{Old: &pair1, Pair: &third, Wanted: &pair2},
	}, {
		commandTest: commandTest{name: "nothing works", line: "switch --socket SOCKET b --from 10.77.12.1", code: exitRuntime,
			stderr: "multi6: b: " + two + " did not answer; no pair is primary now\n"},
		asked:  node.SwitchRequest{Peer: "b", Local: "10.77.12.1"},
		answer: node.SwitchResult{Old: &pair1, Wanted: &pair2},
	}, {
		commandTest: commandTest{name: "auto", line: "switch --socket SOCKET b --auto",
			stdout: "b: chooses by rank again; " + one + " stays primary until a better liked pair has proved to work\n"},
		asked:  node.SwitchRequest{Peer: "b", Auto: true},
		answer: node.SwitchResult{Old: &pair1, Pair: &pair1, Switched: true},
	}, {
		commandTest: commandTest{name: "auto without a primary", line: "switch --socket SOCKET b --auto",
			stdout: "b: chooses by rank again\n"},
		asked:  node.SwitchRequest{Peer: "b", Auto: true},
		answer: node.SwitchResult{Switched: true},
	}, {
		commandTest: commandTest{name: "refused", line: "switch --socket SOCKET c --from eth0", code: exitRuntime,
			stderr: "multi6: there is no peer \"c\"; there is b\n"},
		asked:   node.SwitchRequest{Peer: "c", Local: "eth0"},
		refusal: `there is no peer "c"; there is b`,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			d.switched, d.refusal = tt.answer, tt.refusal
			tt.check(t, d)
			if d.switches != tt.asked {
				t.Errorf("asked for %+v, want %+v", d.switches, tt.asked)
			}
		})
	}
}

// TestDrain gives the daemon's answers to people.
func TestDrain(t *testing.T) {
	tests := []struct {
		commandTest
		asked   node.DrainRequest
		answer  node.DrainResult
		refusal string
	}{{
		commandTest: commandTest{name: "done", line: "drain --socket SOCKET wwan0",
			stdout: "all peers are off wwan0; it can be taken down ('multi6 drain wwan0 --socket SOCKET --undo' takes that back)\n"},
		asked:  node.DrainRequest{Interface: "wwan0"},
		answer: node.DrainResult{Locators: []string{"10.64.3.9"}, Left: []string{}},
	}, {
		commandTest: commandTest{name: "nothing else", line: "drain --socket SOCKET wwan0", code: exitDegraded,
			stderr: "multi6: wwan0 still carries traffic to b, c, for want of a better way; they leave it as soon as there is one" +
				" ('multi6 drain wwan0 --socket SOCKET --undo' takes that back)\n"},
		asked:  node.DrainRequest{Interface: "wwan0"},
		answer: node.DrainResult{Locators: []string{"10.64.3.9"}, Left: []string{"b", "c"}},
	}, {
		commandTest: commandTest{name: "no locators", line: "drain --socket SOCKET wwan0",
			stdout: "wwan0 carries no traffic to peers: none of its addresses is operational\n"},
		asked:  node.DrainRequest{Interface: "wwan0"},
		answer: node.DrainResult{Locators: []string{}, Left: []string{}},
	}, {
		commandTest: commandTest{name: "undo", line: "drain --socket SOCKET wwan0 --undo", stdout: "wwan0 may be used again\n"},
		asked:       node.DrainRequest{Interface: "wwan0", Undo: true},
		// That a peer uses it then is what is wanted.
		answer: node.DrainResult{Locators: []string{"10.64.3.9"}, Left: []string{"b"}},
	}, {
		commandTest: commandTest{name: "refused", line: "drain --socket SOCKET wan", code: exitRuntime,
			stderr: "multi6: no interface \"wan\" has an address; there is eth0, wwan0\n"},
		asked:   node.DrainRequest{Interface: "wan"},
		refusal: `no interface "wan" has an address; there is eth0, wwan0`,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			d.drained, d.refusal = tt.answer, tt.refusal
			tt.check(t, d)
			if d.drains != tt.asked {
				t.Errorf("asked for %+v, want %+v", d.drains, tt.asked)
			}
		})
	}
}

// TestCommandsJSON: what is printed is versioned, keeps the daemon's words, and has
// the same exit codes.
func TestCommandsJSON(t *testing.T) {
	d := newFakeDaemon(t)
	d.status = roaming()
	d.switched = node.SwitchResult{Old: &pair1, Pair: &pair1, Wanted: &pair2}
	d.drained = node.DrainResult{Locators: []string{"10.64.3.9"}, Left: []string{"b"}}
	tests := []struct {
		line string
		code int
		into any
		want any
	}{
		{"pairs --json --socket SOCKET", exitOK, new(pairsReport), pairsOf(roaming())},
		{"addr --json --socket SOCKET", exitOK, new(addrReport), addrOf(roaming())},
		{"switch --json --socket SOCKET b --from eth0", exitRuntime, new(switchReport), switchReport{node.StatusVersion, "b", d.switched}},
		{"drain --json --socket SOCKET wwan0", exitDegraded, new(drainReport), drainReport{node.StatusVersion, "wwan0", true, d.drained}},
	}
	for _, tt := range tests {
		code, stdout, stderr := d.run(tt.line)
		if code != tt.code || stderr != "" || !strings.HasPrefix(stdout, "{\n  \"version\": 1,\n") {
			t.Errorf("%s: exit code %d, want %d; stdout %q, stderr %q", tt.line, code, tt.code, stdout, stderr)
			continue
		}
		must(t, json.Unmarshal([]byte(stdout), tt.into))
		got, err := json.Marshal(tt.into)
		must(t, err)
		want, err := json.Marshal(tt.want)
		must(t, err)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: %s", tt.line, diff)
		}
	}
}

// TestPeersChosen: pairs and addr show the peers that are named.
func TestPeersChosen(t *testing.T) {
	d := newFakeDaemon(t)
	d.status = roaming()
	for _, command := range []string{"pairs", "addr"} {
		code, stdout, _ := d.run(command + " --socket SOCKET roamer")
		if code != exitOK || !strings.Contains(stdout, "peer roamer") || strings.Contains(stdout, "peer b") {
			t.Errorf("%s roamer: exit code %d\n%s", command, code, stdout)
		}
		commandTest{line: command + " --socket SOCKET x", code: exitRuntime,
			stderr: "multi6: shim0 has no peer \"x\"; it has b, c, roamer\n"}.check(t, d)
	}
}
