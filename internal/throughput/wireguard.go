package throughput

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

const (
	wgPort  = 51820
	wgStart = 10 * time.Second // for a daemon to listen for its configuration
	wgStop  = 3 * time.Second  // for a daemon to end by itself

	reachTime = 10 * time.Second          // for the first connection over a system
	polling   = 20 * time.Millisecond     // how often conditions are looked at
	wgSockets = "/var/run/wireguard"      // where wireguard-go is configured (its package ipc)
	wgQuiet   = "WG_PROCESS_FOREGROUND=1" // keeps it from advertising the kernel's WireGuard
)

// wgInner are the addresses of A and B in the tunnel. The device has wireguard-go's own
// MTU, 1420.
var wgInner = [len(rig.Names)]netip.Prefix{
	netip.MustParsePrefix("fd00:6::1/64"), netip.MustParsePrefix("fd00:6::2/64"),
}

// A wgDaemon is wireguard-go in a host.
type wgDaemon struct {
	host *lab.Host
	name string // of the device, and of the socket: of all hosts the only one
	log  string
	key  *ecdh.PrivateKey
	cmd  *exec.Cmd
}

// withWireGuard runs f while wireguard-go runs.
func (g *ground) withWireGuard(ctx context.Context, f func(context.Context, way) error) (err error) {
	if _, err := os.Stat(wgSockets); errors.Is(err, os.ErrNotExist) {
		defer os.Remove(wgSockets) // unless another one uses it now
	}
	eg, ctx := errgroup.WithContext(ctx)
	running, stop := context.WithCancel(ctx)
	defer stop()
	var ds [len(rig.Names)]*wgDaemon
	for i, h := range g.hosts {
		d, err := g.startWireGuard(running, h, i)
		if err != nil {
			stop()
			return errors.Join(err, eg.Wait())
		}
		defer os.Remove(d.socket()) // which it leaves if it has to be killed
		ds[i] = d
		eg.Go(func() error { return d.wait(running) })
	}
	eg.Go(func() error {
		defer stop()
		for i, d := range ds {
			if err := d.configure(ctx, i, ds[1-i].key.PublicKey()); err != nil {
				return err
			}
		}
		w := g.way(wgInner[0].Addr(), wgInner[1].Addr(), ds[0].cmd.Process.Pid, ds[1].cmd.Process.Pid)
		if err := w.reach(ctx); err != nil {
			return err
		}
		return f(ctx, w)
	})
	return eg.Wait()
}

// startWireGuard starts host i's daemon. It ends with ctx.
func (g *ground) startWireGuard(ctx context.Context, h *lab.Host, i int) (*wgDaemon, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("wg%d%v%s", os.Getpid(), g.offloads, rig.Names[i])
	d := &wgDaemon{host: h, name: name, log: filepath.Join(g.dir, name+".log"), key: key}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	d.cmd = exec.CommandContext(ctx, g.WireGuard, "--foreground", name)
	d.cmd.Env = append(os.Environ(), wgQuiet)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = wgStop
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
	if err := h.Start(d.cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", g.WireGuard, err)
	}
	return d, nil
}

// wait waits for the daemon's end, which is to come with ctx.
func (d *wgDaemon) wait(ctx context.Context) error {
	if err := d.cmd.Wait(); ctx.Err() == nil {
		said, _ := os.ReadFile(d.log)
		return fmt.Errorf("wireguard-go of %s ended: %v %s", d.host.Name(), err, bytes.TrimSpace(said))
	}
	return nil
}

func (d *wgDaemon) socket() string { return filepath.Join(wgSockets, d.name+".sock") }

// configure makes the daemon and its device ready. Its peer is the other host's, whose
// public key is given.
func (d *wgDaemon) configure(ctx context.Context, i int, peer *ecdh.PublicKey) error {
	c, err := d.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := wgSet(c, wgConfiguration(i, d.key, peer)); err != nil {
		return fmt.Errorf("configuring wireguard-go of %s: %w", d.host.Name(), err)
	}
	return errors.Join(d.host.AddAddr(d.name, wgInner[i]), d.host.SetUp(d.name))
}

// wgConfiguration returns what host i's daemon is told
// (https://www.wireguard.com/xplatform/).
func wgConfiguration(i int, own *ecdh.PrivateKey, peer *ecdh.PublicKey) string {
	lines := []string{
		"set=1",
		fmt.Sprintf("private_key=%x", own.Bytes()),
		fmt.Sprintf("listen_port=%d", wgPort),
		fmt.Sprintf("public_key=%x", peer.Bytes()),
		fmt.Sprintf("endpoint=%s", netip.AddrPortFrom(onLink[1-i].Addr(), wgPort)),
		fmt.Sprintf("allowed_ip=%s/128", wgInner[1-i].Addr()),
	}
	return strings.Join(lines, "\n") + "\n\n"
}

// dial waits until the daemon listens.
func (d *wgDaemon) dial(ctx context.Context) (net.Conn, error) {
	for deadline := time.Now().Add(wgStart); ; {
		c, err := net.Dial("unix", d.socket())
		if err == nil {
			return c, c.SetDeadline(deadline)
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("wireguard-go of %s does not listen: %w", d.host.Name(), err)
		}
		if err := rig.Pause(ctx, polling); err != nil {
			return nil, err
		}
	}
}

// wgSet sends a configuration and reads whether it was taken.
func wgSet(c net.Conn, text string) error {
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && answer != "errno=0\n" {
		err = fmt.Errorf("it answers %q", answer)
	}
	return err
}
