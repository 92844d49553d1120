package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/testkit"
	"github.com/multi6/multi6/shim"
)

// patience is how long a condition may take; none takes nearly as long.
const patience = 30 * time.Second

// newLab returns a lab to run daemons in. The test is skipped without root,
// unless the environment forbids that.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	testkit.NeedRoot(t)
	l, err := lab.New(lab.Config{})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until what holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// A site is a host with what a daemon there needs: a key, and a directory for
// its configuration and control socket.
type site struct {
	host *lab.Host
	dir  string
	key  shim.PrivateKey
}

func newSite(t *testing.T, h *lab.Host) *site {
	t.Helper()
	var random [shim.KeyLen]byte
	rand.Read(random[:])
	s := &site{host: h, dir: t.TempDir(), key: shim.NewPrivateKey(random)}
	s.write(t, "key", s.key.Text()+"\n", 0o600)
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) socket() string { return s.path("control.sock") }

func (s *site) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(s.path(name), []byte(text), mode))
	must(t, os.Chmod(s.path(name), mode)) // whatever the umask
}

// configure writes a configuration that reaches peer at its first uplink's and
// its second's address. extra goes above the peer.
func (s *site) configure(t *testing.T, file, extra string, peer *site) {
	t.Helper()
	s.write(t, file, fmt.Sprintf(`private_key_file = "key"
interface = "shim0"
control_socket = %q
%s
[[peer]]
name = %q
public_key = %q
locators = [%q, %q]
`, s.socket(), extra, peer.host.Name(), peer.key.Public().String(), peer.host.Addr6(0).String(), peer.host.Addr4(1).String()), 0o644)
}

// A daemon is a program that runs on a site.
type daemon struct {
	cmd    *exec.Cmd
	stderr lockedBuffer
	ended  chan struct{} // closed after which err holds what Wait returned
	err    error
}

// program returns a command that runs this test program under another name,
// which TestMain knows.
func program(name string, args ...string) *exec.Cmd {
	// By way of /proc the file is found by users who may not search its directory.
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = name
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	return cmd
}

// start starts cmd on s. It is killed at the end of the test.
func (s *site) start(t *testing.T, cmd *exec.Cmd) *daemon {
	t.Helper()
	d := &daemon{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &d.stderr
	must(t, s.host.Start(cmd))
	go func() {
		d.err = cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-d.ended
		if t.Failed() {
			t.Logf("%s on %s wrote:\n%s", strings.Join(cmd.Args, " "), s.host.Name(), d.stderr.String())
		}
	})
	return d
}

// up starts a daemon and waits until it answers.
func (s *site) up(t *testing.T, file string) *daemon {
	t.Helper()
	return s.upAs(t, "multi6", file)
}

// upAs is up with a program that TestMain knows.
func (s *site) upAs(t *testing.T, name, file string) *daemon {
	t.Helper()
	d := s.start(t, program(name, "up", "--verbose", s.path(file)))
	eventually(t, "the daemon answers", func() bool {
		select {
		case <-d.ended:
			t.Fatalf("the daemon ended: %v", d.err)
		default:
		}
		_, err := s.status()
		return err == nil
	})
	return d
}

func (s *site) status() (node.Status, error) {
	c := node.NewClient(s.socket())
	defer c.Close()
	return c.Status(context.Background())
}

// exit waits for the end of d and returns its exit code, -1 after a signal.
func (d *daemon) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-d.ended:
	case <-time.After(patience):
		t.Fatalf("%s has not ended after %v", d.cmd.Args[0], patience)
	}
	if ee, ok := errors.AsType[*exec.ExitError](d.err); ok {
		return ee.ExitCode()
	}
	must(t, d.err)
	return 0
}

const programWithoutTunDevice = "multi6-without-tun-device"

// withoutTunDevice is multi6 on a host that lacks /dev/net/tun. It expects a
// mount namespace of its own.
func withoutTunDevice() {
	if err := unix.Mount("none", "/dev/net", "tmpfs", 0, ""); err != nil {
		fmt.Fprintln(os.Stderr, "hiding /dev/net:", err)
		os.Exit(exitRuntime)
	}
	main()
}

// asNobody lets cmd run without any privilege.
func asNobody(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	const nobody = 65534
	// A program built with -cover complains unless it can write what it counted.
	dir, err := os.MkdirTemp("", "multi6-cover")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	cmd.Env = append(cmd.Env, "GOCOVERDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// withOwnMounts lets cmd mount what nobody else sees.
func withOwnMounts(_ *testing.T, cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	return cmd
}

// A lockedBuffer may be read while a program still writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
