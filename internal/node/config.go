package node

import (
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/resolve"
	"github.com/multi6/multi6/internal/underlay"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

// Config is what a node is to do.
type Config struct {
	// Name is that of the interface, for people.
	Name     string
	Identity shim.Identity
	// Port is the UDP port, told to peers.
	Port uint16
	// MTU is the longest inner packet.
	MTU int
	// Profile names Timers, for people.
	Profile string
	Timers  detect.Timers
	Ciphers wire.Ciphers
	Policy  locator.Policy
	// Order says which pairs are legal, and in what order to try them. Routable
	// is Edges'.
	Order locator.Order
	// ProbeBudget is how many bytes a day tests, Reports and keepalives may take over
	// metered locators, beyond what it takes to find a pair that works.
	ProbeBudget int64
	// Addresses are this node's inner addresses besides its identifier.
	Addresses []netip.Prefix
	Peers     []Peer
}

// A Peer is another node.
type Peer struct {
	Name         string
	Key          shim.PublicKey
	PresharedKey shim.PresharedKey
	Locators     []netip.AddrPort
	// Names are DNS names whose addresses are locators, too.
	Names []Name
	// Keepalive is shim.KeepaliveAuto, shim.KeepaliveOff or an interval.
	Keepalive time.Duration
	// Routes are the inner prefixes behind the peer besides its identifier.
	Routes []netip.Prefix
}

// A Name is a DNS name and the UDP port at its addresses.
type Name struct {
	Host string
	Port uint16
}

// A Resolver resolves names. Want and Refresh return at once; what they lead to comes
// over Answers.
type Resolver interface {
	// Want asks for the addresses of a name that is in use, unless they are fresh.
	Want(host string)
	// Refresh asks for them even so, since they seem to be of no use.
	Refresh(host string)
	// Answers yields what has changed.
	Answers() <-chan resolve.Answer
}

// A Sender sends datagrams; see underlay.Conn.Send.
type Sender interface {
	Send(msgs []underlay.Message) (int, error)
}

// A Receiver receives datagrams, for one goroutine; see
// underlay.Receiver.Receive.
type Receiver interface {
	Receive() ([]underlay.Message, error)
}

// An ErrorReceiver receives ICMP errors, for one goroutine; see
// underlay.ErrorReader.Receive.
type ErrorReceiver interface {
	Receive(errs []underlay.ICMPError) (int, error)
}

// An Offloader names the offloads that it uses, and those that the kernel or a device
// lacks; see tun.Kernel.Offloads and underlay.Conn.Offloads.
type Offloader interface {
	Offloads() (used, missing []string)
}

// Edges join a node to the world. Run closes Device and Underlay.
type Edges struct {
	Device    tun.Device
	Sender    Sender
	Receivers []Receiver
	// Errors yields ICMP errors. Nil: there are none.
	Errors   ErrorReceiver
	Underlay io.Closer
	// Together has one thread carry the packets of the Device and of all Receivers, which
	// then are a tun.Kernel and underlay.Receivers. Otherwise each has its own.
	Together bool
	// Facts yields snapshots of the host's addresses.
	Facts <-chan []locator.Fact
	// Names resolves the peers' names. Nil: there are none.
	Names Resolver
	// RouteNews rings when what Routable says may have changed. It may be nil.
	RouteNews <-chan struct{}
	// Routable reports whether there is a route from a local locator to a remote
	// one. Nil: always.
	Routable func(l locator.Local, remote netip.Addr) bool
	// RouteMTU sets how long packets to some inner prefixes may be, in bytes. Nil: that
	// cannot be said.
	RouteMTU func(to []netip.Prefix, mtu int) error
	// Offloads tell which offloads are in use, of the device ("tun") and of Sender and
	// Receivers ("udp"). Nil: nothing is known of any.
	Offloads map[string]Offloader
	// OffloadNews rings when what Offloads tell may have changed. It may be nil.
	OffloadNews <-chan struct{}
	// Random yields unpredictable bytes and never fails.
	Random io.Reader
	// Log may be nil.
	Log *slog.Logger
}
