package lab

import (
	"fmt"
	"strings"
)

// A Fault is a way to break an uplink of A.
type Fault uint8

const (
	// Blackhole silently drops all but neighbour discovery, both ways.
	Blackhole Fault = iota + 1
	// BlackholeAtoB drops what A sends.
	BlackholeAtoB
	// BlackholeBtoA drops what A would receive.
	BlackholeBtoA
	// LinkDown sets A's interface administratively down; the router's end loses its
	// carrier.
	LinkDown
	// AddressRemoved takes A's addresses of the uplink away, in both families.
	AddressRemoved
	// AllDead is Blackhole on every uplink.
	AllDead
	// CarrierLost pulls the cable: both ends lose their carrier, nothing passes.
	CarrierLost
	faults
)

var faultNames = [faults]string{
	Blackhole:      "blackhole",
	BlackholeAtoB:  "blackhole-out",
	BlackholeBtoA:  "blackhole-in",
	LinkDown:       "link-down",
	AddressRemoved: "address-removed",
	AllDead:        "all-dead",
	CarrierLost:    "carrier-lost",
}

// String returns the fault's name as ParseFault takes it.
func (f Fault) String() string {
	if f == 0 || f >= faults {
		return fmt.Sprintf("fault %d", uint8(f))
	}
	return faultNames[f]
}

// ParseFault returns the fault of that name.
func ParseFault(name string) (Fault, error) {
	for _, f := range Faults() {
		if f.String() == name {
			return f, nil
		}
	}
	return 0, fmt.Errorf("unknown fault %q; one of %s", name, strings.Join(faultNames[Blackhole:], ", "))
}

// Faults returns all faults, in a slice of the caller's.
func Faults() []Fault {
	all := make([]Fault, 0, faults-Blackhole)
	for f := Blackhole; f < faults; f++ {
		all = append(all, f)
	}
	return all
}
