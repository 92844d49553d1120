package locator

import (
	"fmt"
	"path"
)

// A Policy is the local policy of draft §3.1: which interfaces lend their
// addresses, and how much each is liked. Patterns match interface names, in
// the syntax of path.Match. The zero Policy allows everything; see
// DefaultPolicy. The slices are only read.
type Policy struct {
	// Allow names the interfaces that are allowed; empty means all.
	Allow []string
	// Deny names interfaces whose addresses are no locators, whatever Allow says.
	Deny []string
	// Preferences gives preferences to interfaces; the first match counts.
	Preferences []Preference
}

// A Preference sets the preference of the interfaces that match Pattern.
type Preference struct {
	Pattern string
	// Value is better when higher. Interfaces without one have zero.
	Value uint8
}

// DefaultDeny returns the names under which loopback, tunnels and bridges of
// containers go. A tunnel as a locator could lead back into itself.
func DefaultDeny() []string {
	return []string{
		"lo", "tun*", "wg*", "zt*", "tailscale*", "docker*", "br-*", "virbr*", "shim*",
		"multi6*", "vti*", "gre*", "sit*", "ip6tnl*", "ipsec*",
	}
}

// DefaultPolicy returns a policy that denies DefaultDeny.
func DefaultPolicy() Policy { return Policy{Deny: DefaultDeny()} }

// Validate reports the first pattern with a syntax error. Such a pattern
// matches nothing.
func (p Policy) Validate() error {
	patterns := append(append([]string(nil), p.Allow...), p.Deny...)
	for _, pr := range p.Preferences {
		patterns = append(patterns, pr.Pattern)
	}
	for _, pat := range patterns {
		if _, err := path.Match(pat, ""); err != nil {
			return fmt.Errorf("locator: interface pattern %q: %w", pat, err)
		}
	}
	return nil
}

// Denied reports whether addresses of the interface called name are refused.
func (p Policy) Denied(name string) bool {
	return matchAny(p.Deny, name) || len(p.Allow) > 0 && !matchAny(p.Allow, name)
}

// Preference returns the preference of the interface called name.
func (p Policy) Preference(name string) uint8 {
	for _, pr := range p.Preferences {
		if match(pr.Pattern, name) {
			return pr.Value
		}
	}
	return 0
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
