package generator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
	"github.com/multi6/multi6/internal/testkit"
)

// TestMain makes the test binary a generator where Start runs it as one.
func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], Args) {
		if Serve(os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var loopback = netip.MustParseAddrPort("[::1]:0")

// start2 starts both ends of traffic on loopback.
func start2(t *testing.T, far, near Job) (traffic, traffic) {
	t.Helper()
	far.Address = loopback
	b, err := start(far)
	if err != nil {
		t.Fatal(err)
	}
	near.Address = b.address()
	a, err := start(near)
	if err != nil {
		t.Fatal(err, b.finish())
	}
	return b, a
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// TestStreams has all that was sent arrive, as it was sent.
func TestStreams(t *testing.T) {
	for _, verify := range []bool{false, true} {
		for _, n := range []int{1, 4} {
			far, near := start2(t, Job{Kind: ReceiveTCP, Streams: n, Verify: verify}, Job{Kind: SendTCP, Streams: n, Verify: verify})
			until(t, "some blocks have arrived", func() bool { return far.total().Bytes > 20*blockLen })
			if err := errors.Join(near.finish(), far.finish()); err != nil {
				t.Error(err)
			}
			if sent, got := near.total().Bytes, far.total().Bytes; sent != got {
				t.Errorf("%d streams: %d bytes were sent, %d arrived", n, sent, got)
			}
		}
	}
}

// TestWrongStream changes a byte in the middle of a stream.
func TestWrongStream(t *testing.T) {
	far, err := start(Job{Kind: ReceiveTCP, Address: loopback, Streams: 1, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", far.address().String())
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2*blockLen)
	rig.NewPattern(streamSeed).Read(b)
	b[blockLen+7] ^= 1
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	c.Close()
	wrong, ok := errors.AsType[*rig.WrongError](far.finish())
	if !ok || !strings.Contains(wrong.Text, "byte 131079 ") {
		t.Errorf("%v", wrong)
	}
}

// TestNobodyCame ends a receiver that nobody connected to.
func TestNobodyCame(t *testing.T) {
	far, err := receiveTCP(Job{Address: loopback, Streams: 1})
	if err != nil {
		t.Fatal(err)
	}
	far.(*receiver).listener.Close() // as finish does, after a long wait
	if err := far.finish(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
}

func TestFlood(t *testing.T) {
	far, near := start2(t, Job{Kind: ReceiveUDP}, Job{Kind: SendUDP})
	until(t, "many datagrams have arrived", func() bool { return far.total().Packets > 1000 })
	if err := errors.Join(near.finish(), far.finish()); err != nil {
		t.Error(err)
	}
	if sent, got := near.total().Packets, far.total().Packets; sent < got {
		t.Errorf("%d datagrams were sent, %d arrived", sent, got)
	}
}

// TestWrongDatagram sends datagrams that differ from the right one.
func TestWrongDatagram(t *testing.T) {
	changed := datagram()
	changed[20] ^= 1
	for name, b := range map[string][]byte{"changed": changed, "short": datagram()[:63], "long": append(datagram(), 0)} {
		far, err := start(Job{Kind: ReceiveUDP, Address: loopback})
		if err != nil {
			t.Fatal(err)
		}
		c, err := dialUDP(far.address())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		until(t, "it is noticed that it is "+name, func() bool { return far.err() != nil })
		if _, ok := errors.AsType[*rig.WrongError](far.finish()); !ok {
			t.Errorf("%s: %v", name, far.err())
		}
		c.Close()
	}
}

func TestPing(t *testing.T) {
	far, near := start2(t, Job{Kind: Echo}, Job{Kind: Ping})
	var sum Tally
	until(t, "many answers have come", func() bool {
		sum = near.total()
		return sum.Packets > 100 && sum.P50 > 0 && sum.P99 >= sum.P50
	})
	if err := errors.Join(near.finish(), far.finish()); err != nil {
		t.Error(err)
	}
	if sum = near.total(); sum.Lost > 0 || far.total().Packets < sum.Packets {
		t.Errorf("%+v, of %d", sum, far.total().Packets)
	}
}

// TestPingerGone sends an answer to a port that is closed by then, which the kernel
// tells the echo of.
func TestPingerGone(t *testing.T) {
	e, err := newEcho(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer e.socket.close()
	c, err := dialUDP(e.address())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(datagram()); err != nil {
		t.Fatal(err)
	}
	if err := e.answer(); err != nil || e.total().Packets != 1 {
		t.Fatalf("%v after %d", err, e.total().Packets)
	}
	c.Close()
	if _, err := e.socket.write(datagram()); err != nil {
		t.Fatal(err)
	}
	if err := e.answer(); err != nil {
		t.Error(err)
	}
}

// TestWrongAnswer answers with something else.
func TestWrongAnswer(t *testing.T) {
	far, err := listenUDP(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := start(Job{Kind: Ping, Address: localAddress(far)})
	if err != nil {
		t.Fatal(err)
	}
	var b [rig.MessageLen]byte
	_, from, err := far.ReadFrom(b[:])
	if err != nil {
		t.Fatal(err)
	}
	b[rig.MessageLen-1] ^= 1
	if _, err := far.WriteTo(b[:], from); err != nil {
		t.Fatal(err)
	}
	until(t, "it is noticed", func() bool { return near.err() != nil })
	if _, ok := errors.AsType[*rig.WrongError](near.finish()); !ok {
		t.Error(near.err())
	}
}

func TestQuantile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	tests := []struct {
		of      []time.Duration
		percent int
		want    time.Duration
	}{
		{nil, 50, 0}, {hundred[:1], 50, 1}, {hundred[:1], 99, 1}, {hundred[:2], 50, 1}, {hundred[:3], 50, 2},
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred[:10], 99, 10},
	}
	for _, tt := range tests {
		if got := quantile(tt.of, tt.percent); got != tt.want {
			t.Errorf("%d %% of %d: %d, want %d", tt.percent, len(tt.of), got, tt.want)
		}
	}
}

// TestServe speaks with a generator. Its tallies are of what there was since the last
// one, the final one is of everything.
func TestServe(t *testing.T) {
	in, toIt := io.Pipe()
	fromIt, out := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(in, out) }()
	replies := json.NewDecoder(fromIt)
	ask := func(line string) (r reply) {
		t.Helper()
		if _, err := io.WriteString(toIt, line+"\n"); err != nil {
			t.Fatal(err)
		}
		if err := replies.Decode(&r); err != nil || r.Error != "" {
			t.Fatalf("%q: %+v, %v", line, r, err)
		}
		return r
	}
	at := ask(`{"kind":"receive udp","address":"[::1]:0"}`).Address
	c, err := dialUDP(at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := range 2 {
		if _, err := c.Write(datagram()); err != nil {
			t.Fatal(err)
		}
		var r reply
		until(t, "the datagram is counted", func() bool { r = ask(""); return r.Tally.Packets > 0 })
		if r.Tally.Packets != 1 || r.Tally.Elapsed <= 0 {
			t.Errorf("datagram %d: %+v", n, r.Tally)
		}
	}
	toIt.Close()
	var final reply
	if err := replies.Decode(&final); err != nil || final.Tally.Packets != 2 {
		t.Errorf("at the end: %+v, %v", final, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestBadJobs has what cannot be started told.
func TestBadJobs(t *testing.T) {
	for job, want := range map[string]string{
		"":                 "no job",
		"\n":               "job: ",
		`{"kind":"dance"}`: `unknown kind "dance"`,
		`{"kind":"send tcp","streams":1,"address":"[::1]:1"}`:                     "connecting to [::1]:1",
		`{"kind":"receive tcp","address":"[2001:db8::1]:1"}`:                      "listening on [2001:db8::1]:1",
		`{"kind":"send tcp","streams":1,"address":"[::1]:1","congestion":"none"}`: `congestion control "none"`,
		`{"kind":"receive tcp","address":"[::1]:0","congestion":"none"}`:          `congestion control "none"`,
		`{"kind":"receive udp","address":"[2001:db8::1]:1"}`:                      "listening on [2001:db8::1]:1",
		`{"kind":"echo","address":"[2001:db8::1]:1"}`:                             "listening on [2001:db8::1]:1",
	} {
		var out bytes.Buffer
		err := Serve(strings.NewReader(job), &out)
		var r reply
		if e := json.Unmarshal(out.Bytes(), &r); e != nil || err == nil || !strings.Contains(r.Error, want) || r.Wrong {
			t.Errorf("%q: %v, told %+v (%v), want %q", job, err, r, e, want)
		}
	}
}

// TestChildren runs both ends as processes in a namespace.
func TestChildren(t *testing.T) {
	h := space(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	far, err := Start(t.Context(), h, executable, Job{Kind: ReceiveTCP, Address: loopback, Streams: 1, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	near, err := Start(t.Context(), h, executable, Job{Kind: SendTCP, Address: far.Address, Streams: 1, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "something has arrived", func() bool {
		tally, err := far.Tally()
		return err != nil || tally.Bytes > 0
	})
	sent, err := near.Stop()
	if err != nil {
		t.Error(err)
	}
	if got, err := far.Stop(); err != nil || got.Bytes != sent.Bytes || got.Bytes == 0 {
		t.Errorf("sent %+v, received %+v: %v", sent, got, err)
	}
	if near.PID() == far.PID() || near.PID() == os.Getpid() {
		t.Error("not processes of their own")
	}
}

// TestChildIsTold: a child is told the congestion control of its host.
func TestChildIsTold(t *testing.T) {
	testkit.NeedRoot(t)
	h, err := lab.NewSpace("a", lab.SpaceOptions{Congestion: "reno"})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	// This one keeps what it was told, and fails.
	executable := filepath.Join(t.TempDir(), "child")
	script := `#!/bin/sh
read -r job
echo "$job" >"$0.job"
echo '{"error":"seen"}'
`
	if err := os.WriteFile(executable, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), h, executable, Job{Kind: SendTCP, Streams: 1}); err == nil || !strings.Contains(err.Error(), "seen") {
		t.Fatal(err)
	}
	var job Job
	told, err := os.ReadFile(executable + ".job")
	if err := errors.Join(err, json.Unmarshal(told, &job)); err != nil || job.Congestion != "reno" {
		t.Errorf("told %s: %v", told, err)
	}
}

// TestChildFails has what fails in a child come back with its kind.
func TestChildFails(t *testing.T) {
	h := space(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), h, executable, Job{Kind: SendTCP, Address: netip.MustParseAddrPort("[::1]:1"), Streams: 1})
	if err == nil || !strings.Contains(err.Error(), "send tcp: generator: connecting to [::1]:1") {
		t.Errorf("nobody listens: %v", err)
	}
	far, err := Start(t.Context(), h, executable, Job{Kind: ReceiveUDP, Address: loopback})
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Dial(t.Context(), "udp", far.Address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	until(t, "the wrong datagram is told of", func() bool { _, err = far.Tally(); return err != nil })
	if _, ok := errors.AsType[*rig.WrongError](err); !ok {
		t.Errorf("wrong datagram: %v", err)
	}
	if _, err := far.Stop(); err == nil {
		t.Error("the end told nothing")
	}
}

// space makes a host of one.
func space(t *testing.T) *lab.Host {
	t.Helper()
	testkit.NeedRoot(t)
	h, err := lab.NewSpace("a", lab.SpaceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}
