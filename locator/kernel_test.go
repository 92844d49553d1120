package locator

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/testkit"
)

// A scene is a host with one interface, and a name that has some addresses. The
// system's getaddrinfo (RFC 6724 §6) must have these in the order in which Pairs first
// comes to them, and the kernel (§5) must send from the local end that Pairs has first.
type scene struct {
	name string
	// locals are addresses with their prefixes; " deprecated" may follow.
	locals  []string
	remotes []string
	// onLinkOnly: there are no default routes.
	onLinkOnly bool
	// table: as Order.Table, and for /etc/gai.conf.
	table []PolicyRow
	// want is the order of remotes, both ours and getaddrinfo's; a remote without source
	// is not in it.
	want []string
	// libc is set where the C library is known to have another order, and why says
	// the difference; the test fails if it is gone.
	libc []string
	why  string
}

var scenes = []scene{
	{name: "rule 1, no route", onLinkOnly: true,
		locals: []string{"2001:db8:1::2/64", "192.0.2.2/24"}, remotes: []string{"2001:db8:2::9", "192.0.2.9", "2001:db8:1::9"},
		want: []string{"2001:db8:1::9", "192.0.2.9"}},
	{name: "rule 3, deprecated IPv6",
		locals: []string{"2001:db8:1::2/64 deprecated", "192.0.2.2/24"}, remotes: []string{"2001:db8:9::1", "198.51.100.1"},
		want: []string{"198.51.100.1", "2001:db8:9::1"}},
	{name: "rule 3 of sources, one of two deprecated",
		locals: []string{"2001:db8:1::2/64 deprecated", "2001:db8:7::2/64"}, remotes: []string{"2001:db8:1::9", "2001:db8:7::9"},
		want: []string{"2001:db8:7::9", "2001:db8:1::9"}},
	{name: "rule 5, unique local to global",
		locals: []string{"fd00:1::2/64", "192.0.2.2/24"}, remotes: []string{"2001:db8:9::1", "198.51.100.1"},
		want: []string{"198.51.100.1", "2001:db8:9::1"}},
	{name: "rule 5, Teredo remote",
		locals: []string{"2001:db8:1::2/64", "192.0.2.2/24"}, remotes: []string{"2001::1", "198.51.100.1"},
		want: []string{"198.51.100.1", "2001::1"}},
	{name: "rules 5 and 6, 6to4",
		locals: []string{"2002:c000:202::2/64", "192.0.2.2/24"}, remotes: []string{"2001:db8:9::1", "2002:c633:6401::1", "198.51.100.1"},
		want: []string{"198.51.100.1", "2002:c633:6401::1", "2001:db8:9::1"}},
	{name: "rule 6, IPv6 before IPv4",
		locals: []string{"2001:db8:1::2/64", "192.0.2.2/24"}, remotes: []string{"198.51.100.1", "2001:db8:9::1"},
		want: []string{"2001:db8:9::1", "198.51.100.1"}},
	{name: "rule 6, private IPv4",
		locals: []string{"2001:db8:1::2/64", "10.1.2.4/24"}, remotes: []string{"10.1.2.3", "2001:db8:1::1"},
		want: []string{"2001:db8:1::1", "10.1.2.3"}},
	{name: "rule 6, NAT",
		locals: []string{"2001:db8:1::2/64", "10.1.2.4/24"}, remotes: []string{"198.51.100.1", "2001:db8:9::1"},
		want: []string{"2001:db8:9::1", "198.51.100.1"}},
	{name: "rule 6, unique local behind IPv4",
		locals: []string{"fd00:1::2/64", "192.0.2.2/24"}, remotes: []string{"fd00:2::1", "198.51.100.1"},
		want: []string{"198.51.100.1", "fd00:2::1"}},
	{name: "rule 6, unique local behind global",
		locals: []string{"fd00:1::2/64", "2001:db8:1::2/64"}, remotes: []string{"fd00:1::9", "2001:db8:9::1"},
		want: []string{"2001:db8:9::1", "fd00:1::9"}},
	{name: "rule 6, IPv4 first by the table of RFC 6724 §10.3", table: amended(ipv4First),
		locals: []string{"2001:db8:1::2/64", "192.0.2.2/24"}, remotes: []string{"2001:db8:9::1", "198.51.100.1"},
		want: []string{"198.51.100.1", "2001:db8:9::1"}},
	{name: "rule 6, unique local first by a table as in RFC 6724 §10.6",
		table:  amended([]PolicyRow{row("fd00:1::/48", 45, 14), row("fd00:2::/48", 45, 14)}),
		locals: []string{"fd00:1::2/64", "2001:db8:1::2/64"}, remotes: []string{"2001:db8:9::1", "fd00:2::9"},
		want: []string{"fd00:2::9", "2001:db8:9::1"}},
	{name: "rule 9, two prefixes",
		locals:  []string{"2001:db8:1::2/64", "2001:db8:3f44::2/64"},
		remotes: []string{"2a00::1", "2001:db8:3ffe::1", "2001:db8:1::1"},
		want:    []string{"2001:db8:1::1", "2001:db8:3ffe::1", "2a00::1"}},
	{name: "rule 9, IPv4 on the link",
		locals: []string{"192.0.2.2/24"}, remotes: []string{"198.51.100.1", "192.0.2.9"},
		want: []string{"192.0.2.9", "198.51.100.1"}},
	{name: "all kinds",
		locals:  []string{"fd00:1::2/64", "2001:db8:1::2/64", "2002:c000:202::2/64", "10.1.2.4/24", "192.0.2.2/24"},
		remotes: []string{"fd00:1::9", "2002:c633:6401::1", "10.1.2.3", "2a00::1", "2001::1", "2001:db8:1::9"},
		want:    []string{"2001:db8:1::9", "2a00::1", "10.1.2.3", "2002:c633:6401::1", "fd00:1::9", "2001::1"}},

	{name: "rule 9, IPv6 on one link",
		why:    "the C library counts the bits of interface identifiers too, against RFC 6724 §2.2",
		locals: []string{"2001:db8:1::2/64"}, remotes: []string{"2001:db8:1::1", "2001:db8:1::3"},
		want: []string{"2001:db8:1::1", "2001:db8:1::3"}, libc: []string{"2001:db8:1::3", "2001:db8:1::1"}},
	{name: "rule 9, IPv4 off the link",
		why:    "the C library gives IPv4 addresses a common prefix only on one link, so that rule 10 leaves these as given",
		locals: []string{"192.0.2.2/24"}, remotes: []string{"198.51.100.1", "192.0.3.1"},
		want: []string{"192.0.3.1", "198.51.100.1"}, libc: []string{"198.51.100.1", "192.0.3.1"}},
	{name: "rule 10",
		why:    "where no rule decides, the C library leaves what it was given; our result must not depend on that",
		locals: []string{"192.0.2.2/24"}, remotes: []string{"198.51.100.2", "198.51.100.1"},
		want: []string{"198.51.100.1", "198.51.100.2"}, libc: []string{"198.51.100.2", "198.51.100.1"}},
}

func TestSystemOrder(t *testing.T) {
	testkit.NeedRoot(t)
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			index := s.build(t)
			list := s.pairs(index)
			if diff := cmp.Diff(s.want, firsts(list)); diff != "" {
				t.Errorf("ours (-want +got):\n%s", diff)
			}
			if s.libc != nil {
				if diff := cmp.Diff(s.libc, resolve(t, s.remotes)[:len(s.libc)]); diff != "" {
					t.Errorf("getaddrinfo, otherwise known as: %s (-want +got):\n%s", s.why, diff)
				}
				return
			}
			// Given in either order: rule 10 has no part in what is compared.
			for range 2 {
				slices.Reverse(s.remotes)
				if diff := cmp.Diff(firsts(list), resolve(t, s.remotes)[:len(s.want)]); diff != "" {
					t.Errorf("getaddrinfo of %v (-ours +its):\n%s", s.remotes, diff)
				}
			}
			s.compareSources(t, list)
		})
	}
}

// compareSources asks the kernel which address it would send from. Of IPv4 it takes
// the first of the interface (RFC 6724 §5 is about IPv6), and where no source rule
// decides, the one that it likes.
func (s scene) compareSources(t *testing.T, list []Candidate) {
	t.Helper()
	for _, r := range s.want {
		at := slices.IndexFunc(list, func(c Candidate) bool { return c.Pair.Remote.Addr().String() == r })
		c := list[at]
		tied := slices.ContainsFunc(list, func(o Candidate) bool {
			return o.Pair != c.Pair && o.Pair.Remote == c.Pair.Remote && compareBy(sourceRules, c, o) == 0
		})
		if c.Pair.Remote.Addr().Is4() || tied {
			continue
		}
		if got := sourceFor(t, c.Pair.Remote); got != c.Pair.Local {
			t.Errorf("to %s the kernel sends from %v, we from %v", r, got, c.Pair.Local)
		}
	}
}

// pairs returns our pairs. All remotes are vouched for and equally liked.
func (s scene) pairs(index uint32) []Candidate {
	var locals []Local
	for _, text := range s.locals {
		text, deprecated := strings.CutSuffix(text, " deprecated")
		p := netip.MustParsePrefix(text)
		locals = append(locals, Local{Addr: p.Addr(), Bits: p.Bits(), Interface: index, Deprecated: deprecated})
	}
	var remotes []Remote
	for _, text := range s.remotes {
		r := remote(text, 0)
		r.Vouched = true
		remotes = append(remotes, r)
	}
	o := Order{Table: s.table}
	if s.onLinkOnly {
		o.Routable = func(l Local, r netip.Addr) bool { return l.onLink(r) > 0 }
	}
	return Pairs(locals, remotes, o)
}

// firsts returns the remotes in the order of their first pairs.
func firsts(list []Candidate) (remotes []string) {
	for _, c := range list {
		if r := c.Pair.Remote.Addr().String(); !slices.Contains(remotes, r) {
			remotes = append(remotes, r)
		}
	}
	return remotes
}

// build makes the scene for the calling goroutine only, in a network and a mount
// namespace that end with its thread: a veth whose other end nobody answers at, and
// an /etc that has nothing but what getaddrinfo reads. It returns the interface's index.
func (s scene) build(t *testing.T) uint32 {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread() // for ever
	must(unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS))
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	etc := t.TempDir()
	must(os.WriteFile(filepath.Join(etc, "gai.conf"), []byte(gaiConf(s.table)), 0o644))
	must(os.WriteFile(filepath.Join(etc, "nsswitch.conf"), []byte("hosts: files\n"), 0o644))
	must(os.WriteFile(filepath.Join(etc, "host.conf"), []byte("multi on\n"), 0o644))
	must(unix.Mount(etc, "/etc", "", unix.MS_BIND, ""))

	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	must(err)
	defer h.Close()
	must(h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "up0"}, PeerName: "far0"}))
	link, err := h.LinkByName("up0")
	must(err)
	far, err := h.LinkByName("far0")
	must(err)
	must(h.LinkSetUp(far))
	must(h.LinkSetUp(link))
	for _, text := range s.locals {
		text, deprecated := strings.CutSuffix(text, " deprecated")
		a, err := netlink.ParseAddr(text)
		must(err)
		a.Flags = unix.IFA_F_NODAD
		if deprecated {
			a.ValidLft, a.PreferedLft = 3600, 0 // seconds
		}
		must(h.AddrAdd(link, a))
		if to, family := "::/0", a.IP.To4(); !s.onLinkOnly {
			if family != nil {
				to = "0.0.0.0/0"
			}
			dst, err := netlink.ParseIPNet(to)
			must(err)
			must(h.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Scope: unix.RT_SCOPE_LINK}))
		}
	}
	return uint32(link.Attrs().Index)
}

// gaiConf writes a policy table for the C library, whose own is older than RFC 6724.
func gaiConf(table []PolicyRow) string {
	if len(table) == 0 {
		table = DefaultTable()
	}
	var b strings.Builder
	for _, r := range table {
		p := mapped(r.Prefix)
		fmt.Fprintf(&b, "label %v %d\nprecedence %v %d\n", p, r.Label, p, r.Precedence)
	}
	return b.String()
}

// resolve returns the addresses of a name that has remotes, as getaddrinfo orders
// them.
func resolve(t *testing.T, remotes []string) (order []string) {
	t.Helper()
	var hosts strings.Builder
	for _, r := range remotes {
		fmt.Fprintf(&hosts, "%s peer.example\n", r)
	}
	if err := os.WriteFile("/etc/hosts", []byte(hosts.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("getent", "ahosts", "peer.example").Output()
	if err != nil {
		t.Fatalf("getent, which comes with the C library: %v, %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "STREAM" {
			order = append(order, f[0])
		}
	}
	if len(order) != len(remotes) {
		t.Fatalf("getent has %v of %v", order, remotes)
	}
	return order
}

// sourceFor returns the address that the kernel would send from to an IPv6 address.
func sourceFor(t *testing.T, to netip.AddrPort) netip.Addr {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}); err != nil {
		t.Fatalf("connect to %v: %v", to, err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrFrom16(own.(*unix.SockaddrInet6).Addr)
}
