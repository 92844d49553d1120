package throughput

import "fmt"

// A System is a way from A to B.
type System int

// The systems, in the order of the report.
const (
	Direct    System = iota + 1 // the addresses of the link itself
	WireGuard                   // wireguard-go
	AES                         // multi6 with AES-256-GCM
	ChaCha                      // multi6 with ChaCha20-Poly1305
	systems   = iota
)

// systemNames are how systems are written in flags and JSON, and in reports.
var systemNames = [systems + 1]struct{ name, title string }{
	Direct:    {"direct", "direct"},
	WireGuard: {"wireguard-go", "wireguard-go"},
	AES:       {"multi6-aes", "multi6, AES-256-GCM"},
	ChaCha:    {"multi6-chacha", "multi6, ChaCha20-Poly1305"},
}

// Systems returns all of them.
func Systems() []System { return []System{Direct, WireGuard, AES, ChaCha} }

// String returns the name.
func (s System) String() string { return systemNames[s].name }

// Title returns the name for people.
func (s System) Title() string { return systemNames[s].title }

// MarshalText implements encoding.TextMarshaler.
func (s System) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *System) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSystem(string(b))
	return err
}

// ParseSystem is the inverse of String.
func ParseSystem(name string) (System, error) {
	for _, s := range Systems() {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown system %q; one of direct, wireguard-go, multi6-aes, multi6-chacha", name)
}

// Offloads says whether the link has them.
type Offloads bool

// The two kinds of links.
const (
	On  Offloads = true
	Off Offloads = false
)

// String returns "on" or "off".
func (o Offloads) String() string {
	if o {
		return "on"
	}
	return "off"
}

// MarshalText implements encoding.TextMarshaler.
func (o Offloads) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Offloads) UnmarshalText(b []byte) (err error) {
	*o, err = ParseOffloads(string(b))
	return err
}

// ParseOffloads is the inverse of String.
func ParseOffloads(name string) (Offloads, error) {
	switch name {
	case "on":
		return On, nil
	case "off":
		return Off, nil
	}
	return Off, fmt.Errorf("unknown offloads %q; on or off", name)
}
