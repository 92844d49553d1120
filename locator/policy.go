package locator

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// A Policy is the local policy of draft §3.1: which interfaces lend their
// addresses, and how much each is liked. Patterns match interface names, in
// the syntax of path.Match. The zero Policy allows everything but loopback and
// tunnels; see DefaultPolicy. The slices are only read.
type Policy struct {
	// Allow names the interfaces that are allowed; empty means all. A name without
	// wildcard also allows the interface if it is a tunnel.
	Allow []string
	// Deny names interfaces whose addresses are no locators, whatever Allow says.
	Deny []string
	// Tunnels are the names that tunnels and the like go under. Interfaces so called
	// are denied, as are those whose Fact says that they are tunnels, unless Allow
	// has their very name: a tunnel as a locator could lead back into itself, so
	// a wildcard is not enough.
	Tunnels []string
	// Rules say what locators are worth; the first that matches counts.
	Rules []Rule
}

// loopback is the interface that reaches nobody; no policy can allow it.
const loopback = "lo"

// DefaultPreference is the preference of locators that no rule matches.
const DefaultPreference = 100

// A Rule says what the locators are worth that are on an interface which matches
// Interface, and within Prefix.
type Rule struct {
	// Interface is a pattern; empty: any.
	Interface string
	// Prefix may be zero: any.
	Prefix netip.Prefix
	// Preference is better when higher; see DefaultPreference.
	Preference uint8
	// Metered says that they cost by the byte.
	Metered bool
}

// DefaultDeny returns the names under which loopback, tunnels and bridges of
// containers go, for Policy.Tunnels.
func DefaultDeny() []string {
	return []string{
		loopback, "tun*", "wg*", "zt*", "tailscale*", "docker*", "br-*", "virbr*", "shim*",
		"multi6*", "vti*", "gre*", "sit*", "ip6tnl*", "ipsec*",
	}
}

// DefaultPolicy returns a policy that denies DefaultDeny.
func DefaultPolicy() Policy { return Policy{Tunnels: DefaultDeny()} }

// Validate reports the first pattern with a syntax error. Such a pattern
// matches nothing.
func (p Policy) Validate() error {
	patterns := slices.Concat(p.Allow, p.Deny, p.Tunnels)
	for _, r := range p.Rules {
		patterns = append(patterns, r.Interface)
	}
	for _, pat := range patterns {
		if _, err := path.Match(pat, ""); err != nil {
			return fmt.Errorf("locator: interface pattern %q: %w", pat, err)
		}
	}
	return nil
}

// Denied reports whether addresses of the interface called name are refused for its
// name. They may still be for its kind; see Fact.Tunnel.
func (p Policy) Denied(name string) bool {
	switch {
	case name == loopback, matchAny(p.Deny, name):
		return true
	case p.names(name):
		return false
	}
	return matchAny(p.Tunnels, name) || len(p.Allow) > 0 && !matchAny(p.Allow, name)
}

// names reports whether Allow has name itself, not just a pattern that matches it.
// Nobody names a tunnel by accident. That a name with wildcards is equal to itself
// does not count.
func (p Policy) names(name string) bool {
	return !strings.ContainsAny(name, `*?[\`) && slices.Contains(p.Allow, name)
}

// Rule returns the rule that f's address falls under: the first that matches, or
// one that has DefaultPreference.
func (p Policy) Rule(f Fact) Rule {
	for _, r := range p.Rules {
		if r.matches(f) {
			return r
		}
	}
	return Rule{Preference: DefaultPreference}
}

func (r Rule) matches(f Fact) bool {
	return (r.Interface == "" || match(r.Interface, f.Name)) && (!r.Prefix.IsValid() || r.Prefix.Contains(f.Addr))
}

func matchAny(patterns []string, name string) bool {
	for _, pat := range patterns {
		if match(pat, name) {
			return true
		}
	}
	return false
}

func match(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
