package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/internal/node"
)

var (
	pair1 = node.Pair{Local: "2001:db8:a1::1", Remote: "[2001:db8:b1::1]:6110"}
	pair2 = node.Pair{Local: "10.77.12.1", Remote: "10.77.22.1:7000"}
)

// healthy returns the status of a daemon with one peer that is well.
func healthy() node.Status {
	return node.Status{
		Version: node.StatusVersion, Interface: "shim0", Port: 6110, Profile: "balanced",
		Identifier: "fd0c:899f:32a6:e8cb:a072:c463:9a60:ba15", PublicKey: "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=",
		Offloads: []node.Offloads{
			{Of: "tun", Used: []string{"checksum", "tso4", "tso6", "uso"}}, {Of: "udp", Used: []string{"gso", "gro"}},
		},
		Locators: []node.LocatorStatus{
			{Address: "2001:db8:a1::1", Interface: "eth0", State: "operational", Preference: 100},
			{Address: "10.77.12.1", Interface: "wlp0s20f3", State: "available", Why: "interface down", Preference: 100},
			{Address: "172.17.0.1", Interface: "docker0", State: "none", Why: "denied by policy", Preference: 100},
		},
		Peers: []node.PeerStatus{{
			Name: "b", Identifier: "fd6e:1:2:3:4:5:6:7", PublicKey: "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
			State: "primary operational", Connected: true, Primary: &pair1,
			SendTimerMillis: 46.25, SessionAgeMillis: 252_000,
			Pairs: []node.PairStatus{
				{Pair: pair1, Primary: true, Result: "ok", AgeMillis: 3400, RTTMillis: 21.25, Rank: 1, PathMTU: 1500, PathMTUState: "search complete"},
				{Pair: pair2, Result: "failed", AgeMillis: 7_384_000, RTTMillis: 0.42, Rank: 2},
				{Pair: node.Pair{Local: "fe80::1", Remote: "[fe80::2]:6110"}, Result: "untested", Rank: 3},
			},
			Counters: node.Counters{
				OutPackets: 1234567, OutBytes: 1 << 30, InPackets: 999, InBytes: 1023, OutControl: 12, InControl: 1000,
				Waited: 2, Suspicions: 3, FalseAlarms: 1, Switches: 2, Outages: 0, LateWakes: 4,
			},
		}},
		Drops: map[string]uint64{"forged": 0, "queue_full": 3, "malformed": 3, "no_peer": 1200},
	}
}

// fallbacks returns the status of a daemon on an old kernel, and a card that can do little.
func fallbacks() node.Status {
	s := withPeers(idle())
	s.Offloads = []node.Offloads{
		{Of: "tun", Missing: []string{"checksum", "tso4", "tso6", "uso"}},
		{Of: "udp", Used: []string{"gso", "gro"}, Missing: []string{"gso (IPv4)", "gso (eth0)"}},
	}
	return s
}

// idle is a peer that nobody has talked to.
func idle() node.PeerStatus {
	return node.PeerStatus{Name: "roamer", Identifier: "fd99::1", State: "no primary", SendTimerMillis: 25, Pairs: []node.PairStatus{}}
}

// searching returns a peer that looks for a pair and holds packets back.
func searching() node.PeerStatus {
	p := healthy().Peers[0]
	p.Name, p.State, p.Primary, p.Testing, p.Waiting = "c", "testing primary", nil, &pair2, 1
	p.Pairs = p.Pairs[1:2]
	return p
}

func down() node.PeerStatus {
	p := searching()
	p.Name, p.State, p.Testing = "d", "no primary", nil
	p.Counters = node.Counters{OutPackets: 1, InPackets: 1, Switches: 1, Outages: 1, Suspicions: 1, Waited: 1, LateWakes: 1}
	return p
}

func withPeers(ps ...node.PeerStatus) node.Status {
	s := healthy()
	s.Peers = ps
	return s
}

// TestStatusText compares whole pages with testdata/status; -update rewrites
// them.
func TestStatusText(t *testing.T) {
	alone := withPeers()
	alone.Locators, alone.Drops = nil, nil
	for name, s := range map[string]node.Status{
		"healthy": healthy(), "alone": alone, "trouble": withPeers(idle(), searching(), down()),
		"roaming": roaming(), "fallbacks": fallbacks(),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, statusText(s), "status", name+".txt")
		})
	}
}

func TestStatusCode(t *testing.T) {
	well := healthy().Peers[0]
	// In between: the primary works, another pair is wanted and under test.
	moving := well
	moving.State, moving.Testing = "testing primary", &pair2
	tests := []struct {
		name  string
		peers []node.PeerStatus
		want  int
	}{
		{"no peers", nil, exitOK},
		{"well", []node.PeerStatus{well}, exitOK},
		{"idle", []node.PeerStatus{idle()}, exitOK},
		{"searching", []node.PeerStatus{well, searching()}, exitDegraded},
		{"moving", []node.PeerStatus{moving}, exitDegraded},
		{"down", []node.PeerStatus{well, down()}, exitPeerDown},
		{"the worst first", []node.PeerStatus{down(), searching()}, exitPeerDown},
		{"the worst last", []node.PeerStatus{searching(), down()}, exitPeerDown},
	}
	for _, tt := range tests {
		if got := statusCode(withPeers(tt.peers...)); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestSelectPeers(t *testing.T) {
	s := withPeers(healthy().Peers[0], idle())
	tests := []struct {
		names []string
		want  []string
		err   string
	}{
		{nil, []string{"b", "roamer"}, ""},
		{[]string{"roamer"}, []string{"roamer"}, ""},
		{[]string{"roamer", "b", "b"}, []string{"b", "roamer"}, ""},
		{[]string{"fd99::1"}, []string{"roamer"}, ""},
		{[]string{"hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="}, []string{"b"}, ""},
		{[]string{"b", "x"}, nil, `shim0 has no peer "x"; it has b, roamer`},
	}
	for _, tt := range tests {
		ps, err := selectPeers(s, tt.names)
		if err != nil || tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%q: error %v, want %q", tt.names, err, tt.err)
			}
			continue
		}
		var got []string
		for _, p := range ps {
			got = append(got, p.Name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.names, got, tt.want)
		}
	}
	if _, err := selectPeers(withPeers(), []string{"x"}); err == nil || err.Error() != `shim0 has no peer "x"; it has none` {
		t.Errorf("no peers: error %v", err)
	}
}

// TestFindSocket asks which daemon the arguments mean, given those that run.
func TestFindSocket(t *testing.T) {
	files := t.TempDir()
	s := &site{dir: files}
	s.write(t, "key", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=", 0o600)
	s.write(t, "x.toml", "private_key_file = \"key\"\ncontrol_socket = \"/elsewhere/x.sock\"\n", 0o644)
	config := s.path("x.toml")
	tests := []struct {
		name    string
		running []string
		args    []string
		socket  string // relative to the directory of sockets
		peers   []string
		usage   bool
	}{
		{"nothing runs", nil, nil, "shim0.sock", nil, false},
		{"the only one", []string{"lan"}, nil, "lan.sock", nil, false},
		{"the only one's peer", []string{"lan"}, []string{"b"}, "lan.sock", []string{"b"}, false},
		{"the default of several", []string{"lan", "shim0"}, nil, "shim0.sock", nil, false},
		{"several without default", []string{"lan", "wan"}, nil, "", nil, true},
		{"by name", []string{"lan", "wan"}, []string{"wan", "b", "c"}, "wan.sock", []string{"b", "c"}, false},
		{"by name, down", nil, []string{"wan"}, "wan.sock", nil, false},
		{"by file", []string{"lan"}, []string{config, "b"}, "/elsewhere/x.sock", []string{"b"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range tt.running {
				l, err := net.Listen("unix", filepath.Join(dir, name+".sock"))
				must(t, err)
				defer l.Close()
			}
			must(t, os.WriteFile(filepath.Join(dir, "no-socket.sock"), nil, 0o600))
			socket, peers, err := findSocket(dir, tt.args)
			if tt.usage {
				if ee, ok := errors.AsType[*exitError](err); !ok || ee.code != exitUsage || !strings.Contains(err.Error(), "lan, wan") {
					t.Errorf("error %v, want one of usage", err)
				}
				return
			}
			must(t, err)
			want := tt.socket
			if !filepath.IsAbs(want) {
				want = filepath.Join(dir, want)
			}
			if socket != want || !slices.Equal(peers, tt.peers) {
				t.Errorf("%s and %q, want %s and %q", socket, peers, want, tt.peers)
			}
		})
	}
	if _, _, err := findSocket(t.TempDir(), []string{s.path("none.toml")}); err == nil {
		t.Error("a configuration that does not exist gives no error")
	}
}

// TestFindWith: the last argument is never taken for a daemon, what stands before it
// always.
func TestFindWith(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"lan", "shim0"} {
		l, err := net.Listen("unix", filepath.Join(dir, name+".sock"))
		must(t, err)
		defer l.Close()
	}
	tests := []struct {
		given  string // --socket
		args   []string
		socket string // relative to the directory of sockets
		word   string
		err    string
	}{
		{"", []string{"b"}, "shim0.sock", "b", ""},
		{"", []string{"lan"}, "shim0.sock", "lan", ""},
		{"", []string{"lan", "b"}, "lan.sock", "b", ""},
		{"", nil, "", "", "missing argument PEER"},
		{"", []string{"wan", "b"}, "", "", `"wan" is neither a daemon with a socket in ` + dir + " nor a configuration"},
		{"/elsewhere", []string{"b"}, "/elsewhere", "b", ""},
		{"/elsewhere", []string{"lan", "b"}, "", "", `unexpected argument "lan": --socket names the daemon`},
	}
	for _, tt := range tests {
		a := asker{socket: tt.given}
		socket, word, err := a.findWith(dir, tt.args, "PEER")
		if tt.err != "" {
			if ee, ok := errors.AsType[*exitError](err); !ok || ee.code != exitUsage || err.Error() != tt.err {
				t.Errorf("%q: error %v, want %q", tt.args, err, tt.err)
			}
			continue
		}
		must(t, err)
		want := tt.socket
		if !filepath.IsAbs(want) {
			want = filepath.Join(dir, want)
		}
		if socket != want || word != tt.word {
			t.Errorf("%q: %s and %q, want %s and %q", tt.args, socket, word, want, tt.word)
		}
	}
}

// TestStatusJSON reads back what is printed.
func TestStatusJSON(t *testing.T) {
	var b bytes.Buffer
	must(t, (&asker{json: true}).print(&b, statusText(healthy()), healthy()))
	if !strings.HasPrefix(b.String(), "{\n  \"version\": 1,\n") {
		t.Errorf("not indented:\n%s", b.String())
	}
	var got node.Status
	must(t, json.Unmarshal(b.Bytes(), &got))
	if diff := cmp.Diff(healthy(), got); diff != "" {
		t.Error(diff)
	}
}

func TestUnits(t *testing.T) {
	for ms, want := range map[float64]string{
		0: "-", 0.42: "420 µs", 1.04: "1.0 ms", 21.25: "21 ms", 999.9: "999 ms", 1000: "1.0 s", 3456: "3.4 s", 59_999: "59 s",
		60_000: "1 min 0 s", 252_000: "4 min 12 s", 3_600_000: "1 h 0 min", 7_384_000: "2 h 3 min", 90_000_000: "1 d 1 h",
	} {
		if got := span(ms); got != want {
			t.Errorf("%v ms: %q, want %q", ms, got, want)
		}
	}
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 1 << 30: "1.0 GiB", 1<<64 - 1: "16.0 EiB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
