package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/locator"
)

func newAddrCmd() *cobra.Command {
	return showsStatus(&cobra.Command{
		Use:   "addr [NAME|CONFIG] [PEER...]",
		Short: "Show the addresses of this host and of its peers",
		Long: `Show the addresses that packets may travel on: first those of this host, and why
one is not used, then those that are known of each peer.

  STATE       operational: in use for pairs; available: not now, and why;
              none: never, and why
  PREF        the preference given in the configuration, 100 unless it says otherwise
  FLAGS       metered, deprecated, optimistic, temporary, drained
  SEEN AS     how peers see the address, which is behind a NAT
  SOURCE      announced by the peer, configured here, or heard: a packet came from it
  STANDS FOR  the peer's own address, which a NAT shows as this one

Arguments are as for 'multi6 status'.`,
		Example: `  multi6 addr
  multi6 addr shim0 b
  multi6 addr --json | jq -r '.locators[] | select(.state == "operational").address'`,
	}, func(s node.Status) view { return view{addrText(s), addrOf(s), exitOK} })
}

// An addrReport is what addr prints as JSON: a part of a node.Status, under the
// version of the whole.
type addrReport struct {
	Version   int                  `json:"version"`
	Interface string               `json:"interface"`
	Locators  []node.LocatorStatus `json:"locators"`
	Peers     []peerAddr           `json:"peers"`
}

type peerAddr struct {
	Name    string              `json:"name"`
	NAT     []node.NATStatus    `json:"nat,omitempty"`
	Remotes []node.RemoteStatus `json:"remotes"`
}

func addrOf(s node.Status) addrReport {
	r := addrReport{s.Version, s.Interface, s.Locators, []peerAddr{}}
	for _, p := range s.Peers {
		r.Peers = append(r.Peers, peerAddr{p.Name, p.NAT, p.Remotes})
	}
	return r
}

// addrText renders the addresses of both ends for people.
func addrText(s node.Status) string {
	parts := []string{ownText(s)}
	for _, p := range s.Peers {
		rows := [][]string{{"ADDRESS", "SOURCE", "PREF", "FLAGS", "STANDS FOR"}}
		for _, r := range p.Remotes {
			rows = append(rows, []string{
				portText(r.Address), r.Source, fmt.Sprint(r.Preference),
				orDash(flagsText(trait{"metered", r.Metered}, trait{"deprecated", r.Deprecated})), orDash(portText(r.StandsFor)),
			})
		}
		if len(p.Remotes) == 0 {
			rows = [][]string{{"none known: it has to call first"}}
		}
		parts = append(parts, section("peer "+p.Name, rows))
	}
	return strings.Join(parts, "\n")
}

// ownText lists the addresses of this host, without those that nobody expects to be
// used.
func ownText(s node.Status) string {
	rows := [][]string{{"ADDRESS", "IFACE", "STATE", "PREF", "FLAGS", "SEEN AS"}}
	for _, l := range s.Locators {
		if l.Interface == s.Interface || l.Why == whyLoopback {
			continue
		}
		address := l.Address
		if l.Bits > 0 {
			address += fmt.Sprintf("/%d", l.Bits)
		}
		rows = append(rows, []string{
			address, l.Interface, locatorState(l), fmt.Sprint(l.Preference),
			orDash(locatorFlags(l)), orDash(seenAs(s.Peers, l.Address)),
		})
	}
	if len(rows) == 1 {
		rows = [][]string{{"none"}}
	}
	return section("this host", rows)
}

// seenAs says as what peers see a local address, "" if as it is. Who sees it how is
// told only if they differ.
func seenAs(ps []node.PeerStatus, local string) string {
	var seen, by []string
	for _, p := range ps {
		for _, n := range p.NAT {
			if n.Local == local {
				seen = append(seen, portText(n.SeenAs))
				by = append(by, portText(n.SeenAs)+" ("+p.Name+")")
			}
		}
	}
	if len(slices.Compact(slices.Clone(seen))) <= 1 {
		return strings.Join(seen[:min(1, len(seen))], "")
	}
	return strings.Join(by, ", ")
}

// portText writes a remote locator as package locator does, without the default
// port.
func portText(s string) string {
	if a, err := netip.ParseAddrPort(s); err == nil && a.Port() == locator.DefaultPort {
		return a.Addr().String()
	}
	return s
}

// A trait is a word that counts if set.
type trait struct {
	word string
	set  bool
}

// flagsText lists the traits that are set.
func flagsText(ts ...trait) string {
	var words []string
	for _, f := range ts {
		if f.set {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, ", ")
}

func locatorFlags(l node.LocatorStatus) string {
	return flagsText(trait{"metered", l.Metered}, trait{"deprecated", l.Deprecated}, trait{"optimistic", l.Optimistic},
		trait{"temporary", l.Temporary}, trait{"drained", l.Drained})
}
