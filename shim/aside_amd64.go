//go:build !purego

package shim

// storeLines stores the whole lines of src past the caches to dst, which begins with a line
// and is as long. It returns how many bytes those are.
func storeLines(dst, src []byte) int {
	lines := len(src) / line
	if lines > 0 {
		storeAside(&dst[0], &src[0], lines)
	}
	return lines * line
}

// storeAside stores lines of 64 bytes. dst is aligned to a line.
//
//go:noescape
func storeAside(dst, src *byte, lines int)
