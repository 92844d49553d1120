package throughput

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

// link is the name of the veth at both ends.
const link = "wire"

// onLink are the addresses of A and B on it.
var onLink = [len(rig.Names)]netip.Prefix{
	netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("2001:db8::2/64"),
}

// A ground is two hosts, a link between them, and the systems that run there.
type ground struct {
	*bench
	offloads Offloads
	hosts    [len(rig.Names)]*lab.Host
	dir      string // of configurations, keys, sockets and logs
	systems  []System
	ways     map[System]way
}

// withGround runs f on a new ground, where all systems run.
func (b *bench) withGround(ctx context.Context, o Offloads, f func(context.Context, *ground) error) (err error) {
	g := &ground{bench: b, offloads: o, ways: make(map[System]way)}
	if g.dir, err = os.MkdirTemp("", "multi6-throughput-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(g.dir)) }()
	for i, name := range rig.Names {
		h, err := newHost(name, b.Congestion)
		if err != nil {
			return err
		}
		defer h.Close() // fails only if closed before
		g.hosts[i] = h
	}
	if err := g.join(); err != nil {
		return err
	}
	return g.with(ctx, b.Systems, func(ctx context.Context) error { return f(ctx, g) })
}

// newHost makes a host in which each connection starts alike, whatever the last one to
// the same address found out.
func newHost(name, congestion string) (*lab.Host, error) {
	h, err := lab.NewSpace(name, lab.SpaceOptions{Congestion: congestion})
	if err != nil {
		return nil, err
	}
	if err := h.SetSysctl("ipv4/tcp_no_metrics_save", "1"); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// join makes the link.
func (g *ground) join() error {
	var ends [len(rig.Names)]lab.End
	for i, h := range g.hosts {
		ends[i] = lab.End{Host: h, Addrs: []netip.Prefix{onLink[i]}}
	}
	if err := lab.Join(link, ends[0], ends[1]); err != nil {
		return err
	}
	if g.offloads == On {
		return nil // as the kernel makes it
	}
	return errors.Join(g.hosts[0].DisableOffloads(link), g.hosts[1].DisableOffloads(link))
}

// with runs f while the systems run. Without wireguard-go the others can still be
// measured, so that it does not start is no error.
func (g *ground) with(ctx context.Context, systems []System, f func(context.Context) error) error {
	if len(systems) == 0 {
		return f(ctx)
	}
	s, rest, runs := systems[0], systems[1:], false
	err := g.run(ctx, s, func(ctx context.Context, w way) error {
		runs = true
		g.systems = append(g.systems, s)
		g.ways[s] = w
		return g.with(ctx, rest, f)
	})
	switch {
	case err == nil:
		return nil
	case s == WireGuard && !runs && ctx.Err() == nil:
		g.skip("%s, offloads %v: %v", s.Title(), g.offloads, err)
		return g.with(ctx, rest, f)
	case !runs:
		return fmt.Errorf("%s, offloads %v: %w", s.Title(), g.offloads, err)
	}
	return err
}

// run runs f while a system runs and leads from A to B.
func (g *ground) run(ctx context.Context, s System, f func(context.Context, way) error) error {
	switch s {
	case Direct:
		return f(ctx, g.way(onLink[0].Addr(), onLink[1].Addr()))
	case WireGuard:
		return g.withWireGuard(ctx, f)
	}
	return g.withMulti6(ctx, s, f)
}

// way returns the one between two addresses of A and B.
func (g *ground) way(a, b netip.Addr, pids ...int) way {
	return way{near: g.hosts[0], far: g.hosts[1], to: b, back: a, pids: pids}
}

// multi6 are the settings of the pairs of daemons, which share the hosts.
var multi6 = map[System]rig.Settings{
	AES:    {Interface: "shim0", Port: 6110, Ciphers: []string{"aes-256-gcm"}},
	ChaCha: {Interface: "shim1", Port: 6111, Ciphers: []string{"chacha20-poly1305"}},
}

func (g *ground) withMulti6(ctx context.Context, s System, f func(context.Context, way) error) error {
	dir := filepath.Join(g.dir, s.String())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	var places [len(rig.Names)]rig.Place
	for i, h := range g.hosts {
		places[i] = rig.Place{Host: h, Locators: []netip.Addr{onLink[i].Addr()}}
	}
	duo := rig.NewDuoAt(places, rig.NewClock(), dir)
	err := duo.Run(ctx, g.Executable, multi6[s], func(ctx context.Context) error {
		a, b := duo.Daemons[0], duo.Daemons[1]
		w := g.way(a.Identifier(), b.Identifier(), a.PID(), b.PID())
		if err := w.reach(ctx); err != nil {
			return err
		}
		if err := f(ctx, w); err != nil {
			return err
		}
		return g.lookForDrops(ctx, s, duo.Daemons[:])
	})
	if err != nil && ctx.Err() == nil && g.LogDir != "" {
		err = errors.Join(err, duo.KeepLogs(g.LogDir, fmt.Sprintf("throughput-%v-%v-", s, g.offloads)))
	}
	return err
}

// lookForDrops warns of packets that daemons dropped: when a flood is too much, the
// kernel's queues are where it is cut.
func (g *ground) lookForDrops(ctx context.Context, s System, daemons []*rig.Daemon) error {
	for i, d := range daemons {
		st, err := d.Status(ctx)
		if err != nil {
			return err
		}
		if text := dropped(st.Drops); text != "" {
			warning := fmt.Sprintf("%s, offloads %v: the daemon at %s dropped packets by itself: %s", s.Title(), g.offloads, rig.Names[i], text)
			g.result.Warnings = append(g.result.Warnings, warning)
			g.progress("warning: %s", warning)
		}
	}
	return nil
}

// dropped lists how many packets were dropped for which reasons, "" for none.
func dropped(drops map[string]uint64) string {
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		if n := drops[reason]; n > 0 {
			list = append(list, fmt.Sprintf("%s %d", reason, n))
		}
	}
	return strings.Join(list, ", ")
}

// reach connects once, which makes the daemons open a session.
func (w way) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	l, err := w.far.Listen("tcp6", netip.AddrPortFrom(w.to, 0).String())
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := w.near.Dial(ctx, "tcp6", l.Addr().String())
	if err != nil {
		return fmt.Errorf("the other end is not reached: %w", err)
	}
	return c.Close()
}
