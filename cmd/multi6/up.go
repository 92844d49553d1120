package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/cpu"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/config"
	"github.com/multi6/multi6/internal/netwatch"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/resolve"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

func newUpCmd() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "up CONFIG",
		Short: "Run the daemon in the foreground",
		Long: `Run the daemon of one interface in the foreground, until Ctrl-C or SIGTERM. The
interface, its addresses and routes go away with it. CONFIG is a file, or the
NAME of /etc/multi6/NAME.toml. Needs root.`,
		Example: `  multi6 up /etc/multi6/shim0.toml
  multi6 up shim0 --verbose`,
		Args: takes("CONFIG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Before the configuration, whose keys only root can read.
			if err := needRoot(cmd, "it makes a network interface"); err != nil {
				return err
			}
			c, err := config.Load(config.Path(args[0]))
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			return up(ctx, c, log)
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log every test")
	return cmd
}

// fewProcessors is up to how many one thread carries all packets. Where there are more, the
// two directions find a processor each.
const fewProcessors = 2

// up runs a node until ctx ends. Whatever it opened is closed when it returns.
func up(ctx context.Context, c *config.Config, log *slog.Logger) (err error) {
	control, err := node.ListenControl(c.ControlSocket)
	if err != nil {
		return err
	}
	defer control.Close() // removes the socket
	conn, err := underlay.Listen(c.Port)
	if err != nil {
		return err
	}
	defer conn.Close()
	icmp, err := conn.Errors()
	if err != nil {
		return err
	}
	watcher, err := netwatch.New(netwatch.Options{Log: log, Own: tun.RouteProtocol})
	if err != nil {
		return err
	}
	device, err := tun.Open(tunConfig(c))
	if err != nil {
		watcher.Close()
		return err
	}
	names := resolve.NewNames(resolve.New(resolve.Options{}).Lookup)
	edges := node.Edges{
		Device: device, Sender: conn, Errors: icmp, Underlay: conn, Names: names,
		Facts: watcher.Facts(), RouteNews: watcher.RouteNews(), Routable: watcher.Routable,
		RouteMTU: device.SetRouteMTU, Together: runtime.NumCPU() <= fewProcessors,
		Offloads: map[string]node.Offloader{"tun": device, "udp": conn}, OffloadNews: conn.OffloadNews(),
		Random: rand.Reader, Log: log,
	}
	for _, r := range conn.Receivers() {
		edges.Receivers = append(edges.Receivers, r)
	}
	n, err := node.New(nodeConfig(c), edges)
	if err != nil {
		watcher.Close()
		return errors.Join(err, device.Close())
	}
	log.Info("up", "interface", c.Interface, "identifier", c.Identifier().String(), "port", c.Port)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return watcher.Run(ctx) })
	g.Go(func() error { return names.Run(ctx) })
	g.Go(func() error { return n.ServeControl(ctx, control) })
	g.Go(func() error { return n.Run(ctx) })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("%s: %w", c.Interface, err)
	}
	log.Info("down", "interface", c.Interface)
	return nil
}

// hostBits returns the whole address as a prefix.
func hostBits(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func tunConfig(c *config.Config) tun.Config {
	t := tun.Config{
		Name: c.Interface, MTU: c.MTU, RouteMTU: config.MinMTU, // until it is known
		Addresses: append([]netip.Prefix{hostBits(c.Identifier())}, c.Addresses...),
		Sources:   make(map[netip.Prefix]netip.Addr),
	}
	for _, p := range c.Peers {
		to := hostBits(p.PublicKey.Identifier())
		t.Routes, t.Sources[to] = append(t.Routes, to), c.Identifier()
		t.Routes = append(t.Routes, p.Routes...)
	}
	return t
}

func nodeConfig(c *config.Config) node.Config {
	n := node.Config{
		Name: c.Interface, Identity: shim.NewIdentity(c.PrivateKey), Port: c.Port, MTU: c.MTU,
		Profile: string(c.Profile), Timers: timers(c.Profile), Ciphers: cmp.Or(c.Ciphers, ciphers()),
		Policy: c.Policy(), Order: locator.Order{Table: c.PolicyTable}, ProbeBudget: c.ProbeBudget,
		Addresses: c.Addresses,
	}
	n.Timers.Hold = c.Failback
	if c.Margin > 0 {
		n.Timers.Margin, n.Timers.Floor = c.Margin, min(c.Margin, n.Timers.Floor)
		n.Timers.Ceiling = max(n.Timers.Ceiling, 2*c.Margin)
	}
	n.Timers.ReportDelay = cmp.Or(c.ReportDelay, n.Timers.ReportDelay)
	n.Timers.Tries = cmp.Or(c.Tries, n.Timers.Tries)
	for _, p := range c.Peers {
		q := node.Peer{
			Name: p.Name, Key: p.PublicKey, PresharedKey: p.PresharedKey, Locators: p.Locators, Routes: p.Routes,
			Keepalive: p.Keepalive,
		}
		for _, x := range p.Names {
			q.Names = append(q.Names, node.Name{Host: x.Host, Port: x.Port})
		}
		n.Peers = append(n.Peers, q)
	}
	return n
}

func timers(p config.Profile) detect.Timers {
	switch p {
	case config.Fast:
		return detect.Fast
	case config.Gentle:
		return detect.Gentle
	case config.Reap:
		return detect.REAP
	}
	return detect.Balanced
}

// ciphers returns what this CPU is quick at: AES-256-GCM only with instructions
// for it.
func ciphers() wire.Ciphers {
	c := wire.ChaCha20Poly1305
	if cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL {
		c |= wire.AES256GCM
	}
	return c
}
