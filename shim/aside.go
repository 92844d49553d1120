package shim

import "unsafe"

// A line is what caches hold and what is stored past them at a time, in bytes.
const line = 64

// copyAside copies src to the start of dst, which does not overlap it, past the processor's
// caches where it can. It is for what is hardly ever read: that would drive out what is.
func copyAside(dst, src []byte) {
	dst = dst[:len(src)]
	toLine := int(-uintptr(unsafe.Pointer(unsafe.SliceData(dst))) % line)
	n := copy(dst, src[:min(toLine, len(src))])
	n += storeLines(dst[n:], src[n:])
	copy(dst[n:], src[n:])
}
