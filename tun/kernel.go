package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/fdwait"
)

// cloneDevice is what TUN devices are made from (Documentation/networking/tuntap.rst).
const cloneDevice = "/dev/net/tun"

// Config says what a Kernel device is to look like.
type Config struct {
	// Name is the interface's, at most 15 bytes.
	Name string
	// MTU is that of inner packets, in bytes.
	MTU int
	// Addresses are this node's inner addresses.
	Addresses []netip.Prefix
	// Routes are the inner addresses of peers.
	Routes []netip.Prefix
	// Sources are the addresses that packets to some of Routes come from where applications
	// do not choose; for the others the kernel does.
	Sources map[netip.Prefix]netip.Addr
	// RouteMTU is how long packets over Routes may be at first, in bytes; zero: MTU.
	RouteMTU int
}

// Kernel is a TUN device of the network namespace it was opened in. Its
// addresses and routes go away with it.
type Kernel struct {
	file *fdwait.File
	name string
	// index and mtu are the interface's.
	index, mtu int
	// routes is for changes of routes, in the namespace of the device.
	routes *netlink.Handle
	// sources are Config.Sources.
	sources map[netip.Prefix]netip.Addr
	// flush is the file that has the kernel forget what ICMP errors have told it of IPv4
	// routes, nil if there is none.
	flush  *os.File
	reader reader
	writer writer
}

var _ Device = (*Kernel)(nil)

// Open makes the device, gives it its addresses and routes, and brings it up. On
// an error nothing is left behind.
func Open(c Config) (*Kernel, error) { return open(c, wishes) }

func open(c Config, wishes []offloads) (*Kernel, error) {
	if _, err := net.InterfaceByName(c.Name); err == nil {
		return nil, fmt.Errorf("interface %s exists already: choose another name in the configuration (interface = \"…\"), or remove it with 'ip link delete %s'", c.Name, c.Name)
	}
	fd, err := create(c.Name)
	if err != nil {
		return nil, explain(c.Name, err)
	}
	k := &Kernel{writer: writer{granted: negotiate(fd, wishes)}}
	k.reader.drain, k.writer.writeAll = k.reader.drainQueue, k.writer.writePackets
	if k.file, err = fdwait.New(fd); err != nil {
		return nil, fmt.Errorf("tun: %s: %w", c.Name, err)
	}
	if err := k.configure(c); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// create makes a device of that name, which must be new, and returns its file
// descriptor, which does not block.
func create(name string) (int, error) {
	fd, err := unix.Open(cloneDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_TUN_EXCL)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

func explain(name string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("cannot open "+cloneDevice+": load the kernel module with 'modprobe tun', or give the container the device: %w", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("may not make TUN device %s: run as root or with CAP_NET_ADMIN: %w", name, err)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("interface %s cannot be made, the name may be in use: %w", name, err)
	}
	return fmt.Errorf("tun: %s: %w", name, err)
}

func (k *Kernel) configure(c Config) error {
	link, err := netlink.LinkByName(c.Name)
	if err != nil {
		return fmt.Errorf("tun: %s: %w", c.Name, err)
	}
	k.name, k.index, k.mtu, k.sources = c.Name, link.Attrs().Index, c.MTU, c.Sources
	if err := netlink.LinkSetMTU(link, c.MTU); err != nil {
		return fmt.Errorf("tun: MTU %d of %s: %w", c.MTU, c.Name, err)
	}
	limitSuperPackets(link, c.MTU)
	quiet(c.Name)
	for _, a := range c.Addresses {
		// An address of one's own needs no duplicate address detection.
		addr := &netlink.Addr{IPNet: ipNet(a)}
		if a.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("tun: address %s on %s: %w", a, c.Name, addressError(a, err))
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("tun: %s up: %w", c.Name, err)
	}
	return k.addRoutes(c)
}

// addressError explains why a device of ours cannot have an address.
func addressError(a netip.Prefix, err error) error {
	off := errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT)
	if a.Addr().Is6() && off {
		return fmt.Errorf("IPv6 is off on this host, and cannot be turned on for the device alone: "+
			"boot without ipv6.disable=1, or set the sysctl net.ipv6.conf.default.disable_ipv6 to 0: %w", err)
	}
	return err
}

// quiet has IPv6 on the device, be it off on others, and keeps the kernel from talking on it
// on its own account: there are neither routers nor listeners to multicast behind it. That
// this may not work is no harm; without IPv6 the addresses tell.
func quiet(name string) {
	dir := "/proc/sys/net/ipv6/conf/" + name + "/"
	_ = os.WriteFile(dir+"disable_ipv6", []byte("0"), 0)
	_ = os.WriteFile(dir+"addr_gen_mode", []byte("1"), 0) // no link-local address
	_ = os.WriteFile(dir+"router_solicitations", []byte("0"), 0)
	_ = os.WriteFile(dir+"accept_dad", []byte("0"), 0)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Index returns the index of the interface.
func (k *Kernel) Index() int { return k.index }

// Close implements Device. It may be called again.
func (k *Kernel) Close() error {
	err := k.file.Close()
	if k.routes != nil {
		k.routes.Close()
	}
	if k.flush != nil {
		k.flush.Close()
	}
	return err
}
