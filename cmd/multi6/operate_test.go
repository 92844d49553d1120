package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
)

// TestOperate has a person look at two daemons, move their traffic, and take an
// interface out of use.
func TestOperate(t *testing.T) {
	l := newLab(t)
	a, b := newSite(t, l.A), newSite(t, l.B)
	a.configure(t, "a.toml", "", b)
	b.configure(t, "b.toml", "", a)
	a.up(t, "a.toml")
	b.up(t, "b.toml")
	echoUDP(t, a, b)
	keepTalking(t, a, b)
	one, two := a.host.Interface(0), a.host.Interface(1)
	first := fmt.Sprintf("%v → %v", a.host.Addr6(0), b.host.Addr6(0))
	second := fmt.Sprintf("%v → %v", a.host.Addr6(1), b.host.Addr6(1))

	a.wants(t, exitOK, `(?m)^  \* `+first+` +`+one+` +ok .* ago +\S.*  1500  1 `, "pairs")
	a.wants(t, exitOK, `(?m)^  `+a.host.Addr6(0).String()+`/64 +`+one+` +operational +100 +- +-$`, "addr")
	a.wants(t, exitOK, `(?m)^peer b\n(.*\n)+  `+b.host.Addr6(1).String()+` +announced +100 `, "addr")

	a.wants(t, exitOK, `^b: `+second+` is primary now, and stays until it fails \('multi6 switch b --socket .* --auto' takes that back\)\n$`,
		"switch", "b", "--from", two, "--to", b.host.Addr6(1).String())
	a.wants(t, exitOK, `(?m)^  \* `+second+` .*pinned$`, "pairs")
	b.wants(t, exitOK, `(?m)^  \* `+fmt.Sprintf("%v → %v", b.host.Addr6(1), a.host.Addr6(1))+` .*pinned$`, "pairs")
	a.wants(t, exitOK, `(?m)^  pinned +`+second+`$`, "status")
	a.wants(t, exitOK, `^b: chooses by rank again; `+second+` stays primary`, "switch", "b", "--auto")

	heal, err := l.Break(lab.Blackhole, 0)
	must(t, err)
	a.wants(t, exitRuntime, `^multi6: b: `+first+` did not answer; `+second+` stays primary\n$`,
		"switch", "b", "--from", a.host.Addr6(0).String(), "--to", b.host.Addr6(0).String())
	a.wants(t, exitDegraded, `^multi6: `+two+` still carries traffic to b, for want of a better way`, "drain", two)
	a.wants(t, exitOK, `^`+two+` may be used again\n$`, "drain", two, "--undo")
	must(t, heal())

	a.wants(t, exitOK, `^all peers are off `+two+`; it can be taken down`, "drain", two)
	a.wants(t, exitOK, `(?m)^  `+a.host.Addr6(1).String()+`/64 +`+two+` +operational +100 +drained `, "addr")
	b.wants(t, exitOK, `(?m)^  `+a.host.Addr6(1).String()+` +announced +100 +deprecated `, "addr")
	a.wants(t, exitOK, `^`+two+` may be used again\n$`, "drain", two, "--undo")
	a.wants(t, exitRuntime, `^multi6: no interface "wwan0" has a locator; there is .*`+one+`, `+two, "drain", "wwan0")
	a.wants(t, exitRuntime, `^multi6: there is no peer "c"; there is b\n$`, "switch", "c", "--auto")
	a.wants(t, exitRuntime, `^multi6: no pair of peer b matches from "wwan0"; 'multi6 pairs' lists them\n$`, "switch", "b", "--from", "wwan0")
}

// keepTalking sends something from a to b all the time, as only a peer that is talked
// to has a primary pair that works.
func keepTalking(t *testing.T, a, b *site) {
	t.Helper()
	c, err := a.host.Dial(context.Background(), "udp", b.at(9))
	must(t, err)
	tick := time.NewTicker(10 * time.Millisecond)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-tick.C:
				_, _ = c.Write([]byte("hello")) // nobody has to listen
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		tick.Stop()
		c.Close()
	})
}

// wants runs a command that asks the site's daemon until it ends with code and prints
// what matches pattern: what is seen or asked for may take its time.
func (s *site) wants(t *testing.T, code int, pattern, command string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	var got int
	match := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out.Reset()
		if got = s.run(&out, command, args...); got == code && match.Match(out.Bytes()) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s %q: exit code %d, want %d and %s:\n%s", command, args, got, code, pattern, out.String())
		}
	}
}
