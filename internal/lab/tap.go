package lab

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

const tunDevice = "/dev/net/tun"

// Offloads (linux/if_tun.h) with which the kernel hands over super-frames: TCP
// since 2.6.27, UDP since 6.2. x/sys/unix has the names of the former only.
const (
	offloadTCP = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	offloadUDP = 0x20 | 0x40 // TUN_F_USO4 | TUN_F_USO6
)

// txQueue is how many frames wait in the kernel for the emulator's thread.
const txQueue = 4096

// A tap is a TAP device with virtio-net headers, and its file descriptor. The
// device goes when the descriptor is closed.
type tap struct {
	fd   int
	name string
	host *Host
}

// newTap makes a TAP device in h, down.
func newTap(h *Host, name string, mtu int) (*tap, error) {
	t := &tap{fd: -1, name: name, host: h}
	if err := h.Do(t.open); err != nil {
		return nil, err
	}
	if err := t.setup(mtu); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// open makes the device in the calling thread's namespace.
func (t *tap) open() error {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("lab: %s is missing (load the tun module, or give the container the device): %w", tunDevice, err)
	case err != nil:
		return fmt.Errorf("lab: opening %s: %w", tunDevice, err)
	}
	req, err := unix.NewIfreq(t.name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("lab: TAP device %s: %w", t.name, err), unix.Close(fd))
	}
	t.fd = fd
	return nil
}

func (t *tap) setup(mtu int) error {
	link, err := t.host.nl.LinkByName(t.name)
	if err != nil {
		return fmt.Errorf("lab: interface %s: %w", t.name, err)
	}
	if err := t.host.nl.LinkSetMTU(link, mtu); err != nil {
		return fmt.Errorf("lab: MTU %d on %s: %w", mtu, t.name, err)
	}
	if err := t.host.nl.LinkSetTxQLen(link, txQueue); err != nil {
		return fmt.Errorf("lab: queue of %s: %w", t.name, err)
	}
	return nil
}

// setSuperFrames says whether the kernel may hand over super-frames.
func (t *tap) setSuperFrames(on bool) error {
	if !on {
		return t.offload(0)
	}
	if err := t.offload(offloadTCP | offloadUDP); !errors.Is(err, unix.EINVAL) {
		return err
	}
	return t.offload(offloadTCP) // a kernel before 6.2
}

func (t *tap) offload(features int) error {
	if err := unix.IoctlSetInt(t.fd, unix.TUNSETOFFLOAD, features); err != nil {
		return fmt.Errorf("lab: offloads of %s: %w", t.name, err)
	}
	return nil
}

// setCarrier plugs the cable in or out, as the device's host sees it.
func (t *tap) setCarrier(on bool) error {
	v := 0
	if on {
		v = 1
	}
	if err := unix.IoctlSetPointerInt(t.fd, unix.TUNSETCARRIER, v); err != nil {
		return fmt.Errorf("lab: carrier of %s: %w", t.name, err)
	}
	return nil
}

func (t *tap) close() error { return unix.Close(t.fd) }
