package throughput

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/internal/rig"
)

func TestNames(t *testing.T) {
	for _, s := range Systems() {
		if got, err := ParseSystem(s.String()); err != nil || got != s || s.Title() == "" {
			t.Errorf("%v became %v (%v)", s, got, err)
		}
	}
	for _, o := range []Offloads{On, Off} {
		if got, err := ParseOffloads(o.String()); err != nil || got != o {
			t.Errorf("%v became %v (%v)", o, got, err)
		}
	}
	for _, m := range Measurements() {
		if got, err := ParseMeasurement(string(m)); err != nil || got != m {
			t.Errorf("%v became %v (%v)", m, got, err)
		}
	}
	for _, bad := range []string{"", "multi6", "On", "tcp"} {
		_, err1 := ParseSystem(bad)
		_, err2 := ParseOffloads(bad)
		_, err3 := ParseMeasurement(bad)
		if err1 == nil || err2 == nil || err3 == nil {
			t.Errorf("%q: %v, %v, %v", bad, err1, err2, err3)
		}
	}
}

// TestRotated has each element come first in its turn.
func TestRotated(t *testing.T) {
	for by, want := range []string{"abc", "bca", "cab", "abc", "bca"} {
		if got := strings.Join(rotated(strings.Split("abc", ""), by), ""); got != want {
			t.Errorf("by %d: %s, want %s", by, got, want)
		}
	}
	if got := rotated([]int{}, 3); len(got) > 0 {
		t.Errorf("nothing became %v", got)
	}
}

func TestMedian(t *testing.T) {
	tests := []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{5, 1}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 100, 2}, 3}}
	for _, tt := range tests {
		if got := median(slices.Clone(tt.values)); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.values, got, tt.want)
		}
	}
}

// TestRatio takes ratios within rounds: a machine that is slow in one round is so for
// both.
func TestRatio(t *testing.T) {
	number := func(v float64) *float64 { return &v }
	tests := []struct {
		name string
		a, b map[int]float64
		want *float64
	}{
		{"slow rounds", map[int]float64{1: 30, 2: 3, 3: 60}, map[int]float64{1: 10, 2: 1, 3: 12}, number(3)},
		{"medians' ratio differs", map[int]float64{1: 10, 2: 20, 3: 90}, map[int]float64{1: 10, 2: 5, 3: 10}, number(4)},
		{"rounds without one", map[int]float64{1: 10, 2: 20, 4: 9}, map[int]float64{2: 10, 3: 1, 4: 0}, number(2)},
		{"never both", map[int]float64{1: 10}, map[int]float64{2: 10}, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, ratio(tt.a, tt.b)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// samples are those of a system's metric, in rounds from 1.
func samples(o Offloads, s System, m Metric, values ...float64) (all []Sample) {
	for i, v := range values {
		all = append(all, Sample{i + 1, o, s, m, v})
	}
	return all
}

func TestSummarize(t *testing.T) {
	r := Result{Samples: slices.Concat(
		samples(On, Direct, TCP1, 20, 18, 10), samples(On, WireGuard, TCP1, 2, 3, 1), samples(On, AES, TCP1, 8, 9, 4),
		samples(Off, AES, TCP1, 5),
	)}
	r.summarize()
	number := func(v float64) *float64 { return &v }
	want := []Row{
		{On, Direct, TCP1, 18, number(10), number(1)},
		{On, WireGuard, TCP1, 2, number(1), number(0.1)},
		{On, AES, TCP1, 8, number(4), number(0.4)},
		{Off, AES, TCP1, 5, nil, nil},
	}
	if diff := cmp.Diff(want, r.Rows); diff != "" {
		t.Error(diff)
	}
}

func TestJudge(t *testing.T) {
	r := Result{Samples: slices.Concat(
		samples(On, WireGuard, TCP1, 2), samples(On, AES, TCP1, 6), samples(Off, ChaCha, TCP1, 6),
	)}
	r.summarize()
	tests := []struct {
		target Target
		want   string
	}{
		{Target{Offloads: On, System: AES, Metric: TCP1, Of: WireGuard, Limit: 3}, "met"},
		{Target{Offloads: On, System: AES, Metric: TCP1, Of: WireGuard, Limit: 3.01}, "missed"},
		{Target{Offloads: On, System: AES, Metric: TCP1, Of: WireGuard, Limit: 3, AtMost: true}, "met"},
		{Target{Offloads: On, System: AES, Metric: TCP1, Of: WireGuard, Limit: 2.99, AtMost: true}, "missed"},
		{Target{Offloads: On, System: AES, Metric: TCP1, Of: Direct, Limit: 0}, "not measured"},
		{Target{Offloads: Off, System: ChaCha, Metric: TCP1, Of: WireGuard, Limit: 0}, "not measured"},
		{Target{Offloads: Off, System: AES, Metric: UDP, Of: WireGuard, Limit: 9, AtMost: true}, "not measured"},
	}
	for _, tt := range tests {
		got := r.judge([]Target{tt.target})[0]
		if got.verdict() != tt.want || got.Met != (tt.want == "met") {
			t.Errorf("%+v: %s, met %t, want %s", got, got.verdict(), got.Met, tt.want)
		}
	}
}

// TestFailed tells wrong data from other failures, and our failures from another's.
func TestFailed(t *testing.T) {
	plain, wrong := errors.New("no route"), &rig.WrongError{Text: "byte 7"}
	tests := []struct {
		system System
		err    error
		want   Result
	}{
		{AES, plain, Result{Failed: []string{"tcp1: no route"}}},
		{Direct, plain, Result{Failed: []string{"tcp1: no route"}}},
		{WireGuard, plain, Result{Skipped: []string{"tcp1: no route"}}},
		{AES, errors.Join(plain, wrong), Result{Wrong: []string{"tcp1: no route; byte 7"}}},
		{WireGuard, wrong, Result{Wrong: []string{"tcp1: byte 7"}}},
	}
	for _, tt := range tests {
		b := bench{result: &Result{}}
		b.failed(tt.system, "tcp1", tt.err)
		if diff := cmp.Diff(&tt.want, b.result); diff != "" {
			t.Errorf("%v, %v: %s", tt.system, tt.err, diff)
		}
	}
}

func TestParseProcess(t *testing.T) {
	const rest = " S 1 2 3 0 -1 4194560 10 20 30 40 150 25 7 8 20 0 9 0 12345 1 2"
	for _, name := range []string{"(multi6)", "(a) b (c))", "()"} {
		if got, err := parseProcess("77 " + name + rest); err != nil || got != 1750*time.Millisecond {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "77 multi6" + rest, "77 (multi6) S 1 2", "77 (x) S 1 2 3 0 -1 4194560 10 20 30 40 x 25 7"} {
		if got, err := parseProcess(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestParseMachine(t *testing.T) {
	const s = time.Second
	got, err := parseMachine("cpu  100 200 300 400 500 600 700 800 900 0\ncpu0 1 2 3\n")
	want := machine{busy: 19 * s, soft: 7 * s, stole: 8 * s, all: 36 * s}
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2 3 4 5 6 7", "intr 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 x 6 7 8"} {
		if got, err := parseMachine(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestWarnings(t *testing.T) {
	const s = time.Second
	if got := busyBefore(machine{busy: 9 * s, all: 100 * s}); got != nil {
		t.Errorf("of an idle machine: %q", got)
	}
	if got := busyBefore(machine{busy: 11 * s, all: 100 * s}); len(got) != 1 || !strings.Contains(got[0], "11 %") {
		t.Errorf("of a busy machine: %q", got)
	}
	tests := []struct {
		name string
		u    usage
		want []string // parts of the warnings
	}{
		{"only ours", usage{80 * s, machine{busy: 95 * s, soft: 10 * s, all: 100 * s}}, nil},
		{"others", usage{60 * s, machine{busy: 95 * s, soft: 10 * s, all: 100 * s}}, []string{"took 25 %"}},
		{"stolen", usage{90 * s, machine{busy: 90 * s, stole: 5 * s, all: 100 * s}}, []string{"kept 5 %"}},
		{"nothing measured", usage{}, nil},
	}
	for _, tt := range tests {
		got := disturbed(tt.u)
		same := slices.EqualFunc(got, tt.want, strings.Contains)
		if !same {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDropped(t *testing.T) {
	if got := dropped(map[string]uint64{"device": 0, "send": 0}); got != "" {
		t.Errorf("nothing: %q", got)
	}
	if got, want := dropped(map[string]uint64{"send": 2, "device": 3, "version": 0}), "device 3, send 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUsage(t *testing.T) {
	a := usage{1, machine{2, 3, 4, 5}}
	b := usage{11, machine{22, 33, 44, 55}}
	if got, want := b.since(a), (usage{10, machine{20, 30, 40, 50}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := b.add(a), (usage{12, machine{24, 36, 48, 60}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestFigure(t *testing.T) {
	for want, v := range map[string]float64{
		"0.000": 0, "0.063": 0.0632, "0.999": 0.9994, "1.00": 0.9996, "9.99": 9.994, "10.0": 9.996, "19.3": 19.34, "100": 99.96, "1234": 1234.4,
	} {
		if got := figure(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// TestEstimate is of the defaults.
func TestEstimate(t *testing.T) {
	o := Options{Systems: Systems(), Offloads: []Offloads{On, Off}, Measurements: Measurements(), Rounds: 5, Time: 2 * time.Second}
	least := 2 * 4 * 6 * 5 * 2 * time.Second // links, systems, measurements, rounds
	if got := o.Estimate(); got < least || got > 15*time.Minute {
		t.Errorf("%v", got)
	}
}

// TestResultJSON reads what was written.
func TestResultJSON(t *testing.T) {
	r := results()
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"offloads": "on"`, `"system": "multi6-aes"`, `"metric": "tcp1_gbps"`, `"of_wireguard_go": 3`, `"met": true`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	var got Result
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, &got); diff != "" {
		t.Error(diff)
	}
}
