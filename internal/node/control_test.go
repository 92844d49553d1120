package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

// A deaf underlay receives nothing until it is closed.
type deaf chan struct{}

func (d deaf) Send(msgs []underlay.Message) (int, error) { return len(msgs), nil }
func (d deaf) Close() error                              { close(d); return nil }
func (d deaf) Receive() ([]underlay.Message, error) {
	<-d
	return nil, net.ErrClosed
}

// A daemon is a node without a network, and its control socket.
type daemon struct {
	*Node
	client *Client
	path   string
	facts  chan []locator.Fact
	// end ends it and checks that it ended well.
	end func()
}

func startDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{path: filepath.Join(t.TempDir(), "run", "shim0.sock"), facts: make(chan []locator.Fact)}
	sock := make(deaf)
	id := func(b byte) shim.Identity { return shim.NewIdentity(shim.NewPrivateKey([32]byte{1: b})) }
	var err error
	d.Node, err = New(Config{
		Name: "shim0", Identity: id(1), Port: 6110, MTU: 1400, Timers: detect.Balanced, Profile: "balanced",
		Ciphers: wire.AES256GCM, Policy: locator.DefaultPolicy(), Peers: []Peer{{Name: "b", Key: id(2).Public}},
	}, Edges{
		Device: tun.NewMemory(), Sender: sock, Receivers: []Receiver{sock}, Underlay: sock, Facts: d.facts,
		Random: rand.NewChaCha8([32]byte{1}),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ListenControl(d.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- d.Run(ctx) }()
	go func() { ended <- d.ServeControl(ctx, l) }()
	d.client = NewClient(d.path)
	done := false
	d.end = func() {
		if done {
			return
		}
		done = true
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		d.client.Close()
	}
	t.Cleanup(d.end)
	return d
}

func TestControlStatus(t *testing.T) {
	d := startDaemon(t)
	s, err := d.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Version != StatusVersion || s.Interface != "shim0" || s.Port != 6110 || s.Profile != "balanced" || len(s.Peers) != 1 || s.Peers[0].Name != "b" {
		t.Errorf("status %+v", s)
	}
	if len(s.Drops) != int(shim.NumDrops)-1 {
		t.Errorf("%d reasons for drops, want %d, zero or not", len(s.Drops), shim.NumDrops-1)
	}
	info, err := os.Stat(d.path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("mode %v, %v; want a socket for its owner alone", info.Mode(), err)
	}
}

func TestControlEvents(t *testing.T) {
	d := startDaemon(t)
	got := make(chan Event, 10)
	ready := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- d.client.Events(context.Background(), func() { close(ready) }, func(e Event) { got <- e })
	}()
	<-ready
	want := Event{At: time.Unix(1, 0).UTC(), Kind: "switch", Peer: "b", Pair: &Pair{"x", "y"}, SilentMillis: 1.5}
	// The subscription is the loop's before the client hears that it is ready.
	d.call(func(time.Time) { d.publish(want) })
	select {
	case e := <-got:
		if e.Kind != want.Kind || !e.At.Equal(want.At) || *e.Pair != *want.Pair || e.SilentMillis != 1.5 {
			t.Errorf("%+v, want %+v", e, want)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no event within 5 s")
	}
	d.end() // the node's end is that of the events
	if err := <-ended; err != nil {
		t.Errorf("Events: %v", err)
	}
	if _, err := d.client.Status(context.Background()); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("Status after the end: %v, want ErrNoDaemon", err)
	}
	if _, ok := d.Status(); ok {
		t.Error("a node that has ended has a status")
	}
}

// TestSlowSubscriber: who does not read loses events, and holds up no one.
func TestSlowSubscriber(t *testing.T) {
	d := startDaemon(t)
	events, stop := d.Subscribe()
	quick, stopQuick := d.Subscribe()
	const n = 3 * subscriberQueue
	for i := range n {
		if !d.call(func(time.Time) { d.publish(Event{Kind: fmt.Sprint(i)}) }) {
			t.Fatal("the node has ended")
		}
		if e := <-quick; e.Kind != fmt.Sprint(i) {
			t.Fatalf("event %s, want %d", e.Kind, i)
		}
	}
	if len(events) != subscriberQueue {
		t.Errorf("%d events wait, want %d", len(events), subscriberQueue)
	}
	if e := <-events; e.Kind != "0" {
		t.Errorf("the first is %s, want 0", e.Kind)
	}
	stop()
	stopQuick()
	d.call(func(time.Time) {
		if len(d.events) != 0 {
			t.Errorf("%d subscribers after all have gone", len(d.events))
		}
	})
}

func TestControlSocketTaken(t *testing.T) {
	d := startDaemon(t)
	if _, err := ListenControl(d.path); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second daemon: %v", err)
	}
	if _, err := d.client.Status(t.Context()); err != nil {
		t.Errorf("the first after that: %v", err)
	}
}

// TestStaleControlSocket: what a daemon that was killed has left is replaced.
func TestStaleControlSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shim0.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	l, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestControlErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "shim0.sock"), filepath.Join(t.TempDir(), strings.Repeat("x", 200))} {
		if l, err := ListenControl(path); err == nil {
			l.Close()
			t.Errorf("%s: no error", path)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("what was there: %v", err)
	}
	if _, err := NewClient(filepath.Join(t.TempDir(), "none")).Status(t.Context()); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("no socket: %v, want ErrNoDaemon", err)
	}
	d := startDaemon(t)
	for path, want := range map[string]int{"/v1/none": http.StatusNotFound, "/": http.StatusNotFound} {
		if _, err := d.client.get(t.Context(), path); err == nil || !strings.Contains(err.Error(), fmt.Sprint(want)) {
			t.Errorf("%s: %v, want %d", path, err, want)
		}
	}
}
