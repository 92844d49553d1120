package config

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/shim"
)

// TestExample keeps docs/example.toml valid and complete.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../docs/example.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	example := write(t, dir, "example.toml", string(text), 0o644)
	write(t, dir, "shim0.key", ourKey.Text(), 0o600)
	write(t, dir, "b.psk", cKey.Text(), 0o600)
	c, err := Load(example)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Peers) != 2 || len(c.Peers[0].Locators) != 3 || len(c.Peers[0].Names) != 1 || c.Peers[0].PresharedKey != shim.PresharedKey(cKey) {
		t.Errorf("peers %+v", c.Peers)
	}
	if c.MTU != AutoMTU || c.Profile != Balanced {
		t.Errorf("MTU %d, profile %s: the example shows the defaults", c.MTU, c.Profile)
	}
	if c.Failback != DefaultFailback || c.ProbeBudget != DefaultProbeBudget || c.Peers[0].Keepalive != KeepaliveAuto {
		t.Errorf("failback %s, budget %d, keepalive %s: the example shows the defaults", c.Failback, c.ProbeBudget, c.Peers[0].Keepalive)
	}

	root, trouble, _ := parseTree(text)
	if root == nil {
		t.Fatal(trouble)
	}
	for _, s := range sections() {
		table := root
		if s.name != "" {
			e := root.find(s.name)
			if e == nil {
				t.Errorf("[[%s]] is not in the example", s.name)
				continue
			}
			table = e.value.elems[0].table
		}
		for _, f := range s.fields {
			if table.find(f.name) == nil {
				t.Errorf("%s is not in the example (section %q)", f.name, s.name)
			}
		}
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	large := write(t, dir, "large.toml", strings.Repeat("#", sizeLimit+1), 0o600)
	for file, want := range map[string]string{
		dir + "/no.toml": dir + "/no.toml: no such file or directory",
		dir:              dir + ": is a directory",
		large:            large + ": larger than 4 MiB",
	} {
		c, err := Load(file)
		if c != nil || message(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestReadPrivateKey(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good", ourKey.Text()+"\n", 0o600)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	const regular = "; a key file must be a regular file"
	tests := []struct{ name, file, want string }{
		{"good", good, ""},
		{"read-only", write(t, dir, "read-only", ourKey.Text(), 0o400), ""},
		{"link to good", link, ""},
		{"group", write(t, dir, "group", ourKey.Text(), 0o640), " has mode 0640, wider than 0600; run: chmod 600 "},
		{"execute", write(t, dir, "execute", ourKey.Text(), 0o700), " has mode 0700, wider than 0600; run: chmod 600 "},
		{"long", write(t, dir, "long", strings.Repeat("x", keyFileLimit+1), 0o600), " is too long for a key file; it holds one line"},
		{"absent", filepath.Join(dir, "absent"), " does not exist; make one with: (umask 077; multi6 genkey > "},
		{"directory", dir, " is a directory" + regular},
		{"pipe", fifo, " is a pipe" + regular},
		{"socket", socket, " is a socket" + regular},
		{"device", "/dev/zero", " is a device" + regular},
		{"zero byte", "a\x00b", `"a\x00b" cannot be read: invalid argument`},
		{"below a file", good + "/x", " cannot be read: not a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := ReadPrivateKey(tt.file)
			if tt.want == "" {
				if err != nil || k != ourKey {
					t.Errorf("key %v, error %v", k.Public(), err)
				}
				return
			}
			if !strings.Contains(message(err), tt.want) {
				t.Errorf("error %q, want %q", message(err), tt.want)
			}
			if k != (shim.PrivateKey{}) {
				t.Error("a key besides the error")
			}
		})
	}
}

// TestExplainPermission cannot be had from a file by root.
func TestExplainPermission(t *testing.T) {
	err := explain("x.key", os.ErrPermission)
	if want := "x.key cannot be read (permission denied); run multi6 as root or as the file's owner"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// write makes a file with exactly the mode given and returns its name.
func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}
