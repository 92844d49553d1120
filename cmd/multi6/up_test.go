package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/multi6/multi6/internal/config"
	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
)

// TestUp runs two daemons and uses them as applications and people do. Then it
// ends one by each signal, and looks for what they left.
func TestUp(t *testing.T) {
	l := newLab(t)
	a, b := newSite(t, l.A), newSite(t, l.B)
	a.configure(t, "a.toml", "", b)
	b.configure(t, "b.toml", "", a)
	before := map[*site]string{a: inventory(t, a.host), b: inventory(t, b.host)}
	daemons := map[*site]*daemon{a: a.up(t, "a.toml"), b: b.up(t, "b.toml")}

	echoUDP(t, a, b)
	sendTCP(t, a, b)
	showStatus(t, a)

	for s, sig := range map[*site]os.Signal{a: syscall.SIGINT, b: syscall.SIGTERM} {
		must(t, daemons[s].cmd.Process.Signal(sig))
		if code := daemons[s].exit(t); code != exitOK {
			t.Errorf("exit code %d after %v", code, sig)
		}
		nothingLeft(t, s, before[s])
	}
	var out bytes.Buffer
	if code := runStatus(a, &out); code != exitNoDaemon {
		t.Errorf("status without a daemon: exit code %d, want %d", code, exitNoDaemon)
	}
}

// TestUpWithNohup: the loss of the terminal ends no daemon that was started to outlive it.
func TestUpWithNohup(t *testing.T) {
	l := newLab(t)
	a, b := newSite(t, l.A), newSite(t, l.B)
	a.configure(t, "a.toml", "", b)
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT) // which children inherit
	d := a.up(t, "a.toml")
	signal.Reset(syscall.SIGHUP, syscall.SIGINT)
	// What is ignored is never delivered: there is nothing to wait for.
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	must(t, err)
	ignored := regexp.MustCompile(`SigIgn:\s*([0-9a-f]+)`).FindSubmatch(status)
	var mask uint64
	if _, err := fmt.Sscanf(string(ignored[1]), "%x", &mask); err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if mask>>(s-1)&1 == 0 {
			t.Errorf("%v is not ignored", s)
		}
		must(t, d.cmd.Process.Signal(s))
	}
	if _, err := a.status(); err != nil {
		t.Errorf("the daemon has ended: %v", err)
	}
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	if code := d.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestLongMargin: a margin above what the profile has for the longest wait is one.
func TestLongMargin(t *testing.T) {
	const margin = 10 * time.Second
	got := nodeConfig(&config.Config{Profile: config.Fast, Margin: margin}).Timers
	if got.Margin != margin || got.Ceiling <= margin {
		t.Errorf("margin %v, ceiling %v", got.Margin, got.Ceiling)
	}
}

// at returns a port of the site's identifier.
func (s *site) at(port uint16) string {
	return netip.AddrPortFrom(s.key.Public().Identifier(), port).String()
}

// echoUDP sends datagrams from a to b's identifier until one comes back, which
// must come from there.
func echoUDP(t *testing.T, a, b *site) {
	t.Helper()
	server, err := b.host.ListenPacket("udp", b.at(7))
	must(t, err)
	defer server.Close()
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(buf[:n], from)
		}
	}()
	client, err := a.host.Dial(context.Background(), "udp", b.at(7))
	must(t, err)
	defer client.Close()
	eventually(t, "UDP to the identifier is answered", func() bool {
		buf := make([]byte, 100)
		_, _ = client.Write([]byte("hello"))
		_ = client.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := client.Read(buf)
		return err == nil && string(buf[:n]) == "hello"
	})
}

// sendTCP sends a MiB from a to b's identifier and compares what arrives.
func sendTCP(t *testing.T, a, b *site) {
	t.Helper()
	listener, err := b.host.Listen("tcp", b.at(8))
	must(t, err)
	defer listener.Close()
	type result struct {
		data []byte
		from net.Addr
		err  error
	}
	arrived := make(chan result, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			arrived <- result{err: err}
			return
		}
		defer c.Close()
		data, err := io.ReadAll(c)
		arrived <- result{data, c.RemoteAddr(), err}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := a.host.Dial(ctx, "tcp", b.at(8))
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(patience)))
	sent := make([]byte, 1<<20)
	rand.Read(sent)
	_, err = c.Write(sent)
	must(t, err)
	must(t, c.Close())
	got := <-arrived
	must(t, got.err)
	if !bytes.Equal(got.data, sent) {
		t.Errorf("TCP: %d bytes sent, %d arrived, or they differ", len(sent), len(got.data))
	}
	if from := netip.MustParseAddrPort(got.from.String()).Addr(); from != a.key.Public().Identifier() {
		t.Errorf("TCP came from %v, want the identifier %v", from, a.key.Public().Identifier())
	}
}

// runStatus runs multi6 status on a site and returns its exit code.
func runStatus(s *site, out io.Writer, args ...string) int { return s.run(out, "status", args...) }

// run runs a command that asks the site's daemon, and returns its exit code.
func (s *site) run(out io.Writer, command string, args ...string) int {
	root := newRootCmd()
	root.SetOut(out)
	root.SetErr(out)
	return execute(root, append([]string{command, "--socket", s.socket()}, args...))
}

func showStatus(t *testing.T, s *site) {
	t.Helper()
	var text bytes.Buffer
	eventually(t, "status succeeds", func() bool {
		text.Reset()
		return runStatus(s, &text) == exitOK
	})
	for _, want := range []string{"interface shim0\n", "peer b: primary operational\n", s.host.Addr6(0).String(), "  * "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("status lacks %q:\n%s", want, text.String())
		}
	}
	text.Reset()
	if code := runStatus(s, &text, "--json", "b"); code != exitOK || !strings.Contains(text.String(), `  "interface": "shim0"`) {
		t.Errorf("status --json: exit code %d\n%s", code, text.String())
	}
	text.Reset()
	if code := runStatus(s, &text, "c"); code != exitRuntime || text.String() != "multi6: shim0 has no peer \"c\"; it has b\n" {
		t.Errorf("status of an unknown peer: exit code %d, %q", code, text.String())
	}
}

// inventory returns all interfaces, addresses and routes of h as text.
func inventory(t *testing.T, h *lab.Host) string {
	t.Helper()
	var text strings.Builder
	must(t, h.Do(func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, link := range links {
			fmt.Fprintln(&text, "link", link.Attrs().Name)
			addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
			if err != nil {
				return err
			}
			for _, a := range addrs {
				fmt.Fprintln(&text, "address", a.IPNet)
			}
		}
		// A filter on the table "unspecified" lists all tables.
		routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return err
		}
		for _, r := range routes {
			fmt.Fprintln(&text, "route", r.Dst, r.Table, r.LinkIndex, r.Gw)
		}
		return nil
	}))
	return text.String()
}

// nothingLeft checks that the host is as before, and socket and port are free.
func nothingLeft(t *testing.T, s *site, before string) {
	t.Helper()
	if after := inventory(t, s.host); after != before {
		t.Errorf("left behind: before\n%s\nafter\n%s", before, after)
	}
	if _, err := os.Stat(s.socket()); !os.IsNotExist(err) {
		t.Errorf("the control socket is still there (%v)", err)
	}
	for _, network := range []string{"udp4", "udp6"} {
		c, err := s.host.ListenPacket(network, ":6110")
		if err != nil {
			t.Errorf("the port is not free: %v", err)
			continue
		}
		c.Close()
	}
}

// TestBadStart gives a daemon what it cannot start with. Each time it says so
// once, and leaves nothing behind.
func TestBadStart(t *testing.T) {
	l := newLab(t)
	tests := []struct {
		name string
		// extra goes into the configuration.
		extra string
		// prepare returns what undoes it.
		prepare func(*testing.T, *site) (undo func())
		// program is multi6 unless set, adjust changes how it is run.
		program string
		adjust  func(*testing.T, *exec.Cmd) *exec.Cmd
		code    int
		// stderr is a pattern for all that is printed; FILE is the
		// configuration's name.
		stderr string
	}{
		{
			name: "no root", adjust: asNobody,
			code: exitRuntime, stderr: `multi6: must run as root, as it makes a network interface: try 'sudo multi6 up'`,
		},
		{
			name: "port in use", prepare: takePort,
			code: exitRuntime, stderr: `multi6: UDP port 6110 is in use: .*choose another port in the configuration.*`,
		},
		{
			name: "interface exists", prepare: takeInterface,
			code: exitRuntime, stderr: `multi6: interface shim0 exists already: choose another name .*`,
		},
		{
			name: "no tun device", program: programWithoutTunDevice, adjust: withOwnMounts,
			code: exitRuntime, stderr: `multi6: cannot open /dev/net/tun: load the kernel module with 'modprobe tun'.*`,
		},
		{
			name: "key others can read", prepare: showKey,
			code: exitConfig, stderr: `FILE:1:20: private_key_file: .*key has mode 0644, wider than 0600; run: chmod 600 .*` + "\n" + `multi6: FILE: 1 problem`,
		},
		{
			name: "unknown key", extra: "prot = 1",
			code: exitConfig, stderr: `FILE:4:1: unknown key "prot"; did you mean "port"\?` + "\n" + `multi6: FILE: 1 problem`,
		},
		{
			name: "no configuration", prepare: hideConfig,
			code: exitConfig, stderr: `multi6: FILE: no such file or directory`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newSite(t, l.A), newSite(t, l.B)
			a.configure(t, "a.toml", tt.extra, b)
			if tt.prepare != nil {
				defer tt.prepare(t, a)()
			}
			cmd := program(cmp.Or(tt.program, "multi6"), "up", a.path("a.toml"))
			if tt.adjust != nil {
				cmd = tt.adjust(t, cmd)
			}
			before := inventory(t, a.host)
			d := a.start(t, cmd)
			if code := d.exit(t); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			pattern := "^" + strings.ReplaceAll(tt.stderr, "FILE", regexp.QuoteMeta(a.path("a.toml"))) + "\n$"
			if !regexp.MustCompile(pattern).MatchString(d.stderr.String()) {
				t.Errorf("stderr\n%s\nwant\n%s", d.stderr.String(), pattern)
			}
			if after := inventory(t, a.host); after != before {
				t.Errorf("left behind: before\n%s\nafter\n%s", before, after)
			}
			if _, err := os.Stat(a.socket()); !os.IsNotExist(err) {
				t.Errorf("the control socket is there (%v)", err)
			}
		})
	}
}

func takePort(t *testing.T, s *site) func() {
	c, err := s.host.ListenPacket("udp6", "[::]:6110")
	must(t, err)
	return func() { c.Close() }
}

func takeInterface(t *testing.T, s *site) func() {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "shim0"
	taken := &netlink.Veth{LinkAttrs: attrs, PeerName: "other0"}
	must(t, s.host.Do(func() error { return netlink.LinkAdd(taken) }))
	return func() { must(t, s.host.Do(func() error { return netlink.LinkDel(taken) })) }
}

func showKey(t *testing.T, s *site) func() {
	must(t, os.Chmod(s.path("key"), 0o644))
	return func() {}
}

func hideConfig(t *testing.T, s *site) func() {
	must(t, os.Remove(s.path("a.toml")))
	return func() {}
}

// TestSecondDaemon starts a daemon whose control socket another one uses. The
// first goes on undisturbed.
func TestSecondDaemon(t *testing.T) {
	l := newLab(t)
	a, b := newSite(t, l.A), newSite(t, l.B)
	a.configure(t, "a.toml", "", b)
	first := a.up(t, "a.toml")
	before := inventory(t, a.host)

	second := a.start(t, program("multi6", "up", a.path("a.toml")))
	if code := second.exit(t); code != exitRuntime {
		t.Errorf("exit code %d, want %d", code, exitRuntime)
	}
	want := fmt.Sprintf("multi6: control socket %s is in use: this interface's daemon runs already\n", a.socket())
	if second.stderr.String() != want {
		t.Errorf("stderr %q, want %q", second.stderr.String(), want)
	}
	if after := inventory(t, a.host); after != before {
		t.Errorf("changed: before\n%s\nafter\n%s", before, after)
	}
	if s, err := a.status(); err != nil || s.Version != node.StatusVersion {
		t.Errorf("the first daemon does not answer any more: %v", err)
	}
	must(t, first.cmd.Process.Signal(os.Interrupt))
	if code := first.exit(t); code != exitOK {
		t.Errorf("the first daemon: exit code %d", code)
	}
}

// TestAfterCrash starts a daemon where one was killed, whose socket file is left.
func TestAfterCrash(t *testing.T) {
	l := newLab(t)
	a, b := newSite(t, l.A), newSite(t, l.B)
	a.configure(t, "a.toml", "", b)
	before := inventory(t, a.host)
	d := a.up(t, "a.toml")
	must(t, d.cmd.Process.Kill())
	d.exit(t)

	d = a.up(t, "a.toml")
	must(t, d.cmd.Process.Signal(os.Interrupt))
	if code := d.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	nothingLeft(t, a, before)
}
