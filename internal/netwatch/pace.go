package netwatch

import (
	"context"
	"time"
)

// ringPause is the least time between two rings of RouteNews.
const ringPause = 50 * time.Millisecond

// RouteNews returns the channel that rings when routes or rules may have
// changed, and with them what Routable says. It rings at once, then at most
// every 50 ms while news keep coming, and not before the last of them has been
// taken in. The channel is never closed.
func (w *Watcher) RouteNews() <-chan struct{} { return w.routeNews }

// rerouted makes Routable ask again, and pace ring. It never blocks for long.
func (w *Watcher) rerouted() {
	w.routing.forget()
	select {
	case w.toPace <- struct{}{}:
	default: // pace will find it with the rest.
	}
}

// pace rings RouteNews until ctx ends.
//
// All news is followed by two rings. The kernel tells of much before it is done:
// of an IPv4 route before it is unlinked, of an address or link before its
// routes are, of which it may tell no more. Who asks at the first ring may
// still hear of what is about to go. The default routes are read again for the
// same reason.
func (w *Watcher) pace(ctx context.Context) {
	pause := time.NewTimer(ringPause)
	pause.Stop()
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.toPace:
		}
		settling := false
		for owed := 2; owed > 0; {
			owed--
			if settling {
				w.ring(neighbourNews | routerNews)
			}
			settling = w.unsettled.Swap(false)
			w.ringRouteNews()
			pause.Reset(ringPause)
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
			select {
			case <-w.toPace:
				owed = 2
			default:
			}
		}
	}
}

// ringRouteNews rings after making sure that no old answer is left.
func (w *Watcher) ringRouteNews() {
	w.routing.forget()
	select {
	case w.routeNews <- struct{}{}:
	default: // The receiver has yet to hear the one before.
	}
}
