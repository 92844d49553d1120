package throughput

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/internal/rig"
	"github.com/multi6/multi6/internal/testkit"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// results returns those of two rounds, of which the second had no ChaCha20 and only
// TCP without offloads.
func results() *Result {
	r := &Result{
		Version: ResultVersion, StartedAt: time.Unix(0, 0).UTC(), Congestion: "cubic", CPUs: 2, Kernel: "6.18.0", Load: "0.10 0.20 0.30 1/99 1234",
		Rounds: 2, Time: rig.Millis(2 * time.Second),
		Warnings: []string{"other programs took 25 % of the processors' time"},
		Skipped:  []string{"round 2 of 2, offloads on, multi6, ChaCha20-Poly1305: the machine was late"},
		Failed:   []string{"round 2 of 2, offloads on, multi6, AES-256-GCM, loaded: no answer"},
		Wrong:    []string{"round 1 of 2, offloads off, direct, check: byte 7 is 0x01, not 0x00"},
		Samples: slices.Concat(
			samples(On, Direct, TCP1, 20, 18), samples(On, WireGuard, TCP1, 3, 2), samples(On, AES, TCP1, 9, 6), samples(On, ChaCha, TCP1, 5),
			samples(On, Direct, TCP1CPU, 0.06, 0.07), samples(On, WireGuard, TCP1CPU, 0.5, 0.6), samples(On, AES, TCP1CPU, 0.2, 0.21),
			samples(On, Direct, UDP, 672_000, 660_000), samples(On, WireGuard, UDP, 111_000, 100_000), samples(On, AES, UDP, 806_000, 790_000),
			samples(On, Direct, IdleP50, 10.2, 11), samples(On, WireGuard, IdleP50, 182, 170), samples(On, AES, IdleP50, 151, 150),
			samples(On, Direct, IdleP99, 20, 21), samples(On, WireGuard, IdleP99, 400, 1900), samples(On, AES, IdleP99, 300, 310),
			samples(Off, Direct, TCP1, 8.4), samples(Off, AES, TCP1, 5),
		),
	}
	r.summarize()
	return r
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := results().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "table.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestEffort(t *testing.T) {
	for rounds, want := range map[int]string{1: "one round of 500ms", 3: "3 rounds of 500ms"} {
		r := Result{Rounds: rounds, Time: rig.Millis(500 * time.Millisecond)}
		if got := r.effort(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestBrief leaves out what was not measured.
func TestBrief(t *testing.T) {
	got := brief(map[Metric]float64{TCP1: 19.34, UDP: 672_000, IdleP50: 10.2, IdleP99: 20})
	if want := "1 TCP 19.3 Gbit/s, 64-byte UDP 672 kpackets/s, RTT idle 10.2 µs"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSVG holds the picture to be well-formed and to show what was measured.
func TestSVG(t *testing.T) {
	words := testkit.SVGWords(t, results().WriteSVG)
	for _, want := range []string{
		"\nWhat two hosts get through to each other\n", "\nwireguard-go\n", "\nmulti6, ChaCha20-Poly1305\n", "\nOne TCP stream\n",
		"\n7.50\n", "\n798\n", "\nGbit/s, more is better\n", "\ns/Gbit, less is better\n", "The machine was busy", "Offloads off: ",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(words, "Four TCP streams") {
		t.Error("a panel without values")
	}
}
