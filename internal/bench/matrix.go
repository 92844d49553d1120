package bench

import (
	"fmt"
	"strings"
	"time"

	"github.com/multi6/multi6/internal/lab"
)

// A Fault is what happens to the paths in a run.
type Fault uint8

// The faults, in the order of the package comment.
const (
	F1 Fault = iota + 1
	F2
	F3
	F4
	F5
	F6
	F7
	F8
	faults
)

var faultTexts = [faults]string{
	F1: "blackhole both ways",
	F2: "blackhole A to B",
	F3: "blackhole B to A",
	F4: "link down",
	F5: "address removed",
	F6: "all dead, one returns",
	F7: "flapping",
	F8: "30 % loss",
}

// broken are the faults that one call of lab.Break makes and that last.
var broken = map[Fault]lab.Fault{
	F1: lab.Blackhole, F2: lab.BlackholeAtoB, F3: lab.BlackholeBtoA, F4: lab.LinkDown, F5: lab.AddressRemoved,
}

// String returns the fault's name as ParseFault takes it, "F1" to "F8".
func (f Fault) String() string { return fmt.Sprintf("F%d", uint8(f)) }

// Text describes the fault in a few words.
func (f Fault) Text() string { return faultTexts[f] }

// MarshalText implements encoding.TextMarshaler.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Faults returns all faults, in a slice of the caller's.
func Faults() []Fault { return []Fault{F1, F2, F3, F4, F5, F6, F7, F8} }

// ParseFault returns the fault of that name, in either case.
func ParseFault(name string) (Fault, error) {
	for _, f := range Faults() {
		if strings.EqualFold(f.String(), name) {
			return f, nil
		}
	}
	return 0, fmt.Errorf("unknown fault %q; one of F1 to F8", name)
}

// A Mode is how a stream behaves.
type Mode uint8

// The modes, as in the package comment.
const (
	Bulk Mode = iota + 1
	RR
	PP
	UDP
	modes
)

var modeNames = [modes]string{Bulk: "bulk", RR: "rr", PP: "pp", UDP: "udp"}

// String returns the mode's name as ParseMode takes it.
func (m Mode) String() string { return modeNames[m] }

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Modes returns all modes, in a slice of the caller's.
func Modes() []Mode { return []Mode{Bulk, RR, PP, UDP} }

// ParseMode returns the mode of that name.
func ParseMode(name string) (Mode, error) {
	for _, m := range Modes() {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("unknown mode %q; one of %s", name, strings.Join(modeNames[Bulk:], ", "))
}

// Target returns the median stall to reach, zero if there is none for the case. Our
// own choice of what is within reach, given the timers of TCP and no packets
// while idle.
func Target(f Fault, m Mode, rtt time.Duration, profile string) time.Duration {
	const ms = time.Millisecond
	switch {
	case m == UDP:
		return 0
	case f == F6:
		return 1200 * ms
	case f == F7 && rtt == 20*ms:
		return 150 * ms
	case f == F8:
		return 300 * ms
	case f > F5:
		return 0
	}
	allowance, ok := map[string]time.Duration{"fast": 0, "balanced": 25 * ms}[profile]
	if !ok {
		return 0
	}
	local := f == F4 || f == F5
	switch {
	case rtt == ms && local:
		return 15*ms + allowance
	case rtt == ms:
		return 35*ms + allowance
	case rtt == 20*ms && m == PP && local:
		return 65*ms + allowance
	case rtt == 20*ms && m == PP:
		return 85*ms + allowance
	case rtt == 20*ms && local:
		return 50*ms + allowance
	case rtt == 20*ms:
		return 70*ms + allowance
	}
	return 0
}

// idle is the name of the time in which nothing is sent.
const idle = "idle"

// controlLimit returns how many control packets a second both nodes together may
// send at most while idle, or in a mode: a peer that is asked nothing says nothing,
// acknowledgements of TCP tell enough, and a stream of datagrams one way needs
// reports.
func controlLimit(while string) *float64 {
	n := 1.0
	switch while {
	case idle:
		n = 0
	case UDP.String():
		n = 50
	}
	return &n
}
