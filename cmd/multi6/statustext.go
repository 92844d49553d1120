package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/locator"
)

// statusText renders s for people:
//
//	interface shim0
//	  identifier  fd..
//
//	locators
//	  ADDRESS  INTERFACE  STATE
//
//	peer b: primary operational
//	  identifier  fd..
//
//	  PAIR  LAST TEST  RTT  AGE
//
// A star marks the primary pair. Drops are shown only if there were any.
func statusText(s node.Status) string {
	parts := []string{
		section("interface "+s.Interface, append([][]string{
			{"identifier", s.Identifier},
			{"public key", s.PublicKey},
			{"port", fmt.Sprint(s.Port)},
			{"profile", s.Profile},
		}, offloadRows(s.Offloads)...)),
		locatorsText(s.Locators),
	}
	for _, p := range s.Peers {
		parts = append(parts, peerText(p))
	}
	if text := dropsText(s.Drops); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n")
}

// offloadRows returns a row of the offloads in use, "tun tso4 tso6; udp gso gro", and
// one of those that are missing, if any are.
func offloadRows(all []node.Offloads) (rows [][]string) {
	var used, missing []string
	for _, o := range all {
		used = append(used, o.Of+" "+cmp.Or(strings.Join(o.Used, " "), "none"))
		if len(o.Missing) > 0 {
			missing = append(missing, o.Of+" "+strings.Join(o.Missing, ", "))
		}
	}
	if len(used) > 0 {
		rows = append(rows, []string{"offloads", strings.Join(used, "; ")})
	}
	if len(missing) > 0 {
		rows = append(rows, []string{"missing", strings.Join(missing, "; ")})
	}
	return rows
}

// Reasons why an address is none, of those that nobody expects to be used.
const whyLoopback, whyDenied, whyTunnel = "loopback address", "denied by policy", "tunnel"

func locatorsText(ls []node.LocatorStatus) string {
	rows := [][]string{{"ADDRESS", "INTERFACE", "STATE", "PREF", "FLAGS"}}
	rated := slices.ContainsFunc(ls, func(l node.LocatorStatus) bool { return l.Preference != locator.DefaultPreference })
	for _, l := range ls {
		if l.State == "none" && (l.Why == whyLoopback || l.Why == whyDenied || l.Why == whyTunnel) {
			continue // they never are locators; 'multi6 addr' and --json have them
		}
		pref := ""
		if rated {
			pref = fmt.Sprint(l.Preference)
		}
		l.Optimistic, l.Temporary = false, false // common, and of no consequence here
		rows = append(rows, []string{l.Address, l.Interface, locatorState(l), pref, locatorFlags(l)})
	}
	if len(rows) == 1 {
		return "locators\n  none\n"
	}
	return section("locators", withoutEmpty(rows))
}

// withoutEmpty returns rows without the columns that have nothing below the heading.
func withoutEmpty(rows [][]string) [][]string {
	kept := make([][]string, len(rows))
	for col := range rows[0] {
		if !slices.ContainsFunc(rows[1:], func(r []string) bool { return r[col] != "" }) {
			continue
		}
		for i, r := range rows {
			kept[i] = append(kept[i], r[col])
		}
	}
	return kept
}

func locatorState(l node.LocatorStatus) string {
	if l.Why == "" {
		return l.State
	}
	return l.State + ": " + l.Why
}

// stateText returns the state of p for people. That of a peer nobody talks to means
// nothing.
func stateText(p node.PeerStatus) string {
	if !p.Connected {
		return "idle"
	}
	return p.State
}

func peerText(p node.PeerStatus) string {
	text := section("peer "+p.Name+": "+stateText(p), slices.Concat(peerRows(p), counterRows(p.Counters)))
	if len(p.Pairs) == 0 {
		return text
	}
	rows := [][]string{{"  PAIR", "LAST TEST", "RTT", "AGE"}}
	for _, q := range p.Pairs {
		rows = append(rows, []string{markOf(q) + pairText(&q.Pair), q.Result, span(q.RTTMillis), span(q.AgeMillis)})
	}
	return text + "\n" + columns(rows)
}

func peerRows(p node.PeerStatus) [][]string {
	rows := [][]string{
		{"identifier", p.Identifier},
		{"primary pair", pairText(p.Primary)},
	}
	for _, q := range p.Pairs {
		if text := mtuText(q); q.Primary && text != "-" {
			rows = append(rows, []string{"path mtu", text})
		}
	}
	if p.Testing != nil {
		rows = append(rows, []string{"testing", pairText(p.Testing)})
	}
	if p.Pinned != nil {
		rows = append(rows, []string{"pinned", pairText(p.Pinned)})
	}
	session := "none"
	if p.SessionAgeMillis > 0 {
		session = span(p.SessionAgeMillis) + " old"
	}
	rows = append(rows, []string{"session", session})
	for _, n := range p.NAT {
		rows = append(rows, []string{"nat", n.Local + " seen as " + portText(n.SeenAs)})
	}
	if p.KeepaliveMillis > 0 {
		rows = append(rows, []string{"keepalives", "every " + span(p.KeepaliveMillis)})
	}
	rows = append(rows, []string{"send timer", span(p.SendTimerMillis)})
	if p.Waiting > 0 {
		rows = append(rows, []string{"waiting", count(p.Waiting, "packet")})
	}
	return rows
}

func counterRows(c node.Counters) [][]string {
	return [][]string{
		{"sent", fmt.Sprintf("%s, %s; %s control", many(c.OutPackets, "packet", "packets"), bytesText(c.OutBytes), thousands(c.OutControl))},
		{"received", fmt.Sprintf("%s, %s; %s control", many(c.InPackets, "packet", "packets"), bytesText(c.InBytes), thousands(c.InControl))},
		{"failures", fmt.Sprintf("%s, %s, %s (%s false); %s sent again",
			many(c.Switches, "switch", "switches"), many(c.Outages, "outage", "outages"),
			many(c.Suspicions, "suspicion", "suspicions"), thousands(c.FalseAlarms),
			many(c.Resent, "packet", "packets"))},
	}
}

// dropsText returns the drops that happened, the most frequent first.
func dropsText(drops map[string]uint64) string {
	var names []string
	for name, n := range drops {
		if n > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.SortFunc(names, func(a, b string) int {
		if drops[a] != drops[b] {
			if drops[a] > drops[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	var rows [][]string
	for _, name := range names {
		rows = append(rows, []string{strings.ReplaceAll(name, "_", " "), thousands(drops[name])})
	}
	return section("dropped packets", rows)
}

// pairText writes a pair as package locator does, without the default port.
func pairText(p *node.Pair) string {
	if p == nil {
		return "none"
	}
	local, err := netip.ParseAddr(p.Local)
	remote, err2 := netip.ParseAddrPort(p.Remote)
	if err != nil || err2 != nil {
		return p.Local + " → " + p.Remote
	}
	return locator.Pair{Local: local, Remote: remote}.String()
}

// section returns a title and rows in columns below it.
func section(title string, rows [][]string) string { return title + "\n" + columns(rows) }

// columns aligns rows of one length, indented by two and with two blanks between
// columns.
func columns(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			line.WriteString("  " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// span writes a duration of ms milliseconds with two or three digits that
// matter; "-" for zero, which means unknown.
func span(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	const day = 24 * time.Hour
	switch {
	case d <= 0:
		return "-"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", ms)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
}

// bytesText writes n bytes in binary units: "1.5 KiB".
func bytesText(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1024, 0
	// What would be rounded to 1024.0 belongs to the next unit.
	for v >= 1023.95 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[i])
}

// many writes n and the word for one or for several.
func many(n uint64, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + several
}

// thousands writes n in groups of three digits: "1,234,567".
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
