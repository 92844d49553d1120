package rig

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
)

const (
	startTime = 10 * time.Second // for a daemon to answer
	stopTime  = 5 * time.Second  // for a daemon to end by itself
	askEvery  = 20 * time.Millisecond
)

// A Place is where a daemon runs: a host, and its addresses that are to be locators.
type Place struct {
	Host     *lab.Host
	Locators []netip.Addr
}

// uplinks returns a host of a lab as a Place, with its addresses in both families.
func uplinks(h *lab.Host) Place {
	p := Place{Host: h}
	for i := 0; h.Interface(i) != ""; i++ {
		p.Locators = append(p.Locators, h.Addr6(i), h.Addr4(i))
	}
	return p
}

// Settings are what both daemons' configurations say besides keys and locators. What
// is zero is left to the daemons.
type Settings struct {
	Profile string
	// Port tells daemons apart that share a host; their interfaces differ, too.
	Port      uint16
	Interface string
	Ciphers   []string
}

// A Daemon is one of the two under test, in a process of its own.
type Daemon struct {
	Name   string // "a" or "b", as its files
	place  Place
	key    shim.PrivateKey
	dir    string
	client *node.Client
	cmd    *exec.Cmd
}

// newDaemon makes a key; nothing runs yet.
func newDaemon(name string, place Place, dir string) *Daemon {
	var random [shim.KeyLen]byte
	rand.Read(random[:]) // never fails: crypto/rand
	d := &Daemon{Name: name, place: place, key: shim.NewPrivateKey(random), dir: dir}
	d.client = node.NewClient(d.file(".sock"))
	return d
}

func (d *Daemon) file(extension string) string { return filepath.Join(d.dir, d.Name+extension) }

// Identifier returns the daemon's address for upper layers.
func (d *Daemon) Identifier() netip.Addr { return d.key.Public().Identifier() }

// PID returns the number of the daemon's process, which Duo.Run has started.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// configure writes key and configuration.
func (d *Daemon) configure(s Settings, peer *Daemon) error {
	port := cmp.Or(s.Port, locator.DefaultPort)
	var locators []string
	for _, a := range peer.place.Locators {
		locators = append(locators, netip.AddrPortFrom(a, port).String())
	}
	text := fmt.Sprintf(`private_key_file = %q
interface = %q
port = %d
control_socket = %q
`, d.Name+".key", cmp.Or(s.Interface, "shim0"), port, d.file(".sock"))
	if s.Profile != "" {
		text += fmt.Sprintf("profile = %q\n", s.Profile)
	}
	if len(s.Ciphers) > 0 {
		text += fmt.Sprintf("ciphers = %s\n", list(s.Ciphers))
	}
	text += fmt.Sprintf(`
[[peer]]
name = %q
public_key = %q
locators = %s
`, peer.Name, peer.key.Public(), list(locators))
	return errors.Join(
		os.WriteFile(d.file(".key"), []byte(d.key.Text()+"\n"), 0o600),
		os.WriteFile(d.file(".toml"), []byte(text), 0o600),
	)
}

// list returns strings as TOML writes them.
func list(ss []string) string {
	var quoted []string
	for _, s := range ss {
		quoted = append(quoted, strconv.Quote(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// start starts the daemon. It ends with ctx, or with this process.
func (d *Daemon) start(ctx context.Context, executable string) error {
	log, err := os.OpenFile(d.file(".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	d.cmd = exec.CommandContext(ctx, executable, "up", d.file(".toml"), "--verbose")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = stopTime
	// A group of its own: Ctrl-C is for us, who end it when its events are read.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.place.Host.Start(d.cmd); err != nil {
		return fmt.Errorf("daemon %s: %w", d.Name, err)
	}
	return nil
}

// wait waits for the end of a daemon that was started. It is to end with ctx,
// that of start, by itself.
func (d *Daemon) wait(ctx context.Context) error {
	err := d.cmd.Wait()
	switch {
	case ctx.Err() == nil && err == nil:
		return fmt.Errorf("daemon %s ended by itself%s", d.Name, d.lastWords())
	case ctx.Err() == nil:
		return fmt.Errorf("daemon %s ended: %w%s", d.Name, err, d.lastWords())
	case !d.cmd.ProcessState.Success():
		return fmt.Errorf("daemon %s ended badly: %v%s", d.Name, d.cmd.ProcessState, d.lastWords())
	}
	return nil
}

// lastWords returns the end of the daemon's log, on lines of its own.
func (d *Daemon) lastWords() string {
	const most = 5
	log, err := os.ReadFile(d.file(".log"))
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	if err != nil || lines[0] == "" {
		return ""
	}
	return "\n  " + strings.Join(lines[max(0, len(lines)-most):], "\n  ")
}

// Status asks the daemon. The status has exactly one peer.
func (d *Daemon) Status(ctx context.Context) (node.Status, error) {
	s, err := d.client.Status(ctx)
	if err == nil && len(s.Peers) != 1 {
		err = fmt.Errorf("%d peers, not 1", len(s.Peers))
	}
	if err != nil {
		return s, fmt.Errorf("status of daemon %s: %w", d.Name, err)
	}
	return s, nil
}

// ready waits until the daemon answers and all its locators are operational.
func (d *Daemon) ready(ctx context.Context) error {
	for deadline := time.Now().Add(startTime); ; {
		s, err := d.Status(ctx)
		if err == nil {
			missing := d.missing(s)
			if missing == "" {
				return nil
			}
			err = fmt.Errorf("daemon %s: %s", d.Name, missing)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %v: %w%s", startTime, err, d.lastWords())
		}
		if err := Pause(ctx, askEvery); err != nil {
			return err
		}
	}
}

// missing returns which of the locators is not operational, "" if all are.
func (d *Daemon) missing(s node.Status) string {
	states := make(map[string]node.LocatorStatus)
	for _, l := range s.Locators {
		states[l.Address] = l
	}
	for _, a := range d.place.Locators {
		switch l := states[a.String()]; {
		case l.State == "":
			return fmt.Sprintf("address %s is not known", a)
		case l.State != locator.Operational.String():
			return fmt.Sprintf("address %s is %s (%s)", a, l.State, l.Why)
		}
	}
	return ""
}

// Pause waits, or returns why ctx ended.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
