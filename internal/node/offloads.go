package node

import (
	"maps"
	"slices"
	"strings"
)

// Offloads are what the kernel or a network card can do for a whole run of packets, so
// that nobody has to do it packet by packet.
type Offloads struct {
	// Of is what has them: "tun" or "udp".
	Of string `json:"of"`
	// Used names those in use, Missing those that the kernel or a device lacks.
	Used    []string `json:"used,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

// consequences says what it means that an offload is missing. All works without.
var consequences = map[string]string{
	"checksum": "each packet's checksum is completed here, which costs processor time",
	"tso4":     "TCP over IPv4 is handed to applications packet by packet, which costs throughput",
	"tso6":     "TCP over IPv6 is handed to applications packet by packet, which costs throughput",
	"uso":      "UDP is handed over packet by packet, which costs throughput of QUIC and the like",
	"gso":      "each datagram is sent by itself, which costs throughput",
	"gro":      "each datagram is received by itself, which costs throughput",
}

// tellOffloads logs which offloads are missing, each of them once.
func (l *looper) tellOffloads() {
	for _, o := range l.offloads() {
		for _, name := range o.Missing {
			key := o.Of + " " + name
			if l.lacking[key] {
				continue
			}
			l.lacking[key] = true
			kind, _, _ := strings.Cut(name, " ")
			l.log.Warn("offload missing", "offload", key, "means", consequences[kind])
		}
	}
}

// offloads returns those of the edges.
func (n *Node) offloads() (all []Offloads) {
	for _, of := range slices.Sorted(maps.Keys(n.edges.Offloads)) {
		used, missing := n.edges.Offloads[of].Offloads()
		all = append(all, Offloads{Of: of, Used: used, Missing: missing})
	}
	return all
}
