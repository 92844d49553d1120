package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/internal/node"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file below testdata; -update rewrites it.
func golden(t *testing.T, got string, path ...string) {
	t.Helper()
	file := filepath.Join(append([]string{"testdata"}, path...)...)
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// roaming returns the status of a daemon behind a NAT, on a metered way to a peer
// that a better one is about to replace, and with another peer pinned.
func roaming() node.Status {
	cheap := node.Pair{Local: "192.168.1.7", Remote: "203.0.113.1:6110"}
	dear := node.Pair{Local: "10.64.3.9", Remote: "203.0.113.1:6110"}
	six := node.Pair{Local: "2001:db8:a1::1", Remote: "[2001:db8:b1::1]:7000"}
	pinned := node.Pair{Local: "2001:db8:a1::1", Remote: "[2001:db8:c1::1]:6110"}
	return node.Status{
		Version: node.StatusVersion, Interface: "shim0", Identifier: "fd0c::1", PublicKey: "3p7b=", Port: 6110, Profile: "balanced",
		Locators: []node.LocatorStatus{
			{Address: "127.0.0.1", Interface: "lo", State: "none", Why: "loopback address", Bits: 8, Preference: 100},
			{Address: "fd0c::1", Interface: "shim0", State: "none", Why: "denied by policy", Bits: 128, Preference: 100},
			{Address: "10.8.0.2", Interface: "vpn", State: "none", Why: "tunnel", Bits: 24, Preference: 100},
			{Address: "172.17.0.1", Interface: "docker0", State: "none", Why: "denied by policy", Bits: 16, Preference: 100},
			{Address: "192.168.1.7", Interface: "wlan0", State: "operational", Bits: 24, Preference: 150},
			{Address: "10.64.3.9", Interface: "wwan0", State: "operational", Preference: 50, Metered: true, Drained: true},
			{Address: "2001:db8:a1::1", Interface: "eth0", State: "operational", Bits: 64, Preference: 100, Deprecated: true},
			{Address: "2001:db8:a1::2", Interface: "eth0", State: "operational", Bits: 64, Preference: 100, Temporary: true, Optimistic: true},
			{Address: "2001:db8:a3::1", Interface: "eth1", State: "available", Why: "interface down", Bits: 64, Preference: 100},
		},
		Peers: []node.PeerStatus{{
			Name: "b", Identifier: "fd6e::b", State: "primary operational", Connected: true, Primary: &dear, SendTimerMillis: 46,
			Pairs: []node.PairStatus{
				{Pair: cheap, Result: "ok", AgeMillis: 700, RTTMillis: 11, Rank: 1, Interface: "wlan0", MTU: 1500, PathMTU: 1492, PathMTUState: "search complete", WorksMillis: 3200, HoldMillis: 10_000},
				{Pair: six, Result: "failed", AgeMillis: 812, HeardMillis: 95, Rank: 2, Class: 1, Why: "lower preference: 100 < 150", Interface: "eth0", MTU: 1500, PathMTU: 1280, PathMTUState: "error"},
				{Pair: dear, Primary: true, Result: "ok", AgeMillis: 36, HeardMillis: 4100, RTTMillis: 48, Rank: 3, Class: 2, Why: "metered", Interface: "wwan0", MTU: 1500, PathMTU: 1280, PathMTUState: "searching", Metered: true},
				// Of one class with the primary: how long it works is of no consequence.
				{Pair: node.Pair{Local: "fe80::1", Remote: "[fe80::2]:6110"}, Result: "untested", Rank: 4, Class: 2, Why: "ambiguous link-local address", Loss: 0.31, LossMillis: 4000, WorksMillis: 99_000, HoldMillis: 10_000},
			},
			Remotes: []node.RemoteStatus{
				{Address: "203.0.113.1:6110", Source: "announced", Preference: 100},
				{Address: "[2001:db8:b1::1]:7000", Source: "configured", Preference: 100},
				{Address: "198.51.100.4:40001", Source: "heard", StandsFor: "192.168.9.9:6110", Preference: 80, Metered: true, Deprecated: true},
			},
			NAT:             []node.NATStatus{{Local: "10.64.3.9", SeenAs: "100.64.0.1:6110"}, {Local: "192.168.1.7", SeenAs: "198.51.100.9:41234"}},
			KeepaliveMillis: 28_000,
		}, {
			Name: "c", Identifier: "fd6e::c", State: "testing primary", Connected: true, Primary: &pinned, Pinned: &pinned, Testing: &pinned,
			SendTimerMillis: 25,
			Pairs: []node.PairStatus{
				{Pair: pinned, Primary: true, Result: "ok", AgeMillis: 90, RTTMillis: 9, Rank: 1, Interface: "eth0", MTU: 1500, PathMTU: 1280, PathMTUState: "base"},
			},
			NAT: []node.NATStatus{{Local: "10.64.3.9", SeenAs: "100.64.0.1:6110"}, {Local: "192.168.1.7", SeenAs: "198.51.100.9:41999"}},
		}, idle()},
	}
}

// TestPairsText compares the tables of pairs with testdata/pairs.
func TestPairsText(t *testing.T) {
	golden(t, pairsText(roaming()), "pairs", "roaming.txt")
	golden(t, pairsText(withPeers(searching(), down())), "pairs", "trouble.txt")
	if got := pairsText(withPeers()); got != "shim0 has no peers\n" {
		t.Errorf("without peers: %q", got)
	}
}

// TestAddrText compares the tables of addresses with testdata/addr.
func TestAddrText(t *testing.T) {
	golden(t, addrText(roaming()), "addr", "roaming.txt")
	alone := withPeers()
	alone.Locators = nil
	golden(t, addrText(alone), "addr", "alone.txt")
}
