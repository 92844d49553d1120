package shim

import (
	"bytes"
	"testing"
)

// TestCopyAside copies all short lengths from and to all places in a line, and long ones, and
// looks at what is around them.
func TestCopyAside(t *testing.T) {
	const most = 60_000
	src := make([]byte, most+2*line)
	for i := range src {
		src[i] = byte(i*7+i>>8) | 1
	}
	dst, want := make([]byte, len(src)), make([]byte, len(src))
	check := func(to, from, n int) {
		t.Helper()
		clear(dst)
		clear(want)
		copyAside(dst[to:], src[from:from+n])
		copy(want[to:], src[from:from+n])
		if !bytes.Equal(dst, want) {
			t.Fatalf("%d bytes from %d to %d: not copied, or more than they", n, from, to)
		}
	}
	for _, n := range []int{1200, 9000, most - 1, most} {
		for at := range line {
			check(at, line-1-at, n)
		}
	}
	src, dst, want = src[:6*line], dst[:6*line], want[:6*line]
	for n := range 4*line + 1 {
		for to := range line {
			check(to, n%line, n)
		}
	}
}

func BenchmarkCopyAside(b *testing.B) {
	ring, pkt := make([]byte, 64<<20), make([]byte, 52_800) // longer than caches
	for _, c := range []struct {
		name string
		copy func(dst, src []byte)
	}{{"aside", copyAside}, {"copy", func(dst, src []byte) { copy(dst, src) }}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(pkt)))
			at := 0
			for b.Loop() {
				c.copy(ring[at:], pkt)
				if at += len(pkt); at+len(pkt) > len(ring) {
					at = 0
				}
			}
		})
	}
}
