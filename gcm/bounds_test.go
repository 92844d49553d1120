package gcm

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// fenced returns a page of memory between two that may not be touched.
func fenced(t *testing.T) []byte {
	t.Helper()
	size := unix.Getpagesize()
	m, err := unix.Mmap(-1, 0, 3*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	for _, fence := range [][]byte{m[:size], m[2*size:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return m[size : 2*size : 2*size]
}

// TestBounds: nothing before or behind what is given is touched, of any length. A touch ends
// the test program.
func TestBounds(t *testing.T) { each(t, bounds) }

func bounds(t *testing.T, ours maker) {
	r := rand.New(rand.NewPCG(9, 10))
	a, nonce, data := ours(newKey(r)), random(r, NonceSize), random(r, 8)
	plain, sealed := fenced(t), fenced(t)
	for n := range 600 {
		for _, atEnd := range []bool{true, false} {
			p, s := plain[:n], sealed[:n+TagSize]
			if atEnd {
				p, s = plain[len(plain)-n:], sealed[len(sealed)-n-TagSize:]
			}
			a.Seal(s[:0], nonce, p, data)
			if _, err := a.Open(p[:0], nonce, s, data); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
	}
}
