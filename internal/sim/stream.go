package sim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
)

// A stream is an endless sequence of pseudo-random bytes of which any part can
// be computed: the sender of a connection needs no buffer, and its receiver
// knows what byte to expect where. Each direction of each connection has its
// own, so that bytes that stray are found out.
type stream uint64

// streamOf returns the stream that src sends to dst.
func streamOf(src, dst netip.AddrPort) stream {
	h := fnv.New64a()
	for _, a := range [...]netip.AddrPort{src, dst} {
		b, _ := a.MarshalBinary() // never fails
		h.Write(b)
	}
	return stream(h.Sum64())
}

// fill sets b to the bytes from position pos on.
func (s stream) fill(b []byte, pos int64) {
	var word [8]byte
	for i := 0; i < len(b); {
		at := pos + int64(i)
		binary.LittleEndian.PutUint64(word[:], s.word(uint64(at/8)))
		i += copy(b[i:], word[at%8:])
	}
}

// check compares b with the bytes from position pos on.
func (s stream) check(b []byte, pos int64) error {
	want := make([]byte, len(b))
	s.fill(want, pos)
	for i := range b {
		if b[i] != want[i] {
			return fmt.Errorf("sim: byte %d of the stream is %#02x, want %#02x", pos+int64(i), b[i], want[i])
		}
	}
	return nil
}

// word returns 8 bytes of s: the output function of SplitMix64.
func (s stream) word(i uint64) uint64 {
	x := uint64(s) + (i+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
