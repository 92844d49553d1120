package underlay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An ICMPError is what a router or a host says of a datagram that this node sent,
// as far as the kernel tells. Nothing vouches for it: the kernel has only compared
// ports and addresses.
type ICMPError struct {
	// Local is the address that the error came to, which is the source of the
	// datagram; Remote is the datagram's destination.
	Local  netip.Addr
	Remote netip.AddrPort
	// Offender is who says so. It may be this node: nobody answers on the link.
	Offender netip.Addr
	// Type and Code are those of ICMP if Remote is an IPv4 address, else of
	// ICMPv6.
	Type, Code uint8
	// Errno is what the kernel makes of them.
	Errno unix.Errno
	// MTU is, if TooBig, what the link carries, in bytes of IP packets; zero: it was
	// not told.
	MTU int
	// Quote is how the datagram's payload begins. RFC 792 promises nothing of it,
	// RFC 1812 §4.3.2.3 and RFC 4443 §2.4 as much as fits.
	Quote []byte
}

// The types and codes that matter (RFC 792, RFC 4443 §3).
const (
	icmp4Unreachable = 3
	icmp4TooLong     = 4 // a code of icmp4Unreachable (RFC 1191 §4)
	icmp4Exceeded    = 11
	icmp4Parameter   = 12
	icmp6Unreachable = 1
	icmp6TooBig      = 2
	icmp6Exceeded    = 3
	icmp6Parameter   = 4
)

// TooBig reports whether the datagram was too long for a link on the way. That
// says nothing of others.
func (e *ICMPError) TooBig() bool {
	if e.Remote.Addr().Is4() {
		return e.Type == icmp4Unreachable && e.Code == icmp4TooLong
	}
	return e.Type == icmp6TooBig
}

// Undelivered reports whether the datagram did not arrive for a reason that may
// hold for others too.
func (e *ICMPError) Undelivered() bool {
	if e.TooBig() {
		return false
	}
	if e.Remote.Addr().Is4() {
		return e.Type == icmp4Unreachable || e.Type == icmp4Exceeded || e.Type == icmp4Parameter
	}
	return e.Type == icmp6Unreachable || e.Type == icmp6Exceeded || e.Type == icmp6Parameter
}

// extendedErrLen is the length of struct sock_extended_err (ip(7)), which the
// offender's address follows.
const extendedErrLen = int(unsafe.Sizeof(unix.SockExtendedErr{}))

// parse takes from b, the control messages of an entry of the error queue,
// all but Remote and Quote. It reports false if the entry is not of ICMP but says
// that this kernel would not send (SO_EE_ORIGIN_LOCAL), which Send has returned.
func (e *ICMPError) parse(b []byte) (ok bool) {
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(b) {
			return ok
		}
		data := b[unix.CmsgLen(0):size]
		is6 := h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR
		if is6 || h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR {
			ok = e.parseExtended(data)
		}
		b = b[min(unix.CmsgSpace(len(data)), len(b)):]
	}
	return ok
}

// parseExtended reads struct sock_extended_err and the socket address after it.
func (e *ICMPError) parseExtended(data []byte) bool {
	if len(data) < extendedErrLen {
		return false
	}
	// errno (32), origin (8), type (8), code (8), pad (8), info (32), data (32)
	e.Errno = unix.Errno(binary.NativeEndian.Uint32(data))
	e.Type, e.Code = data[5], data[6]
	if origin := data[4]; origin != unix.SO_EE_ORIGIN_ICMP && origin != unix.SO_EE_ORIGIN_ICMP6 {
		return false
	}
	if e.Errno == unix.EMSGSIZE {
		e.MTU = int(binary.NativeEndian.Uint32(data[8:]))
	}
	offender := data[extendedErrLen:]
	switch {
	case len(offender) >= unix.SizeofSockaddrInet6 && family(offender) == unix.AF_INET6:
		// family (16), port (16), flow (32), address (128), scope (32)
		e.Offender = netip.AddrFrom16([16]byte(offender[8:])).Unmap()
	case len(offender) >= unix.SizeofSockaddrInet4 && family(offender) == unix.AF_INET:
		// family (16), port (16), address (32)
		e.Offender = netip.AddrFrom4([4]byte(offender[4:]))
	}
	return true
}

func family(sockaddr []byte) uint16 { return binary.NativeEndian.Uint16(sockaddr) }
