package netwatch

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pacing calls news with a Watcher that only paces, and returns when RouteNews
// rang, from then until it has been silent for a second.
func pacing(t *testing.T, news func(*Watcher)) (rings []time.Duration) {
	t.Helper()
	w := &Watcher{
		routing:   &routing{log: slog.New(slog.DiscardHandler), answers: make(map[question]bool)},
		rung:      make(chan struct{}, 1),
		toPace:    make(chan struct{}, 1),
		routeNews: make(chan struct{}, 1),
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.pace(ctx)
	start := time.Now()
	go news(w)
	for {
		select {
		case <-w.RouteNews():
			rings = append(rings, time.Since(start))
		case <-time.After(time.Second):
			return rings
		}
	}
}

const ms = time.Millisecond

func TestRouteNewsPaced(t *testing.T) {
	tests := []struct {
		name string
		news []time.Duration
		want []time.Duration
	}{
		{"none", nil, nil},
		{"one, and once more when it has settled", []time.Duration{0}, []time.Duration{0, 50 * ms}},
		{"the last of a few is followed by a ring", []time.Duration{0, 10 * ms, 49 * ms}, []time.Duration{0, 50 * ms, 100 * ms}},
		{"after silence at once", []time.Duration{0, 500 * ms}, []time.Duration{0, 50 * ms, 500 * ms, 550 * ms}},
		{"soon after the second ring", []time.Duration{0, 60 * ms}, []time.Duration{0, 50 * ms, 100 * ms, 150 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := pacing(t, func(w *Watcher) {
					start := time.Now()
					for _, at := range tt.news {
						time.Sleep(at - time.Since(start))
						w.spread(routingNews)
					}
				})
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("rings (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Thousands of changes a second ring no more often than that.
func TestRouteNewsFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const length = 10 * time.Second
		rings := pacing(t, func(w *Watcher) {
			for range length / (100 * time.Microsecond) {
				w.spread(routingNews)
				time.Sleep(100 * time.Microsecond)
			}
		})
		for i, at := range rings {
			if i > 0 && at-rings[i-1] < ringPause {
				t.Fatalf("rings at %v and %v", rings[i-1], at)
			}
		}
		if most := int(length/ringPause) + 2; len(rings) > most || rings[len(rings)-1] < length {
			t.Errorf("%d rings, the last at %v; want at most %d, the last after %v", len(rings), rings[len(rings)-1], most, length)
		}
	})
}

// The routes that go with an address or a link are gone a moment after the
// message, so that they are read once more.
func TestRoutersReadAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		news news
		want []news
	}{
		{"address", everything, []news{tableNews, neighbourNews | routerNews}},
		{"other route", routingNews, nil},
		{"neighbour", neighbourNews, []news{neighbourNews}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []news
				pacing(t, func(w *Watcher) {
					w.spread(tt.news)
					for {
						select {
						case <-w.rung:
							got = append(got, news(w.pending.Swap(0)))
						case <-time.After(500 * ms):
							return
						}
					}
				})
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("to be read (-want +got):\n%s", diff)
				}
			})
		})
	}
}
