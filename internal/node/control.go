package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// ListenControl opens the control socket at path, for root only. A socket that
// nobody listens on any more is replaced, anything else is not.
func ListenControl(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("control socket %s is in use: this interface's daemon runs already", path)
	}
	if old, err := os.Lstat(path); err == nil && old.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("control socket %s: there is something else of that name: move it, or choose another path", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// ServeControl answers on l until ctx ends:
//
//	GET /v1/status   a Status
//	GET /v1/events   Events from now on, one JSON object a line; ?recent=1: the latest
//	                 ones first; ?recent=1&follow=0: those alone
//	GET /v1/explain  ?peer=NAME: an Explanation
//	POST /v1/switch  a SwitchRequest; answers with a SwitchResult
//	POST /v1/suspect a SuspectRequest; answers with a SuspectResult
//	POST /v1/drain   a DrainRequest; answers with a DrainResult
func (n *Node) ServeControl(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", n.serveStatus)
	mux.HandleFunc("GET /v1/events", n.serveEvents)
	mux.HandleFunc("GET /v1/explain", n.serveExplain)
	mux.HandleFunc("POST /v1/suspect", serveCommand(n.Suspect))
	mux.HandleFunc("POST /v1/switch", serveCommand(n.Switch))
	mux.HandleFunc("POST /v1/drain", serveCommand(n.Drain))
	s := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (n *Node) serveStatus(w http.ResponseWriter, _ *http.Request) {
	s, ok := n.Status()
	if !ok {
		http.Error(w, "the node has ended", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// An error means that the client has gone.
	_ = json.NewEncoder(w).Encode(s)
}

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 64 << 10

// serveCommand answers a request with what f makes of it.
func serveCommand[Request, Result any](f func(context.Context, Request) (Result, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Request
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&req); err != nil {
			http.Error(w, "not a request: "+err.Error(), http.StatusBadRequest)
			return
		}
		res, err := f(r.Context(), req)
		switch {
		case errors.Is(err, ErrRequest):
			http.Error(w, err.Error(), http.StatusBadRequest)
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(res)
		}
	}
}

func (n *Node) serveEvents(w http.ResponseWriter, r *http.Request) {
	recent, events, stop := n.subscribe()
	defer stop()
	rc := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if r.URL.Query().Get("recent") == "1" {
		for _, e := range recent {
			if enc.Encode(e) != nil {
				return
			}
		}
	}
	_ = rc.Flush()
	if r.URL.Query().Get("follow") == "0" {
		return
	}
	for {
		select {
		case e := <-events:
			if enc.Encode(e) != nil || rc.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-n.done:
			return
		}
	}
}
