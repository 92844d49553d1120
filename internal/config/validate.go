package config

import (
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

// Our own choices.
const (
	// AutoMTU has room for what jumbo frames of 9000 bytes carry (over IPv6 locators, see
	// wire.Overhead). How long packets really are, the routes to the peers say: they
	// follow the path MTU.
	AutoMTU = 9000 - wire.Overhead
	// autoMTU is how the configuration calls it.
	autoMTU = "auto"
	// MinMTU is what IPv6 asks of every link (RFC 8200 §5).
	MinMTU = 1280
	// MaxMTU is the largest length that an IPv4 header can tell.
	MaxMTU = 65535

	// maxPeerName keeps tables narrow, in characters.
	maxPeerName = 32
)

// Limits of Linux.
const (
	maxInterfaceName = 15  // IFNAMSIZ less the final zero byte
	maxSocketPath    = 107 // sun_path less the final zero byte (unix(7))
)

// A validator turns a rawFile into a Config. It reports what is wrong and goes
// on with the zero value in its place.
type validator struct {
	*reporter
	dir  string // of the file: where relative names of key files start
	read secretReader

	names  map[string]pos            // of peers
	keys   map[shim.PublicKey]string // to titles of peers
	owners map[netip.Prefix]string   // of inner prefixes, by title
}

func (v *validator) config(f rawFile) *Config {
	c := &Config{
		Port:    v.port(f.port),
		Profile: v.profile(f.profile),
		MTU:     v.mtu(f.mtu),
		Tries:   v.tries(f.tries),
		Ciphers: v.ciphers(f.ciphers),
	}
	c.Margin, c.ReportDelay = v.timer(f.margin, "margin"), v.timer(f.reportDelay, "report_delay")
	c.Interface = v.interfaceName(f.iface)
	c.ControlSocket = v.controlSocket(f.controlSocket, c.Interface)
	c.Deny = v.patterns(f.deny, "deny")
	c.Allow = v.allow(f.allow, c.Deny)
	c.Rules = v.rules(f.rules, c.Allow, c.Deny)
	c.PolicyTable = v.policyTable(f.policyTable)
	c.Failback = v.failback(f.failback)
	c.ProbeBudget = v.probeBudget(f.probeBudget)
	c.PrivateKey = v.privateKey(f.privateKeyFile)

	v.names = make(map[string]pos)
	v.keys = make(map[shim.PublicKey]string)
	for _, p := range f.peers {
		c.Peers = append(c.Peers, v.identity(p, c.PrivateKey))
	}
	v.addressing(c, f)
	return c
}

func (v *validator) port(n number) uint16 {
	if !n.ok {
		return locator.DefaultPort
	}
	if n.n < 1 || n.n > 65535 {
		v.report(n.at, "port %d is out of range; write 1 to 65535, or leave it out for %d", n.n, locator.DefaultPort)
		return 0
	}
	return uint16(n.n)
}

func (v *validator) mtu(n size) int {
	switch {
	case !n.ok || n.isText && n.s == autoMTU:
		return AutoMTU
	case n.isText:
		v.report(n.at, "mtu %s is neither a number nor %q; write %d to %d, or leave it out", quote(n.s), autoMTU, MinMTU, MaxMTU)
	case n.n < MinMTU || n.n > MaxMTU:
		v.report(n.at, "mtu %d is out of range; write %d to %d, or leave it out for %q", n.n, MinMTU, MaxMTU, autoMTU)
	default:
		return int(n.n)
	}
	return 0
}

func (v *validator) profile(t text) Profile {
	if !t.ok {
		return Balanced
	}
	if slices.Contains(profiles, t.s) {
		return Profile(t.s)
	}
	if best := suggest(t.s, profiles); best != "" {
		v.report(t.at, "unknown profile %s; did you mean %q?", quote(t.s), best)
	} else {
		v.report(t.at, "unknown profile %s; write one of %s", quote(t.s), strings.Join(profiles, ", "))
	}
	return ""
}

// interfaceName checks the TUN's name, or makes one of the file's.
func (v *validator) interfaceName(t text) string {
	switch {
	case t.ok:
		if trouble := interfaceNameTrouble(t.s); trouble != "" {
			v.report(t.at, "interface %s %s; write a name such as interface = \"shim0\"", quote(t.s), trouble)
			return ""
		}
		return t.s
	case t.seen:
		return ""
	}
	name := strings.TrimSuffix(filepath.Base(v.file), extension)
	if trouble := interfaceNameTrouble(name); trouble != "" {
		v.report(start, "the file's name would make interface %s, which %s; add a line such as interface = \"shim0\"", quote(name), trouble)
		return ""
	}
	return name
}

// interfaceNameTrouble says what Linux (dev_valid_name), a shell or a person
// would have against a name, or "".
func interfaceNameTrouble(name string) string {
	const chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxInterfaceName:
		return "is longer than 15 bytes"
	case strings.ContainsFunc(name, func(c rune) bool { return !strings.ContainsRune(chars, c) }):
		return "has characters other than letters, digits, dot, underscore and hyphen"
	case name[0] == '-' || name == "." || name == "..":
		return "would be mistaken for something else"
	case name == "lo" || name == "all" || name == "default":
		return "is a name that Linux keeps for itself"
	}
	return ""
}

func (v *validator) controlSocket(t text, iface string) string {
	if !t.seen {
		return filepath.Join(socketDir, iface+".sock")
	}
	switch {
	case !t.ok:
		return ""
	case !filepath.IsAbs(t.s):
		v.report(t.at, "control_socket %s is not an absolute path; write control_socket = \"/run/multi6/shim0.sock\"", quote(t.s))
	case strings.ContainsRune(t.s, 0):
		v.report(t.at, "control_socket holds a zero byte; leave it out")
	case len(t.s) > maxSocketPath:
		v.report(t.at, "control_socket is %d bytes long; Linux allows %d", len(t.s), maxSocketPath)
	}
	return filepath.Clean(t.s)
}

// patterns checks that path.Match will take every element.
func (v *validator) patterns(l list, key string) []string {
	var all []string
	for _, t := range l.all {
		if v.pattern(t, key) {
			all = append(all, t.s)
		}
	}
	return all
}

// pattern checks that path.Match will take t.
func (v *validator) pattern(t text, key string) bool {
	if _, err := path.Match(t.s, ""); err != nil || t.s == "" {
		v.report(t.at, "%s pattern %s is malformed; write a name such as \"eth0\", or a pattern with *, ? or [a-z]", key, quote(t.s))
		return false
	}
	return true
}

// allow checks the patterns, and that no plain name among them is refused
// anyway.
func (v *validator) allow(l list, deny []string) []string {
	if l.empty {
		v.report(l.at, "allow is empty, so that no interface could be used; leave it out to allow all")
	}
	for _, t := range l.all {
		if t.s == "lo" || matchesAny(tunnels, t.s) && !plainName(t.s) {
			v.report(t.at, "allow has %s, but tunnels (%s) are used only if the name is written in full, and lo never", quote(t.s), strings.Join(tunnels, ", "))
		} else if matchesAny(deny, t.s) {
			v.report(t.at, "allow names %s, which deny refuses; take it out of one of them", quote(t.s))
		}
	}
	return v.patterns(l, "allow")
}

// identity validates who a peer is.
func (v *validator) identity(p rawPeer, own shim.PrivateKey) Peer {
	key := v.publicKey(p, own)
	peer := Peer{
		Name:         v.peerName(p, key),
		PublicKey:    key,
		PresharedKey: v.presharedKey(p.presharedKeyFile, own),
		Keepalive:    v.keepalive(p.keepalive),
	}
	if key == (shim.PublicKey{}) {
		return peer
	}
	if other, dup := v.keys[key]; dup {
		v.report(p.publicKey.at, "public_key is that of %s too; a peer is written once", other)
		return peer
	}
	v.keys[key] = title(p, peer)
	return peer
}

// title returns what to call a peer in messages.
func title(p rawPeer, peer Peer) string {
	if peer.Name == "" {
		return fmt.Sprintf("the peer at line %d", p.at.line)
	}
	return "peer " + quote(peer.Name)
}

// peerName checks a peer's name, or makes one of its key.
func (v *validator) peerName(p rawPeer, key shim.PublicKey) string {
	name, at := p.name.s, p.name.at
	switch {
	case !p.name.seen && key != shim.PublicKey{}:
		name, at = key.Short(), p.at
	case !p.name.ok:
		return ""
	default:
		if trouble := peerNameTrouble(name); trouble != "" {
			v.report(at, "peer name %s %s; write a short word such as name = \"b\"", quote(name), trouble)
			return name
		}
	}
	if first, dup := v.names[name]; dup {
		v.report(at, "peer name %s is taken at line %d; names must differ", quote(name), first.line)
		return name
	}
	v.names[name] = at
	return name
}

func peerNameTrouble(name string) string {
	odd := func(c rune) bool { return !unicode.IsGraphic(c) || unicode.IsSpace(c) }
	switch {
	case name == "":
		return "is empty"
	case strings.ContainsFunc(name, odd):
		return "has white space or control characters"
	case name[0] == '-':
		return "starts with a hyphen, as options do"
	case utf8.RuneCountInString(name) > maxPeerName:
		return "is longer than 32 characters"
	}
	return ""
}
