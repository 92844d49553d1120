package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
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
	return c.do(ctx, http.MethodGet, path, nil)
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://multi6"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
	words := strings.TrimSpace(string(text))
	if resp.StatusCode == http.StatusBadRequest {
		return nil, requestError(words)
	}
	return nil, fmt.Errorf("control socket: %s: %s", resp.Status, words)
}

// post sends a request and decodes the answer into res.
func (c *Client) post(ctx context.Context, path string, request, res any) error {
	b, err := json.Marshal(request)
	if err != nil {
		return err
	}
	body, err := c.do(ctx, http.MethodPost, path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(res)
}

// Switch asks for another primary pair. An error that wraps ErrRequest says what is
// wrong with the request.
func (c *Client) Switch(ctx context.Context, r SwitchRequest) (res SwitchResult, err error) {
	err = c.post(ctx, "/v1/switch", r, &res)
	return res, err
}

// Drain asks to move all traffic off an interface; errors are as with Switch.
func (c *Client) Drain(ctx context.Context, r DrainRequest) (res DrainResult, err error) {
	err = c.post(ctx, "/v1/drain", r, &res)
	return res, err
}

// Suspect says that the connection to a peer is unsatisfactory; errors are as with
// Switch.
func (c *Client) Suspect(ctx context.Context, r SuspectRequest) (res SuspectResult, err error) {
	err = c.post(ctx, "/v1/suspect", r, &res)
	return res, err
}

// Explain asks what the pairs of a peer have been through; errors are as with Switch.
func (c *Client) Explain(ctx context.Context, peer string) (e Explanation, err error) {
	body, err := c.get(ctx, "/v1/explain?peer="+url.QueryEscape(peer))
	if err != nil {
		return e, err
	}
	defer body.Close()
	return e, json.NewDecoder(body).Decode(&e)
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
	return c.events(ctx, "/v1/events", ready, f)
}

// Recent calls f with each of the latest events, oldest first, and if follow holds
// goes on as Events does.
func (c *Client) Recent(ctx context.Context, follow bool, f func(Event)) error {
	if follow {
		return c.events(ctx, "/v1/events?recent=1", nil, f)
	}
	return c.events(ctx, "/v1/events?recent=1&follow=0", nil, f)
}

func (c *Client) events(ctx context.Context, path string, ready func(), f func(Event)) error {
	body, err := c.get(ctx, path)
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
			// A node that ends closes the connection between two events, or in the
			// midst of the reply.
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || ctx.Err() != nil {
				return nil
			}
			return err
		}
		f(e)
	}
}
