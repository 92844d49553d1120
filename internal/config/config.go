package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/wire"
)

// Dir is where Path looks for a configuration given by name.
const Dir = "/etc/multi6"

// socketDir holds the control sockets unless the file says otherwise.
const socketDir = "/run/multi6"

// extension ends the name of a configuration file.
const extension = ".toml"

// byteOrderMark is what some editors put in front; TOML ignores it.
var byteOrderMark = []byte("\ufeff")

// sizeLimit bounds a configuration file, in bytes: room for some 20,000 peers.
const sizeLimit = 4 << 20

// tunnels are the interfaces that are never locators: packets sent through them
// would travel in another tunnel, or in circles.
var tunnels = locator.DefaultDeny()

// A Config is a valid configuration. Its slices belong to the holder of the
// Config and are not changed after Load.
type Config struct {
	// Interface is the name of the TUN.
	Interface string
	// PrivateKey is this node's identity.
	PrivateKey shim.PrivateKey
	// Port is the local UDP port.
	Port uint16
	// ControlSocket is an absolute path.
	ControlSocket string
	// Profile chooses the timers of failure detection.
	Profile Profile
	// Margin, ReportDelay and Tries replace the profile's timers; zero: they do not.
	Margin, ReportDelay time.Duration
	Tries               int
	// Ciphers are those that may be used; zero: what this CPU is quick at.
	Ciphers wire.Ciphers
	// Addresses are this node's inner addresses besides the identifier, each
	// with the prefix length that it gets on the TUN.
	Addresses []netip.Prefix
	// MTU is the inner MTU of the TUN in bytes.
	MTU int
	// Allow and Deny are patterns for Policy, as written. No Allow means all.
	Allow, Deny []string
	// Rules are for Policy, in the order of the file.
	Rules []locator.Rule
	// PolicyTable replaces the one of RFC 6724; empty: it does not. IPv4 is as
	// written: as such, or mapped.
	PolicyTable []locator.PolicyRow
	// Failback is for how long a better-preferred pair must have worked before
	// traffic moves back to it; zero: never.
	Failback time.Duration
	// ProbeBudget is how many bytes a day tests, keepalives and the like may take
	// over metered locators; zero: none beyond need.
	ProbeBudget int64
	// Peers are in the order of the file. Names and public keys are unique.
	Peers []Peer
}

// A Peer is another node.
type Peer struct {
	// Name is for people and commands.
	Name string
	// PublicKey is the peer's identity.
	PublicKey shim.PublicKey
	// PresharedKey is zero if there is none.
	PresharedKey shim.PresharedKey
	// Locators and Names are where to open to the peer, each in the order of the
	// file. Without any the peer calls us.
	Locators []netip.AddrPort
	Names    []Name
	// Routes are inner prefixes behind the peer besides its identifier, without
	// host bits.
	Routes []netip.Prefix
	// Keepalive is the interval of keepalives, KeepaliveAuto or KeepaliveOff.
	Keepalive time.Duration
}

// Identifier returns this node's own identifier.
func (c *Config) Identifier() netip.Addr { return c.PrivateKey.Public().Identifier() }

// Policy returns what interfaces lend their addresses, and what these are worth:
// Allow matches and Deny does not, it is not the TUN itself, and it is no tunnel that
// Allow does not name.
func (c *Config) Policy() locator.Policy {
	return locator.Policy{
		Allow: c.Allow, Deny: slices.Concat(c.Deny, []string{c.Interface}), Tunnels: tunnels, Rules: c.Rules,
	}
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// Path returns the file that a person means by arg: NAME is Dir/NAME.toml, what
// has a slash, starts with a dot or ends in .toml is a file.
func Path(arg string) string {
	if strings.Contains(arg, "/") || strings.HasPrefix(arg, ".") || strings.HasSuffix(arg, extension) {
		return arg
	}
	return filepath.Join(Dir, arg+extension)
}

// Load reads and validates a configuration file and the key files that it
// names. An error is of type Problems.
func Load(file string) (*Config, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, Problems{{File: file, Text: err.Error()}}
	}
	return parse(file, data, readSecret)
}

// parse validates data, the contents of file. Secrets are read by read.
func parse(file string, data []byte, read secretReader) (*Config, error) {
	r := &reporter{file: file}
	root, trouble, at := parseTree(bytes.TrimPrefix(data, byteOrderMark))
	if root == nil {
		r.report(at, "not valid TOML: %s", trouble)
		return nil, r.err()
	}
	v := validator{reporter: r, dir: filepath.Dir(file), read: read}
	c := v.config(r.decode(root))
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, plainError(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, sizeLimit+1))
	if err != nil {
		return nil, plainError(err)
	}
	if len(data) > sizeLimit {
		return nil, fmt.Errorf("larger than %d MiB", sizeLimit>>20)
	}
	return data, nil
}

// plainError strips the path from err, since every Problem carries it.
func plainError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
