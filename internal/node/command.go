package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

// ErrRequest is wrapped by errors that say what is wrong with a request.
var ErrRequest = errors.New("bad request")

// A requestError is an ErrRequest.
type requestError string

func (e requestError) Error() string { return string(e) }
func (e requestError) Unwrap() error { return ErrRequest }

func badRequest(format string, args ...any) error { return requestError(fmt.Sprintf(format, args...)) }

// errEnded is returned when the node has ended.
var errEnded = errors.New("the node has ended")

// switchPatience is how long the test of a pair may take, and switchTests how many of
// them a pair gets that a user wants: one alone would fail for a single lost packet.
const (
	switchPatience = 5 * time.Second
	switchTests    = 3
)

// A SwitchRequest asks for another primary pair.
type SwitchRequest struct {
	// Peer is a name, identifier or public key.
	Peer string `json:"peer"`
	// Local is a local locator or the name of an interface, Remote a remote locator,
	// with or without port. Either may be empty: any.
	Local  string `json:"local,omitempty"`
	Remote string `json:"remote,omitempty"`
	// Auto takes back what an earlier request has asked for.
	Auto bool `json:"auto,omitempty"`
}

// A SwitchResult tells what came of it.
type SwitchResult struct {
	// Old and Pair are the primary pairs before and now.
	Old  *Pair `json:"old,omitempty"`
	Pair *Pair `json:"pair,omitempty"`
	// Switched says that Pair is what was asked for.
	Switched bool `json:"switched"`
	// Wanted is the pair that was asked for.
	Wanted *Pair `json:"wanted,omitempty"`
}

// Switch makes another pair primary, if it answers a test, and has the peer send over
// its reverse, too. It stays until it fails or is taken back.
func (n *Node) Switch(ctx context.Context, r SwitchRequest) (res SwitchResult, err error) {
	for range switchTests {
		res, err = n.switchOnce(ctx, r)
		if err != nil || res.Switched || res.Pair == nil || *res.Pair != *res.Old {
			break
		}
	}
	return res, err
}

// switchOnce is Switch with one test, which may be lost.
func (n *Node) switchOnce(ctx context.Context, r SwitchRequest) (res SwitchResult, err error) {
	events, stop := n.Subscribe()
	defer stop()
	var p *peer
	var wanted locator.Pair
	ran := n.call(func(now time.Time) {
		if p, err = n.peerNamed(r.Peer); err != nil {
			return
		}
		s := n.contextStatus(p, now)
		res.Old, res.Pair = pairOf(s.Primary), pairOf(s.Primary)
		if r.Auto {
			res.Switched = true
			n.looper.run(p, func(acts []shim.Action) []shim.Action { return p.context.Auto(now, acts) })
			return
		}
		if wanted, err = n.choose(p, s, r); err != nil {
			return
		}
		res.Wanted, res.Switched = pairOf(wanted), wanted == s.Primary
		n.looper.run(p, func(acts []shim.Action) []shim.Action { return p.context.Switch(now, wanted, acts) })
	})
	if !ran {
		return res, errEnded
	}
	if err != nil || res.Switched {
		return res, err
	}
	if err = n.settle(ctx, events, p); err != nil {
		return res, err
	}
	if !n.call(func(now time.Time) {
		primary := n.contextStatus(p, now).Primary
		res.Pair, res.Switched = pairOf(primary), primary == wanted
	}) {
		return res, errEnded
	}
	return res, nil
}

// peerNamed returns the peer that a person means.
func (n *Node) peerNamed(name string) (*peer, error) {
	var names []string
	for _, p := range n.peers {
		if name == p.Name || name == p.identifier.String() || name == p.Key.String() {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return nil, badRequest("there is no peer %q: there are no peers", name)
	}
	return nil, badRequest("there is no peer %q; there is %s", name, strings.Join(names, ", "))
}

// choose returns the best pair that r means.
func (n *Node) choose(p *peer, s shim.Status, r SwitchRequest) (locator.Pair, error) {
	if s.State != detect.PrimaryOperational {
		state := s.State.String()
		if !s.Connected {
			state = "idle"
		}
		return locator.Pair{}, badRequest("peer %s is %s: only a primary pair that works can be switched; send it something first", p.Name, state)
	}
	for _, x := range s.Pairs {
		if n.isLocal(x, r.Local) && isRemote(x.Pair.Remote, r.Remote) {
			return x.Pair, nil
		}
	}
	return locator.Pair{}, badRequest("no pair of peer %s matches%s%s; 'multi6 pairs' lists them",
		p.Name, quoted(" from ", r.Local), quoted(" to ", r.Remote))
}

func quoted(word, s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%s%q", word, s)
}

// isLocal reports whether s means the local locator of x, by address or interface.
func (n *Node) isLocal(x shim.PairStatus, s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a == x.Pair.Local
	}
	return s == "" || s == n.table.Entry(x.Pair.Local).Fact.Name
}

// isRemote reports whether s means a.
func isRemote(a netip.AddrPort, s string) bool {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap == a
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr == a.Addr()
	}
	return s == ""
}

// A DrainRequest asks to move all traffic off an interface, or to use it again.
type DrainRequest struct {
	Interface string `json:"interface"`
	Undo      bool   `json:"undo,omitempty"`
}

// A DrainResult tells what came of it.
type DrainResult struct {
	// Locators are the operational ones of the interface.
	Locators []string `json:"locators"`
	// Left are the peers whose primary pair still is on the interface.
	Left []string `json:"left"`
}

// Drain moves all traffic off an interface, and keeps it off as long as there is
// another way. It returns when that is done, or will not be.
func (n *Node) Drain(ctx context.Context, r DrainRequest) (res DrainResult, err error) {
	events, stop := n.Subscribe()
	defer stop()
	if !n.call(func(time.Time) {
		if err = n.drain(r); err != nil {
			return
		}
		res = n.drainResult(r.Interface)
	}) {
		return res, errEnded
	}
	ctx, cancel := context.WithTimeout(ctx, switchPatience)
	defer cancel()
	for err == nil && !r.Undo && len(res.Left) > 0 {
		select {
		case e := <-events:
			if e.Kind != shim.EventState.String() {
				continue
			}
		case <-ctx.Done():
			return res, nil
		case <-n.done:
			return res, errEnded
		}
		if !n.call(func(time.Time) { res = n.drainResult(r.Interface) }) {
			return res, errEnded
		}
	}
	return res, err
}

// drain marks an interface, or takes that back.
func (n *Node) drain(r DrainRequest) error {
	names := n.table.InterfaceNames()
	at := slices.Index(n.drained, r.Interface)
	switch {
	case r.Undo && at < 0:
		return badRequest("interface %q is not drained", r.Interface)
	case r.Undo:
		n.drained = slices.Delete(n.drained, at, at+1)
	case at >= 0:
		return nil
	case !slices.Contains(names, r.Interface):
		return badRequest("no interface %q has a locator; there is %s", r.Interface, strings.Join(names, ", "))
	default:
		n.drained = append(n.drained, r.Interface)
	}
	n.table.SetDrained(n.drained...)
	n.looper.located()
	return nil
}

func (n *Node) drainResult(iface string) DrainResult {
	res := DrainResult{Locators: []string{}, Left: []string{}}
	for _, e := range n.table.Entries() {
		if e.Fact.Name == iface && e.State == locator.Operational {
			res.Locators = append(res.Locators, e.Fact.Addr.String())
		}
	}
	for _, p := range n.peers {
		primary := n.contextStatus(p, time.Now()).Primary
		if primary.IsValid() && slices.Contains(res.Locators, primary.Local.String()) {
			res.Left = append(res.Left, p.Name)
		}
	}
	return res
}
