package locator

import (
	"fmt"
	"net/netip"
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
	// Rules say what locators are worth; the first that matches counts.
	Rules []Rule
}

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

// Denied reports whether addresses of the interface called name are refused.
func (p Policy) Denied(name string) bool {
	return matchAny(p.Deny, name) || len(p.Allow) > 0 && !matchAny(p.Allow, name)
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
