package bench

import (
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/rig"
)

const msec = time.Millisecond

// steps returns arrivals of one byte each at these milliseconds.
func steps(at ...int) []rig.Arrival {
	var as []rig.Arrival
	for _, ms := range at {
		as = append(as, rig.Arrival{At: time.Duration(ms) * msec, Bytes: 1})
	}
	return as
}

func TestNames(t *testing.T) {
	for _, f := range Faults() {
		if got, err := ParseFault(f.String()); err != nil || got != f || f.Text() == "" {
			t.Errorf("%v became %v (%v), text %q", f, got, err, f.Text())
		}
	}
	for _, m := range Modes() {
		if got, err := ParseMode(m.String()); err != nil || got != m {
			t.Errorf("%v became %v (%v)", m, got, err)
		}
	}
	for _, r := range Rivals() {
		if got, err := ParseRival(r); err != nil || got != r {
			t.Errorf("%v became %v (%v)", r, got, err)
		}
	}
	if f, err := ParseFault("f3"); err != nil || f != F3 {
		t.Errorf("f3 became %v (%v)", f, err)
	}
	for _, bad := range []string{"", "F0", "F9", "F 1"} {
		if f, err := ParseFault(bad); err == nil {
			t.Errorf("fault %q became %v", bad, f)
		}
		if m, err := ParseMode(bad); err == nil {
			t.Errorf("mode %q became %v", bad, m)
		}
		if r, err := ParseRival(bad); err == nil {
			t.Errorf("rival %q became %v", bad, r)
		}
	}
}

func TestTarget(t *testing.T) {
	tests := []struct {
		fault   Fault
		mode    Mode
		rtt     time.Duration
		profile string
		want    time.Duration
	}{
		{F1, Bulk, msec, "fast", 35 * msec},
		{F3, PP, msec, "fast", 35 * msec},
		{F4, RR, msec, "fast", 15 * msec},
		{F5, RR, msec, "balanced", 40 * msec},
		{F2, Bulk, 20 * msec, "fast", 70 * msec},
		{F5, Bulk, 20 * msec, "fast", 50 * msec},
		{F1, PP, 20 * msec, "fast", 85 * msec},
		{F4, PP, 20 * msec, "balanced", 90 * msec},
		{F1, Bulk, 20 * msec, "gentle", 0},
		{F1, Bulk, 100 * msec, "fast", 0},
		{F1, UDP, msec, "fast", 0},
		{F6, RR, 100 * msec, "gentle", 1200 * msec},
		{F7, RR, 20 * msec, "balanced", 150 * msec},
		{F7, RR, msec, "balanced", 0},
		{F8, PP, msec, "fast", 300 * msec},
	}
	for _, tt := range tests {
		if got := Target(tt.fault, tt.mode, tt.rtt, tt.profile); got != tt.want {
			t.Errorf("%v %v RTT %v %s: %v, want %v", tt.fault, tt.mode, tt.rtt, tt.profile, got, tt.want)
		}
	}
}

func TestStall(t *testing.T) {
	w := window{failed: 1000 * msec, until: 1500 * msec}
	back := window{failed: 1000 * msec, returned: 1400 * msec, until: 1500 * msec}
	stuck := window{failed: 1000 * msec, until: 1500 * msec, stuck: true}
	tests := []struct {
		name     string
		w        window
		arrivals []rig.Arrival
		want     Trial
	}{
		{"the longest, wherever it is", w, steps(699, 705, 990, 1005, 1030, 1200, 1490, 1505),
			Trial{Stall: 290, From: 200, Before: 285, OnReturn: 495, Ended: true}},
		{"one that began before", w, steps(699, 710, 980, 1300, 1490, 1700), Trial{Stall: 320, From: -20, Before: 270, OnReturn: 300, Ended: true}},
		{"never ended", w, steps(699, 710, 990), Trial{Stall: 1010, From: -10, Before: 280}},
		{"only healing ended it", stuck, steps(699, 705, 990, 1900), Trial{Stall: 510, From: -10, Before: 285, OnReturn: 100}},
		{"from the return", back, steps(699, 710, 990, 1430, 1990), Trial{Stall: 30, From: 400, Before: 280, OnReturn: 10, Ended: true}},
		{"nothing after the return", back, steps(699, 710, 990, 1390), Trial{Stall: 600, From: 400, Before: 280}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got Trial
			got.stall(tt.arrivals, tt.w, 2000*msec)
			for _, m := range []*rig.Millis{&tt.want.Stall, &tt.want.From, &tt.want.Before, &tt.want.OnReturn} {
				*m *= rig.Millis(msec)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(Trial{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLost: what is missing at the rate of before.
func TestLost(t *testing.T) {
	stream := func(from, to int) (as []rig.Arrival) {
		for at := from; at < to; at += 10 {
			as = append(as, rig.Arrival{At: time.Duration(at) * msec, Bytes: 100})
		}
		return as
	}
	w := window{failed: 1000 * msec, until: 1500 * msec}
	for _, tt := range []struct {
		name     string
		arrivals []rig.Arrival
		want     time.Duration
	}{
		{"a stall", append(stream(0, 1000), stream(1080, 2000)...), 80 * msec},
		{"a burst makes good for it", append(append(stream(0, 1000), rig.Arrival{At: 1080 * msec, Bytes: 800}), stream(1080, 2000)...), 0},
		{"none", stream(0, 2000), 0},
		{"all", stream(0, 1000), 500 * msec},
	} {
		var r Trial
		if r.lost(tt.arrivals, w); r.Lost == nil || time.Duration(*r.Lost) != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, r.Lost, tt.want)
		}
	}
	var r Trial
	if r.lost(stream(1000, 2000), w); r.Lost != nil {
		t.Error("lost something of a stream that did not flow")
	}
}

func TestMoments(t *testing.T) {
	one, two := node.Pair{Local: "1"}, node.Pair{Local: "2"}
	at := func(ms int, name string, e node.Event) rig.Event {
		return rig.Event{At: rig.Millis(time.Duration(ms) * msec), Node: name, What: e}
	}
	left := func(cause string) node.Event {
		return node.Event{Kind: "state", From: "primary operational", State: "testing primary", Cause: cause}
	}
	events := []rig.Event{
		at(990, "a", left("timer")), // before the failure
		at(1005, "b", left("policy change")),
		at(1010, "a", left("timer")),
		at(1011, "a", node.Event{Kind: "test", Pair: &one}),
		at(1012, "b", node.Event{Kind: "test", Pair: &two}),
		at(1020, "b", node.Event{Kind: "switch", Old: &one}), // to none
		at(1030, "b", node.Event{Kind: "switch", Pair: &two, Old: &one}),
		at(1600, "a", node.Event{Kind: "switch", Pair: &two, Old: &one}), // after it was healed
	}
	var r Trial
	r.moments(events, window{failed: 1000 * msec, until: 1500 * msec}, rig.Pairs{"a": one, "b": one})
	want := map[string]int{"suspicion": 10, "test": 12, "switch a": -1, "switch b": 30}
	for name, m := range map[string]*rig.Millis{"suspicion": r.Suspicion, "test": r.Test, "switch a": r.SwitchA, "switch b": r.SwitchB} {
		got := -1
		if m != nil {
			got = int(m.Milliseconds())
		}
		if got != want[name] {
			t.Errorf("%s after %d ms, want %d", name, got, want[name])
		}
	}
	if len(r.events) != 6 || r.events[0].At != rig.Millis(5*msec) {
		t.Errorf("events %+v", r.events)
	}
	if events[1].At != rig.Millis(1005*msec) {
		t.Error("the caller's events were changed")
	}
}

// trials returns one that took so many milliseconds each; negative ones never
// ended.
func trials(ms ...int) (all []Trial) {
	for _, n := range ms {
		all = append(all, Trial{Stall: rig.Millis(time.Duration(max(n, -n)) * msec), Ended: n > 0})
	}
	return all
}

func TestCell(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	broken := trials(5)
	broken[0].Reset = true
	tests := []struct {
		name              string
		runs              []Trial
		median, p99, most float64
		slowest, open     int
		met               bool
	}{
		{"odd", trials(30, 10, 50), 30, 0, 50, 2, 0, true},
		{"even", trials(30, 50), 40, 0, 50, 1, 0, false},
		{"never ended", trials(-9000, 10, 20), 20, 0, 9000, 0, 1, true},
		{"a hundred", trials(hundred...), 50.5, 99, 100, 0, 0, false},
		{"broken", broken, 5, 0, 5, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCell(F1, RR, 35*msec, tt.runs)
			p99 := 0.0
			if c.P99 != nil {
				p99 = c.P99.Milliseconds()
			}
			if c.Median.Milliseconds() != tt.median || p99 != tt.p99 || c.Max.Milliseconds() != tt.most {
				t.Errorf("median %v, p99 %v, max %v", c.Median.Milliseconds(), p99, c.Max.Milliseconds())
			}
			if c.Slowest != tt.slowest || c.Open != tt.open || c.Met != tt.met {
				t.Errorf("slowest %d, open %d, met %v", c.Slowest, c.Open, c.Met)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	sorted := []rig.Millis{1, 2, 3, 4}
	for q, want := range map[float64]rig.Millis{0: 1, 0.25: 1, 0.26: 2, 0.5: 2, 0.99: 4, 1: 4} {
		if got := quantile(sorted, q); got != want {
			t.Errorf("%v: %d, want %d", q, got, want)
		}
	}
}

func TestDistribution(t *testing.T) {
	var got [][2]float64
	for _, p := range distribution(trials(20, 10, -10000, 0), 100) {
		got = append(got, [2]float64{p.X, p.Y})
	}
	// The stall of 0 ms "never ended" too: trials counts it so.
	want := [][2]float64{{1, 0}, {10, 0}, {10, 25}, {20, 25}, {20, 50}, {100, 50}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := distribution(nil, 100); got != nil {
		t.Errorf("out of nothing came %v", got)
	}
}

func TestSortError(t *testing.T) {
	tests := []struct {
		name         string
		err          error
		wrong, reset bool
	}{
		{"none", nil, false, false},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, false, true},
		{"wrong byte", &rig.WrongError{Text: "byte 1"}, true, false},
		{"never drained", os.ErrDeadlineExceeded, true, false},
		{"closed by us", net.ErrClosed, false, false},
	}
	for _, tt := range tests {
		var r Trial
		r.judge(tt.err)
		if r.Wrong != tt.wrong || r.Reset != tt.reset || (r.Error != "") != (tt.wrong || tt.reset) {
			t.Errorf("%s: wrong %v, reset %v, error %q", tt.name, r.Wrong, r.Reset, r.Error)
		}
	}
}

func TestCheckDatagram(t *testing.T) {
	var m [rig.MessageLen]byte
	rig.PutMessage(&m, 12)
	if err := checkDatagram(m[:]); err != nil {
		t.Error(err)
	}
	changed := m
	changed[20]++
	for name, b := range map[string][]byte{"changed": changed[:], "short": m[:63], "long": append(m[:], 0), "empty": nil} {
		if _, ok := errors.AsType[*rig.WrongError](checkDatagram(b)); !ok {
			t.Errorf("%s: nobody minds", name)
		}
	}
}

func TestCounter(t *testing.T) {
	const table = "TcpExt: A B\nTcpExt: 1 2\nMPTcpExt: A B\nMPTcpExt: 3 4\n"
	for name, want := range map[string]uint64{"A": 3, "B": 4, "C": 0} {
		if got := counter(table, "MPTcpExt:", name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
