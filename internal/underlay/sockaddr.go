package underlay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddrLen is the length of a sockaddr.
const sockaddrLen = unix.SizeofSockaddrInet6

// A sockaddr has room for the socket address of either family.
type sockaddr struct{ unix.RawSockaddrInet6 }

// bytes returns where a begins, for a system call.
func (a *sockaddr) bytes() *byte { return (*byte)(unsafe.Pointer(a)) }

func (a *sockaddr) inet4() *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
}

// set makes a the address of remote, without its zone, and returns its length.
func (a *sockaddr) set(remote netip.AddrPort) (size uint32) {
	*a = sockaddr{}
	port := bigEndian(remote.Port())
	if remote.Addr().Is4() {
		*a.inet4() = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: remote.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	a.RawSockaddrInet6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: remote.Addr().As16()}
	return unix.SizeofSockaddrInet6
}

// get returns what the kernel has put in a.
func (a *sockaddr) get() netip.AddrPort {
	if a.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4(a.inet4().Addr), bigEndian(a.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), bigEndian(a.Port))
}

// bigEndian converts between a number and how the network orders its bytes.
func bigEndian(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
