package node

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestRecentEvents: those who come later get the latest events, in order, and then
// those that follow.
func TestRecentEvents(t *testing.T) {
	d := startDaemon(t)
	const published = 3*maxRecent + 7
	d.call(func(time.Time) {
		for i := range published {
			d.publish(Event{Kind: "test", Detail: fmt.Sprint(i)})
		}
	})
	var got []Event
	if err := d.client.Recent(t.Context(), false, func(e Event) { got = append(got, e) }); err != nil {
		t.Fatal(err)
	}
	for i, e := range got {
		if e.Detail != fmt.Sprint(published-maxRecent+i) {
			t.Fatalf("event %d is %s", i, e.Detail)
		}
	}
	if len(got) != maxRecent {
		t.Errorf("%d recent events, want %d", len(got), maxRecent)
	}
	seen, ended := make(chan Event, maxRecent+1), make(chan error, 1)
	go func() { ended <- d.client.Recent(t.Context(), true, func(e Event) { seen <- e }) }()
	for range maxRecent {
		<-seen
	}
	d.call(func(time.Time) { d.publish(Event{Kind: "test", Detail: "new"}) })
	if e := <-seen; e.Detail != "new" {
		t.Errorf("then %q, want the new one", e.Detail)
	}
	d.end()
	if err := <-ended; err != nil {
		t.Errorf("the end of the node: %v", err)
	}
}

// TestControlExplain: what is asked for must be a peer, and one without a history has
// no records.
func TestControlExplain(t *testing.T) {
	d := startDaemon(t)
	e, err := d.client.Explain(t.Context(), "b")
	if err != nil || e.Version != ExplainVersion || e.Peer != "b" || e.Records == nil || len(e.Records) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	for _, name := range []string{"", "c", "b&peer=b"} {
		if _, err := d.client.Explain(t.Context(), name); !errors.Is(err, ErrRequest) {
			t.Errorf("peer %q: %v, want a bad request", name, err)
		}
	}
	// Without any pair there is nothing to wait for.
	res, err := d.client.Suspect(t.Context(), SuspectRequest{Peer: "b"})
	if err != nil || res.Record != nil || res.Pair != nil {
		t.Errorf("suspect: %+v, %v", res, err)
	}
	if _, err := d.client.Suspect(t.Context(), SuspectRequest{Peer: "c"}); !errors.Is(err, ErrRequest) {
		t.Errorf("suspect of nobody: %v, want a bad request", err)
	}
}
