package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Our own choices.
const (
	// DefaultFailback outlasts the flaps of a radio link that comes and goes,
	// and is short enough that an expensive stand-in is not kept for long.
	DefaultFailback = 10 * time.Second
	minFailback     = 100 * time.Millisecond
	maxFailback     = 24 * time.Hour

	// DefaultProbeBudget is some 30 MB a month.
	DefaultProbeBudget = 1_000_000 // bytes a day
	maxProbeBudget     = 1_000_000_000_000

	minTimer = time.Millisecond
	maxTimer = time.Minute
	maxTries = 16

	minKeepalive = time.Second
	maxKeepalive = time.Hour
)

// Values of Peer.Keepalive besides intervals.
const (
	// KeepaliveAuto sends keepalives only behind a NAT, as seldom as will do.
	KeepaliveAuto time.Duration = 0
	// KeepaliveOff sends none.
	KeepaliveOff time.Duration = -1
)

// off turns a feature off, in the place of a duration.
const off = "off"

// failback reads for how long a better pair must have worked; zero: off.
func (v *validator) failback(t text) time.Duration {
	switch {
	case !t.ok:
		return DefaultFailback
	case t.s == off:
		return 0
	}
	return v.duration(t, "failback", minFailback, maxFailback, `"off" for never`)
}

// timer reads a timer that replaces the profile's; zero: it does not.
func (v *validator) timer(t text, key string) time.Duration {
	if !t.ok {
		return 0
	}
	return v.duration(t, key, minTimer, maxTimer, "leave it out for the profile's")
}

// tries reads how many tests must fail; zero: as many as the profile has it.
func (v *validator) tries(n number) int {
	if !n.ok {
		return 0
	}
	if n.n < 1 || n.n > maxTries {
		v.report(n.at, "tries %d is out of range; write 1 to %d, or leave it out for the profile's", n.n, maxTries)
		return 0
	}
	return int(n.n)
}

func (v *validator) keepalive(t text) time.Duration {
	switch {
	case !t.ok || t.s == "auto":
		return KeepaliveAuto
	case t.s == off:
		return KeepaliveOff
	}
	return v.duration(t, "keepalive", minKeepalive, maxKeepalive, `"auto" for only behind a NAT, or "off" for none`)
}

// duration reads a duration between limits. instead says what else may be
// written.
func (v *validator) duration(t text, key string, least, most time.Duration, instead string) time.Duration {
	d, err := time.ParseDuration(t.s)
	if err == nil && least <= d && d <= most {
		return d
	}
	limits := fmt.Sprintf("%q to %q", short(least), short(most))
	switch _, plain := strconv.ParseUint(t.s, 10, 32); {
	case err == nil:
		v.report(t.at, "%s %s is out of range; write %s, or %s", key, quote(t.s), limits, instead)
	case plain == nil:
		v.report(t.at, "%s %s has no unit; write %q for seconds, or %s", key, quote(t.s), t.s+"s", instead)
	default:
		v.report(t.at, "%s %s is no duration; write one from %s (units ms, s, m, h), or %s", key, quote(t.s), limits, instead)
	}
	return 0
}

// short writes a duration as people do: "1h" where Go has "1h0m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A byteUnit is a unit of size, in bytes.
type byteUnit struct {
	name  string
	bytes int64
}

// byteUnits are all of them, large to small.
var byteUnits = []byteUnit{
	{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1},
}

// probeBudget reads how many bytes a day may go where bytes cost.
func (v *validator) probeBudget(z size) int64 {
	const limits = `write "0" to "1000GB"`
	if !z.ok {
		return DefaultProbeBudget
	}
	n, written := z.n, strconv.FormatInt(z.n, 10)
	if z.isText {
		var trouble string
		written = quote(z.s)
		if n, trouble = parseBytes(z.s); trouble != "" {
			v.report(z.at, "probe_budget %s %s", written, trouble)
			return 0
		}
	}
	if n < 0 || n > maxProbeBudget {
		v.report(z.at, "probe_budget %s is out of range; %s", written, limits)
		return 0
	}
	return n
}

// parseBytes reads a number of bytes: digits, and a unit or none. What is too large
// for an int64 is math.MaxInt64.
func parseBytes(s string) (n int64, trouble string) {
	const digits = "0123456789"
	name := strings.TrimLeft(s, digits)
	number := strings.TrimSuffix(s, name)
	name = strings.TrimSpace(name)
	if name == "" {
		name = "B"
	}
	named := func(u byteUnit) bool { return u.name == name }
	folded := func(u byteUnit) bool { return strings.EqualFold(u.name, name) }
	i := slices.IndexFunc(byteUnits, named)
	switch j := slices.IndexFunc(byteUnits, folded); {
	case number == "" || i < 0 && j < 0:
		return 0, `is no size; write a whole number and a unit such as "1MB" (units kB, MB, GB, KiB, MiB, GiB, or none for bytes), or "0" for none beyond need`
	case i < 0:
		return 0, fmt.Sprintf("has no unit that is known; write %q", number+byteUnits[j].name)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/byteUnits[i].bytes {
		return math.MaxInt64, ""
	}
	return n * byteUnits[i].bytes, ""
}

// Bytes writes a number of bytes as the file has it, in the largest unit that
// divides it: 1500000 as "1500kB".
func Bytes(n int64) string {
	for _, u := range byteUnits {
		if n != 0 && n%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
