package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
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
}

// Kernel is a TUN device of the network namespace it was opened in. Its
// addresses and routes go away with it.
type Kernel struct {
	dev   wgtun.Device
	index int
}

// Open makes the device, gives it its addresses and routes, and brings it up. On
// an error nothing is left behind.
func Open(c Config) (*Kernel, error) {
	if _, err := net.InterfaceByName(c.Name); err == nil {
		return nil, fmt.Errorf("interface %s exists already: choose another name in the configuration (interface = \"…\"), or remove it with 'ip link delete %s'", c.Name, c.Name)
	}
	dev, err := create(c.Name)
	if err != nil {
		return nil, explain(c.Name, err)
	}
	k := &Kernel{dev: dev}
	if err := k.configure(c); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// create makes a device of that name, which must be new. wireguard/tun drives its
// offloads, but does not watch it: what its watcher says of the interface is not
// needed, and a hiccup of that would end the node.
func create(name string) (wgtun.Device, error) {
	fd, err := unix.Open(cloneDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_TUN_EXCL)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		unix.Close(fd)
		return nil, err
	}
	dev, _, err := wgtun.CreateUnmonitoredTUNFromFD(fd)
	return dev, err
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
	k.index = link.Attrs().Index
	if err := netlink.LinkSetMTU(link, c.MTU); err != nil {
		return fmt.Errorf("tun: MTU %d of %s: %w", c.MTU, c.Name, err)
	}
	quiet(c.Name)
	for _, a := range c.Addresses {
		// An address of one's own needs no duplicate address detection.
		addr := &netlink.Addr{IPNet: ipNet(a)}
		if a.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("tun: address %s on %s: %w", a, c.Name, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("tun: %s up: %w", c.Name, err)
	}
	for _, r := range c.Routes {
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: k.index, Dst: ipNet(r), Scope: netlink.SCOPE_LINK}); err != nil {
			return fmt.Errorf("tun: route %s by %s: %w", r, c.Name, routeError(err))
		}
	}
	return nil
}

// quiet keeps the kernel from talking on the device on its own account: there are
// neither routers nor listeners to multicast behind it. That it may not work is no
// harm.
func quiet(name string) {
	dir := "/proc/sys/net/ipv6/conf/" + name + "/"
	_ = os.WriteFile(dir+"addr_gen_mode", []byte("1"), 0) // no link-local address
	_ = os.WriteFile(dir+"router_solicitations", []byte("0"), 0)
	_ = os.WriteFile(dir+"accept_dad", []byte("0"), 0)
}

func routeError(err error) error {
	if errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("there is such a route already, remove it or the peer's entry: %w", err)
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Index returns the index of the interface.
func (k *Kernel) Index() int { return k.index }

// Read implements Device.
func (k *Kernel) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	for {
		n, err := k.dev.Read(bufs, sizes, offset)
		// A super-packet with more segments than fit: what fits is there.
		if errors.Is(err, wgtun.ErrTooManySegments) {
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write implements Device.
func (k *Kernel) Write(bufs [][]byte, offset int) (int, error) { return k.dev.Write(bufs, offset) }

// BatchSize implements Device.
func (k *Kernel) BatchSize() int { return k.dev.BatchSize() }

// Close implements Device.
func (k *Kernel) Close() error { return k.dev.Close() }
