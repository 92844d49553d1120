package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// ErrNoDaemon says that nobody answers on a control socket.
var ErrNoDaemon = errors.New("no daemon answers")

// A Client talks to a node over its control socket.
type Client struct{ http http.Client }

// NewClient returns a client of the control socket at path.
func NewClient(path string) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "unix", path)
			if err != nil {
				return nil, fmt.Errorf("%w on %s: %w", ErrNoDaemon, path, err)
			}
			return c, nil
		},
	}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) get(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://multi6"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return nil, fmt.Errorf("control socket: %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return resp.Body, nil
}

// Status asks for the node's status.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	body, err := c.get(ctx, "/v1/status")
	if err != nil {
		return s, err
	}
	defer body.Close()
	return s, json.NewDecoder(body).Decode(&s)
}

// Events calls f with each event from now on, until ctx ends or the node does.
// ready, if not nil, is called when events begin to count.
func (c *Client) Events(ctx context.Context, ready func(), f func(Event)) error {
	body, err := c.get(ctx, "/v1/events")
	if err != nil {
		return err
	}
	defer body.Close()
	if ready != nil {
		ready()
	}
	for dec := json.NewDecoder(body); ; {
		var e Event
		if err := dec.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				return nil
			}
			return err
		}
		f(e)
	}
}
